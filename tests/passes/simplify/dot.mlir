// RUN: mycc opt %s --pass-pipeline='builtin.module(simplify)' | filecheck %s

// CHECK-LABEL: @transpose_of_dot
// CHECK-NEXT: stablehlo.dot_general %arg1, %arg0, contracting_dims = [0] x [1] : (tensor<3x5xf32>, tensor<4x3xf32>) -> tensor<5x4xf32>
// CHECK-NEXT: return
func.func @transpose_of_dot(%x: tensor<4x3xf32>, %y: tensor<3x5xf32>) -> tensor<5x4xf32> {
  %0 = stablehlo.dot_general %x, %y, contracting_dims = [1] x [0] : (tensor<4x3xf32>, tensor<3x5xf32>) -> tensor<4x5xf32>
  %1 = stablehlo.transpose %0, dims = [1, 0] : (tensor<4x5xf32>) -> tensor<5x4xf32>
  return %1 : tensor<5x4xf32>
}

// The operands' precisions are swapped with them.
// CHECK-LABEL: @transpose_of_dot_batched
// CHECK-NEXT: stablehlo.dot_general %arg1, %arg0, batching_dims = [2, 1] x [1, 0], contracting_dims = [3] x [3], precision = [DEFAULT, HIGHEST]
// CHECK-SAME: -> tensor<7x2x5x4xf32>
func.func @transpose_of_dot_batched(%x: tensor<2x7x4x3xf32>, %y: tensor<5x2x7x3xf32>) -> tensor<7x2x5x4xf32> {
  %0 = stablehlo.dot_general %x, %y, batching_dims = [0, 1] x [1, 2], contracting_dims = [3] x [3], precision = [HIGHEST, DEFAULT] : (tensor<2x7x4x3xf32>, tensor<5x2x7x3xf32>) -> tensor<2x7x4x5xf32>
  %1 = stablehlo.transpose %0, dims = [1, 0, 3, 2] : (tensor<2x7x4x5xf32>) -> tensor<7x2x5x4xf32>
  return %1 : tensor<7x2x5x4xf32>
}

// The dot is used twice: a second dot would cost more than the transpose.
// CHECK-LABEL: @no_transpose_of_shared_dot
// CHECK-COUNT-1: stablehlo.dot_general
// CHECK: stablehlo.transpose
func.func @no_transpose_of_shared_dot(%x: tensor<4x3xf32>, %y: tensor<3x5xf32>) -> (tensor<4x5xf32>, tensor<5x4xf32>) {
  %0 = stablehlo.dot_general %x, %y, contracting_dims = [1] x [0] : (tensor<4x3xf32>, tensor<3x5xf32>) -> tensor<4x5xf32>
  %1 = stablehlo.transpose %0, dims = [1, 0] : (tensor<4x5xf32>) -> tensor<5x4xf32>
  return %0, %1 : tensor<4x5xf32>, tensor<5x4xf32>
}

// CHECK-LABEL: @dot_of_transpose
// CHECK-NEXT: stablehlo.dot_general %arg0, %arg1, contracting_dims = [0] x [1] : (tensor<3x4xf32>, tensor<5x3xf32>) -> tensor<4x5xf32>
// CHECK-NEXT: return
func.func @dot_of_transpose(%x: tensor<3x4xf32>, %y: tensor<5x3xf32>) -> tensor<4x5xf32> {
  %0 = stablehlo.transpose %x, dims = [1, 0] : (tensor<3x4xf32>) -> tensor<4x3xf32>
  %1 = stablehlo.transpose %y, dims = [1, 0] : (tensor<5x3xf32>) -> tensor<3x5xf32>
  %2 = stablehlo.dot_general %0, %1, contracting_dims = [1] x [0] : (tensor<4x3xf32>, tensor<3x5xf32>) -> tensor<4x5xf32>
  return %2 : tensor<4x5xf32>
}

// CHECK-LABEL: @dot_of_transpose_batched
// CHECK-NEXT: stablehlo.dot_general %arg0, %arg1, batching_dims = [1] x [0], contracting_dims = [2] x [1]
// CHECK-NEXT: return
func.func @dot_of_transpose_batched(%x: tensor<4x2x3xf32>, %y: tensor<2x3x5xf32>) -> tensor<2x4x5xf32> {
  %0 = stablehlo.transpose %x, dims = [1, 0, 2] : (tensor<4x2x3xf32>) -> tensor<2x4x3xf32>
  %1 = stablehlo.dot_general %0, %y, batching_dims = [0] x [0], contracting_dims = [2] x [1] : (tensor<2x4x3xf32>, tensor<2x3x5xf32>) -> tensor<2x4x5xf32>
  return %1 : tensor<2x4x5xf32>
}

// The two free dimensions of x change places: the result would, too.
// CHECK-LABEL: @no_dot_of_transpose
// CHECK-NEXT: stablehlo.transpose
func.func @no_dot_of_transpose(%x: tensor<4x2x3xf32>, %y: tensor<3x5xf32>) -> tensor<2x4x5xf32> {
  %0 = stablehlo.transpose %x, dims = [1, 0, 2] : (tensor<4x2x3xf32>) -> tensor<2x4x3xf32>
  %1 = stablehlo.dot_general %0, %y, contracting_dims = [2] x [0] : (tensor<2x4x3xf32>, tensor<3x5xf32>) -> tensor<2x4x5xf32>
  return %1 : tensor<2x4x5xf32>
}

// CHECK-LABEL: @outer_product
// CHECK-DAG: %[[X:.*]] = stablehlo.broadcast_in_dim %arg0, dims = [0, 1] : (tensor<4x1xf32>) -> tensor<4x5xf32>
// CHECK-DAG: %[[Y:.*]] = stablehlo.broadcast_in_dim %arg1, dims = [0, 1] : (tensor<1x5xf32>) -> tensor<4x5xf32>
// CHECK: stablehlo.multiply %[[X]], %[[Y]]
func.func @outer_product(%x: tensor<4x1xf32>, %y: tensor<1x5xf32>) -> tensor<4x5xf32> {
  %0 = stablehlo.dot_general %x, %y, contracting_dims = [1] x [0] : (tensor<4x1xf32>, tensor<1x5xf32>) -> tensor<4x5xf32>
  return %0 : tensor<4x5xf32>
}

// CHECK-LABEL: @outer_product_batched
// CHECK-NOT: dot_general
// CHECK: stablehlo.multiply %{{.*}}, %{{.*}} : tensor<7x4x5xf32>
func.func @outer_product_batched(%x: tensor<4x7xbf16>, %y: tensor<7x5xbf16>) -> tensor<7x4x5xf32> {
  %0 = stablehlo.dot_general %x, %y, batching_dims = [1] x [0], contracting_dims = [] x [] : (tensor<4x7xbf16>, tensor<7x5xbf16>) -> tensor<7x4x5xf32>
  return %0 : tensor<7x4x5xf32>
}

// The matrix repeated for each stack of rows, as PyTorch's exporters write it.
// CHECK-LABEL: @dot_of_broadcast
// CHECK-NEXT: stablehlo.dot_general %arg0, %arg1, contracting_dims = [2] x [0] : (tensor<2x3x4xf32>, tensor<4x5xf32>) -> tensor<2x3x5xf32>
// CHECK-NEXT: return
func.func @dot_of_broadcast(%x: tensor<2x3x4xf32>, %y: tensor<4x5xf32>) -> tensor<2x3x5xf32> {
  %0 = stablehlo.broadcast_in_dim %y, dims = [1, 2] : (tensor<4x5xf32>) -> tensor<2x4x5xf32>
  %1 = stablehlo.dot_general %x, %0, batching_dims = [0] x [0], contracting_dims = [2] x [1] : (tensor<2x3x4xf32>, tensor<2x4x5xf32>) -> tensor<2x3x5xf32>
  return %1 : tensor<2x3x5xf32>
}

// Of two batching dimensions the second was made; and a vector on the left.
// CHECK-LABEL: @dot_of_broadcast_batched
// CHECK-DAG: stablehlo.dot_general %arg0, %arg1, batching_dims = [0] x [0], contracting_dims = [3] x [1]
// CHECK-DAG: stablehlo.dot_general %arg2, %arg3, contracting_dims = [0] x [2]
func.func @dot_of_broadcast_batched(%x: tensor<2x6x3x4xf32>, %y: tensor<2x4x5xf32>, %v: tensor<4xf32>, %w: tensor<2x3x4xf32>) -> (tensor<2x6x3x5xf32>, tensor<2x3xf32>) {
  %0 = stablehlo.broadcast_in_dim %y, dims = [0, 2, 3] : (tensor<2x4x5xf32>) -> tensor<2x6x4x5xf32>
  %1 = stablehlo.dot_general %x, %0, batching_dims = [0, 1] x [0, 1], contracting_dims = [3] x [2] : (tensor<2x6x3x4xf32>, tensor<2x6x4x5xf32>) -> tensor<2x6x3x5xf32>
  %2 = stablehlo.broadcast_in_dim %v, dims = [1] : (tensor<4xf32>) -> tensor<2x4xf32>
  %3 = stablehlo.dot_general %2, %w, batching_dims = [0] x [0], contracting_dims = [1] x [2] : (tensor<2x4xf32>, tensor<2x3x4xf32>) -> tensor<2x3xf32>
  return %1, %3 : tensor<2x6x3x5xf32>, tensor<2x3xf32>
}

// The result's dimensions would change places; and the operand would have to be copied.
// CHECK-LABEL: @no_dot_of_broadcast
// CHECK-COUNT-2: stablehlo.dot_general {{.*}} batching_dims
func.func @no_dot_of_broadcast(%x: tensor<3x4xf32>, %y: tensor<2x4x5xf32>, %z: tensor<2x4x3xf32>, %w: tensor<4x5xf32>) -> (tensor<2x3x5xf32>, tensor<2x3x5xf32>) {
  %0 = stablehlo.broadcast_in_dim %x, dims = [1, 2] : (tensor<3x4xf32>) -> tensor<2x3x4xf32>
  %1 = stablehlo.dot_general %0, %y, batching_dims = [0] x [0], contracting_dims = [2] x [1] : (tensor<2x3x4xf32>, tensor<2x4x5xf32>) -> tensor<2x3x5xf32>
  %2 = stablehlo.broadcast_in_dim %w, dims = [1, 2] : (tensor<4x5xf32>) -> tensor<2x4x5xf32>
  %3 = stablehlo.dot_general %z, %2, batching_dims = [0] x [0], contracting_dims = [1] x [1] : (tensor<2x4x3xf32>, tensor<2x4x5xf32>) -> tensor<2x3x5xf32>
  return %1, %3 : tensor<2x3x5xf32>, tensor<2x3x5xf32>
}

// CHECK-LABEL: @outer_product_of_nothing
// CHECK-NEXT: %[[A:.*]] = stablehlo.constant dense<0.000000e+00> : tensor<3x5xf32>
// CHECK-NEXT: return %[[A]]
func.func @outer_product_of_nothing(%x: tensor<3x0xf32>, %y: tensor<0x5xf32>) -> tensor<3x5xf32> {
  %0 = stablehlo.dot_general %x, %y, contracting_dims = [1] x [0] : (tensor<3x0xf32>, tensor<0x5xf32>) -> tensor<3x5xf32>
  return %0 : tensor<3x5xf32>
}
