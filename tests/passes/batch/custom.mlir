// RUN: mycc opt %s --split-input-file --pass-pipeline='builtin.module(batch,symbol-dce)' | filecheck %s

// A batched composite is a composite with batched rules; the rule refers to itself, batched likewise.
// CHECK-LABEL: func.func private @g.vmap(
// CHECK-NEXT: stablehlo.composite "mycc.custom_jvp" %arg0 {composite_attributes = {arguments = 1 : i64, jvp = @rule.vmap}, decomposition = @f.vmap} : (tensor<3xf32>) -> tensor<3xf32>
// CHECK-LABEL: func.func private @rule.vmap(
// CHECK-NEXT: stablehlo.composite "mycc.custom_jvp" %arg0 {composite_attributes = {arguments = 1 : i64, jvp = @rule.vmap}, decomposition = @f.vmap} : (tensor<3xf32>) -> tensor<3xf32>
func.func private @f(%x: tensor<f32>) -> tensor<f32> {
  %0 = stablehlo.tanh %x : tensor<f32>
  return %0 : tensor<f32>
}
func.func private @rule(%x: tensor<f32>, %t: tensor<f32>) -> (tensor<f32>, tensor<f32>) {
  %0 = stablehlo.composite "mycc.custom_jvp" %x {composite_attributes = {arguments = 1 : i64, jvp = @rule}, decomposition = @f} : (tensor<f32>) -> tensor<f32>
  return %0, %t : tensor<f32>, tensor<f32>
}
func.func private @g(%x: tensor<f32>) -> tensor<f32> {
  %0 = stablehlo.composite "mycc.custom_jvp" %x {composite_attributes = {arguments = 1 : i64, jvp = @rule}, decomposition = @f} : (tensor<f32>) -> tensor<f32>
  return %0 : tensor<f32>
}
func.func @mapped(%x: tensor<3xf32>) -> tensor<3xf32> {
  %0 = stablehlo.custom_call @mycc.vmap(%x) {called_computations = [@g], mycc.axis_size = 3 : i64, mycc.in_axes = array<i64: 0>, mycc.out_axes = array<i64: 0>} : (tensor<3xf32>) -> tensor<3xf32>
  return %0 : tensor<3xf32>
}

// -----

// What is not mapped is not spread: neither as operand nor as residual. Its cotangents are summed.
// CHECK-LABEL: func.func private @g.vmap(
// CHECK-NEXT: stablehlo.composite "mycc.custom_vjp" %arg0, %arg1 {composite_attributes = {arguments = 2 : i64, bwd = @bwd.vmap.sum, fwd = @fwd.vmap}, decomposition = @f.vmap} : (tensor<3x2xf32>, tensor<2xf32>) -> tensor<3x2xf32>
// CHECK-DAG: func.func private @fwd.vmap(%arg0: tensor<3x2xf32>, %arg1: tensor<2xf32>) -> (tensor<3x2xf32>, tensor<3x2xf32>, tensor<2xf32>)
// CHECK-DAG: func.func private @bwd.vmap.sum(%arg0: tensor<3x2xf32>, %arg1: tensor<2xf32>, %arg2: tensor<3x2xf32>) -> (tensor<3x2xf32>, tensor<2xf32>)
// CHECK: stablehlo.reduce({{.*}}) applies stablehlo.add across dimensions = [0] : (tensor<3x2xf32>, tensor<f32>) -> tensor<2xf32>
func.func private @f(%x: tensor<2xf32>, %w: tensor<2xf32>) -> tensor<2xf32> {
  %0 = stablehlo.multiply %x, %w : tensor<2xf32>
  return %0 : tensor<2xf32>
}
func.func private @fwd(%x: tensor<2xf32>, %w: tensor<2xf32>) -> (tensor<2xf32>, tensor<2xf32>, tensor<2xf32>) {
  %0 = stablehlo.multiply %x, %w : tensor<2xf32>
  return %0, %x, %w : tensor<2xf32>, tensor<2xf32>, tensor<2xf32>
}
func.func private @bwd(%x: tensor<2xf32>, %w: tensor<2xf32>, %ct: tensor<2xf32>) -> (tensor<2xf32>, tensor<2xf32>) {
  %0 = stablehlo.multiply %ct, %w : tensor<2xf32>
  %1 = stablehlo.multiply %ct, %x : tensor<2xf32>
  return %0, %1 : tensor<2xf32>, tensor<2xf32>
}
func.func private @g(%x: tensor<2xf32>, %w: tensor<2xf32>) -> tensor<2xf32> {
  %0 = stablehlo.composite "mycc.custom_vjp" %x, %w {composite_attributes = {arguments = 2 : i64, fwd = @fwd, bwd = @bwd}, decomposition = @f} : (tensor<2xf32>, tensor<2xf32>) -> tensor<2xf32>
  return %0 : tensor<2xf32>
}
func.func @mapped(%x: tensor<3x2xf32>, %w: tensor<2xf32>) -> tensor<3x2xf32> {
  %0 = stablehlo.custom_call @mycc.vmap(%x, %w) {called_computations = [@g], mycc.axis_size = 3 : i64, mycc.in_axes = array<i64: 0, -1>, mycc.out_axes = array<i64: 0>} : (tensor<3x2xf32>, tensor<2xf32>) -> tensor<3x2xf32>
  return %0 : tensor<3x2xf32>
}

// -----

// CHECK-LABEL: func.func private @g.vmap(
// CHECK-NEXT: stablehlo.composite "mycc.checkpoint" %arg0, %arg1 {composite_attributes = {arguments = 2 : i64, policy = ["dots"], prevent_cse = false}, decomposition = @f.vmap} : (tensor<3xf32>, tensor<f32>) -> tensor<3xf32>
func.func private @f(%x: tensor<f32>, %y: tensor<f32>) -> tensor<f32> {
  %0 = stablehlo.multiply %x, %y : tensor<f32>
  return %0 : tensor<f32>
}
func.func private @g(%x: tensor<f32>, %y: tensor<f32>) -> tensor<f32> {
  %0 = stablehlo.composite "mycc.checkpoint" %x, %y {composite_attributes = {arguments = 2 : i64, policy = ["dots"], prevent_cse = false}, decomposition = @f} : (tensor<f32>, tensor<f32>) -> tensor<f32>
  return %0 : tensor<f32>
}
func.func @mapped(%x: tensor<3xf32>, %y: tensor<f32>) -> tensor<3xf32> {
  %0 = stablehlo.custom_call @mycc.vmap(%x, %y) {called_computations = [@g], mycc.axis_size = 3 : i64, mycc.in_axes = array<i64: 0, -1>, mycc.out_axes = array<i64: 0>} : (tensor<3xf32>, tensor<f32>) -> tensor<3xf32>
  return %0 : tensor<3xf32>
}
