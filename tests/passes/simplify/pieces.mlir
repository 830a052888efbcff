// RUN: mycc opt %s --pass-pipeline='builtin.module(simplify)' | filecheck %s

// CHECK-LABEL: @slice_of_transpose
// CHECK-NEXT: %[[A:.*]] = stablehlo.slice %arg0 [0:3:2, 1:3] : (tensor<3x4xf32>) -> tensor<2x2xf32>
// CHECK-NEXT: stablehlo.transpose %[[A]], dims = [1, 0]
func.func @slice_of_transpose(%x: tensor<3x4xf32>) -> tensor<2x2xf32> {
  %0 = stablehlo.transpose %x, dims = [1, 0] : (tensor<3x4xf32>) -> tensor<4x3xf32>
  %1 = stablehlo.slice %0 [1:3, 0:3:2] : (tensor<4x3xf32>) -> tensor<2x2xf32>
  return %1 : tensor<2x2xf32>
}

// CHECK-LABEL: @slice_of_padding
// CHECK-NEXT: %[[A:.*]] = stablehlo.broadcast_in_dim %arg1, dims = [] : (tensor<f32>) -> tensor<2xf32>
// CHECK-NEXT: return %[[A]]
func.func @slice_of_padding(%x: tensor<4xf32>, %v: tensor<f32>) -> tensor<2xf32> {
  %0 = stablehlo.pad %x, %v, low = [1], high = [3], interior = [0] : (tensor<4xf32>, tensor<f32>) -> tensor<8xf32>
  %1 = stablehlo.slice %0 [5:7] : (tensor<8xf32>) -> tensor<2xf32>
  return %1 : tensor<2xf32>
}

// CHECK-LABEL: @slice_of_partly_padded
// CHECK-NEXT: %[[A:.*]] = stablehlo.slice %arg0 [1:4, 0:3] : (tensor<4x3xf32>) -> tensor<3x3xf32>
// CHECK-NEXT: stablehlo.pad %[[A]], %arg1, low = [0, 1], high = [2, 0], interior = [0, 0]
// CHECK-NEXT: return
func.func @slice_of_partly_padded(%x: tensor<4x3xf32>, %v: tensor<f32>) -> tensor<5x4xf32> {
  %0 = stablehlo.pad %x, %v, low = [1, 2], high = [3, 1], interior = [0, 0] : (tensor<4x3xf32>, tensor<f32>) -> tensor<8x6xf32>
  %1 = stablehlo.slice %0 [2:7, 1:5] : (tensor<8x6xf32>) -> tensor<5x4xf32>
  return %1 : tensor<5x4xf32>
}

// Somebody else reads the padded array.
// CHECK-LABEL: @no_slice_of_partly_padded
// CHECK: %[[A:.*]] = stablehlo.pad
// CHECK-NEXT: stablehlo.slice %[[A]]
func.func @no_slice_of_partly_padded(%x: tensor<4xf32>, %v: tensor<f32>) -> (tensor<5xf32>, tensor<8xf32>) {
  %0 = stablehlo.pad %x, %v, low = [1], high = [3], interior = [0] : (tensor<4xf32>, tensor<f32>) -> tensor<8xf32>
  %1 = stablehlo.slice %0 [2:7] : (tensor<8xf32>) -> tensor<5xf32>
  return %1, %0 : tensor<5xf32>, tensor<8xf32>
}

// CHECK-LABEL: @slice_of_reverse
// CHECK-NEXT: %[[A:.*]] = stablehlo.slice %arg0 [2:5:2, 1:3] : (tensor<6x3xf32>) -> tensor<2x2xf32>
// CHECK-NEXT: stablehlo.reverse %[[A]], dims = [0]
func.func @slice_of_reverse(%x: tensor<6x3xf32>) -> tensor<2x2xf32> {
  %0 = stablehlo.reverse %x, dims = [0] : tensor<6x3xf32>
  %1 = stablehlo.slice %0 [1:5:2, 1:3] : (tensor<6x3xf32>) -> tensor<2x2xf32>
  return %1 : tensor<2x2xf32>
}

// CHECK-LABEL: @no_slice_of_padding
// CHECK: stablehlo.pad
func.func @no_slice_of_padding(%x: tensor<4xf32>, %v: tensor<f32>) -> tensor<2xf32> {
  %0 = stablehlo.pad %x, %v, low = [1], high = [3], interior = [0] : (tensor<4xf32>, tensor<f32>) -> tensor<8xf32>
  %1 = stablehlo.slice %0 [4:8:2] : (tensor<8xf32>) -> tensor<2xf32>
  return %1 : tensor<2xf32>
}

// CHECK-LABEL: @slice_of_pieces
// CHECK-NEXT: %[[A:.*]] = stablehlo.concatenate %arg1, %arg2, dim = 0
// CHECK-NEXT: %[[B:.*]] = stablehlo.slice %[[A]] [1:4] : (tensor<5xf32>) -> tensor<3xf32>
// CHECK-NEXT: return %[[B]]
func.func @slice_of_pieces(%x: tensor<4xf32>, %y: tensor<3xf32>, %z: tensor<2xf32>) -> tensor<3xf32> {
  %0 = stablehlo.concatenate %x, %y, %z, %x, dim = 0 : (tensor<4xf32>, tensor<3xf32>, tensor<2xf32>, tensor<4xf32>) -> tensor<13xf32>
  %1 = stablehlo.slice %0 [5:8] : (tensor<13xf32>) -> tensor<3xf32>
  return %1 : tensor<3xf32>
}

// CHECK-LABEL: @no_slice_of_pieces
// CHECK: stablehlo.concatenate %arg0, %arg1, %arg2
func.func @no_slice_of_pieces(%x: tensor<4xf32>, %y: tensor<3xf32>, %z: tensor<2xf32>) -> tensor<5xf32> {
  %0 = stablehlo.concatenate %x, %y, %z, dim = 0 : (tensor<4xf32>, tensor<3xf32>, tensor<2xf32>) -> tensor<9xf32>
  %1 = stablehlo.slice %0 [3:8] : (tensor<9xf32>) -> tensor<5xf32>
  return %1 : tensor<5xf32>
}

// The third index is moved to 4, so that the window is inside.
// CHECK-LABEL: @slice_of_update
// CHECK-NEXT: %[[A:.*]] = stablehlo.slice %arg1 [1:2] : (tensor<2xf32>) -> tensor<1xf32>
// CHECK-NEXT: %[[B:.*]] = stablehlo.slice %arg0 [1:3] : (tensor<6xf32>) -> tensor<2xf32>
// CHECK-NEXT: return %[[A]], %[[B]]
func.func @slice_of_update(%x: tensor<6xf32>, %u: tensor<2xf32>) -> (tensor<1xf32>, tensor<2xf32>) {
  %nine = stablehlo.constant dense<9> : tensor<i32>
  %0 = stablehlo.dynamic_update_slice %x, %u, %nine : (tensor<6xf32>, tensor<2xf32>, tensor<i32>) -> tensor<6xf32>
  %1 = stablehlo.slice %0 [5:6] : (tensor<6xf32>) -> tensor<1xf32>
  %2 = stablehlo.slice %0 [1:3] : (tensor<6xf32>) -> tensor<2xf32>
  return %1, %2 : tensor<1xf32>, tensor<2xf32>
}

// It sees some of the window, or nobody knows.
// CHECK-LABEL: @no_slice_of_update
// CHECK-COUNT-2: stablehlo.dynamic_update_slice
func.func @no_slice_of_update(%x: tensor<6xf32>, %u: tensor<2xf32>, %i: tensor<i32>) -> (tensor<2xf32>, tensor<2xf32>) {
  %four = stablehlo.constant dense<4> : tensor<i32>
  %0 = stablehlo.dynamic_update_slice %x, %u, %four : (tensor<6xf32>, tensor<2xf32>, tensor<i32>) -> tensor<6xf32>
  %1 = stablehlo.slice %0 [3:5] : (tensor<6xf32>) -> tensor<2xf32>
  %2 = stablehlo.dynamic_update_slice %x, %u, %i : (tensor<6xf32>, tensor<2xf32>, tensor<i32>) -> tensor<6xf32>
  %3 = stablehlo.slice %2 [3:5] : (tensor<6xf32>) -> tensor<2xf32>
  return %1, %3 : tensor<2xf32>, tensor<2xf32>
}

// CHECK-LABEL: @slice_of_iota
// CHECK-NEXT: %[[A:.*]] = stablehlo.iota dim = 1 : tensor<1x3xi32>
// CHECK-NEXT: return %[[A]]
func.func @slice_of_iota() -> tensor<1x3xi32> {
  %0 = stablehlo.iota dim = 1 : tensor<2x4xi32>
  %1 = stablehlo.slice %0 [1:2, 0:3] : (tensor<2x4xi32>) -> tensor<1x3xi32>
  return %1 : tensor<1x3xi32>
}

// CHECK-LABEL: @no_slice_of_iota
// CHECK: stablehlo.slice
func.func @no_slice_of_iota() -> tensor<2x3xi32> {
  %0 = stablehlo.iota dim = 1 : tensor<2x4xi32>
  %1 = stablehlo.slice %0 [0:2, 1:4] : (tensor<2x4xi32>) -> tensor<2x3xi32>
  return %1 : tensor<2x3xi32>
}

// CHECK-LABEL: @concatenate_of_copies
// CHECK-NEXT: stablehlo.broadcast_in_dim %arg0, dims = [0, 1] : (tensor<1x3xf32>) -> tensor<3x3xf32>
func.func @concatenate_of_copies(%x: tensor<1x3xf32>) -> tensor<3x3xf32> {
  %0 = stablehlo.concatenate %x, %x, %x, dim = 0 : (tensor<1x3xf32>, tensor<1x3xf32>, tensor<1x3xf32>) -> tensor<3x3xf32>
  return %0 : tensor<3x3xf32>
}

// CHECK-LABEL: @no_concatenate_of_copies
// CHECK-COUNT-2: stablehlo.concatenate
func.func @no_concatenate_of_copies(%x: tensor<1x3xf32>, %y: tensor<1x3xf32>) -> (tensor<1x6xf32>, tensor<3x3xf32>) {
  %0 = stablehlo.concatenate %x, %x, dim = 1 : (tensor<1x3xf32>, tensor<1x3xf32>) -> tensor<1x6xf32>
  %1 = stablehlo.concatenate %x, %x, %y, dim = 0 : (tensor<1x3xf32>, tensor<1x3xf32>, tensor<1x3xf32>) -> tensor<3x3xf32>
  return %0, %1 : tensor<1x6xf32>, tensor<3x3xf32>
}

// CHECK-LABEL: @concatenate_with_splat
// CHECK: %[[A:.*]] = stablehlo.concatenate %arg0, %arg1
// CHECK: stablehlo.pad %[[A]], %{{.*}}, low = [0], high = [2], interior = [0]
func.func @concatenate_with_splat(%x: tensor<4xf32>, %y: tensor<3xf32>) -> tensor<9xf32> {
  %zeros = stablehlo.constant dense<0.0> : tensor<2xf32>
  %0 = stablehlo.concatenate %x, %y, %zeros, dim = 0 : (tensor<4xf32>, tensor<3xf32>, tensor<2xf32>) -> tensor<9xf32>
  return %0 : tensor<9xf32>
}

// CHECK-LABEL: @no_concatenate_with_splat
// CHECK: stablehlo.concatenate
func.func @no_concatenate_with_splat(%x: tensor<4xf32>, %y: tensor<3xf32>) -> tensor<9xf32> {
  %zeros = stablehlo.constant dense<0.0> : tensor<2xf32>
  %0 = stablehlo.concatenate %x, %zeros, %y, dim = 0 : (tensor<4xf32>, tensor<2xf32>, tensor<3xf32>) -> tensor<9xf32>
  return %0 : tensor<9xf32>
}

// CHECK-LABEL: @pad_that_cuts
// CHECK-NEXT: stablehlo.slice %arg0 [1:5] : (tensor<7xf32>) -> tensor<4xf32>
func.func @pad_that_cuts(%x: tensor<7xf32>, %v: tensor<f32>) -> tensor<4xf32> {
  %0 = stablehlo.pad %x, %v, low = [-1], high = [-2], interior = [0] : (tensor<7xf32>, tensor<f32>) -> tensor<4xf32>
  return %0 : tensor<4xf32>
}

// CHECK-LABEL: @no_pad_that_cuts
// CHECK: stablehlo.pad
func.func @no_pad_that_cuts(%x: tensor<7xf32>, %v: tensor<f32>) -> tensor<7xf32> {
  %0 = stablehlo.pad %x, %v, low = [-1], high = [1], interior = [0] : (tensor<7xf32>, tensor<f32>) -> tensor<7xf32>
  return %0 : tensor<7xf32>
}

// CHECK-LABEL: @dynamic_slice_of_dynamic_slice
// CHECK-NEXT: stablehlo.dynamic_slice %arg0, %arg1, %arg2, sizes = [2, 1] : (tensor<5x4xf32>
// CHECK-NEXT: return
func.func @dynamic_slice_of_dynamic_slice(%x: tensor<5x4xf32>, %i: tensor<i32>, %j: tensor<i32>) -> tensor<2x1xf32> {
  %zero = stablehlo.constant dense<0> : tensor<i32>
  %0 = stablehlo.dynamic_slice %x, %i, %zero, sizes = [2, 4] : (tensor<5x4xf32>, tensor<i32>, tensor<i32>) -> tensor<2x4xf32>
  %1 = stablehlo.dynamic_slice %0, %zero, %j, sizes = [2, 1] : (tensor<2x4xf32>, tensor<i32>, tensor<i32>) -> tensor<2x1xf32>
  return %1 : tensor<2x1xf32>
}

// Each index is moved to be inside by itself.
// CHECK-LABEL: @no_dynamic_slice_of_dynamic_slice
// CHECK-COUNT-2: stablehlo.dynamic_slice
func.func @no_dynamic_slice_of_dynamic_slice(%x: tensor<5xf32>, %i: tensor<i32>, %j: tensor<i32>) -> tensor<1xf32> {
  %0 = stablehlo.dynamic_slice %x, %i, sizes = [3] : (tensor<5xf32>, tensor<i32>) -> tensor<3xf32>
  %1 = stablehlo.dynamic_slice %0, %j, sizes = [1] : (tensor<3xf32>, tensor<i32>) -> tensor<1xf32>
  return %1 : tensor<1xf32>
}

// CHECK-LABEL: @dynamic_slice_of_broadcast
// CHECK-NEXT: stablehlo.broadcast_in_dim %arg0, dims = [1] : (tensor<3xf32>) -> tensor<2x3xf32>
// CHECK-NEXT: return
func.func @dynamic_slice_of_broadcast(%x: tensor<3xf32>, %i: tensor<i32>) -> tensor<2x3xf32> {
  %0 = stablehlo.broadcast_in_dim %x, dims = [1] : (tensor<3xf32>) -> tensor<5x3xf32>
  %1 = stablehlo.dynamic_slice %0, %i, %i, sizes = [2, 3] : (tensor<5x3xf32>, tensor<i32>, tensor<i32>) -> tensor<2x3xf32>
  return %1 : tensor<2x3xf32>
}

// CHECK-LABEL: @no_dynamic_slice_of_broadcast
// CHECK: stablehlo.dynamic_slice
func.func @no_dynamic_slice_of_broadcast(%x: tensor<3xf32>, %i: tensor<i32>) -> tensor<5x2xf32> {
  %0 = stablehlo.broadcast_in_dim %x, dims = [1] : (tensor<3xf32>) -> tensor<5x3xf32>
  %1 = stablehlo.dynamic_slice %0, %i, %i, sizes = [5, 2] : (tensor<5x3xf32>, tensor<i32>, tensor<i32>) -> tensor<5x2xf32>
  return %1 : tensor<5x2xf32>
}

// CHECK-LABEL: @update_of_splat
// CHECK: stablehlo.pad %arg0, %{{.*}}, low = [3], high = [1], interior = [0]
func.func @update_of_splat(%u: tensor<2xf32>) -> tensor<6xf32> {
  %three = stablehlo.constant dense<3> : tensor<i32>
  %ones = stablehlo.constant dense<1.0> : tensor<6xf32>
  %0 = stablehlo.dynamic_update_slice %ones, %u, %three : (tensor<6xf32>, tensor<2xf32>, tensor<i32>) -> tensor<6xf32>
  return %0 : tensor<6xf32>
}

// CHECK-LABEL: @no_update_of_splat
// CHECK: stablehlo.dynamic_update_slice
func.func @no_update_of_splat(%u: tensor<2xf32>, %i: tensor<i32>) -> tensor<6xf32> {
  %ones = stablehlo.constant dense<1.0> : tensor<6xf32>
  %0 = stablehlo.dynamic_update_slice %ones, %u, %i : (tensor<6xf32>, tensor<2xf32>, tensor<i32>) -> tensor<6xf32>
  return %0 : tensor<6xf32>
}
