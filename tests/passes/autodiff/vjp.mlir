// RUN: mycc opt %s --split-input-file --pass-pipeline='builtin.module(autodiff,symbol-dce)' | filecheck %s

// The residuals are what the pullback uses: y for the product and x for the cosine, but not sin(x).
// CHECK-LABEL: func.func @one_argument(
// CHECK-NEXT: %[[R:.*]]:3 = call @f.fwd(%arg0, %arg1)
// CHECK-NEXT: %[[CT:.*]] = call @f.pullback(%arg2, %[[R]]#1, %[[R]]#2)
// CHECK: return %[[R]]#0, %[[CT]]
// CHECK-LABEL: func.func private @f.fwd(
// CHECK-NEXT: %[[SIN:.*]] = stablehlo.sine %arg0
// CHECK-NEXT: %[[OUT:.*]] = stablehlo.multiply %[[SIN]], %arg1
// CHECK-NEXT: return %[[OUT]], %arg1, %arg0
// CHECK-LABEL: func.func private @f.pullback(
// CHECK-NEXT: %[[A:.*]] = stablehlo.multiply %arg0, %arg1
// CHECK-NEXT: %[[COS:.*]] = stablehlo.cosine %arg2
// CHECK-NEXT: %[[B:.*]] = stablehlo.multiply %[[A]], %[[COS]]
// CHECK-NEXT: return %[[B]]
func.func private @f(%x: tensor<3xf32>, %y: tensor<3xf32>) -> tensor<3xf32> {
  %0 = stablehlo.sine %x : tensor<3xf32>
  %1 = stablehlo.multiply %0, %y : tensor<3xf32>
  return %1 : tensor<3xf32>
}
func.func @one_argument(%x: tensor<3xf32>, %y: tensor<3xf32>, %ct: tensor<3xf32>) -> (tensor<3xf32>, tensor<3xf32>) {
  %0:2 = stablehlo.custom_call @mycc.vjp(%x, %y, %ct) {called_computations = [@f], mycc.active = array<i1: true, false>, mycc.seeded = array<i1: true>} : (tensor<3xf32>, tensor<3xf32>, tensor<3xf32>) -> (tensor<3xf32>, tensor<3xf32>)
  return %0#0, %0#1 : tensor<3xf32>, tensor<3xf32>
}

// -----

// A function that is called twice is differentiated once, and its derivatives are called twice.
// CHECK-LABEL: func.func @calls(
// CHECK-NOT: stablehlo
// CHECK-LABEL: func.func private @network.fwd(
// CHECK-NEXT: %[[ONE:.*]]:2 = call @block.fwd(%arg0)
// CHECK-NEXT: %[[TWO:.*]]:2 = call @block.fwd(%[[ONE]]#0)
// CHECK-NEXT: return %[[TWO]]#0, %[[TWO]]#1, %[[ONE]]#1
// CHECK-LABEL: func.func private @network.pullback(
// CHECK-NEXT: %[[LAST:.*]] = call @block.pullback(%arg0, %arg1)
// CHECK-NEXT: %[[FIRST:.*]] = call @block.pullback(%[[LAST]], %arg2)
// CHECK-NEXT: return %[[FIRST]]
// CHECK-LABEL: func.func private @block.fwd(
// CHECK-LABEL: func.func private @block.pullback(
// CHECK-NOT: func.func
func.func private @block(%x: tensor<3xf32>) -> tensor<3xf32> {
  %0 = stablehlo.tanh %x : tensor<3xf32>
  return %0 : tensor<3xf32>
}
func.func private @network(%x: tensor<3xf32>) -> tensor<3xf32> {
  %0 = call @block(%x) : (tensor<3xf32>) -> tensor<3xf32>
  %1 = call @block(%0) : (tensor<3xf32>) -> tensor<3xf32>
  return %1 : tensor<3xf32>
}
func.func @calls(%x: tensor<3xf32>, %ct: tensor<3xf32>) -> tensor<3xf32> {
  %0:2 = stablehlo.custom_call @mycc.vjp(%x, %ct) {called_computations = [@network], mycc.active = array<i1: true>, mycc.seeded = array<i1: true>} : (tensor<3xf32>, tensor<3xf32>) -> (tensor<3xf32>, tensor<3xf32>)
  return %0#1 : tensor<3xf32>
}

// -----

// Only the first result has a cotangent; integers have none.
// CHECK-LABEL: func.func @seeds(
// CHECK-NEXT: %[[R:.*]]:4 = call @f.fwd(%arg0, %arg1)
// CHECK-NEXT: %[[CT:.*]] = call @f.pullback(%arg2, %[[R]]#3) : (tensor<f32>, tensor<f32>) -> tensor<f32>
// CHECK: return %[[CT]]
// An argument that no result depends on has a zero cotangent, and no pullback is called.
// CHECK-LABEL: func.func @unused(
// CHECK-NOT: pullback
// CHECK: %[[ZERO:.*]] = stablehlo.constant dense<0.000000e+00>
// CHECK: return %{{.*}} : tensor<f32>
// CHECK-LABEL: func.func private @f.pullback(
// CHECK-NEXT: stablehlo.multiply %arg0, %arg1
func.func private @f(%x: tensor<f32>, %n: tensor<i32>) -> (tensor<f32>, tensor<i32>, tensor<f32>) {
  %0 = stablehlo.exponential %x : tensor<f32>
  %1 = stablehlo.convert %n : (tensor<i32>) -> tensor<f32>
  %2 = stablehlo.add %x, %1 : tensor<f32>
  return %0, %n, %2 : tensor<f32>, tensor<i32>, tensor<f32>
}
func.func @seeds(%x: tensor<f32>, %n: tensor<i32>, %ct: tensor<f32>) -> tensor<f32> {
  %0:4 = stablehlo.custom_call @mycc.vjp(%x, %n, %ct) {called_computations = [@f], mycc.active = array<i1: true, false>, mycc.seeded = array<i1: true, false, false>} : (tensor<f32>, tensor<i32>, tensor<f32>) -> (tensor<f32>, tensor<i32>, tensor<f32>, tensor<f32>)
  return %0#3 : tensor<f32>
}
func.func @unused(%x: tensor<f32>, %y: tensor<f32>, %ct: tensor<f32>) -> tensor<f32> {
  %0:2 = stablehlo.custom_call @mycc.vjp(%x, %y, %ct) {called_computations = [@first], mycc.active = array<i1: false, true>, mycc.seeded = array<i1: true>} : (tensor<f32>, tensor<f32>, tensor<f32>) -> (tensor<f32>, tensor<f32>)
  return %0#1 : tensor<f32>
}
func.func private @first(%x: tensor<f32>, %y: tensor<f32>) -> tensor<f32> {
  return %x : tensor<f32>
}

// -----

// The inner derivative is expanded first, and the outer one in the same run.
// CHECK-LABEL: func.func @second_order(
// CHECK-NOT: mycc.
// CHECK: call @inner.fwd(%arg0)
// CHECK: call @inner.pullback(
// CHECK-LABEL: func.func private @inner.pullback(
// CHECK: call @cube.pullback.pullback(
func.func private @cube(%x: tensor<f32>) -> tensor<f32> {
  %0 = stablehlo.multiply %x, %x : tensor<f32>
  %1 = stablehlo.multiply %0, %x : tensor<f32>
  return %1 : tensor<f32>
}
func.func private @inner(%x: tensor<f32>) -> tensor<f32> {
  %one = stablehlo.constant dense<1.0> : tensor<f32>
  %0:2 = stablehlo.custom_call @mycc.vjp(%x, %one) {called_computations = [@cube], mycc.active = array<i1: true>, mycc.seeded = array<i1: true>} : (tensor<f32>, tensor<f32>) -> (tensor<f32>, tensor<f32>)
  return %0#1 : tensor<f32>
}
func.func @second_order(%x: tensor<f32>) -> tensor<f32> {
  %one = stablehlo.constant dense<1.0> : tensor<f32>
  %0:2 = stablehlo.custom_call @mycc.vjp(%x, %one) {called_computations = [@inner], mycc.active = array<i1: true>, mycc.seeded = array<i1: true>} : (tensor<f32>, tensor<f32>) -> (tensor<f32>, tensor<f32>)
  return %0#1 : tensor<f32>
}
