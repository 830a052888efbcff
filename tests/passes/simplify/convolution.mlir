// RUN: mycc opt %s --pass-pipeline='builtin.module(simplify{inexact=true})' | filecheck %s

// CHECK-LABEL: @convolution_of_one_element
// CHECK-NOT: stablehlo.convolution
// CHECK: %[[K:.*]] = stablehlo.reshape %arg1 : (tensor<1x1x3x4xf32>) -> tensor<3x4xf32>
// CHECK: %[[A:.*]] = stablehlo.dot_general %arg0, %[[K]], contracting_dims = [3] x [0]
// CHECK: return %[[A]]
func.func @convolution_of_one_element(%x: tensor<2x5x5x3xf32>, %k: tensor<1x1x3x4xf32>) -> tensor<2x5x5x4xf32> {
  %0 = stablehlo.convolution(%x, %k) dim_numbers = [b, 0, 1, f]x[0, 1, i, o]->[b, 0, 1, f], window = {} {batch_group_count = 1 : i64, feature_group_count = 1 : i64} : (tensor<2x5x5x3xf32>, tensor<1x1x3x4xf32>) -> tensor<2x5x5x4xf32>
  return %0 : tensor<2x5x5x4xf32>
}

// PyTorch's order of dimensions, and every second element.
// CHECK-LABEL: @convolution_of_one_element_with_strides
// CHECK-NOT: stablehlo.convolution
// CHECK: stablehlo.slice %arg0 [0:2, 0:3, 0:6:2, 0:5:3]
// CHECK: stablehlo.dot_general
// CHECK: stablehlo.transpose {{.*}} -> tensor<2x4x3x2xf32>
func.func @convolution_of_one_element_with_strides(%x: tensor<2x3x6x5xf32>, %k: tensor<4x3x1x1xf32>) -> tensor<2x4x3x2xf32> {
  %0 = stablehlo.convolution(%x, %k) dim_numbers = [b, f, 0, 1]x[o, i, 0, 1]->[b, f, 0, 1], window = {stride = [2, 3]} {batch_group_count = 1 : i64, feature_group_count = 1 : i64} : (tensor<2x3x6x5xf32>, tensor<4x3x1x1xf32>) -> tensor<2x4x3x2xf32>
  return %0 : tensor<2x4x3x2xf32>
}

// CHECK-LABEL: @convolution_of_everything
// CHECK-NOT: stablehlo.convolution
// CHECK: stablehlo.dot_general %arg0, %arg1, contracting_dims = [1, 2, 3] x [1, 2, 3]
func.func @convolution_of_everything(%x: tensor<2x3x6x5xf32>, %k: tensor<4x3x6x5xf32>) -> tensor<2x4x1x1xf32> {
  %0 = stablehlo.convolution(%x, %k) dim_numbers = [b, f, 0, 1]x[o, i, 0, 1]->[b, f, 0, 1], window = {stride = [2, 3]} {batch_group_count = 1 : i64, feature_group_count = 1 : i64} : (tensor<2x3x6x5xf32>, tensor<4x3x6x5xf32>) -> tensor<2x4x1x1xf32>
  return %0 : tensor<2x4x1x1xf32>
}

// Padding, and groups.
// CHECK-LABEL: @no_convolution_of_one_element
// CHECK-COUNT-2: stablehlo.convolution
func.func @no_convolution_of_one_element(%x: tensor<2x5x4xf32>, %k: tensor<1x4x4xf32>, %l: tensor<1x2x4xf32>) -> (tensor<2x7x4xf32>, tensor<2x5x4xf32>) {
  %0 = stablehlo.convolution(%x, %k) dim_numbers = [b, 0, f]x[0, i, o]->[b, 0, f], window = {pad = [[1, 1]]} {batch_group_count = 1 : i64, feature_group_count = 1 : i64} : (tensor<2x5x4xf32>, tensor<1x4x4xf32>) -> tensor<2x7x4xf32>
  %1 = stablehlo.convolution(%x, %l) dim_numbers = [b, 0, f]x[0, i, o]->[b, 0, f], window = {} {batch_group_count = 1 : i64, feature_group_count = 2 : i64} : (tensor<2x5x4xf32>, tensor<1x2x4xf32>) -> tensor<2x5x4xf32>
  return %0, %1 : tensor<2x7x4xf32>, tensor<2x5x4xf32>
}
