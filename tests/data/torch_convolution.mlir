module {
  func.func @main(%arg0: tensor<2x1x4x4xf32>) -> tensor<2x3xf32> {
    %cst = stablehlo.constant dense_resource<torch_tensor_3_torch.float32> : tensor<3xf32>
    %cst_0 = stablehlo.constant dense_resource<torch_tensor_3_8_torch.float32> : tensor<3x8xf32>
    %cst_1 = stablehlo.constant dense_resource<torch_tensor_2_1_3_3_torch.float32> : tensor<2x1x3x3xf32>
    %cst_2 = stablehlo.constant dense_resource<torch_tensor_2_torch.float32> : tensor<2xf32>
    %cst_3 = stablehlo.constant dense<0.000000e+00> : tensor<2x2x4x4xf32>
    %cst_4 = stablehlo.constant dense<0xFF800000> : tensor<f32>
    %cst_5 = arith.constant dense<1> : tensor<1xi64>
    %0 = stablehlo.convolution(%arg0, %cst_1) dim_numbers = [b, f, 0, 1]x[o, i, 0, 1]->[b, f, 0, 1], window = {stride = [1, 1], pad = [[1, 1], [1, 1]], rhs_dilate = [1, 1]} {batch_group_count = 1 : i64, feature_group_count = 1 : i64} : (tensor<2x1x4x4xf32>, tensor<2x1x3x3xf32>) -> tensor<2x2x4x4xf32>
    %1 = stablehlo.reshape %cst_2 : (tensor<2xf32>) -> tensor<2x1x1xf32>
    %2 = stablehlo.broadcast_in_dim %1, dims = [1, 2, 3] : (tensor<2x1x1xf32>) -> tensor<2x2x4x4xf32>
    %3 = stablehlo.add %0, %2 : tensor<2x2x4x4xf32>
    %4 = stablehlo.maximum %3, %cst_3 : tensor<2x2x4x4xf32>
    %5 = "stablehlo.reduce_window"(%4, %cst_4) <{padding = dense<0> : tensor<4x2xi64>, window_dilations = array<i64: 1, 1, 1, 1>, window_dimensions = array<i64: 1, 1, 2, 2>, window_strides = array<i64: 1, 1, 2, 2>}> ({
    ^bb0(%arg1: tensor<f32>, %arg2: tensor<f32>):
      %17 = stablehlo.maximum %arg1, %arg2 : tensor<f32>
      stablehlo.return %17 : tensor<f32>
    }) : (tensor<2x2x4x4xf32>, tensor<f32>) -> tensor<2x2x2x2xf32>
    %6 = stablehlo.reshape %5 : (tensor<2x2x2x2xf32>) -> tensor<2x8xf32>
    %7 = stablehlo.transpose %cst_0, dims = [1, 0] : (tensor<3x8xf32>) -> tensor<8x3xf32>
    %8 = stablehlo.dot_general %6, %7, contracting_dims = [1] x [0] : (tensor<2x8xf32>, tensor<8x3xf32>) -> tensor<2x3xf32>
    %9 = stablehlo.convert %cst_5 : (tensor<1xi64>) -> tensor<1xf32>
    %10 = stablehlo.reshape %9 : (tensor<1xf32>) -> tensor<f32>
    %11 = stablehlo.broadcast_in_dim %10, dims = [] : (tensor<f32>) -> tensor<2x3xf32>
    %12 = stablehlo.multiply %8, %11 : tensor<2x3xf32>
    %13 = stablehlo.broadcast_in_dim %10, dims = [] : (tensor<f32>) -> tensor<3xf32>
    %14 = stablehlo.multiply %13, %cst : tensor<3xf32>
    %15 = stablehlo.broadcast_in_dim %14, dims = [1] : (tensor<3xf32>) -> tensor<2x3xf32>
    %16 = stablehlo.add %12, %15 : tensor<2x3xf32>
    return %16 : tensor<2x3xf32>
  }
}

{-#
  dialect_resources: {
    builtin: {
      torch_tensor_3_torch.float32: "0x0400000071BA3EBEDF173A3E6B2D40BE",
      torch_tensor_3_8_torch.float32: "0x0400000051D306BE49A85ABEBFBB72BD79291CBE8E07E8BD10AE8A3C40D2573E03C8443EA3F4B0BE686F603EF347CA3DF6B4AB3E99F76E3EFCEEA4BE5D1DACBE759F2EBE88F49E3EB93771BD18F01A3E563E28BE939EB13E912D19BE3AC0873E3A30893B",
      torch_tensor_2_1_3_3_torch.float32: "0x0400000063E02F3E38A816BEC05784BD1636203E02ACA0BE18B44C3E1B718CBDB8A62D3EF6CD3D3D562D27BD5658BD3D6BB5863C4054F93D980405BEEB16C7BCABD5F5BC96E5453D5689AEBA",
      torch_tensor_2_torch.float32: "0x04000000EE30953E6B70D43D"
    }
  }
#-}
