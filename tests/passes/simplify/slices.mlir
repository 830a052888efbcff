// RUN: mycc opt %s --pass-pipeline='builtin.module(simplify{inexact=true})' | filecheck %s

// CHECK-LABEL: @slice_of_everything
// CHECK-NEXT: return %arg0
func.func @slice_of_everything(%x: tensor<4x3xf32>) -> tensor<4x3xf32> {
  %0 = stablehlo.slice %x [0:4, 0:3] : (tensor<4x3xf32>) -> tensor<4x3xf32>
  return %0 : tensor<4x3xf32>
}

// CHECK-LABEL: @slice_of_slice
// CHECK-NEXT: stablehlo.slice %arg0 [3:16:4] : (tensor<20xf32>) -> tensor<4xf32>
// CHECK-NEXT: return
func.func @slice_of_slice(%x: tensor<20xf32>) -> tensor<4xf32> {
  %0 = stablehlo.slice %x [1:19:2] : (tensor<20xf32>) -> tensor<9xf32>
  %1 = stablehlo.slice %0 [1:9:2] : (tensor<9xf32>) -> tensor<4xf32>
  return %1 : tensor<4xf32>
}

// CHECK-LABEL: @slice_of_concatenate
// CHECK-NEXT: %[[A:.*]] = stablehlo.slice %arg1 [1:3] : (tensor<5xf32>) -> tensor<2xf32>
// CHECK-NEXT: return %arg0, %[[A]]
func.func @slice_of_concatenate(%x: tensor<4xf32>, %y: tensor<5xf32>) -> (tensor<4xf32>, tensor<2xf32>) {
  %0 = stablehlo.concatenate %x, %y, dim = 0 : (tensor<4xf32>, tensor<5xf32>) -> tensor<9xf32>
  %1 = stablehlo.slice %0 [0:4] : (tensor<9xf32>) -> tensor<4xf32>
  %2 = stablehlo.slice %0 [5:7] : (tensor<9xf32>) -> tensor<2xf32>
  return %1, %2 : tensor<4xf32>, tensor<2xf32>
}

// CHECK-LABEL: @slice_of_pad
// CHECK-NEXT: %[[A:.*]] = stablehlo.slice %arg0 [1:3] : (tensor<4xf32>) -> tensor<2xf32>
// CHECK-NEXT: return %arg0, %[[A]], %arg0
func.func @slice_of_pad(%x: tensor<4xf32>, %v: tensor<f32>) -> (tensor<4xf32>, tensor<2xf32>, tensor<4xf32>) {
  %0 = stablehlo.pad %x, %v, low = [2], high = [3], interior = [0] : (tensor<4xf32>, tensor<f32>) -> tensor<9xf32>
  %1 = stablehlo.slice %0 [2:6] : (tensor<9xf32>) -> tensor<4xf32>
  %2 = stablehlo.slice %0 [3:5] : (tensor<9xf32>) -> tensor<2xf32>
  %3 = stablehlo.pad %x, %v, low = [1], high = [0], interior = [1] : (tensor<4xf32>, tensor<f32>) -> tensor<8xf32>
  %4 = stablehlo.slice %3 [1:8:2] : (tensor<8xf32>) -> tensor<4xf32>
  return %1, %2, %4 : tensor<4xf32>, tensor<2xf32>, tensor<4xf32>
}

// CHECK-LABEL: @slice_of_broadcast
// CHECK-NEXT: %[[A:.*]] = stablehlo.slice %arg0 [1:3] : (tensor<3xf32>) -> tensor<2xf32>
// CHECK-NEXT: stablehlo.broadcast_in_dim %[[A]], dims = [1] : (tensor<2xf32>) -> tensor<4x2xf32>
func.func @slice_of_broadcast(%x: tensor<3xf32>) -> tensor<4x2xf32> {
  %0 = stablehlo.broadcast_in_dim %x, dims = [1] : (tensor<3xf32>) -> tensor<8x3xf32>
  %1 = stablehlo.slice %0 [2:6, 1:3] : (tensor<8x3xf32>) -> tensor<4x2xf32>
  return %1 : tensor<4x2xf32>
}

// CHECK-LABEL: @pad_with_nothing
// CHECK-NEXT: return %arg0
func.func @pad_with_nothing(%x: tensor<4xf32>, %v: tensor<f32>) -> tensor<4xf32> {
  %0 = stablehlo.pad %x, %v, low = [0], high = [0], interior = [0] : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  return %0 : tensor<4xf32>
}

// CHECK-LABEL: @pad_of_pad
// CHECK-NEXT: stablehlo.pad %arg0, %arg1, low = [3], high = [3], interior = [1]
// CHECK-NEXT: return
func.func @pad_of_pad(%x: tensor<4xf32>, %v: tensor<f32>) -> tensor<13xf32> {
  %0 = stablehlo.pad %x, %v, low = [1], high = [2], interior = [1] : (tensor<4xf32>, tensor<f32>) -> tensor<10xf32>
  %1 = stablehlo.pad %0, %v, low = [2], high = [1], interior = [0] : (tensor<10xf32>, tensor<f32>) -> tensor<13xf32>
  return %1 : tensor<13xf32>
}

// The gradient of x[0:2], x[2:5], x[5:8].
// CHECK-LABEL: @sum_of_pads
// CHECK-NEXT: %[[A:.*]] = stablehlo.concatenate %arg0, %arg1, %arg2, dim = 0
// CHECK-NEXT: return %[[A]]
func.func @sum_of_pads(%x: tensor<2xf32>, %y: tensor<3xf32>, %z: tensor<3xf32>) -> tensor<8xf32> {
  %zero = stablehlo.constant dense<0.0> : tensor<f32>
  %0 = stablehlo.pad %x, %zero, low = [0], high = [6], interior = [0] : (tensor<2xf32>, tensor<f32>) -> tensor<8xf32>
  %1 = stablehlo.pad %y, %zero, low = [2], high = [3], interior = [0] : (tensor<3xf32>, tensor<f32>) -> tensor<8xf32>
  %2 = stablehlo.pad %z, %zero, low = [5], high = [0], interior = [0] : (tensor<3xf32>, tensor<f32>) -> tensor<8xf32>
  %3 = stablehlo.add %1, %0 : tensor<8xf32>
  %4 = stablehlo.add %3, %2 : tensor<8xf32>
  return %4 : tensor<8xf32>
}

// CHECK-LABEL: @concatenate_of_one
// CHECK-NEXT: return %arg0
func.func @concatenate_of_one(%x: tensor<4xf32>, %e: tensor<0xf32>) -> tensor<4xf32> {
  %0 = stablehlo.concatenate %e, %x, dim = 0 : (tensor<0xf32>, tensor<4xf32>) -> tensor<4xf32>
  return %0 : tensor<4xf32>
}

// CHECK-LABEL: @concatenate_of_concatenate
// CHECK-NEXT: stablehlo.concatenate %arg0, %arg1, %arg0, dim = 0
// CHECK-NEXT: return
func.func @concatenate_of_concatenate(%x: tensor<4xf32>, %y: tensor<5xf32>) -> tensor<13xf32> {
  %0 = stablehlo.concatenate %x, %y, dim = 0 : (tensor<4xf32>, tensor<5xf32>) -> tensor<9xf32>
  %1 = stablehlo.concatenate %0, %x, dim = 0 : (tensor<9xf32>, tensor<4xf32>) -> tensor<13xf32>
  return %1 : tensor<13xf32>
}

// CHECK-LABEL: @concatenate_of_slices
// CHECK-NEXT: return %arg0
func.func @concatenate_of_slices(%x: tensor<4x3xf32>) -> tensor<4x3xf32> {
  %0 = stablehlo.slice %x [0:1, 0:3] : (tensor<4x3xf32>) -> tensor<1x3xf32>
  %1 = stablehlo.slice %x [1:3, 0:3] : (tensor<4x3xf32>) -> tensor<2x3xf32>
  %2 = stablehlo.slice %x [3:4, 0:3] : (tensor<4x3xf32>) -> tensor<1x3xf32>
  %3 = stablehlo.concatenate %0, %1, %2, dim = 0 : (tensor<1x3xf32>, tensor<2x3xf32>, tensor<1x3xf32>) -> tensor<4x3xf32>
  return %3 : tensor<4x3xf32>
}

// The start is moved inside, as at run time.
// CHECK-LABEL: @dynamic_slice_at_constant
// CHECK-NEXT: stablehlo.slice %arg0 [2:4, 0:3] : (tensor<4x3xf32>) -> tensor<2x3xf32>
// CHECK-NEXT: return
func.func @dynamic_slice_at_constant(%x: tensor<4x3xf32>, %i: tensor<i32>) -> tensor<2x3xf32> {
  %three = stablehlo.constant dense<3> : tensor<i32>
  %0 = stablehlo.dynamic_slice %x, %three, %i, sizes = [2, 3] : (tensor<4x3xf32>, tensor<i32>, tensor<i32>) -> tensor<2x3xf32>
  return %0 : tensor<2x3xf32>
}

// CHECK-LABEL: @dynamic_slice_of_update
// CHECK-NEXT: return %arg1
func.func @dynamic_slice_of_update(%x: tensor<4xf32>, %u: tensor<2xf32>, %i: tensor<i32>) -> tensor<2xf32> {
  %0 = stablehlo.dynamic_update_slice %x, %u, %i : (tensor<4xf32>, tensor<2xf32>, tensor<i32>) -> tensor<4xf32>
  %1 = stablehlo.dynamic_slice %0, %i, sizes = [2] : (tensor<4xf32>, tensor<i32>) -> tensor<2xf32>
  return %1 : tensor<2xf32>
}

// CHECK-LABEL: @update_of_everything
// CHECK-NEXT: return %arg1
func.func @update_of_everything(%x: tensor<4xf32>, %u: tensor<4xf32>, %i: tensor<i32>) -> tensor<4xf32> {
  %0 = stablehlo.dynamic_update_slice %x, %u, %i : (tensor<4xf32>, tensor<4xf32>, tensor<i32>) -> tensor<4xf32>
  return %0 : tensor<4xf32>
}

// CHECK-LABEL: @update_of_update
// CHECK-NEXT: stablehlo.dynamic_update_slice %arg0, %arg2, %arg3
// CHECK-NEXT: return
func.func @update_of_update(%x: tensor<4xf32>, %u: tensor<2xf32>, %v: tensor<2xf32>, %i: tensor<i32>) -> tensor<4xf32> {
  %0 = stablehlo.dynamic_update_slice %x, %u, %i : (tensor<4xf32>, tensor<2xf32>, tensor<i32>) -> tensor<4xf32>
  %1 = stablehlo.dynamic_update_slice %0, %v, %i : (tensor<4xf32>, tensor<2xf32>, tensor<i32>) -> tensor<4xf32>
  return %1 : tensor<4xf32>
}

// CHECK-LABEL: @update_with_itself
// CHECK-NEXT: return %arg0
func.func @update_with_itself(%x: tensor<4xf32>, %i: tensor<i32>) -> tensor<4xf32> {
  %0 = stablehlo.dynamic_slice %x, %i, sizes = [2] : (tensor<4xf32>, tensor<i32>) -> tensor<2xf32>
  %1 = stablehlo.dynamic_update_slice %x, %0, %i : (tensor<4xf32>, tensor<2xf32>, tensor<i32>) -> tensor<4xf32>
  return %1 : tensor<4xf32>
}

// The rest of the array is not touched: in a loop that sums windows, the sum is updated in place.
// CHECK-LABEL: @sum_with_update_of_zeros
// CHECK-NEXT: %[[D:.*]] = stablehlo.dynamic_slice %arg0, %arg4, sizes = [2]
// CHECK-NEXT: %[[A:.*]] = stablehlo.dynamic_slice %arg0, %arg3, sizes = [2]
// CHECK-NEXT: %[[B:.*]] = stablehlo.add %[[A]], %arg1
// CHECK-NEXT: %[[C:.*]] = stablehlo.dynamic_update_slice %arg0, %[[B]], %arg3
// CHECK-NEXT: %[[E:.*]] = stablehlo.add %[[D]], %arg2
// CHECK-NEXT: %[[F:.*]] = stablehlo.dynamic_update_slice %[[C]], %[[E]], %arg4
// CHECK-NEXT: return %[[F]]
func.func @sum_with_update_of_zeros(%x: tensor<8xf32>, %u: tensor<2xf32>, %v: tensor<2xf32>, %i: tensor<i32>, %j: tensor<i32>) -> tensor<8xf32> {
  %zeros = stablehlo.constant dense<0.0> : tensor<8xf32>
  %0 = stablehlo.dynamic_update_slice %zeros, %u, %i : (tensor<8xf32>, tensor<2xf32>, tensor<i32>) -> tensor<8xf32>
  %1 = stablehlo.dynamic_update_slice %0, %v, %j : (tensor<8xf32>, tensor<2xf32>, tensor<i32>) -> tensor<8xf32>
  %2 = stablehlo.add %1, %x : tensor<8xf32>
  return %2 : tensor<8xf32>
}
