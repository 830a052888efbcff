// RUN: mycc opt %s --split-input-file --pass-pipeline='builtin.module(autodiff,symbol-dce)' | filecheck %s

// Each branch gives its own residuals, and zeros in the place of the other's; the pullback chooses likewise.
// CHECK-LABEL: func.func private @f.fwd(
// CHECK: %[[R:.*]]:3 = "stablehlo.case"(%arg0) ({
// CHECK: func.call @case.region.fwd(%arg1)
// CHECK: }, {
// CHECK: func.call @case.region.1.fwd(%arg1)
// CHECK: return %[[R]]#0, %[[R]]#1, %[[R]]#2, %arg0
// CHECK-LABEL: func.func private @f.pullback(
// CHECK-SAME: %arg0: tensor<f32>, %arg1: tensor<f32>, %arg2: tensor<f32>, %arg3: tensor<i32>
// CHECK: "stablehlo.case"(%arg3) ({
// CHECK: func.call @case.region.pullback(%arg0, %arg1)
// CHECK: }, {
// CHECK: func.call @case.region.1.pullback(%arg0, %arg2)
func.func private @f(%i: tensor<i32>, %x: tensor<f32>) -> tensor<f32> {
  %0 = "stablehlo.case"(%i) ({
    %1 = stablehlo.sine %x : tensor<f32>
    stablehlo.return %1 : tensor<f32>
  }, {
    %1 = stablehlo.exponential %x : tensor<f32>
    stablehlo.return %1 : tensor<f32>
  }) : (tensor<i32>) -> tensor<f32>
  return %0 : tensor<f32>
}
func.func @reverse(%i: tensor<i32>, %x: tensor<f32>, %ct: tensor<f32>) -> tensor<f32> {
  %0:2 = stablehlo.custom_call @mycc.vjp(%i, %x, %ct) {called_computations = [@f], mycc.active = array<i1: false, true>, mycc.seeded = array<i1: true>} : (tensor<i32>, tensor<f32>, tensor<f32>) -> (tensor<f32>, tensor<f32>)
  return %0#1 : tensor<f32>
}

// -----

// A loop carries the tangents of those parts of its carry that move; the counter has none.
// CHECK-LABEL: func.func private @f.jvp(
// CHECK: %[[ONE:.*]] = stablehlo.constant dense<1.000000e+00>
// CHECK: %[[ZERO:.*]] = stablehlo.constant dense<0.000000e+00>
// CHECK: %[[R:.*]]:3 = stablehlo.while(%{{.*}} = %arg0, %{{.*}} = %[[ONE]], %{{.*}} = %[[ZERO]]) : tensor<i32>, tensor<f32>, tensor<f32>
// CHECK: do {
// CHECK: func.call @while.region{{.*}}.jvp(
// CHECK: return %[[R]]#1, %[[R]]#2
func.func private @f(%n: tensor<i32>, %x: tensor<f32>) -> tensor<f32> {
  %one = stablehlo.constant dense<1.0> : tensor<f32>
  %0:2 = stablehlo.while(%i = %n, %p = %one) : tensor<i32>, tensor<f32>
   cond {
    %zero = stablehlo.constant dense<0> : tensor<i32>
    %1 = stablehlo.compare GT, %i, %zero : (tensor<i32>, tensor<i32>) -> tensor<i1>
    stablehlo.return %1 : tensor<i1>
  } do {
    %step = stablehlo.constant dense<1> : tensor<i32>
    %1 = stablehlo.subtract %i, %step : tensor<i32>
    %2 = stablehlo.multiply %p, %x : tensor<f32>
    stablehlo.return %1, %2 : tensor<i32>, tensor<f32>
  }
  return %0#1 : tensor<f32>
}
func.func @forward(%n: tensor<i32>, %x: tensor<f32>, %t: tensor<f32>) -> tensor<f32> {
  %0:2 = stablehlo.custom_call @mycc.jvp(%n, %x, %t) {called_computations = [@f], mycc.active = array<i1: false, true>, mycc.seeded = array<i1: true>} : (tensor<i32>, tensor<f32>, tensor<f32>) -> (tensor<f32>, tensor<f32>)
  return %0#1 : tensor<f32>
}
