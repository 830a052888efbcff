// RUN: mycc opt %s --pass-pipeline='builtin.module(autodiff{mode=forward})' | filecheck %s --check-prefix=FORWARD
// RUN: mycc opt %s --pass-pipeline='builtin.module(autodiff{mode=reverse})' | filecheck %s --check-prefix=REVERSE
// RUN: mycc opt %s --pass-pipeline='builtin.module(autodiff{mode=transpose})' | filecheck %s --check-prefix=TRANSPOSE
// RUN: mycc opt %s --pass-pipeline='builtin.module(autodiff)' | filecheck %s --check-prefix=ALL

// What the mode leaves out, and what waits for a vmap inside, stays.
func.func private @double(%x: tensor<f32>) -> tensor<f32> {
  %0 = stablehlo.add %x, %x : tensor<f32>
  return %0 : tensor<f32>
}
func.func private @mapped(%x: tensor<2xf32>) -> tensor<2xf32> {
  %0 = stablehlo.custom_call @mycc.vmap(%x) {called_computations = [@double], mycc.axis_size = 2 : i64, mycc.in_axes = array<i64: 0>, mycc.out_axes = array<i64: 0>} : (tensor<2xf32>) -> tensor<2xf32>
  return %0 : tensor<2xf32>
}
// FORWARD-LABEL: func.func @main(
// FORWARD: call @double.jvp
// FORWARD: @mycc.vjp
// FORWARD: @mycc.transpose
// FORWARD: @mycc.jvp(%arg1, %arg1)
// REVERSE-LABEL: func.func @main(
// REVERSE: @mycc.jvp(%arg0, %arg0)
// REVERSE: call @double.pullback
// REVERSE: @mycc.transpose
// REVERSE: @mycc.jvp(%arg1, %arg1)
// TRANSPOSE-LABEL: func.func @main(
// TRANSPOSE: @mycc.jvp(%arg0, %arg0)
// TRANSPOSE: @mycc.vjp
// TRANSPOSE: call @double.transpose
// TRANSPOSE: @mycc.jvp(%arg1, %arg1)
// ALL-LABEL: func.func @main(
// ALL: call @double.jvp
// ALL: call @double.pullback
// ALL: call @double.transpose
// ALL: @mycc.jvp(%arg1, %arg1)
func.func @main(%x: tensor<f32>, %v: tensor<2xf32>) -> (tensor<f32>, tensor<f32>, tensor<f32>, tensor<2xf32>) {
  %0:2 = stablehlo.custom_call @mycc.jvp(%x, %x) {called_computations = [@double], mycc.active = array<i1: true>, mycc.seeded = array<i1: true>} : (tensor<f32>, tensor<f32>) -> (tensor<f32>, tensor<f32>)
  %1:2 = stablehlo.custom_call @mycc.vjp(%x, %x) {called_computations = [@double], mycc.active = array<i1: true>, mycc.seeded = array<i1: true>} : (tensor<f32>, tensor<f32>) -> (tensor<f32>, tensor<f32>)
  %2 = stablehlo.custom_call @mycc.transpose(%x) {called_computations = [@double], mycc.active = array<i1: true>, mycc.seeded = array<i1: true>} : (tensor<f32>) -> tensor<f32>
  %3:2 = stablehlo.custom_call @mycc.jvp(%v, %v) {called_computations = [@mapped], mycc.active = array<i1: true>, mycc.seeded = array<i1: true>} : (tensor<2xf32>, tensor<2xf32>) -> (tensor<2xf32>, tensor<2xf32>)
  return %0#1, %1#1, %2, %3#1 : tensor<f32>, tensor<f32>, tensor<f32>, tensor<2xf32>
}
