// RUN: mycc opt %s --split-input-file --pass-pipeline='builtin.module(autodiff,symbol-dce)' | filecheck %s

// A handle passes through calls, as an argument and as a result: each becomes the residual.
// CHECK-LABEL: func.func private @apply(
// CHECK-SAME: %arg0: tensor<f32>, %arg1: tensor<f32>, %arg2: tensor<f32>) -> (tensor<f32>, tensor<f32>)
// CHECK-NEXT: %[[CT:.*]] = call @f.pullback(%arg0, %arg1)
// CHECK-NEXT: %[[OUT:.*]] = stablehlo.multiply %[[CT]], %arg2
// CHECK-NEXT: return %[[OUT]], %arg1
// CHECK-LABEL: func.func @calls(
// CHECK-NEXT: %[[R:.*]]:2 = call @f.fwd(%arg0)
// CHECK-NEXT: %[[A:.*]]:2 = call @apply(%arg0, %[[R]]#1, %arg0)
// CHECK-NEXT: %[[B:.*]]:2 = call @apply(%[[A]]#0, %[[A]]#1, %arg0)
// CHECK-NEXT: return %[[R]]#0, %[[B]]#0
func.func private @f(%x: tensor<f32>) -> tensor<f32> {
  %0 = stablehlo.sine %x : tensor<f32>
  return %0 : tensor<f32>
}
func.func private @apply(%ct: tensor<f32>, %h: !stablehlo.token, %s: tensor<f32>) -> (tensor<f32>, !stablehlo.token) {
  %0 = stablehlo.custom_call @mycc.pullback(%h, %ct) {called_computations = [@f], mycc.active = array<i1: true>, mycc.seeded = array<i1: true>, mycc.reverse = true} : (!stablehlo.token, tensor<f32>) -> tensor<f32>
  %1 = stablehlo.multiply %0, %s : tensor<f32>
  return %1, %h : tensor<f32>, !stablehlo.token
}
func.func @calls(%x: tensor<f32>) -> (tensor<f32>, tensor<f32>) {
  %0:2 = stablehlo.custom_call @mycc.linearize(%x) {called_computations = [@f], mycc.active = array<i1: true>, mycc.seeded = array<i1: true>, mycc.reverse = true} : (tensor<f32>) -> (tensor<f32>, !stablehlo.token)
  %1:2 = call @apply(%x, %0#1, %x) : (tensor<f32>, !stablehlo.token, tensor<f32>) -> (tensor<f32>, !stablehlo.token)
  %2:2 = call @apply(%1#0, %1#1, %x) : (tensor<f32>, !stablehlo.token, tensor<f32>) -> (tensor<f32>, !stablehlo.token)
  return %0#0, %2#0 : tensor<f32>, tensor<f32>
}

// -----

// A handle is carried by a loop, and used in its body.
// CHECK-LABEL: func.func @loop(
// CHECK-NEXT: %[[R:.*]]:2 = call @f.fwd(%arg0)
// CHECK-NEXT: stablehlo.while(%[[I:.*]] = %arg1, %[[H:.*]] = %[[R]]#1, %[[T:.*]] = %arg0) : tensor<i32>, tensor<f32>, tensor<f32>
// CHECK: %[[NEXT:.*]] = func.call @f.pushforward(%[[T]], %[[H]])
// CHECK-NEXT: stablehlo.return %{{.*}}, %[[H]], %[[NEXT]]
func.func private @f(%x: tensor<f32>) -> tensor<f32> {
  %0 = stablehlo.exponential %x : tensor<f32>
  return %0 : tensor<f32>
}
func.func @loop(%x: tensor<f32>, %n: tensor<i32>) -> tensor<f32> {
  %0:2 = stablehlo.custom_call @mycc.linearize(%x) {called_computations = [@f], mycc.active = array<i1: true>, mycc.seeded = array<i1: true>, mycc.reverse = false} : (tensor<f32>) -> (tensor<f32>, !stablehlo.token)
  %1:3 = stablehlo.while(%i = %n, %h = %0#1, %t = %x) : tensor<i32>, !stablehlo.token, tensor<f32>
   cond {
    %zero = stablehlo.constant dense<0> : tensor<i32>
    %2 = stablehlo.compare GT, %i, %zero : (tensor<i32>, tensor<i32>) -> tensor<i1>
    stablehlo.return %2 : tensor<i1>
  } do {
    %one = stablehlo.constant dense<1> : tensor<i32>
    %2 = stablehlo.subtract %i, %one : tensor<i32>
    %3 = stablehlo.custom_call @mycc.pushforward(%h, %t) {called_computations = [@f], mycc.active = array<i1: true>, mycc.seeded = array<i1: true>, mycc.reverse = false} : (!stablehlo.token, tensor<f32>) -> tensor<f32>
    stablehlo.return %2, %h, %3 : tensor<i32>, !stablehlo.token, tensor<f32>
  }
  return %1#2 : tensor<f32>
}

// -----

// A handle that is not mapped becomes residuals that are not mapped.
// CHECK-LABEL: func.func private @row(
// CHECK-NEXT: call @f.pullback(%arg0, %arg1, %arg2)
// CHECK-LABEL: func.func @mapped(
// CHECK-NEXT: %[[R:.*]]:3 = call @f.fwd(%arg0, %arg0)
// CHECK-NEXT: stablehlo.custom_call @mycc.vmap(%arg1, %[[R]]#1, %[[R]]#2)
// CHECK-SAME: mycc.in_axes = array<i64: 0, -1, -1>
// CHECK-SAME: (tensor<4xf32>, tensor<f32>, tensor<f32>) -> (tensor<4xf32>, tensor<4xf32>)
func.func private @f(%x: tensor<f32>, %y: tensor<f32>) -> tensor<f32> {
  %0 = stablehlo.multiply %x, %y : tensor<f32>
  return %0 : tensor<f32>
}
func.func private @row(%ct: tensor<f32>, %h: !stablehlo.token) -> (tensor<f32>, tensor<f32>) {
  %0:2 = stablehlo.custom_call @mycc.pullback(%h, %ct) {called_computations = [@f], mycc.active = array<i1: true, true>, mycc.seeded = array<i1: true>, mycc.reverse = true} : (!stablehlo.token, tensor<f32>) -> (tensor<f32>, tensor<f32>)
  return %0#0, %0#1 : tensor<f32>, tensor<f32>
}
func.func @mapped(%x: tensor<f32>, %cts: tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>) {
  %0:2 = stablehlo.custom_call @mycc.linearize(%x, %x) {called_computations = [@f], mycc.active = array<i1: true, true>, mycc.seeded = array<i1: true>, mycc.reverse = true} : (tensor<f32>, tensor<f32>) -> (tensor<f32>, !stablehlo.token)
  %1:2 = stablehlo.custom_call @mycc.vmap(%cts, %0#1) {called_computations = [@row], mycc.axis_size = 4 : i64, mycc.in_axes = array<i64: 0, -1>, mycc.out_axes = array<i64: 0, 0>} : (tensor<4xf32>, !stablehlo.token) -> (tensor<4xf32>, tensor<4xf32>)
  return %1#0, %1#1 : tensor<4xf32>, tensor<4xf32>
}

// -----

// A function that makes a handle and one that uses it are differentiated like any other, in the same run.
// CHECK-LABEL: func.func @differentiated(
// CHECK-NEXT: call @used.jvp(%arg0, %arg1)
// CHECK-LABEL: func.func private @used.jvp(
// CHECK-NEXT: %[[M:.*]]:4 = call @made.jvp(%arg0, %arg1)
// CHECK-NEXT: call @f.pullback.jvp(%arg0, %[[M]]#0, %arg1, %[[M]]#2)
// CHECK-LABEL: func.func private @made.jvp(
// CHECK-NEXT: %[[R:.*]]:4 = call @f.fwd.jvp(%arg0, %arg1)
// CHECK-NEXT: return %[[R]]#1, %[[R]]#0, %[[R]]#3, %[[R]]#2
func.func private @f(%x: tensor<f32>) -> tensor<f32> {
  %0 = stablehlo.cosine %x : tensor<f32>
  return %0 : tensor<f32>
}
func.func private @made(%x: tensor<f32>) -> (!stablehlo.token, tensor<f32>) {
  %0:2 = stablehlo.custom_call @mycc.linearize(%x) {called_computations = [@f], mycc.active = array<i1: true>, mycc.seeded = array<i1: true>, mycc.reverse = true} : (tensor<f32>) -> (tensor<f32>, !stablehlo.token)
  return %0#1, %0#0 : !stablehlo.token, tensor<f32>
}
func.func private @used(%x: tensor<f32>) -> tensor<f32> {
  %0:2 = call @made(%x) : (tensor<f32>) -> (!stablehlo.token, tensor<f32>)
  %1 = stablehlo.custom_call @mycc.pullback(%0#0, %x) {called_computations = [@f], mycc.active = array<i1: true>, mycc.seeded = array<i1: true>, mycc.reverse = true} : (!stablehlo.token, tensor<f32>) -> tensor<f32>
  return %1 : tensor<f32>
}
func.func @differentiated(%x: tensor<f32>, %t: tensor<f32>) -> tensor<f32> {
  %0:2 = stablehlo.custom_call @mycc.jvp(%x, %t) {called_computations = [@used], mycc.active = array<i1: true>, mycc.seeded = array<i1: true>} : (tensor<f32>, tensor<f32>) -> (tensor<f32>, tensor<f32>)
  return %0#1 : tensor<f32>
}
