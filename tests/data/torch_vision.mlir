module {
  func.func @main(%arg0: tensor<2x2x8x8xf32>) -> tensor<2x3xf32> {
    %cst = stablehlo.constant dense<0.000000e+00> : tensor<2x2x4x4xf32>
    %cst_0 = stablehlo.constant dense_resource<torch_tensor_3_torch.float32> : tensor<3xf32>
    %cst_1 = stablehlo.constant dense_resource<torch_tensor_3_4_torch.float32> : tensor<3x4xf32>
    %cst_2 = stablehlo.constant dense_resource<torch_tensor_4_torch.float32_3> : tensor<4xf32>
    %cst_3 = stablehlo.constant dense_resource<torch_tensor_4_4_torch.float32> : tensor<4x4xf32>
    %cst_4 = stablehlo.constant dense_resource<torch_tensor_12_torch.float32> : tensor<12xf32>
    %cst_5 = stablehlo.constant dense_resource<torch_tensor_12_4_torch.float32> : tensor<12x4xf32>
    %cst_6 = stablehlo.constant dense_resource<torch_tensor_4_torch.float32_2> : tensor<4xf32>
    %cst_7 = stablehlo.constant dense_resource<torch_tensor_4_torch.float32_1> : tensor<4xf32>
    %cst_8 = stablehlo.constant dense_resource<torch_tensor_4_2_3_3_torch.float32> : tensor<4x2x3x3xf32>
    %cst_9 = stablehlo.constant dense_resource<torch_tensor_4_torch.float32> : tensor<4xf32>
    %cst_10 = stablehlo.constant dense<0.000000e+00> : tensor<2x4x4x4xf32>
    %cst_11 = stablehlo.constant dense<0.000000e+00> : tensor<f32>
    %c = stablehlo.constant dense<4> : tensor<i64>
    %cst_12 = stablehlo.constant dense<0.000000e+00> : tensor<f64>
    %cst_13 = stablehlo.constant dense<0xFF800000> : tensor<f32>
    %c_14 = stablehlo.constant dense<true> : tensor<i1>
    %cst_15 = arith.constant dense<4> : tensor<1xi64>
    %cst_16 = arith.constant dense<1.000000e-05> : tensor<1xf64>
    %cst_17 = arith.constant dense<0.8408964152537145> : tensor<1xf64>
    %cst_18 = arith.constant dense<0xFFF0000000000000> : tensor<1xf64>
    %cst_19 = arith.constant dense<1> : tensor<1xi64>
    %0 = stablehlo.convolution(%arg0, %cst_8) dim_numbers = [b, f, 0, 1]x[o, i, 0, 1]->[b, f, 0, 1], window = {stride = [2, 2], pad = [[1, 1], [1, 1]], rhs_dilate = [1, 1]} {batch_group_count = 1 : i64, feature_group_count = 1 : i64} : (tensor<2x2x8x8xf32>, tensor<4x2x3x3xf32>) -> tensor<2x4x4x4xf32>
    %1 = stablehlo.reshape %cst_9 : (tensor<4xf32>) -> tensor<4x1x1xf32>
    %2 = stablehlo.broadcast_in_dim %1, dims = [1, 2, 3] : (tensor<4x1x1xf32>) -> tensor<2x4x4x4xf32>
    %3 = stablehlo.add %0, %2 : tensor<2x4x4x4xf32>
    %4 = stablehlo.maximum %3, %cst_10 : tensor<2x4x4x4xf32>
    %5 = "stablehlo.reduce_window"(%4, %cst_11) <{padding = dense<0> : tensor<4x2xi64>, window_dilations = array<i64: 1, 1, 1, 1>, window_dimensions = array<i64: 1, 1, 2, 2>, window_strides = array<i64: 1, 1, 2, 2>}> ({
    ^bb0(%arg1: tensor<f32>, %arg2: tensor<f32>):
      %138 = stablehlo.add %arg1, %arg2 : tensor<f32>
      stablehlo.return %138 : tensor<f32>
    }) : (tensor<2x4x4x4xf32>, tensor<f32>) -> tensor<2x4x2x2xf32>
    %6 = stablehlo.convert %c : (tensor<i64>) -> tensor<f32>
    %7 = stablehlo.broadcast_in_dim %6, dims = [] : (tensor<f32>) -> tensor<2x4x2x2xf32>
    %8 = stablehlo.divide %5, %7 : tensor<2x4x2x2xf32>
    %9 = stablehlo.reshape %8 : (tensor<2x4x2x2xf32>) -> tensor<2x4x4xf32>
    %10 = stablehlo.transpose %9, dims = [0, 2, 1] : (tensor<2x4x4xf32>) -> tensor<2x4x4xf32>
    %11 = stablehlo.convert %10 : (tensor<2x4x4xf32>) -> tensor<2x4x4xf64>
    %12 = stablehlo.reduce(%11 init: %cst_12) applies stablehlo.add across dimensions = [2] : (tensor<2x4x4xf64>, tensor<f64>) -> tensor<2x4xf64>
    %13 = stablehlo.reshape %12 : (tensor<2x4xf64>) -> tensor<2x4x1xf64>
    %14 = stablehlo.convert %cst_15 : (tensor<1xi64>) -> tensor<1xf64>
    %15 = stablehlo.reshape %14 : (tensor<1xf64>) -> tensor<f64>
    %16 = stablehlo.broadcast_in_dim %15, dims = [] : (tensor<f64>) -> tensor<2x4x1xf64>
    %17 = stablehlo.divide %13, %16 : tensor<2x4x1xf64>
    %18 = stablehlo.broadcast_in_dim %17, dims = [0, 1, 2] : (tensor<2x4x1xf64>) -> tensor<2x4x4xf64>
    %19 = stablehlo.subtract %11, %18 : tensor<2x4x4xf64>
    %20 = stablehlo.multiply %19, %19 : tensor<2x4x4xf64>
    %21 = stablehlo.reduce(%20 init: %cst_12) applies stablehlo.add across dimensions = [2] : (tensor<2x4x4xf64>, tensor<f64>) -> tensor<2x4xf64>
    %22 = stablehlo.reshape %21 : (tensor<2x4xf64>) -> tensor<2x4x1xf64>
    %23 = stablehlo.divide %22, %16 : tensor<2x4x1xf64>
    %24 = stablehlo.convert %23 : (tensor<2x4x1xf64>) -> tensor<2x4x1xf32>
    %25 = stablehlo.reduce(%10 init: %cst_11) applies stablehlo.add across dimensions = [2] : (tensor<2x4x4xf32>, tensor<f32>) -> tensor<2x4xf32>
    %26 = stablehlo.reshape %25 : (tensor<2x4xf32>) -> tensor<2x4x1xf32>
    %27 = stablehlo.convert %cst_15 : (tensor<1xi64>) -> tensor<1xf32>
    %28 = stablehlo.reshape %27 : (tensor<1xf32>) -> tensor<f32>
    %29 = stablehlo.broadcast_in_dim %28, dims = [] : (tensor<f32>) -> tensor<2x4x1xf32>
    %30 = stablehlo.divide %26, %29 : tensor<2x4x1xf32>
    %31 = stablehlo.convert %cst_16 : (tensor<1xf64>) -> tensor<1xf32>
    %32 = stablehlo.reshape %31 : (tensor<1xf32>) -> tensor<f32>
    %33 = stablehlo.broadcast_in_dim %32, dims = [] : (tensor<f32>) -> tensor<2x4x1xf32>
    %34 = stablehlo.add %24, %33 : tensor<2x4x1xf32>
    %35 = stablehlo.rsqrt %34 : tensor<2x4x1xf32>
    %36 = stablehlo.broadcast_in_dim %30, dims = [0, 1, 2] : (tensor<2x4x1xf32>) -> tensor<2x4x4xf32>
    %37 = stablehlo.subtract %10, %36 : tensor<2x4x4xf32>
    %38 = stablehlo.broadcast_in_dim %35, dims = [0, 1, 2] : (tensor<2x4x1xf32>) -> tensor<2x4x4xf32>
    %39 = stablehlo.multiply %37, %38 : tensor<2x4x4xf32>
    %40 = stablehlo.broadcast_in_dim %cst_7, dims = [2] : (tensor<4xf32>) -> tensor<2x4x4xf32>
    %41 = stablehlo.multiply %39, %40 : tensor<2x4x4xf32>
    %42 = stablehlo.broadcast_in_dim %cst_6, dims = [2] : (tensor<4xf32>) -> tensor<2x4x4xf32>
    %43 = stablehlo.add %41, %42 : tensor<2x4x4xf32>
    %44 = stablehlo.transpose %43, dims = [1, 0, 2] : (tensor<2x4x4xf32>) -> tensor<4x2x4xf32>
    %45 = stablehlo.transpose %cst_5, dims = [1, 0] : (tensor<12x4xf32>) -> tensor<4x12xf32>
    %46 = stablehlo.reshape %44 : (tensor<4x2x4xf32>) -> tensor<4x2x4xf32>
    %47 = stablehlo.broadcast_in_dim %45, dims = [1, 2] : (tensor<4x12xf32>) -> tensor<4x4x12xf32>
    %48 = stablehlo.reshape %47 : (tensor<4x4x12xf32>) -> tensor<4x4x12xf32>
    %49 = stablehlo.broadcast_in_dim %48, dims = [0, 1, 2] : (tensor<4x4x12xf32>) -> tensor<4x4x12xf32>
    %50 = stablehlo.dot_general %46, %49, batching_dims = [0] x [0], contracting_dims = [2] x [1] : (tensor<4x2x4xf32>, tensor<4x4x12xf32>) -> tensor<4x2x12xf32>
    %51 = stablehlo.reshape %50 : (tensor<4x2x12xf32>) -> tensor<4x2x12xf32>
    %52 = stablehlo.broadcast_in_dim %cst_4, dims = [2] : (tensor<12xf32>) -> tensor<4x2x12xf32>
    %53 = stablehlo.add %51, %52 : tensor<4x2x12xf32>
    %54 = stablehlo.reshape %53 : (tensor<4x2x12xf32>) -> tensor<4x2x3x4xf32>
    %55 = stablehlo.reshape %54 : (tensor<4x2x3x4xf32>) -> tensor<1x4x2x3x4xf32>
    %56 = stablehlo.transpose %55, dims = [3, 1, 2, 0, 4] : (tensor<1x4x2x3x4xf32>) -> tensor<3x4x2x1x4xf32>
    %57 = stablehlo.reshape %56 : (tensor<3x4x2x1x4xf32>) -> tensor<3x4x2x4xf32>
    %58 = stablehlo.slice %57 [0:1, 0:4, 0:2, 0:4] : (tensor<3x4x2x4xf32>) -> tensor<1x4x2x4xf32>
    %59 = stablehlo.reshape %58 : (tensor<1x4x2x4xf32>) -> tensor<4x2x4xf32>
    %60 = stablehlo.slice %57 [1:2, 0:4, 0:2, 0:4] : (tensor<3x4x2x4xf32>) -> tensor<1x4x2x4xf32>
    %61 = stablehlo.reshape %60 : (tensor<1x4x2x4xf32>) -> tensor<4x2x4xf32>
    %62 = stablehlo.slice %57 [2:3, 0:4, 0:2, 0:4] : (tensor<3x4x2x4xf32>) -> tensor<1x4x2x4xf32>
    %63 = stablehlo.reshape %62 : (tensor<1x4x2x4xf32>) -> tensor<4x2x4xf32>
    %64 = stablehlo.reshape %59 : (tensor<4x2x4xf32>) -> tensor<4x4x2xf32>
    %65 = stablehlo.transpose %64, dims = [1, 0, 2] : (tensor<4x4x2xf32>) -> tensor<4x4x2xf32>
    %66 = stablehlo.reshape %61 : (tensor<4x2x4xf32>) -> tensor<4x4x2xf32>
    %67 = stablehlo.transpose %66, dims = [1, 0, 2] : (tensor<4x4x2xf32>) -> tensor<4x4x2xf32>
    %68 = stablehlo.reshape %63 : (tensor<4x2x4xf32>) -> tensor<4x4x2xf32>
    %69 = stablehlo.transpose %68, dims = [1, 0, 2] : (tensor<4x4x2xf32>) -> tensor<4x4x2xf32>
    %70 = stablehlo.reshape %65 : (tensor<4x4x2xf32>) -> tensor<2x2x4x2xf32>
    %71 = stablehlo.reshape %67 : (tensor<4x4x2xf32>) -> tensor<2x2x4x2xf32>
    %72 = stablehlo.reshape %69 : (tensor<4x4x2xf32>) -> tensor<2x2x4x2xf32>
    %73 = stablehlo.convert %cst_17 : (tensor<1xf64>) -> tensor<1xf32>
    %74 = stablehlo.reshape %73 : (tensor<1xf32>) -> tensor<f32>
    %75 = stablehlo.broadcast_in_dim %74, dims = [] : (tensor<f32>) -> tensor<2x2x4x2xf32>
    %76 = stablehlo.multiply %70, %75 : tensor<2x2x4x2xf32>
    %77 = stablehlo.transpose %71, dims = [0, 1, 3, 2] : (tensor<2x2x4x2xf32>) -> tensor<2x2x2x4xf32>
    %78 = stablehlo.broadcast_in_dim %74, dims = [] : (tensor<f32>) -> tensor<2x2x2x4xf32>
    %79 = stablehlo.multiply %77, %78 : tensor<2x2x2x4xf32>
    %80 = stablehlo.reshape %76 : (tensor<2x2x4x2xf32>) -> tensor<4x4x2xf32>
    %81 = stablehlo.reshape %79 : (tensor<2x2x2x4xf32>) -> tensor<4x2x4xf32>
    %82 = stablehlo.broadcast_in_dim %81, dims = [0, 1, 2] : (tensor<4x2x4xf32>) -> tensor<4x2x4xf32>
    %83 = stablehlo.dot_general %80, %82, batching_dims = [0] x [0], contracting_dims = [2] x [1] : (tensor<4x4x2xf32>, tensor<4x2x4xf32>) -> tensor<4x4x4xf32>
    %84 = stablehlo.reshape %83 : (tensor<4x4x4xf32>) -> tensor<2x2x4x4xf32>
    %85 = stablehlo.reduce(%84 init: %cst_13) applies stablehlo.maximum across dimensions = [3] : (tensor<2x2x4x4xf32>, tensor<f32>) -> tensor<2x2x4xf32>
    %86 = stablehlo.reshape %85 : (tensor<2x2x4xf32>) -> tensor<2x2x4x1xf32>
    %87 = stablehlo.broadcast_in_dim %86, dims = [0, 1, 2, 3] : (tensor<2x2x4x1xf32>) -> tensor<2x2x4x4xf32>
    %88 = stablehlo.subtract %84, %87 : tensor<2x2x4x4xf32>
    %89 = stablehlo.exponential %88 : tensor<2x2x4x4xf32>
    %90 = stablehlo.reduce(%89 init: %cst_11) applies stablehlo.add across dimensions = [3] : (tensor<2x2x4x4xf32>, tensor<f32>) -> tensor<2x2x4xf32>
    %91 = stablehlo.reshape %90 : (tensor<2x2x4xf32>) -> tensor<2x2x4x1xf32>
    %92 = stablehlo.broadcast_in_dim %91, dims = [0, 1, 2, 3] : (tensor<2x2x4x1xf32>) -> tensor<2x2x4x4xf32>
    %93 = stablehlo.divide %89, %92 : tensor<2x2x4x4xf32>
    %94 = stablehlo.convert %cst_18 : tensor<1xf64>
    %95 = stablehlo.reshape %94 : (tensor<1xf64>) -> tensor<f64>
    %96 = stablehlo.convert %95 : (tensor<f64>) -> tensor<f32>
    %97 = stablehlo.broadcast_in_dim %96, dims = [] : (tensor<f32>) -> tensor<2x2x4x4xf32>
    %98 = stablehlo.compare EQ, %84, %97, FLOAT : (tensor<2x2x4x4xf32>, tensor<2x2x4x4xf32>) -> tensor<2x2x4x4xi1>
    %99 = stablehlo.reduce(%98 init: %c_14) applies stablehlo.and across dimensions = [3] : (tensor<2x2x4x4xi1>, tensor<i1>) -> tensor<2x2x4xi1>
    %100 = stablehlo.reshape %99 : (tensor<2x2x4xi1>) -> tensor<2x2x4x1xi1>
    %101 = stablehlo.broadcast_in_dim %100, dims = [0, 1, 2, 3] : (tensor<2x2x4x1xi1>) -> tensor<2x2x4x4xi1>
    %102 = stablehlo.broadcast_in_dim %cst, dims = [0, 1, 2, 3] : (tensor<2x2x4x4xf32>) -> tensor<2x2x4x4xf32>
    %103 = stablehlo.broadcast_in_dim %93, dims = [0, 1, 2, 3] : (tensor<2x2x4x4xf32>) -> tensor<2x2x4x4xf32>
    %104 = stablehlo.select %101, %102, %103 : tensor<2x2x4x4xi1>, tensor<2x2x4x4xf32>
    %105 = stablehlo.reshape %104 : (tensor<2x2x4x4xf32>) -> tensor<4x4x4xf32>
    %106 = stablehlo.reshape %72 : (tensor<2x2x4x2xf32>) -> tensor<4x4x2xf32>
    %107 = stablehlo.broadcast_in_dim %106, dims = [0, 1, 2] : (tensor<4x4x2xf32>) -> tensor<4x4x2xf32>
    %108 = stablehlo.dot_general %105, %107, batching_dims = [0] x [0], contracting_dims = [2] x [1] : (tensor<4x4x4xf32>, tensor<4x4x2xf32>) -> tensor<4x4x2xf32>
    %109 = stablehlo.reshape %108 : (tensor<4x4x2xf32>) -> tensor<2x2x4x2xf32>
    %110 = stablehlo.transpose %109, dims = [2, 0, 1, 3] : (tensor<2x2x4x2xf32>) -> tensor<4x2x2x2xf32>
    %111 = stablehlo.transpose %110, dims = [1, 2, 0, 3] : (tensor<4x2x2x2xf32>) -> tensor<2x2x4x2xf32>
    %112 = stablehlo.transpose %111, dims = [2, 0, 1, 3] : (tensor<2x2x4x2xf32>) -> tensor<4x2x2x2xf32>
    %113 = stablehlo.reshape %112 : (tensor<4x2x2x2xf32>) -> tensor<8x4xf32>
    %114 = stablehlo.transpose %cst_3, dims = [1, 0] : (tensor<4x4xf32>) -> tensor<4x4xf32>
    %115 = stablehlo.dot_general %113, %114, contracting_dims = [1] x [0] : (tensor<8x4xf32>, tensor<4x4xf32>) -> tensor<8x4xf32>
    %116 = stablehlo.convert %cst_19 : (tensor<1xi64>) -> tensor<1xf32>
    %117 = stablehlo.reshape %116 : (tensor<1xf32>) -> tensor<f32>
    %118 = stablehlo.broadcast_in_dim %117, dims = [] : (tensor<f32>) -> tensor<8x4xf32>
    %119 = stablehlo.multiply %115, %118 : tensor<8x4xf32>
    %120 = stablehlo.broadcast_in_dim %117, dims = [] : (tensor<f32>) -> tensor<4xf32>
    %121 = stablehlo.multiply %120, %cst_2 : tensor<4xf32>
    %122 = stablehlo.broadcast_in_dim %121, dims = [1] : (tensor<4xf32>) -> tensor<8x4xf32>
    %123 = stablehlo.add %119, %122 : tensor<8x4xf32>
    %124 = stablehlo.reshape %123 : (tensor<8x4xf32>) -> tensor<4x2x4xf32>
    %125 = stablehlo.transpose %124, dims = [1, 0, 2] : (tensor<4x2x4xf32>) -> tensor<2x4x4xf32>
    %126 = stablehlo.add %43, %125 : tensor<2x4x4xf32>
    %127 = stablehlo.reduce(%126 init: %cst_11) applies stablehlo.add across dimensions = [1] : (tensor<2x4x4xf32>, tensor<f32>) -> tensor<2x4xf32>
    %128 = stablehlo.broadcast_in_dim %28, dims = [] : (tensor<f32>) -> tensor<2x4xf32>
    %129 = stablehlo.divide %127, %128 : tensor<2x4xf32>
    %130 = stablehlo.transpose %cst_1, dims = [1, 0] : (tensor<3x4xf32>) -> tensor<4x3xf32>
    %131 = stablehlo.dot_general %129, %130, contracting_dims = [1] x [0] : (tensor<2x4xf32>, tensor<4x3xf32>) -> tensor<2x3xf32>
    %132 = stablehlo.broadcast_in_dim %117, dims = [] : (tensor<f32>) -> tensor<2x3xf32>
    %133 = stablehlo.multiply %131, %132 : tensor<2x3xf32>
    %134 = stablehlo.broadcast_in_dim %117, dims = [] : (tensor<f32>) -> tensor<3xf32>
    %135 = stablehlo.multiply %134, %cst_0 : tensor<3xf32>
    %136 = stablehlo.broadcast_in_dim %135, dims = [1] : (tensor<3xf32>) -> tensor<2x3xf32>
    %137 = stablehlo.add %133, %136 : tensor<2x3xf32>
    return %137 : tensor<2x3xf32>
  }
}

{-#
  dialect_resources: {
    builtin: {
      torch_tensor_3_torch.float32: "0x040000005AB9C03E401E8C3CD0C0013E",
      torch_tensor_3_4_torch.float32: "0x04000000F0B22FBEA09695BD6041FB3D0AF8F7BE4CD47B3E2077F73E102FB6BEC4A5F93E38759B3D6449FD3E822FE03EBA2FDBBE",
      torch_tensor_4_torch.float32_3: "0x0400000000000000000000000000000000000000",
      torch_tensor_4_4_torch.float32: "0x040000001022783DE210D63E0860E93DAA3EAC3E169FDCBE1299DCBE6C10E7BE60DDE73CF83ED93E3868DFBE8CB94B3E4AEAE1BEE020AABE04982EBEC03250BE803A173E",
      torch_tensor_12_torch.float32: "0x04000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000",
      torch_tensor_12_4_torch.float32: "0x0400000028CCD3BE0B07AD3EBA6A12BE22FF9BBE5852D53D347D823EC2D0843D2F635BBE3B34E93D2BA172BE914D54BE41F868BE42CDBA3E1927DBBED624883E7B82A23EE253D0BE9525EEBE1FCBD0BE169D04BF3D9E033F462F0A3F7F1CAFBD70FF123FCB9F313E37CA19BF60700FBF146697BE795F1CBFA5D68FBEBF98293E0F0061BC9A30EABD3C0F1A3DC0530F3FB006DA3B1CA69D3E772417BE7235EBBE5152F53DDE64903EA84EB63E0F8013BF0813A6BD360C17BF4BD4F53B3D7FDD3C2C144C3E",
      torch_tensor_4_torch.float32_2: "0x0400000000000000000000000000000000000000",
      torch_tensor_4_torch.float32_1: "0x040000000000803F0000803F0000803F0000803F",
      torch_tensor_4_2_3_3_torch.float32: "0x04000000114D6FBE1C663EBE67C1CEBDF85864BE7B3C5BBC035754BE0F3C033EB946EB3DBB50363DB9393B3EC51ABDBCD091103E370729BE4F403EBDF93457BE42C49CBC5D971CBE2AD4583E34A8273E2FF3343E2E2F8F3D0FB109BE41E3583E98836BBEE00B1ABEDEBE16BE8217C8BD6581403DB5D336BEF1F139BE03DBE6BDE24F133E24162EBE5E7958BE1F3051BEDC89EDBDA7AA7DBD8A456FBEAF00E2BDEC94943B85251F3D69670ABDB3EEDABCA5051DBEA84CF73D129468BD720525BE278068BD77E006BD7A295F3E9092FB3D68EAC2BDDDF708BD1B48553ED70E1B3E71B7703DB028ADBD50D4483EA6CFCE3D99FDD6BD5F482B3E5C9E893CAC7F32BE6FF5D5BD6DC334BED8E747BE68D0BC3B1DF72CBEF5A1003E20E2D73DC4AC4F3D28DF463E",
      torch_tensor_4_torch.float32: "0x040000007FF8DABD6859663BE64E143E96DBA63D"
    }
  }
#-}
