// RUN: mycc opt %s --pass-pipeline='builtin.module(simplify)' | filecheck %s

// CHECK-LABEL: @same_type
// CHECK-NEXT: return %arg0, %arg0, %arg0
func.func @same_type(%x: tensor<4x3xf32>) -> (tensor<4x3xf32>, tensor<4x3xf32>, tensor<4x3xf32>) {
  %0 = stablehlo.convert %x : tensor<4x3xf32>
  %1 = stablehlo.reshape %x : (tensor<4x3xf32>) -> tensor<4x3xf32>
  %2 = stablehlo.broadcast_in_dim %x, dims = [0, 1] : (tensor<4x3xf32>) -> tensor<4x3xf32>
  return %0, %1, %2 : tensor<4x3xf32>, tensor<4x3xf32>, tensor<4x3xf32>
}

// CHECK-LABEL: @convert_of_convert
// CHECK-DAG: %[[A:.*]] = stablehlo.convert %arg0 : (tensor<4xbf16>) -> tensor<4xf64>
// CHECK-DAG: %[[N:.*]] = stablehlo.convert %arg1 : (tensor<4xf32>) -> tensor<4xbf16>
// CHECK-DAG: %[[B:.*]] = stablehlo.convert %[[N]] : (tensor<4xbf16>) -> tensor<4xf32>
// CHECK: return %[[A]], %arg0, %[[B]]
func.func @convert_of_convert(%x: tensor<4xbf16>, %y: tensor<4xf32>) -> (tensor<4xf64>, tensor<4xbf16>, tensor<4xf32>) {
  %0 = stablehlo.convert %x : (tensor<4xbf16>) -> tensor<4xf32>
  %1 = stablehlo.convert %0 : (tensor<4xf32>) -> tensor<4xf64>
  %2 = stablehlo.convert %0 : (tensor<4xf32>) -> tensor<4xbf16>
  %3 = stablehlo.convert %y : (tensor<4xf32>) -> tensor<4xbf16>
  %4 = stablehlo.convert %3 : (tensor<4xbf16>) -> tensor<4xf32>
  return %1, %2, %4 : tensor<4xf64>, tensor<4xbf16>, tensor<4xf32>
}

// A float that is too large for i8 becomes 127, an integer wraps.
// CHECK-LABEL: @no_convert_of_convert
// CHECK-COUNT-2: stablehlo.convert
func.func @no_convert_of_convert(%x: tensor<4xi32>) -> tensor<4xi8> {
  %0 = stablehlo.convert %x : (tensor<4xi32>) -> tensor<4xf64>
  %1 = stablehlo.convert %0 : (tensor<4xf64>) -> tensor<4xi8>
  return %1 : tensor<4xi8>
}

// CHECK-LABEL: @reshape_of_reshape
// CHECK-NEXT: stablehlo.reshape %arg0 : (tensor<4x3xf32>) -> tensor<2x6xf32>
func.func @reshape_of_reshape(%x: tensor<4x3xf32>) -> tensor<2x6xf32> {
  %0 = stablehlo.reshape %x : (tensor<4x3xf32>) -> tensor<12xf32>
  %1 = stablehlo.reshape %0 : (tensor<12xf32>) -> tensor<2x6xf32>
  return %1 : tensor<2x6xf32>
}

// CHECK-LABEL: @transpose_of_transpose
// CHECK-NEXT: %[[A:.*]] = stablehlo.transpose %arg0, dims = [1, 2, 0]
// CHECK-NEXT: return %[[A]], %arg0
func.func @transpose_of_transpose(%x: tensor<2x3x4xf32>) -> (tensor<3x4x2xf32>, tensor<2x3x4xf32>) {
  %0 = stablehlo.transpose %x, dims = [2, 1, 0] : (tensor<2x3x4xf32>) -> tensor<4x3x2xf32>
  %1 = stablehlo.transpose %0, dims = [1, 0, 2] : (tensor<4x3x2xf32>) -> tensor<3x4x2xf32>
  %2 = stablehlo.transpose %0, dims = [2, 1, 0] : (tensor<4x3x2xf32>) -> tensor<2x3x4xf32>
  return %1, %2 : tensor<3x4x2xf32>, tensor<2x3x4xf32>
}

// CHECK-LABEL: @transpose_of_unit_dims
// CHECK-NEXT: stablehlo.reshape %arg0 : (tensor<1x3x4xf32>) -> tensor<3x1x4xf32>
func.func @transpose_of_unit_dims(%x: tensor<1x3x4xf32>) -> tensor<3x1x4xf32> {
  %0 = stablehlo.transpose %x, dims = [1, 0, 2] : (tensor<1x3x4xf32>) -> tensor<3x1x4xf32>
  return %0 : tensor<3x1x4xf32>
}

// CHECK-LABEL: @broadcast_of_broadcast
// CHECK-NEXT: stablehlo.broadcast_in_dim %arg0, dims = [2] : (tensor<3xf32>) -> tensor<5x4x3xf32>
func.func @broadcast_of_broadcast(%x: tensor<3xf32>) -> tensor<5x4x3xf32> {
  %0 = stablehlo.broadcast_in_dim %x, dims = [1] : (tensor<3xf32>) -> tensor<4x3xf32>
  %1 = stablehlo.broadcast_in_dim %0, dims = [1, 2] : (tensor<4x3xf32>) -> tensor<5x4x3xf32>
  return %1 : tensor<5x4x3xf32>
}

// CHECK-LABEL: @broadcast_to_unit_dims
// CHECK-NEXT: stablehlo.reshape %arg0 : (tensor<3xf32>) -> tensor<1x3x1xf32>
func.func @broadcast_to_unit_dims(%x: tensor<3xf32>) -> tensor<1x3x1xf32> {
  %0 = stablehlo.broadcast_in_dim %x, dims = [1] : (tensor<3xf32>) -> tensor<1x3x1xf32>
  return %0 : tensor<1x3x1xf32>
}

// CHECK-LABEL: @broadcast_of_reshape
// CHECK-NEXT: %[[A:.*]] = stablehlo.broadcast_in_dim %arg0, dims = [0] : (tensor<4xf32>) -> tensor<4x3xf32>
// CHECK-NEXT: %[[B:.*]] = stablehlo.broadcast_in_dim %arg1, dims = [0, 1] : (tensor<4x1xf32>) -> tensor<4x5xf32>
// CHECK-NEXT: return %[[A]], %[[B]]
func.func @broadcast_of_reshape(%x: tensor<4xf32>, %y: tensor<4x1xf32>) -> (tensor<4x3xf32>, tensor<4x5xf32>) {
  %0 = stablehlo.reshape %x : (tensor<4xf32>) -> tensor<4x1xf32>
  %1 = stablehlo.broadcast_in_dim %0, dims = [0, 1] : (tensor<4x1xf32>) -> tensor<4x3xf32>
  %2 = stablehlo.reshape %y : (tensor<4x1xf32>) -> tensor<4xf32>
  %3 = stablehlo.broadcast_in_dim %2, dims = [0] : (tensor<4xf32>) -> tensor<4x5xf32>
  return %1, %3 : tensor<4x3xf32>, tensor<4x5xf32>
}

// CHECK-LABEL: @reshape_of_broadcast
// CHECK-NEXT: stablehlo.broadcast_in_dim %arg0, dims = [2] : (tensor<3xf32>) -> tensor<4x1x3xf32>
func.func @reshape_of_broadcast(%x: tensor<3xf32>) -> tensor<4x1x3xf32> {
  %0 = stablehlo.broadcast_in_dim %x, dims = [1] : (tensor<3xf32>) -> tensor<4x3xf32>
  %1 = stablehlo.reshape %0 : (tensor<4x3xf32>) -> tensor<4x1x3xf32>
  return %1 : tensor<4x1x3xf32>
}

// CHECK-LABEL: @transpose_of_broadcast
// CHECK-NEXT: stablehlo.broadcast_in_dim %arg0, dims = [0] : (tensor<3xf32>) -> tensor<3x4xf32>
func.func @transpose_of_broadcast(%x: tensor<3xf32>) -> tensor<3x4xf32> {
  %0 = stablehlo.broadcast_in_dim %x, dims = [1] : (tensor<3xf32>) -> tensor<4x3xf32>
  %1 = stablehlo.transpose %0, dims = [1, 0] : (tensor<4x3xf32>) -> tensor<3x4xf32>
  return %1 : tensor<3x4xf32>
}

// CHECK-LABEL: @reverse_of_reverse
// CHECK-NEXT: return %arg0, %arg1
func.func @reverse_of_reverse(%x: tensor<4x3xf32>, %y: tensor<1x3xf32>) -> (tensor<4x3xf32>, tensor<1x3xf32>) {
  %0 = stablehlo.reverse %x, dims = [0, 1] : tensor<4x3xf32>
  %1 = stablehlo.reverse %0, dims = [1, 0] : tensor<4x3xf32>
  %2 = stablehlo.reverse %y, dims = [0] : tensor<1x3xf32>
  return %1, %2 : tensor<4x3xf32>, tensor<1x3xf32>
}

// CHECK-LABEL: @elementwise_of_broadcasts
// CHECK-DAG: %[[C:.*]] = stablehlo.constant dense<2.000000e+00> : tensor<3xf32>
// CHECK-DAG: %[[S:.*]] = stablehlo.add %arg0, %arg1 : tensor<3xf32>
// CHECK: %[[P:.*]] = stablehlo.multiply %[[S]], %[[C]] : tensor<3xf32>
// CHECK: stablehlo.broadcast_in_dim %[[P]], dims = [1]
func.func @elementwise_of_broadcasts(%x: tensor<3xf32>, %y: tensor<3xf32>) -> tensor<4x3xf32> {
  %two = stablehlo.constant dense<2.0> : tensor<4x3xf32>
  %0 = stablehlo.broadcast_in_dim %x, dims = [1] : (tensor<3xf32>) -> tensor<4x3xf32>
  %1 = stablehlo.broadcast_in_dim %y, dims = [1] : (tensor<3xf32>) -> tensor<4x3xf32>
  %2 = stablehlo.add %0, %1 : tensor<4x3xf32>
  %3 = stablehlo.multiply %2, %two : tensor<4x3xf32>
  return %3 : tensor<4x3xf32>
}

// CHECK-LABEL: @reshape_of_unary_of_reshape
// CHECK-NEXT: %[[A:.*]] = stablehlo.tanh %arg0 : tensor<4x3xf32>
// CHECK-NEXT: return %[[A]]
func.func @reshape_of_unary_of_reshape(%x: tensor<4x3xf32>) -> tensor<4x3xf32> {
  %0 = stablehlo.reshape %x : (tensor<4x3xf32>) -> tensor<12xf32>
  %1 = stablehlo.tanh %0 : tensor<12xf32>
  %2 = stablehlo.reshape %1 : (tensor<12xf32>) -> tensor<4x3xf32>
  return %2 : tensor<4x3xf32>
}

// Shapes that are known only at run time, and a sharding that a rewrite would lose, are left alone.
// CHECK-LABEL: @dynamic
// CHECK: stablehlo.subtract
func.func @dynamic(%x: tensor<?xi32>) -> tensor<?xi32> {
  %0 = stablehlo.subtract %x, %x : tensor<?xi32>
  return %0 : tensor<?xi32>
}
