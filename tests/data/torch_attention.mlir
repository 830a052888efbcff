module {
  func.func @main(%arg0: tensor<2x3x3xf32>) -> tensor<2x2xf32> {
    %cst = stablehlo.constant dense<0.000000e+00> : tensor<2x2x3x3xf32>
    %cst_0 = stablehlo.constant dense_resource<torch_tensor_2_torch.float32> : tensor<2xf32>
    %cst_1 = stablehlo.constant dense_resource<torch_tensor_2_4_torch.float32> : tensor<2x4xf32>
    %cst_2 = stablehlo.constant dense_resource<torch_tensor_4_torch.float32_3> : tensor<4xf32>
    %cst_3 = stablehlo.constant dense_resource<torch_tensor_4_4_torch.float32> : tensor<4x4xf32>
    %cst_4 = stablehlo.constant dense_resource<torch_tensor_12_torch.float32> : tensor<12xf32>
    %cst_5 = stablehlo.constant dense_resource<torch_tensor_12_4_torch.float32> : tensor<12x4xf32>
    %cst_6 = stablehlo.constant dense_resource<torch_tensor_4_torch.float32_2> : tensor<4xf32>
    %cst_7 = stablehlo.constant dense_resource<torch_tensor_4_torch.float32_1> : tensor<4xf32>
    %cst_8 = stablehlo.constant dense_resource<torch_tensor_4_torch.float32> : tensor<4xf32>
    %cst_9 = stablehlo.constant dense_resource<torch_tensor_4_3_torch.float32> : tensor<4x3xf32>
    %cst_10 = stablehlo.constant dense<0.000000e+00> : tensor<f64>
    %cst_11 = stablehlo.constant dense<0.000000e+00> : tensor<f32>
    %cst_12 = stablehlo.constant dense<1.000000e+00> : tensor<2x3x4xf32>
    %cst_13 = stablehlo.constant dense<2.000000e+00> : tensor<2x3x4xf32>
    %cst_14 = stablehlo.constant dense<5.000000e-01> : tensor<2x3x4xf32>
    %cst_15 = stablehlo.constant dense<-4.000000e+00> : tensor<2x3x4xf32>
    %cst_16 = stablehlo.constant dense<4.000000e+00> : tensor<2x3x4xf32>
    %cst_17 = stablehlo.constant dense<-2.72614237E-10> : tensor<2x3x4xf32>
    %cst_18 = stablehlo.constant dense<2.77068146E-8> : tensor<2x3x4xf32>
    %cst_19 = stablehlo.constant dense<-2.10102394E-6> : tensor<2x3x4xf32>
    %cst_20 = stablehlo.constant dense<-5.69250624E-5> : tensor<2x3x4xf32>
    %cst_21 = stablehlo.constant dense<-7.34990637E-4> : tensor<2x3x4xf32>
    %cst_22 = stablehlo.constant dense<-2.954600e-03> : tensor<2x3x4xf32>
    %cst_23 = stablehlo.constant dense<-0.0160960332> : tensor<2x3x4xf32>
    %cst_24 = stablehlo.constant dense<-1.45660715E-5> : tensor<2x3x4xf32>
    %cst_25 = stablehlo.constant dense<-2.13374049E-4> : tensor<2x3x4xf32>
    %cst_26 = stablehlo.constant dense<-0.00168282702> : tensor<2x3x4xf32>
    %cst_27 = stablehlo.constant dense<-0.00737332925> : tensor<2x3x4xf32>
    %cst_28 = stablehlo.constant dense<-0.0142647391> : tensor<2x3x4xf32>
    %cst_29 = stablehlo.constant dense<-1.000000e+00> : tensor<2x3x4xf32>
    %cst_30 = stablehlo.constant dense<0xFF800000> : tensor<f32>
    %c = stablehlo.constant dense<true> : tensor<i1>
    %cst_31 = arith.constant dense<1> : tensor<1xi64>
    %cst_32 = arith.constant dense<4> : tensor<1xi64>
    %cst_33 = arith.constant dense<1.000000e-05> : tensor<1xf64>
    %cst_34 = arith.constant dense<0.8408964152537145> : tensor<1xf64>
    %cst_35 = arith.constant dense<0xFFF0000000000000> : tensor<1xf64>
    %cst_36 = arith.constant dense<3> : tensor<1xi64>
    %0 = stablehlo.reshape %arg0 : (tensor<2x3x3xf32>) -> tensor<6x3xf32>
    %1 = stablehlo.transpose %cst_9, dims = [1, 0] : (tensor<4x3xf32>) -> tensor<3x4xf32>
    %2 = stablehlo.dot_general %0, %1, contracting_dims = [1] x [0] : (tensor<6x3xf32>, tensor<3x4xf32>) -> tensor<6x4xf32>
    %3 = stablehlo.convert %cst_31 : (tensor<1xi64>) -> tensor<1xf32>
    %4 = stablehlo.reshape %3 : (tensor<1xf32>) -> tensor<f32>
    %5 = stablehlo.broadcast_in_dim %4, dims = [] : (tensor<f32>) -> tensor<6x4xf32>
    %6 = stablehlo.multiply %2, %5 : tensor<6x4xf32>
    %7 = stablehlo.broadcast_in_dim %4, dims = [] : (tensor<f32>) -> tensor<4xf32>
    %8 = stablehlo.multiply %7, %cst_8 : tensor<4xf32>
    %9 = stablehlo.broadcast_in_dim %8, dims = [1] : (tensor<4xf32>) -> tensor<6x4xf32>
    %10 = stablehlo.add %6, %9 : tensor<6x4xf32>
    %11 = stablehlo.reshape %10 : (tensor<6x4xf32>) -> tensor<2x3x4xf32>
    %12 = stablehlo.convert %11 : (tensor<2x3x4xf32>) -> tensor<2x3x4xf64>
    %13 = stablehlo.reduce(%12 init: %cst_10) applies stablehlo.add across dimensions = [2] : (tensor<2x3x4xf64>, tensor<f64>) -> tensor<2x3xf64>
    %14 = stablehlo.reshape %13 : (tensor<2x3xf64>) -> tensor<2x3x1xf64>
    %15 = stablehlo.convert %cst_32 : (tensor<1xi64>) -> tensor<1xf64>
    %16 = stablehlo.reshape %15 : (tensor<1xf64>) -> tensor<f64>
    %17 = stablehlo.broadcast_in_dim %16, dims = [] : (tensor<f64>) -> tensor<2x3x1xf64>
    %18 = stablehlo.divide %14, %17 : tensor<2x3x1xf64>
    %19 = stablehlo.broadcast_in_dim %18, dims = [0, 1, 2] : (tensor<2x3x1xf64>) -> tensor<2x3x4xf64>
    %20 = stablehlo.subtract %12, %19 : tensor<2x3x4xf64>
    %21 = stablehlo.multiply %20, %20 : tensor<2x3x4xf64>
    %22 = stablehlo.reduce(%21 init: %cst_10) applies stablehlo.add across dimensions = [2] : (tensor<2x3x4xf64>, tensor<f64>) -> tensor<2x3xf64>
    %23 = stablehlo.reshape %22 : (tensor<2x3xf64>) -> tensor<2x3x1xf64>
    %24 = stablehlo.divide %23, %17 : tensor<2x3x1xf64>
    %25 = stablehlo.convert %24 : (tensor<2x3x1xf64>) -> tensor<2x3x1xf32>
    %26 = stablehlo.reduce(%11 init: %cst_11) applies stablehlo.add across dimensions = [2] : (tensor<2x3x4xf32>, tensor<f32>) -> tensor<2x3xf32>
    %27 = stablehlo.reshape %26 : (tensor<2x3xf32>) -> tensor<2x3x1xf32>
    %28 = stablehlo.convert %cst_32 : (tensor<1xi64>) -> tensor<1xf32>
    %29 = stablehlo.reshape %28 : (tensor<1xf32>) -> tensor<f32>
    %30 = stablehlo.broadcast_in_dim %29, dims = [] : (tensor<f32>) -> tensor<2x3x1xf32>
    %31 = stablehlo.divide %27, %30 : tensor<2x3x1xf32>
    %32 = stablehlo.convert %cst_33 : (tensor<1xf64>) -> tensor<1xf32>
    %33 = stablehlo.reshape %32 : (tensor<1xf32>) -> tensor<f32>
    %34 = stablehlo.broadcast_in_dim %33, dims = [] : (tensor<f32>) -> tensor<2x3x1xf32>
    %35 = stablehlo.add %25, %34 : tensor<2x3x1xf32>
    %36 = stablehlo.rsqrt %35 : tensor<2x3x1xf32>
    %37 = stablehlo.broadcast_in_dim %31, dims = [0, 1, 2] : (tensor<2x3x1xf32>) -> tensor<2x3x4xf32>
    %38 = stablehlo.subtract %11, %37 : tensor<2x3x4xf32>
    %39 = stablehlo.broadcast_in_dim %36, dims = [0, 1, 2] : (tensor<2x3x1xf32>) -> tensor<2x3x4xf32>
    %40 = stablehlo.multiply %38, %39 : tensor<2x3x4xf32>
    %41 = stablehlo.broadcast_in_dim %cst_7, dims = [2] : (tensor<4xf32>) -> tensor<2x3x4xf32>
    %42 = stablehlo.multiply %40, %41 : tensor<2x3x4xf32>
    %43 = stablehlo.broadcast_in_dim %cst_6, dims = [2] : (tensor<4xf32>) -> tensor<2x3x4xf32>
    %44 = stablehlo.add %42, %43 : tensor<2x3x4xf32>
    %45 = stablehlo.multiply %44, %cst_14 : tensor<2x3x4xf32>
    %46 = stablehlo.rsqrt %cst_13 : tensor<2x3x4xf32>
    %47 = stablehlo.multiply %44, %46 : tensor<2x3x4xf32>
    %48 = stablehlo.clamp %cst_15, %47, %cst_16 : tensor<2x3x4xf32>
    %49 = stablehlo.multiply %48, %48 : tensor<2x3x4xf32>
    %50 = stablehlo.multiply %cst_17, %49 : tensor<2x3x4xf32>
    %51 = stablehlo.add %50, %cst_18 : tensor<2x3x4xf32>
    %52 = stablehlo.multiply %51, %49 : tensor<2x3x4xf32>
    %53 = stablehlo.add %52, %cst_19 : tensor<2x3x4xf32>
    %54 = stablehlo.multiply %53, %49 : tensor<2x3x4xf32>
    %55 = stablehlo.add %54, %cst_20 : tensor<2x3x4xf32>
    %56 = stablehlo.multiply %55, %49 : tensor<2x3x4xf32>
    %57 = stablehlo.add %56, %cst_21 : tensor<2x3x4xf32>
    %58 = stablehlo.multiply %57, %49 : tensor<2x3x4xf32>
    %59 = stablehlo.add %58, %cst_22 : tensor<2x3x4xf32>
    %60 = stablehlo.multiply %59, %49 : tensor<2x3x4xf32>
    %61 = stablehlo.add %60, %cst_23 : tensor<2x3x4xf32>
    %62 = stablehlo.multiply %cst_24, %49 : tensor<2x3x4xf32>
    %63 = stablehlo.add %62, %cst_25 : tensor<2x3x4xf32>
    %64 = stablehlo.multiply %63, %49 : tensor<2x3x4xf32>
    %65 = stablehlo.add %64, %cst_26 : tensor<2x3x4xf32>
    %66 = stablehlo.multiply %65, %49 : tensor<2x3x4xf32>
    %67 = stablehlo.add %66, %cst_27 : tensor<2x3x4xf32>
    %68 = stablehlo.multiply %67, %49 : tensor<2x3x4xf32>
    %69 = stablehlo.add %68, %cst_28 : tensor<2x3x4xf32>
    %70 = stablehlo.multiply %48, %61 : tensor<2x3x4xf32>
    %71 = stablehlo.divide %70, %69 : tensor<2x3x4xf32>
    %72 = stablehlo.clamp %cst_29, %71, %cst_12 : tensor<2x3x4xf32>
    %73 = stablehlo.add %72, %cst_12 : tensor<2x3x4xf32>
    %74 = stablehlo.multiply %73, %45 : tensor<2x3x4xf32>
    %75 = stablehlo.transpose %74, dims = [1, 0, 2] : (tensor<2x3x4xf32>) -> tensor<3x2x4xf32>
    %76 = stablehlo.transpose %cst_5, dims = [1, 0] : (tensor<12x4xf32>) -> tensor<4x12xf32>
    %77 = stablehlo.reshape %75 : (tensor<3x2x4xf32>) -> tensor<3x2x4xf32>
    %78 = stablehlo.broadcast_in_dim %76, dims = [1, 2] : (tensor<4x12xf32>) -> tensor<3x4x12xf32>
    %79 = stablehlo.reshape %78 : (tensor<3x4x12xf32>) -> tensor<3x4x12xf32>
    %80 = stablehlo.broadcast_in_dim %79, dims = [0, 1, 2] : (tensor<3x4x12xf32>) -> tensor<3x4x12xf32>
    %81 = stablehlo.dot_general %77, %80, batching_dims = [0] x [0], contracting_dims = [2] x [1] : (tensor<3x2x4xf32>, tensor<3x4x12xf32>) -> tensor<3x2x12xf32>
    %82 = stablehlo.reshape %81 : (tensor<3x2x12xf32>) -> tensor<3x2x12xf32>
    %83 = stablehlo.broadcast_in_dim %cst_4, dims = [2] : (tensor<12xf32>) -> tensor<3x2x12xf32>
    %84 = stablehlo.add %82, %83 : tensor<3x2x12xf32>
    %85 = stablehlo.reshape %84 : (tensor<3x2x12xf32>) -> tensor<3x2x3x4xf32>
    %86 = stablehlo.reshape %85 : (tensor<3x2x3x4xf32>) -> tensor<1x3x2x3x4xf32>
    %87 = stablehlo.transpose %86, dims = [3, 1, 2, 0, 4] : (tensor<1x3x2x3x4xf32>) -> tensor<3x3x2x1x4xf32>
    %88 = stablehlo.reshape %87 : (tensor<3x3x2x1x4xf32>) -> tensor<3x3x2x4xf32>
    %89 = stablehlo.slice %88 [0:1, 0:3, 0:2, 0:4] : (tensor<3x3x2x4xf32>) -> tensor<1x3x2x4xf32>
    %90 = stablehlo.reshape %89 : (tensor<1x3x2x4xf32>) -> tensor<3x2x4xf32>
    %91 = stablehlo.slice %88 [1:2, 0:3, 0:2, 0:4] : (tensor<3x3x2x4xf32>) -> tensor<1x3x2x4xf32>
    %92 = stablehlo.reshape %91 : (tensor<1x3x2x4xf32>) -> tensor<3x2x4xf32>
    %93 = stablehlo.slice %88 [2:3, 0:3, 0:2, 0:4] : (tensor<3x3x2x4xf32>) -> tensor<1x3x2x4xf32>
    %94 = stablehlo.reshape %93 : (tensor<1x3x2x4xf32>) -> tensor<3x2x4xf32>
    %95 = stablehlo.reshape %90 : (tensor<3x2x4xf32>) -> tensor<3x4x2xf32>
    %96 = stablehlo.transpose %95, dims = [1, 0, 2] : (tensor<3x4x2xf32>) -> tensor<4x3x2xf32>
    %97 = stablehlo.reshape %92 : (tensor<3x2x4xf32>) -> tensor<3x4x2xf32>
    %98 = stablehlo.transpose %97, dims = [1, 0, 2] : (tensor<3x4x2xf32>) -> tensor<4x3x2xf32>
    %99 = stablehlo.reshape %94 : (tensor<3x2x4xf32>) -> tensor<3x4x2xf32>
    %100 = stablehlo.transpose %99, dims = [1, 0, 2] : (tensor<3x4x2xf32>) -> tensor<4x3x2xf32>
    %101 = stablehlo.reshape %96 : (tensor<4x3x2xf32>) -> tensor<2x2x3x2xf32>
    %102 = stablehlo.reshape %98 : (tensor<4x3x2xf32>) -> tensor<2x2x3x2xf32>
    %103 = stablehlo.reshape %100 : (tensor<4x3x2xf32>) -> tensor<2x2x3x2xf32>
    %104 = stablehlo.convert %cst_34 : (tensor<1xf64>) -> tensor<1xf32>
    %105 = stablehlo.reshape %104 : (tensor<1xf32>) -> tensor<f32>
    %106 = stablehlo.broadcast_in_dim %105, dims = [] : (tensor<f32>) -> tensor<2x2x3x2xf32>
    %107 = stablehlo.multiply %101, %106 : tensor<2x2x3x2xf32>
    %108 = stablehlo.transpose %102, dims = [0, 1, 3, 2] : (tensor<2x2x3x2xf32>) -> tensor<2x2x2x3xf32>
    %109 = stablehlo.broadcast_in_dim %105, dims = [] : (tensor<f32>) -> tensor<2x2x2x3xf32>
    %110 = stablehlo.multiply %108, %109 : tensor<2x2x2x3xf32>
    %111 = stablehlo.reshape %107 : (tensor<2x2x3x2xf32>) -> tensor<4x3x2xf32>
    %112 = stablehlo.reshape %110 : (tensor<2x2x2x3xf32>) -> tensor<4x2x3xf32>
    %113 = stablehlo.broadcast_in_dim %112, dims = [0, 1, 2] : (tensor<4x2x3xf32>) -> tensor<4x2x3xf32>
    %114 = stablehlo.dot_general %111, %113, batching_dims = [0] x [0], contracting_dims = [2] x [1] : (tensor<4x3x2xf32>, tensor<4x2x3xf32>) -> tensor<4x3x3xf32>
    %115 = stablehlo.reshape %114 : (tensor<4x3x3xf32>) -> tensor<2x2x3x3xf32>
    %116 = stablehlo.reduce(%115 init: %cst_30) applies stablehlo.maximum across dimensions = [3] : (tensor<2x2x3x3xf32>, tensor<f32>) -> tensor<2x2x3xf32>
    %117 = stablehlo.reshape %116 : (tensor<2x2x3xf32>) -> tensor<2x2x3x1xf32>
    %118 = stablehlo.broadcast_in_dim %117, dims = [0, 1, 2, 3] : (tensor<2x2x3x1xf32>) -> tensor<2x2x3x3xf32>
    %119 = stablehlo.subtract %115, %118 : tensor<2x2x3x3xf32>
    %120 = stablehlo.exponential %119 : tensor<2x2x3x3xf32>
    %121 = stablehlo.reduce(%120 init: %cst_11) applies stablehlo.add across dimensions = [3] : (tensor<2x2x3x3xf32>, tensor<f32>) -> tensor<2x2x3xf32>
    %122 = stablehlo.reshape %121 : (tensor<2x2x3xf32>) -> tensor<2x2x3x1xf32>
    %123 = stablehlo.broadcast_in_dim %122, dims = [0, 1, 2, 3] : (tensor<2x2x3x1xf32>) -> tensor<2x2x3x3xf32>
    %124 = stablehlo.divide %120, %123 : tensor<2x2x3x3xf32>
    %125 = stablehlo.convert %cst_35 : tensor<1xf64>
    %126 = stablehlo.reshape %125 : (tensor<1xf64>) -> tensor<f64>
    %127 = stablehlo.convert %126 : (tensor<f64>) -> tensor<f32>
    %128 = stablehlo.broadcast_in_dim %127, dims = [] : (tensor<f32>) -> tensor<2x2x3x3xf32>
    %129 = stablehlo.compare EQ, %115, %128, FLOAT : (tensor<2x2x3x3xf32>, tensor<2x2x3x3xf32>) -> tensor<2x2x3x3xi1>
    %130 = stablehlo.reduce(%129 init: %c) applies stablehlo.and across dimensions = [3] : (tensor<2x2x3x3xi1>, tensor<i1>) -> tensor<2x2x3xi1>
    %131 = stablehlo.reshape %130 : (tensor<2x2x3xi1>) -> tensor<2x2x3x1xi1>
    %132 = stablehlo.broadcast_in_dim %131, dims = [0, 1, 2, 3] : (tensor<2x2x3x1xi1>) -> tensor<2x2x3x3xi1>
    %133 = stablehlo.broadcast_in_dim %cst, dims = [0, 1, 2, 3] : (tensor<2x2x3x3xf32>) -> tensor<2x2x3x3xf32>
    %134 = stablehlo.broadcast_in_dim %124, dims = [0, 1, 2, 3] : (tensor<2x2x3x3xf32>) -> tensor<2x2x3x3xf32>
    %135 = stablehlo.select %132, %133, %134 : tensor<2x2x3x3xi1>, tensor<2x2x3x3xf32>
    %136 = stablehlo.reshape %135 : (tensor<2x2x3x3xf32>) -> tensor<4x3x3xf32>
    %137 = stablehlo.reshape %103 : (tensor<2x2x3x2xf32>) -> tensor<4x3x2xf32>
    %138 = stablehlo.broadcast_in_dim %137, dims = [0, 1, 2] : (tensor<4x3x2xf32>) -> tensor<4x3x2xf32>
    %139 = stablehlo.dot_general %136, %138, batching_dims = [0] x [0], contracting_dims = [2] x [1] : (tensor<4x3x3xf32>, tensor<4x3x2xf32>) -> tensor<4x3x2xf32>
    %140 = stablehlo.reshape %139 : (tensor<4x3x2xf32>) -> tensor<2x2x3x2xf32>
    %141 = stablehlo.transpose %140, dims = [2, 0, 1, 3] : (tensor<2x2x3x2xf32>) -> tensor<3x2x2x2xf32>
    %142 = stablehlo.transpose %141, dims = [1, 2, 0, 3] : (tensor<3x2x2x2xf32>) -> tensor<2x2x3x2xf32>
    %143 = stablehlo.transpose %142, dims = [2, 0, 1, 3] : (tensor<2x2x3x2xf32>) -> tensor<3x2x2x2xf32>
    %144 = stablehlo.reshape %143 : (tensor<3x2x2x2xf32>) -> tensor<6x4xf32>
    %145 = stablehlo.transpose %cst_3, dims = [1, 0] : (tensor<4x4xf32>) -> tensor<4x4xf32>
    %146 = stablehlo.dot_general %144, %145, contracting_dims = [1] x [0] : (tensor<6x4xf32>, tensor<4x4xf32>) -> tensor<6x4xf32>
    %147 = stablehlo.multiply %146, %5 : tensor<6x4xf32>
    %148 = stablehlo.multiply %7, %cst_2 : tensor<4xf32>
    %149 = stablehlo.broadcast_in_dim %148, dims = [1] : (tensor<4xf32>) -> tensor<6x4xf32>
    %150 = stablehlo.add %147, %149 : tensor<6x4xf32>
    %151 = stablehlo.reshape %150 : (tensor<6x4xf32>) -> tensor<3x2x4xf32>
    %152 = stablehlo.transpose %151, dims = [1, 0, 2] : (tensor<3x2x4xf32>) -> tensor<2x3x4xf32>
    %153 = stablehlo.add %74, %152 : tensor<2x3x4xf32>
    %154 = stablehlo.reshape %153 : (tensor<2x3x4xf32>) -> tensor<6x4xf32>
    %155 = stablehlo.transpose %cst_1, dims = [1, 0] : (tensor<2x4xf32>) -> tensor<4x2xf32>
    %156 = stablehlo.dot_general %154, %155, contracting_dims = [1] x [0] : (tensor<6x4xf32>, tensor<4x2xf32>) -> tensor<6x2xf32>
    %157 = stablehlo.broadcast_in_dim %4, dims = [] : (tensor<f32>) -> tensor<6x2xf32>
    %158 = stablehlo.multiply %156, %157 : tensor<6x2xf32>
    %159 = stablehlo.broadcast_in_dim %4, dims = [] : (tensor<f32>) -> tensor<2xf32>
    %160 = stablehlo.multiply %159, %cst_0 : tensor<2xf32>
    %161 = stablehlo.broadcast_in_dim %160, dims = [1] : (tensor<2xf32>) -> tensor<6x2xf32>
    %162 = stablehlo.add %158, %161 : tensor<6x2xf32>
    %163 = stablehlo.reshape %162 : (tensor<6x2xf32>) -> tensor<2x3x2xf32>
    %164 = stablehlo.tanh %163 : tensor<2x3x2xf32>
    %165 = stablehlo.reduce(%164 init: %cst_11) applies stablehlo.add across dimensions = [1] : (tensor<2x3x2xf32>, tensor<f32>) -> tensor<2x2xf32>
    %166 = stablehlo.convert %cst_36 : (tensor<1xi64>) -> tensor<1xf32>
    %167 = stablehlo.reshape %166 : (tensor<1xf32>) -> tensor<f32>
    %168 = stablehlo.broadcast_in_dim %167, dims = [] : (tensor<f32>) -> tensor<2x2xf32>
    %169 = stablehlo.divide %165, %168 : tensor<2x2xf32>
    return %169 : tensor<2x2xf32>
  }
}

{-#
  dialect_resources: {
    builtin: {
      torch_tensor_2_torch.float32: "0x040000005C43B73E48713F3E",
      torch_tensor_2_4_torch.float32: "0x0400000008AABF3DC880ACBDB882A8BD1C5F6ABE8CE4443E34A197BEDCB13B3E1676813E",
      torch_tensor_4_torch.float32_3: "0x0400000000000000000000000000000000000000",
      torch_tensor_4_4_torch.float32: "0x0400000060694A3E189B993E8C8DADBEFCF45EBE98F7393E4E94D43E48BDD2BD5C91BF3E400DA5BD10B5583D4ACDE73ECE7BEDBE6629A1BEE09E01BEDC9347BE282FDD3E",
      torch_tensor_12_torch.float32: "0x04000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000",
      torch_tensor_12_4_torch.float32: "0x04000000DC05B7BEC5C1063FAAE78B3E2FF6973E0BEA033D7BBEA0BE5B2ED43D735F12BFB28CE2BEF4A2A1BE29D2C53E01D5B73E140D8BBE6102B5BC4486C83EFDD81B3F67DF783ED96CA93D8238D23E279CB8BE87B3E93DCE15F3BE7A4ED9BE85F7A1BEB2DD8D3EB72E7C3E1BB9B9BE2E713D3E2D1FAC3E4A4B9EBD328ABF3C814B113E7482C23EEF86163F039EF1BE4DCD65BECA71763EB6E3013F8B6B083F22530A3F8497F93D7A5208BF23BE663D2426C4BE981912BF5F490B3F3066EE3E3B611CBF",
      torch_tensor_4_torch.float32_2: "0x0400000000000000000000000000000000000000",
      torch_tensor_4_torch.float32_1: "0x040000000000803F0000803F0000803F0000803F",
      torch_tensor_4_torch.float32: "0x04000000BD330DBFD6C5C3BE84B573BE0834AF3C",
      torch_tensor_4_3_torch.float32: "0x04000000E8A38DBB13939E3E7E4BF3BEC98BD9BEB1B463BE53891E3E406B3BBC7A61EA3E42DD51BDD2701C3E9EAB32BEEA6BE8BD"
    }
  }
#-}
