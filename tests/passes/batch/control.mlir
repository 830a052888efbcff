// RUN: mycc opt %s --split-input-file --pass-pipeline='builtin.module(batch,symbol-dce)' | filecheck %s

// A choice that is the same for all stays a choice.
// CHECK-LABEL: func.func private @f.vmap(
// CHECK-NEXT: "stablehlo.case"(%arg0) ({
// CHECK-NEXT: func.call @case.region.vmap(%arg1) : (tensor<4xf32>) -> tensor<4xf32>
// CHECK: func.call @case.region.1.vmap(%arg1)
func.func private @f(%i: tensor<i32>, %x: tensor<f32>) -> tensor<f32> {
  %0 = "stablehlo.case"(%i) ({
    %1 = stablehlo.sine %x : tensor<f32>
    stablehlo.return %1 : tensor<f32>
  }, {
    stablehlo.return %x : tensor<f32>
  }) : (tensor<i32>) -> tensor<f32>
  return %0 : tensor<f32>
}
func.func @same_choice(%i: tensor<i32>, %x: tensor<4xf32>) -> tensor<4xf32> {
  %0 = stablehlo.custom_call @mycc.vmap(%i, %x) {called_computations = [@f], mycc.axis_size = 4 : i64, mycc.in_axes = array<i64: -1, 0>, mycc.out_axes = array<i64: 0>} : (tensor<i32>, tensor<4xf32>) -> tensor<4xf32>
  return %0 : tensor<4xf32>
}

// -----

// With a choice for each example all branches run, and each example takes its own.
// CHECK-LABEL: func.func private @f.vmap(
// CHECK-NEXT: %[[A:.*]] = call @case.region.vmap(%arg1)
// CHECK-NEXT: %[[B:.*]] = call @case.region.1.vmap(%arg1)
// CHECK-NEXT: %[[ZERO:.*]] = stablehlo.constant dense<0> : tensor<4xi32>
// CHECK-NEXT: %[[P:.*]] = stablehlo.compare EQ, %arg0, %[[ZERO]]
// CHECK-NEXT: %[[R:.*]] = stablehlo.select %[[P]], %[[A]], %[[B]]
// CHECK-NEXT: return %[[R]]
func.func private @f(%i: tensor<i32>, %x: tensor<f32>) -> tensor<f32> {
  %0 = "stablehlo.case"(%i) ({
    %1 = stablehlo.sine %x : tensor<f32>
    stablehlo.return %1 : tensor<f32>
  }, {
    stablehlo.return %x : tensor<f32>
  }) : (tensor<i32>) -> tensor<f32>
  return %0 : tensor<f32>
}
func.func @own_choice(%i: tensor<4xi32>, %x: tensor<4xf32>) -> tensor<4xf32> {
  %0 = stablehlo.custom_call @mycc.vmap(%i, %x) {called_computations = [@f], mycc.axis_size = 4 : i64, mycc.in_axes = array<i64: 0, 0>, mycc.out_axes = array<i64: 0>} : (tensor<4xi32>, tensor<4xf32>) -> tensor<4xf32>
  return %0 : tensor<4xf32>
}

// -----

// A loop with a bound for each example runs while any goes on; the others keep what they have.
// CHECK-LABEL: func.func private @f.vmap(
// CHECK: %[[R:.*]]:2 = stablehlo.while(%[[I:.*]] = %{{.*}}, %[[S:.*]] = %{{.*}}) : tensor<4xi32>, tensor<4xi32>
// CHECK: cond {
// CHECK-NEXT: %[[GOING:.*]] = func.call @while.region.vmap
// CHECK: %[[ANY:.*]] = stablehlo.reduce(%[[GOING]] init: %{{.*}}) applies stablehlo.or
// CHECK-NEXT: stablehlo.return %[[ANY]]
// CHECK: do {
// CHECK-NEXT: %[[NEW:.*]]:2 = func.call @while.region.1.vmap
// CHECK-NEXT: %[[RUNS:.*]] = func.call @while.region.vmap
// CHECK-NEXT: stablehlo.select %[[RUNS]], %[[NEW]]#0, %[[I]]
// CHECK-NEXT: stablehlo.select %[[RUNS]], %[[NEW]]#1, %[[S]]
func.func private @f(%n: tensor<i32>) -> tensor<i32> {
  %zero = stablehlo.constant dense<0> : tensor<i32>
  %one = stablehlo.constant dense<1> : tensor<i32>
  %0:2 = stablehlo.while(%i = %zero, %s = %one) : tensor<i32>, tensor<i32>
   cond {
    %1 = stablehlo.compare LT, %i, %n : (tensor<i32>, tensor<i32>) -> tensor<i1>
    stablehlo.return %1 : tensor<i1>
  } do {
    %1 = stablehlo.add %i, %one : tensor<i32>
    %2 = stablehlo.add %s, %s : tensor<i32>
    stablehlo.return %1, %2 : tensor<i32>, tensor<i32>
  }
  return %0#1 : tensor<i32>
}
func.func @bounds(%n: tensor<4xi32>) -> tensor<4xi32> {
  %0 = stablehlo.custom_call @mycc.vmap(%n) {called_computations = [@f], mycc.axis_size = 4 : i64, mycc.in_axes = array<i64: 0>, mycc.out_axes = array<i64: 0>} : (tensor<4xi32>) -> tensor<4xi32>
  return %0 : tensor<4xi32>
}

// -----

// A counter that is the same for all is not batched.
// CHECK-LABEL: func.func private @f.vmap(
// CHECK: stablehlo.while(%{{.*}} = %{{.*}}, %{{.*}} = %arg0) : tensor<i32>, tensor<4xf32>
// CHECK-NOT: stablehlo.select
// CHECK-LABEL: func.func private @while.region.vmap(
// CHECK-SAME: -> tensor<i1>
func.func private @f(%x: tensor<f32>) -> tensor<f32> {
  %three = stablehlo.constant dense<3> : tensor<i32>
  %0:2 = stablehlo.while(%i = %three, %p = %x) : tensor<i32>, tensor<f32>
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
func.func @counter(%x: tensor<4xf32>) -> tensor<4xf32> {
  %0 = stablehlo.custom_call @mycc.vmap(%x) {called_computations = [@f], mycc.axis_size = 4 : i64, mycc.in_axes = array<i64: 0>, mycc.out_axes = array<i64: 0>} : (tensor<4xf32>) -> tensor<4xf32>
  return %0 : tensor<4xf32>
}
