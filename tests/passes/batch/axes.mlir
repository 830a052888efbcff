// RUN: mycc opt %s --split-input-file --pass-pipeline='builtin.module(batch,symbol-dce)' | filecheck %s

// The batch dimension is moved to the front at the edges only.
// CHECK-LABEL: func.func @moved(
// CHECK-NEXT: %[[X:.*]] = stablehlo.transpose %arg0, dims = [1, 0] : (tensor<3x5xf32>) -> tensor<5x3xf32>
// CHECK-NEXT: %[[Y:.*]] = call @f.vmap(%[[X]], %arg1) : (tensor<5x3xf32>, tensor<2x3xf32>) -> tensor<5x2xf32>
// CHECK-NEXT: %[[Z:.*]] = stablehlo.transpose %[[Y]], dims = [1, 0]
// CHECK-NEXT: return %[[Z]]
// CHECK-LABEL: func.func private @f.vmap(
// CHECK-NEXT: %[[A:.*]] = stablehlo.sine %arg0 : tensor<5x3xf32>
// CHECK-NEXT: %[[B:.*]] = stablehlo.dot_general %[[A]], %arg1, contracting_dims = [1] x [1]
// CHECK-NEXT: return %[[B]]
func.func private @f(%x: tensor<3xf32>, %w: tensor<2x3xf32>) -> tensor<2xf32> {
  %0 = stablehlo.sine %x : tensor<3xf32>
  %1 = stablehlo.dot_general %w, %0, contracting_dims = [1] x [0] : (tensor<2x3xf32>, tensor<3xf32>) -> tensor<2xf32>
  return %1 : tensor<2xf32>
}
func.func @moved(%x: tensor<3x5xf32>, %w: tensor<2x3xf32>) -> tensor<2x5xf32> {
  %0 = stablehlo.custom_call @mycc.vmap(%x, %w) {called_computations = [@f], mycc.axis_size = 5 : i64, mycc.in_axes = array<i64: 1, -1>, mycc.out_axes = array<i64: 1>} : (tensor<3x5xf32>, tensor<2x3xf32>) -> tensor<2x5xf32>
  return %0 : tensor<2x5xf32>
}

// -----

// What does not depend on a mapped operand is computed once, and spread where a result asks for it.
// CHECK-LABEL: func.func @unmapped(
// CHECK-NEXT: %[[R:.*]]:3 = call @f.vmap(%arg0, %arg1) : (tensor<4xf32>, tensor<f32>) -> (tensor<4xf32>, tensor<f32>, tensor<f32>)
// CHECK-NEXT: %[[S:.*]] = stablehlo.broadcast_in_dim %[[R]]#1, dims = []
// CHECK-NEXT: return %[[R]]#0, %[[S]], %[[R]]#2
// CHECK-LABEL: func.func private @f.vmap(
// CHECK-NEXT: stablehlo.exponential %arg1 : tensor<f32>
func.func private @f(%x: tensor<f32>, %y: tensor<f32>) -> (tensor<f32>, tensor<f32>, tensor<f32>) {
  %0 = stablehlo.exponential %y : tensor<f32>
  %1 = stablehlo.multiply %x, %0 : tensor<f32>
  return %1, %0, %0 : tensor<f32>, tensor<f32>, tensor<f32>
}
func.func @unmapped(%x: tensor<4xf32>, %y: tensor<f32>) -> (tensor<4xf32>, tensor<4xf32>, tensor<f32>) {
  %0:3 = stablehlo.custom_call @mycc.vmap(%x, %y) {called_computations = [@f], mycc.axis_size = 4 : i64, mycc.in_axes = array<i64: 0, -1>, mycc.out_axes = array<i64: 0, 0, -1>} : (tensor<4xf32>, tensor<f32>) -> (tensor<4xf32>, tensor<4xf32>, tensor<f32>)
  return %0#0, %0#1, %0#2 : tensor<4xf32>, tensor<4xf32>, tensor<f32>
}

// -----

// A function called twice with operands batched alike is batched once; nested maps expand in one run.
// CHECK-LABEL: func.func @nested(
// CHECK-NEXT: call @row.vmap(%arg0)
// CHECK-LABEL: func.func private @twice.vmap.vmap(
// CHECK-NEXT: %[[A:.*]] = call @block.vmap.vmap(%arg0)
// CHECK-NEXT: call @block.vmap.vmap(%[[A]])
// CHECK-LABEL: func.func private @block.vmap.vmap(
// CHECK-NEXT: stablehlo.tanh %arg0 : tensor<2x3xf32>
// CHECK-NOT: func.func
func.func private @block(%x: tensor<f32>) -> tensor<f32> {
  %0 = stablehlo.tanh %x : tensor<f32>
  return %0 : tensor<f32>
}
func.func private @twice(%x: tensor<f32>) -> tensor<f32> {
  %0 = call @block(%x) : (tensor<f32>) -> tensor<f32>
  %1 = call @block(%0) : (tensor<f32>) -> tensor<f32>
  return %1 : tensor<f32>
}
func.func private @row(%x: tensor<3xf32>) -> tensor<3xf32> {
  %0 = stablehlo.custom_call @mycc.vmap(%x) {called_computations = [@twice], mycc.axis_size = 3 : i64, mycc.in_axes = array<i64: 0>, mycc.out_axes = array<i64: 0>} : (tensor<3xf32>) -> tensor<3xf32>
  return %0 : tensor<3xf32>
}
func.func @nested(%x: tensor<2x3xf32>) -> tensor<2x3xf32> {
  %0 = stablehlo.custom_call @mycc.vmap(%x) {called_computations = [@row], mycc.axis_size = 2 : i64, mycc.in_axes = array<i64: 0>, mycc.out_axes = array<i64: 0>} : (tensor<2x3xf32>) -> tensor<2x3xf32>
  return %0 : tensor<2x3xf32>
}
