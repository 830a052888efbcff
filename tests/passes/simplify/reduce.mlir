// RUN: mycc opt %s --pass-pipeline='builtin.module(simplify{inexact=true})' | filecheck %s

// CHECK-LABEL: @reduce_of_unit_dims
// CHECK-NEXT: %[[A:.*]] = stablehlo.reshape %arg0 : (tensor<1x4xf32>) -> tensor<4xf32>
// CHECK-NEXT: %[[B:.*]] = stablehlo.reshape %arg0 : (tensor<1x4xf32>) -> tensor<4xf32>
// CHECK-NEXT: return %[[A]], %[[B]]
func.func @reduce_of_unit_dims(%x: tensor<1x4xf32>) -> (tensor<4xf32>, tensor<4xf32>) {
  %zero = stablehlo.constant dense<0.0> : tensor<f32>
  %low = stablehlo.constant dense<0xFF800000> : tensor<f32>
  %0 = stablehlo.reduce(%x init: %zero) applies stablehlo.add across dimensions = [0] : (tensor<1x4xf32>, tensor<f32>) -> tensor<4xf32>
  %1 = stablehlo.reduce(%x init: %low) applies stablehlo.maximum across dimensions = [0] : (tensor<1x4xf32>, tensor<f32>) -> tensor<4xf32>
  return %0, %1 : tensor<4xf32>, tensor<4xf32>
}

// An initial value that is not the identity counts.
// CHECK-LABEL: @reduce_of_unit_dims_from_a_value
// CHECK-DAG: %[[X:.*]] = stablehlo.reshape %arg0 : (tensor<1x4xf32>) -> tensor<4xf32>
// CHECK-DAG: %[[I:.*]] = stablehlo.broadcast_in_dim %arg1, dims = []
// CHECK: %[[A:.*]] = stablehlo.add %[[I]], %[[X]]
// CHECK: return %[[A]]
func.func @reduce_of_unit_dims_from_a_value(%x: tensor<1x4xf32>, %i: tensor<f32>) -> tensor<4xf32> {
  %0 = stablehlo.reduce(%x init: %i) applies stablehlo.add across dimensions = [0] : (tensor<1x4xf32>, tensor<f32>) -> tensor<4xf32>
  return %0 : tensor<4xf32>
}

// CHECK-LABEL: @reduce_of_splat
// CHECK-DAG: %[[A:.*]] = stablehlo.constant dense<1.500000e+01> : tensor<5xf32>
// CHECK-DAG: %[[B:.*]] = stablehlo.constant dense<1.000000e-01> : tensor<f32>
// CHECK: return %[[A]], %[[B]]
func.func @reduce_of_splat() -> (tensor<5xf32>, tensor<f32>) {
  %zero = stablehlo.constant dense<0.0> : tensor<f32>
  %low = stablehlo.constant dense<0xFF800000> : tensor<f32>
  %x = stablehlo.constant dense<5.0> : tensor<3x5xf32>
  %y = stablehlo.constant dense<0.1> : tensor<3x5xf32>
  %0 = stablehlo.reduce(%x init: %zero) applies stablehlo.add across dimensions = [0] : (tensor<3x5xf32>, tensor<f32>) -> tensor<5xf32>
  %1 = stablehlo.reduce(%y init: %low) applies stablehlo.maximum across dimensions = [0, 1] : (tensor<3x5xf32>, tensor<f32>) -> tensor<f32>
  return %0, %1 : tensor<5xf32>, tensor<f32>
}

// 0.1 + 0.1 + 0.1 rounds.
// CHECK-LABEL: @no_reduce_of_splat
// CHECK: stablehlo.reduce
func.func @no_reduce_of_splat() -> tensor<5xf32> {
  %zero = stablehlo.constant dense<0.0> : tensor<f32>
  %x = stablehlo.constant dense<0.1> : tensor<3x5xf32>
  %0 = stablehlo.reduce(%x init: %zero) applies stablehlo.add across dimensions = [0] : (tensor<3x5xf32>, tensor<f32>) -> tensor<5xf32>
  return %0 : tensor<5xf32>
}

// CHECK-LABEL: @reduce_of_reshape
// CHECK-NEXT: %[[ZERO:.*]] = stablehlo.constant
// CHECK-NEXT: stablehlo.reduce(%arg0 init: %[[ZERO]]) applies stablehlo.add across dimensions = [0] : (tensor<4xf32>, tensor<f32>) -> tensor<f32>
func.func @reduce_of_reshape(%x: tensor<4xf32>) -> tensor<f32> {
  %zero = stablehlo.constant dense<0.0> : tensor<f32>
  %0 = stablehlo.reshape %x : (tensor<4xf32>) -> tensor<1x4xf32>
  %1 = stablehlo.reduce(%0 init: %zero) applies stablehlo.add across dimensions = [0, 1] : (tensor<1x4xf32>, tensor<f32>) -> tensor<f32>
  return %1 : tensor<f32>
}

// CHECK-LABEL: @reduce_of_broadcast
// CHECK-DAG: %[[C8:.*]] = stablehlo.constant dense<8.000000e+00> : tensor<f32>
// CHECK-DAG: %[[C7:.*]] = stablehlo.constant dense<7> : tensor<i32>
// CHECK-DAG: %[[A:.*]] = stablehlo.multiply %arg0, %[[C8]]
// CHECK-DAG: %[[B:.*]] = stablehlo.multiply %arg1, %[[C7]]
// CHECK: return %[[A]], %[[B]], %arg0
func.func @reduce_of_broadcast(%x: tensor<f32>, %i: tensor<i32>) -> (tensor<f32>, tensor<i32>, tensor<f32>) {
  %zero = stablehlo.constant dense<0.0> : tensor<f32>
  %izero = stablehlo.constant dense<0> : tensor<i32>
  %low = stablehlo.constant dense<0xFF800000> : tensor<f32>
  %0 = stablehlo.broadcast_in_dim %x, dims = [] : (tensor<f32>) -> tensor<4x2xf32>
  %1 = stablehlo.reduce(%0 init: %zero) applies stablehlo.add across dimensions = [0, 1] : (tensor<4x2xf32>, tensor<f32>) -> tensor<f32>
  %2 = stablehlo.broadcast_in_dim %i, dims = [] : (tensor<i32>) -> tensor<7xi32>
  %3 = stablehlo.reduce(%2 init: %izero) applies stablehlo.add across dimensions = [0] : (tensor<7xi32>, tensor<i32>) -> tensor<i32>
  %4 = stablehlo.broadcast_in_dim %x, dims = [] : (tensor<f32>) -> tensor<7xf32>
  %5 = stablehlo.reduce(%4 init: %low) applies stablehlo.maximum across dimensions = [0] : (tensor<7xf32>, tensor<f32>) -> tensor<f32>
  return %1, %3, %5 : tensor<f32>, tensor<i32>, tensor<f32>
}

// The dimension that x has is still reduced; the one of size 1 that was spread is not.
// CHECK-LABEL: @reduce_of_partial_broadcast
// CHECK: %[[R:.*]] = stablehlo.reduce(%{{.*}} init: %{{.*}}) applies stablehlo.add across dimensions
// CHECK: stablehlo.multiply
func.func @reduce_of_partial_broadcast(%x: tensor<3x1xf32>) -> tensor<5xf32> {
  %zero = stablehlo.constant dense<0.0> : tensor<f32>
  %0 = stablehlo.broadcast_in_dim %x, dims = [1, 2] : (tensor<3x1xf32>) -> tensor<5x3x4xf32>
  %1 = stablehlo.reduce(%0 init: %zero) applies stablehlo.add across dimensions = [1, 2] : (tensor<5x3x4xf32>, tensor<f32>) -> tensor<5xf32>
  return %1 : tensor<5xf32>
}

// Seven additions round where a multiplication by 7 does not.
// CHECK-LABEL: @no_reduce_of_broadcast
// CHECK: stablehlo.reduce
func.func @no_reduce_of_broadcast(%x: tensor<f32>) -> tensor<f32> {
  %zero = stablehlo.constant dense<0.0> : tensor<f32>
  %0 = stablehlo.broadcast_in_dim %x, dims = [] : (tensor<f32>) -> tensor<7xf32>
  %1 = stablehlo.reduce(%0 init: %zero) applies stablehlo.add across dimensions = [0] : (tensor<7xf32>, tensor<f32>) -> tensor<f32>
  return %1 : tensor<f32>
}

// CHECK-LABEL: @reduce_of_reduce
// CHECK: stablehlo.reduce(%arg0 init: %{{.*}}) applies stablehlo.add across dimensions = [0, 2] : (tensor<2x3x4xf32>
// CHECK-NOT: stablehlo.reduce
func.func @reduce_of_reduce(%x: tensor<2x3x4xf32>) -> tensor<3xf32> {
  %zero = stablehlo.constant dense<0.0> : tensor<f32>
  %0 = stablehlo.reduce(%x init: %zero) applies stablehlo.add across dimensions = [2] : (tensor<2x3x4xf32>, tensor<f32>) -> tensor<2x3xf32>
  %1 = stablehlo.reduce(%0 init: %zero) applies stablehlo.add across dimensions = [0] : (tensor<2x3xf32>, tensor<f32>) -> tensor<3xf32>
  return %1 : tensor<3xf32>
}

// A maximum of sums, a sum that is needed by itself, and one that starts from 1.
// CHECK-LABEL: @no_reduce_of_reduce
// CHECK-COUNT-6: stablehlo.reduce(
func.func @no_reduce_of_reduce(%x: tensor<2x3x4xf32>) -> (tensor<3xf32>, tensor<3xf32>, tensor<2x3xf32>, tensor<3xf32>) {
  %zero = stablehlo.constant dense<0.0> : tensor<f32>
  %one = stablehlo.constant dense<1.0> : tensor<f32>
  %low = stablehlo.constant dense<0xFF800000> : tensor<f32>
  %y = stablehlo.negate %x : tensor<2x3x4xf32>
  %z = stablehlo.abs %x : tensor<2x3x4xf32>
  %0 = stablehlo.reduce(%x init: %zero) applies stablehlo.add across dimensions = [2] : (tensor<2x3x4xf32>, tensor<f32>) -> tensor<2x3xf32>
  %1 = stablehlo.reduce(%0 init: %low) applies stablehlo.maximum across dimensions = [0] : (tensor<2x3xf32>, tensor<f32>) -> tensor<3xf32>
  %2 = stablehlo.reduce(%y init: %zero) applies stablehlo.add across dimensions = [2] : (tensor<2x3x4xf32>, tensor<f32>) -> tensor<2x3xf32>
  %3 = stablehlo.reduce(%2 init: %zero) applies stablehlo.add across dimensions = [0] : (tensor<2x3xf32>, tensor<f32>) -> tensor<3xf32>
  %4 = stablehlo.reduce(%z init: %one) applies stablehlo.add across dimensions = [2] : (tensor<2x3x4xf32>, tensor<f32>) -> tensor<2x3xf32>
  %5 = stablehlo.reduce(%4 init: %zero) applies stablehlo.add across dimensions = [0] : (tensor<2x3xf32>, tensor<f32>) -> tensor<3xf32>
  return %1, %3, %2, %5 : tensor<3xf32>, tensor<3xf32>, tensor<2x3xf32>, tensor<3xf32>
}

// CHECK-LABEL: @reduce_of_pad
// CHECK-NOT: stablehlo.pad
// CHECK: stablehlo.reduce(%arg0 init: %{{.*}}) applies stablehlo.maximum across dimensions = [1] : (tensor<3x4xf32>
func.func @reduce_of_pad(%x: tensor<3x4xf32>) -> tensor<3xf32> {
  %low = stablehlo.constant dense<0xFF800000> : tensor<f32>
  %0 = stablehlo.pad %x, %low, low = [0, 2], high = [0, 1], interior = [0, 1] : (tensor<3x4xf32>, tensor<f32>) -> tensor<3x10xf32>
  %1 = stablehlo.reduce(%0 init: %low) applies stablehlo.maximum across dimensions = [1] : (tensor<3x10xf32>, tensor<f32>) -> tensor<3xf32>
  return %1 : tensor<3xf32>
}

// Zeros count in a maximum, and a padding of what is left is needed.
// CHECK-LABEL: @no_reduce_of_pad
// CHECK-COUNT-2: stablehlo.pad
func.func @no_reduce_of_pad(%x: tensor<3x4xf32>) -> (tensor<3xf32>, tensor<4xf32>) {
  %low = stablehlo.constant dense<0xFF800000> : tensor<f32>
  %zero = stablehlo.constant dense<0.0> : tensor<f32>
  %0 = stablehlo.pad %x, %zero, low = [0, 2], high = [0, 1], interior = [0, 0] : (tensor<3x4xf32>, tensor<f32>) -> tensor<3x7xf32>
  %1 = stablehlo.reduce(%0 init: %low) applies stablehlo.maximum across dimensions = [1] : (tensor<3x7xf32>, tensor<f32>) -> tensor<3xf32>
  %2 = stablehlo.pad %x, %zero, low = [1, 0], high = [0, 0], interior = [0, 0] : (tensor<3x4xf32>, tensor<f32>) -> tensor<4x4xf32>
  %3 = stablehlo.reduce(%2 init: %zero) applies stablehlo.add across dimensions = [1] : (tensor<4x4xf32>, tensor<f32>) -> tensor<4xf32>
  return %1, %3 : tensor<3xf32>, tensor<4xf32>
}

// CHECK-LABEL: @sum_of_negation
// CHECK: %[[S:.*]] = stablehlo.reduce(%arg0 init: %{{.*}}) applies stablehlo.add across dimensions = [1] : (tensor<3x4xf32>
// CHECK: %[[N:.*]] = stablehlo.negate %[[S]] : tensor<3xf32>
// CHECK: return %[[N]]
func.func @sum_of_negation(%x: tensor<3x4xf32>) -> tensor<3xf32> {
  %zero = stablehlo.constant dense<0.0> : tensor<f32>
  %0 = stablehlo.negate %x : tensor<3x4xf32>
  %1 = stablehlo.reduce(%0 init: %zero) applies stablehlo.add across dimensions = [1] : (tensor<3x4xf32>, tensor<f32>) -> tensor<3xf32>
  return %1 : tensor<3xf32>
}

// A maximum of what is negated is a minimum's negation, which is no fewer operations; a sum from one is not the negated one.
// CHECK-LABEL: @no_sum_of_negation
// CHECK-COUNT-2: stablehlo.negate %arg0 : tensor<3x4xf32>
// CHECK-NOT: tensor<3xf32>{{$}}
func.func @no_sum_of_negation(%x: tensor<3x4xf32>, %low: tensor<f32>) -> (tensor<3xf32>, tensor<4xf32>) {
  %one = stablehlo.constant dense<1.0> : tensor<f32>
  %0 = stablehlo.negate %x : tensor<3x4xf32>
  %1 = stablehlo.reduce(%0 init: %low) applies stablehlo.maximum across dimensions = [1] : (tensor<3x4xf32>, tensor<f32>) -> tensor<3xf32>
  %2 = stablehlo.negate %x : tensor<3x4xf32>
  %3 = stablehlo.reduce(%2 init: %one) applies stablehlo.add across dimensions = [0] : (tensor<3x4xf32>, tensor<f32>) -> tensor<4xf32>
  return %1, %3 : tensor<3xf32>, tensor<4xf32>
}
