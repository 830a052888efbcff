module {
  func.func @main(%arg0: tensor<5x4xf32>) -> tensor<5x3xf32> {
    %cst = stablehlo.constant dense<0.000000e+00> : tensor<f32>
    %cst_0 = stablehlo.constant dense_resource<torch_tensor_3_torch.float32> : tensor<3xf32>
    %cst_1 = stablehlo.constant dense_resource<torch_tensor_3_8_torch.float32> : tensor<3x8xf32>
    %cst_2 = stablehlo.constant dense_resource<torch_tensor_8_torch.float32_1> : tensor<8xf32>
    %cst_3 = stablehlo.constant dense_resource<torch_tensor_8_8_torch.float32> : tensor<8x8xf32>
    %cst_4 = stablehlo.constant dense_resource<torch_tensor_8_torch.float32> : tensor<8xf32>
    %cst_5 = stablehlo.constant dense_resource<torch_tensor_8_4_torch.float32> : tensor<8x4xf32>
    %cst_6 = stablehlo.constant dense<0xFF800000> : tensor<f32>
    %cst_7 = arith.constant dense<1> : tensor<1xi64>
    %cst_8 = arith.constant dense<1.000000e-02> : tensor<1xf64>
    %0 = stablehlo.transpose %cst_5, dims = [1, 0] : (tensor<8x4xf32>) -> tensor<4x8xf32>
    %1 = stablehlo.dot_general %arg0, %0, contracting_dims = [1] x [0] : (tensor<5x4xf32>, tensor<4x8xf32>) -> tensor<5x8xf32>
    %2 = stablehlo.convert %cst_7 : (tensor<1xi64>) -> tensor<1xf32>
    %3 = stablehlo.reshape %2 : (tensor<1xf32>) -> tensor<f32>
    %4 = stablehlo.broadcast_in_dim %3, dims = [] : (tensor<f32>) -> tensor<5x8xf32>
    %5 = stablehlo.multiply %1, %4 : tensor<5x8xf32>
    %6 = stablehlo.broadcast_in_dim %3, dims = [] : (tensor<f32>) -> tensor<8xf32>
    %7 = stablehlo.multiply %6, %cst_4 : tensor<8xf32>
    %8 = stablehlo.broadcast_in_dim %7, dims = [1] : (tensor<8xf32>) -> tensor<5x8xf32>
    %9 = stablehlo.add %5, %8 : tensor<5x8xf32>
    %10 = stablehlo.logistic %9 : tensor<5x8xf32>
    %11 = stablehlo.multiply %9, %10 : tensor<5x8xf32>
    %12 = stablehlo.transpose %cst_3, dims = [1, 0] : (tensor<8x8xf32>) -> tensor<8x8xf32>
    %13 = stablehlo.dot_general %11, %12, contracting_dims = [1] x [0] : (tensor<5x8xf32>, tensor<8x8xf32>) -> tensor<5x8xf32>
    %14 = stablehlo.multiply %13, %4 : tensor<5x8xf32>
    %15 = stablehlo.multiply %6, %cst_2 : tensor<8xf32>
    %16 = stablehlo.broadcast_in_dim %15, dims = [1] : (tensor<8xf32>) -> tensor<5x8xf32>
    %17 = stablehlo.add %14, %16 : tensor<5x8xf32>
    %18 = stablehlo.broadcast_in_dim %cst, dims = [] : (tensor<f32>) -> tensor<5x8xf32>
    %19 = stablehlo.maximum %17, %18 : tensor<5x8xf32>
    %20 = stablehlo.minimum %17, %18 : tensor<5x8xf32>
    %21 = stablehlo.convert %cst_8 : (tensor<1xf64>) -> tensor<1xf32>
    %22 = stablehlo.reshape %21 : (tensor<1xf32>) -> tensor<f32>
    %23 = stablehlo.broadcast_in_dim %22, dims = [] : (tensor<f32>) -> tensor<5x8xf32>
    %24 = stablehlo.multiply %20, %23 : tensor<5x8xf32>
    %25 = stablehlo.add %19, %24 : tensor<5x8xf32>
    %26 = stablehlo.transpose %cst_1, dims = [1, 0] : (tensor<3x8xf32>) -> tensor<8x3xf32>
    %27 = stablehlo.dot_general %25, %26, contracting_dims = [1] x [0] : (tensor<5x8xf32>, tensor<8x3xf32>) -> tensor<5x3xf32>
    %28 = stablehlo.broadcast_in_dim %3, dims = [] : (tensor<f32>) -> tensor<5x3xf32>
    %29 = stablehlo.multiply %27, %28 : tensor<5x3xf32>
    %30 = stablehlo.broadcast_in_dim %3, dims = [] : (tensor<f32>) -> tensor<3xf32>
    %31 = stablehlo.multiply %30, %cst_0 : tensor<3xf32>
    %32 = stablehlo.broadcast_in_dim %31, dims = [1] : (tensor<3xf32>) -> tensor<5x3xf32>
    %33 = stablehlo.add %29, %32 : tensor<5x3xf32>
    %34 = stablehlo.reduce(%33 init: %cst_6) applies stablehlo.maximum across dimensions = [1] : (tensor<5x3xf32>, tensor<f32>) -> tensor<5xf32>
    %35 = stablehlo.reshape %34 : (tensor<5xf32>) -> tensor<5x1xf32>
    %36 = stablehlo.broadcast_in_dim %35, dims = [0, 1] : (tensor<5x1xf32>) -> tensor<5x3xf32>
    %37 = stablehlo.subtract %33, %36 : tensor<5x3xf32>
    %38 = stablehlo.exponential %37 : tensor<5x3xf32>
    %39 = stablehlo.reduce(%38 init: %cst) applies stablehlo.add across dimensions = [1] : (tensor<5x3xf32>, tensor<f32>) -> tensor<5xf32>
    %40 = stablehlo.reshape %39 : (tensor<5xf32>) -> tensor<5x1xf32>
    %41 = stablehlo.log %40 : tensor<5x1xf32>
    %42 = stablehlo.broadcast_in_dim %41, dims = [0, 1] : (tensor<5x1xf32>) -> tensor<5x3xf32>
    %43 = stablehlo.subtract %37, %42 : tensor<5x3xf32>
    return %43 : tensor<5x3xf32>
  }
}

{-#
  dialect_resources: {
    builtin: {
      torch_tensor_3_torch.float32: "0x04000000249B073EA9179BBE0343B03E",
      torch_tensor_3_8_torch.float32: "0x040000000D3321BE598698BCDF3761BEB47988BDA8FE55BD7248A13ED91DB6BCCC52443E578E843EE94B213EBA6B9DBEC6AC873E10BF6E3E09C481BEC01701BE0E6A763E45F8AFBE46A89EBEEE5F75BE339FE13D5DD813BEBD70A1BE4B560C3EA620373E",
      torch_tensor_8_torch.float32_1: "0x040000000E634D3EEF7BE53D5D0F663EBAFC873EA4B2B2BE4BC05A3D65EAA73E0D3083BE",
      torch_tensor_8_8_torch.float32: "0x04000000B35CE3BD83BBA7BE6D7A1A3E0AC60C3E78D38F3D12C1313E8A71193E4624803C1A5E193D642ADD3CD92E413EC332733E8DFF813EF2D6513E7389B0BDD5EF80BC132693BD059C523E4FD4203D438AA73E8D9F373EB7B59ABEE1D0D33DD3EFAD3E11CAA03E2D0FB6BB2737F03D33CEA9BE26D6E6BD568B303EE3E6A4BE62B49D3EDD156EBE31F8E43D914C5BBC94307F3DE34D0C3D0639A9BE2A889BBD41D964BEF3E4993EA7C231BD803EB4BEEA5EAF3DFE381D3ED81122BE31D907BD58831C3E4C4361BE2D613FBEB8B20BBD3D3E7EBE23825E3E7BE4EC3CFA9B583EC8D1413E31818BBE18A861BEC3A077BE16B8E8BD3A4C04BE8A5769BD431EAFBE44E3183E",
      torch_tensor_8_torch.float32: "0x0400000050FFF03D427CA83E40C7C93C10B26ABEFC03613EF48A44BED8D5E2BD50578CBE",
      torch_tensor_8_4_torch.float32: "0x0400000040E5EA3D88AFF3BDB4670C3E0037D1BC58B85A3E58C9F33DE0626BBD6AF7CEBE40CBE93DF2A5E2BE1095863D101B083D082DE1BD9654D13E50AD083DBC50543EFCAC583EC20597BE98D444BE2833F63E08BFFABEC0180BBDB04D22BD4E95B53ED0B342BD98D1063E809FC4BCAC588FBE2A1991BE34BF78BE328DE8BEB423A6BE"
    }
  }
#-}
