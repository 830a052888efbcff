// RUN: mycc opt %s --split-input-file --pass-pipeline='builtin.module(autodiff,symbol-dce)' | filecheck %s

// In reverse, debugging callbacks run in the forward part, once and with primal values.
// CHECK-LABEL: func.func private @f.fwd(
// CHECK-NEXT: stablehlo.custom_call @mycc.callback.debug(%arg0)
// CHECK-NEXT: %[[Y:.*]] = stablehlo.sine %arg0
// CHECK-NEXT: stablehlo.custom_call @mycc.callback.debug(%[[Y]]) {{.*}}mycc.ordered
// CHECK-NEXT: return %[[Y]], %arg0
// CHECK-LABEL: func.func private @f.pullback(
// CHECK-NOT: mycc.callback
func.func private @f(%x: tensor<f32>) -> tensor<f32> {
  stablehlo.custom_call @mycc.callback.debug(%x) {has_side_effect = true, mycc.function = 1 : i64, mycc.name = "show"} : (tensor<f32>) -> ()
  %0 = stablehlo.sine %x : tensor<f32>
  stablehlo.custom_call @mycc.callback.debug(%0) {has_side_effect = true, mycc.function = 1 : i64, mycc.name = "show", mycc.ordered} : (tensor<f32>) -> ()
  return %0 : tensor<f32>
}
func.func @main(%x: tensor<f32>, %ct: tensor<f32>) -> tensor<f32> {
  %0:2 = stablehlo.custom_call @mycc.vjp(%x, %ct) {called_computations = [@f], has_side_effect = true, mycc.active = array<i1: true>, mycc.seeded = array<i1: true>} : (tensor<f32>, tensor<f32>) -> (tensor<f32>, tensor<f32>)
  return %0#1 : tensor<f32>
}

// -----

// In forward mode they keep their place, and tangents pass them by.
// CHECK-LABEL: func.func private @f.jvp(
// CHECK-NEXT: stablehlo.custom_call @mycc.callback.debug(%arg0)
// CHECK-NEXT: %[[Y:.*]] = stablehlo.sine %arg0
// CHECK-NEXT: stablehlo.cosine
// CHECK-NEXT: %[[T:.*]] = stablehlo.multiply
// CHECK-NEXT: stablehlo.custom_call @mycc.callback.debug(%[[Y]]) {{.*}}mycc.ordered
// CHECK-NEXT: return %[[Y]], %[[T]]
func.func private @f(%x: tensor<f32>) -> tensor<f32> {
  stablehlo.custom_call @mycc.callback.debug(%x) {has_side_effect = true, mycc.function = 1 : i64, mycc.name = "show"} : (tensor<f32>) -> ()
  %0 = stablehlo.sine %x : tensor<f32>
  stablehlo.custom_call @mycc.callback.debug(%0) {has_side_effect = true, mycc.function = 1 : i64, mycc.name = "show", mycc.ordered} : (tensor<f32>) -> ()
  return %0 : tensor<f32>
}
func.func @main(%x: tensor<f32>, %ct: tensor<f32>) -> tensor<f32> {
  %0:2 = stablehlo.custom_call @mycc.jvp(%x, %ct) {called_computations = [@f], has_side_effect = true, mycc.active = array<i1: true>, mycc.seeded = array<i1: true>} : (tensor<f32>, tensor<f32>) -> (tensor<f32>, tensor<f32>)
  return %0#1 : tensor<f32>
}

// -----

// A pushforward through a loop runs it once more, and is silent.
// CHECK-LABEL: func.func private @f.fwd(
// CHECK: stablehlo.while
// CHECK: stablehlo.custom_call @mycc.callback.debug(
// CHECK-LABEL: func.func private @f.pushforward(
// CHECK: func.call @while.region.silent.jvp(
// CHECK-NOT: mycc.callback
func.func private @f(%n: tensor<i32>, %x: tensor<f32>) -> tensor<f32> {
  %zero = stablehlo.constant dense<0> : tensor<i32>
  %one = stablehlo.constant dense<1> : tensor<i32>
  %0:2 = stablehlo.while(%i = %zero, %c = %x) : tensor<i32>, tensor<f32>
    cond {
      %1 = stablehlo.compare LT, %i, %n : (tensor<i32>, tensor<i32>) -> tensor<i1>
      stablehlo.return %1 : tensor<i1>
    } do {
      stablehlo.custom_call @mycc.callback.debug(%c) {has_side_effect = true, mycc.function = 1 : i64, mycc.name = "show"} : (tensor<f32>) -> ()
      %1 = stablehlo.add %i, %one : tensor<i32>
      %2 = stablehlo.sine %c : tensor<f32>
      stablehlo.return %1, %2 : tensor<i32>, tensor<f32>
    }
  return %0#1 : tensor<f32>
}
func.func @main(%n: tensor<i32>, %x: tensor<f32>, %t: tensor<f32>) -> (tensor<f32>, tensor<f32>) {
  %0:2 = stablehlo.custom_call @mycc.linearize(%n, %x) {called_computations = [@f], has_side_effect = true, mycc.active = array<i1: false, true>, mycc.reverse = false, mycc.seeded = array<i1: true>} : (tensor<i32>, tensor<f32>) -> (tensor<f32>, !stablehlo.token)
  %1 = stablehlo.custom_call @mycc.pushforward(%0#1, %t) {called_computations = [@f], mycc.active = array<i1: false, true>, mycc.reverse = false, mycc.seeded = array<i1: true>} : (!stablehlo.token, tensor<f32>) -> tensor<f32>
  return %0#0, %1 : tensor<f32>, tensor<f32>
}
