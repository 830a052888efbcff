// RUN: mycc opt %s --split-input-file --pass-pipeline='builtin.module(autodiff,canonicalize)' | filecheck %s

// The choice that masks a cotangent comes last, so that a division by zero behind it is never seen.
// CHECK-LABEL: func.func private @f.pullback(
// CHECK-SAME: %[[CT:.*]]: tensor<3xf32>, %[[P:.*]]: tensor<3xi1>, %[[X:.*]]: tensor<3xf32>, %[[Y:.*]]: tensor<3xf32>)
// CHECK: %[[A:.*]] = stablehlo.divide %[[CT]], %[[X]]
// CHECK: %[[M:.*]] = stablehlo.multiply %{{.*}}, %[[Y]]
// CHECK: %[[B:.*]] = stablehlo.negate %[[M]]
// CHECK: %[[S:.*]] = stablehlo.add %[[A]], %[[B]]
// CHECK: %[[R:.*]] = stablehlo.select %[[P]], %[[S]], %cst
// CHECK: return %[[R]]
func.func @main(%x: tensor<3xf32>, %ct: tensor<3xf32>) -> tensor<3xf32> {
  %0:2 = stablehlo.custom_call @mycc.vjp(%x, %ct) {called_computations = [@f], mycc.active = array<i1: true>, mycc.seeded = array<i1: true>} : (tensor<3xf32>, tensor<3xf32>) -> (tensor<3xf32>, tensor<3xf32>)
  return %0#1 : tensor<3xf32>
}
func.func private @f(%x: tensor<3xf32>) -> tensor<3xf32> {
  %zero = stablehlo.constant dense<0.0> : tensor<3xf32>
  %p = stablehlo.compare GT, %x, %zero : (tensor<3xf32>, tensor<3xf32>) -> tensor<3xi1>
  %0 = stablehlo.divide %x, %x : tensor<3xf32>
  %1 = stablehlo.select %p, %0, %zero : tensor<3xi1>, tensor<3xf32>
  return %1 : tensor<3xf32>
}

// -----

// A loop of elementwise operations is one: what masks the cotangent of its result masks those of its operands.
// CHECK-LABEL: func.func private @f.pullback(
// CHECK-SAME: %[[CT:.*]]: tensor<3xf32>, %[[P:.*]]: tensor<3xi1>,
// CHECK: %[[IN:.*]] = stablehlo.select %[[P]], %[[CT]], %cst
// CHECK: %[[W:.*]]:3 = stablehlo.while({{.*}} = %[[IN]], {{.*}})
// CHECK: %[[SUM:.*]] = stablehlo.add %[[W]]#1, %[[W]]#2
// CHECK: %[[R:.*]] = stablehlo.select %[[P]], %[[SUM]], %cst
// CHECK: return %[[R]]
func.func @main(%x: tensor<3xf32>, %ct: tensor<3xf32>) -> tensor<3xf32> {
  %0:2 = stablehlo.custom_call @mycc.vjp(%x, %ct) {called_computations = [@f], mycc.active = array<i1: true>, mycc.seeded = array<i1: true>} : (tensor<3xf32>, tensor<3xf32>) -> (tensor<3xf32>, tensor<3xf32>)
  return %0#1 : tensor<3xf32>
}
func.func private @f(%x: tensor<3xf32>) -> tensor<3xf32> {
  %zero = stablehlo.constant dense<0.0> : tensor<3xf32>
  %c = stablehlo.constant dense<0> : tensor<i32>
  %one = stablehlo.constant dense<1> : tensor<i32>
  %five = stablehlo.constant dense<5> : tensor<i32>
  %p = stablehlo.compare GT, %x, %zero : (tensor<3xf32>, tensor<3xf32>) -> tensor<3xi1>
  %w:2 = stablehlo.while(%i = %c, %y = %x) : tensor<i32>, tensor<3xf32>
  cond {
    %b = stablehlo.compare LT, %i, %five : (tensor<i32>, tensor<i32>) -> tensor<i1>
    stablehlo.return %b : tensor<i1>
  } do {
    %j = stablehlo.add %i, %one : tensor<i32>
    %z = stablehlo.divide %y, %x : tensor<3xf32>
    stablehlo.return %j, %z : tensor<i32>, tensor<3xf32>
  }
  %1 = stablehlo.select %p, %w#1, %zero : tensor<3xi1>, tensor<3xf32>
  return %1 : tensor<3xf32>
}

// -----

// One that mixes elements is not: the sum of them all has no such mask.
// CHECK-LABEL: func.func private @f.pullback(
// CHECK: stablehlo.while(
// CHECK-NOT: stablehlo.select
// CHECK: return
func.func @main(%x: tensor<3xf32>, %ct: tensor<3xf32>) -> tensor<3xf32> {
  %0:2 = stablehlo.custom_call @mycc.vjp(%x, %ct) {called_computations = [@f], mycc.active = array<i1: true>, mycc.seeded = array<i1: true>} : (tensor<3xf32>, tensor<3xf32>) -> (tensor<3xf32>, tensor<3xf32>)
  return %0#1 : tensor<3xf32>
}
func.func private @f(%x: tensor<3xf32>) -> tensor<3xf32> {
  %zero = stablehlo.constant dense<0.0> : tensor<3xf32>
  %c = stablehlo.constant dense<0> : tensor<i32>
  %one = stablehlo.constant dense<1> : tensor<i32>
  %five = stablehlo.constant dense<5> : tensor<i32>
  %p = stablehlo.compare GT, %x, %zero : (tensor<3xf32>, tensor<3xf32>) -> tensor<3xi1>
  %w:2 = stablehlo.while(%i = %c, %y = %x) : tensor<i32>, tensor<3xf32>
  cond {
    %b = stablehlo.compare LT, %i, %five : (tensor<i32>, tensor<i32>) -> tensor<i1>
    stablehlo.return %b : tensor<i1>
  } do {
    %j = stablehlo.add %i, %one : tensor<i32>
    %z = stablehlo.reverse %y, dims = [0] : tensor<3xf32>
    stablehlo.return %j, %z : tensor<i32>, tensor<3xf32>
  }
  %1 = stablehlo.select %p, %w#1, %zero : tensor<3xi1>, tensor<3xf32>
  return %1 : tensor<3xf32>
}
