// RUN: mycc opt %s --split-input-file --pass-pipeline='builtin.module(autodiff,symbol-dce,inline{default-pipeline= },cse,simplify{disable=invariant-carry,unused-carry,equal-carries,loop-invariant-code,loop-of-few-trips},cse)' | filecheck %s

// Four trips, as the program says: the carry before each is kept in a row, the factor is not, and the counter is
// made again.
// CHECK-LABEL: func.func @counted(
// CHECK-DAG: %[[ROWS:.*]] = stablehlo.constant dense<0.000000e+00> : tensor<4xf32>
// CHECK: %[[FWD:.*]]:4 = stablehlo.while({{.*}}) : tensor<i32>, tensor<f32>, tensor<i32>, tensor<4xf32>
// CHECK: compare LT
// CHECK: do {
// CHECK: stablehlo.dynamic_update_slice
// CHECK: %[[BWD:.*]]:3 = stablehlo.while(%[[T:.*]] = %{{.*}}, %{{.*}} = %arg2, {{.*}}) : tensor<i32>, tensor<f32>, tensor<f32>
// CHECK: compare GT
// CHECK: do {
// CHECK: %[[TRIP:.*]] = stablehlo.subtract %[[T]]
// CHECK: stablehlo.dynamic_slice %[[FWD]]#3, %[[TRIP]], sizes = [1]
// CHECK-NOT: stablehlo.while
// CHECK: return
func.func private @power(%x: tensor<f32>, %w: tensor<f32>) -> tensor<f32> {
  %zero = stablehlo.constant dense<0> : tensor<i32>
  %0:2 = stablehlo.while(%i = %zero, %p = %x) : tensor<i32>, tensor<f32>
  cond {
    %four = stablehlo.constant dense<4> : tensor<i32>
    %1 = stablehlo.compare LT, %i, %four : (tensor<i32>, tensor<i32>) -> tensor<i1>
    stablehlo.return %1 : tensor<i1>
  } do {
    %one = stablehlo.constant dense<1> : tensor<i32>
    %1 = stablehlo.add %i, %one : tensor<i32>
    %2 = stablehlo.multiply %p, %w : tensor<f32>
    stablehlo.return %1, %2 : tensor<i32>, tensor<f32>
  }
  return %0#1 : tensor<f32>
}
func.func @counted(%x: tensor<f32>, %w: tensor<f32>, %ct: tensor<f32>) -> tensor<f32> {
  %0:2 = stablehlo.custom_call @mycc.vjp(%x, %w, %ct) {called_computations = [@power], mycc.active = array<i1: false, true>, mycc.seeded = array<i1: true>} : (tensor<f32>, tensor<f32>, tensor<f32>) -> (tensor<f32>, tensor<f32>)
  return %0#1 : tensor<f32>
}

// -----

// How often it goes round is known when it ends: it counts its trips, and the backward sweep keeps three
// checkpoints of the part of the carry that the pullback needs.
// CHECK-LABEL: func.func @dynamic(
// CHECK: stablehlo.while({{.*}}) : tensor<i32>, tensor<f32>, tensor<i64>
// CHECK: stablehlo.while({{.*}}) : tensor<i64>, tensor<i64>, tensor<3xi64>, tensor<3xf32>, tensor<f32>, tensor<f32>
// CHECK: stablehlo.while({{.*}}) : tensor<i64>, tensor<i64>, tensor<3xi64>, tensor<3xf32>, tensor<f32>
// CHECK: stablehlo.while({{.*}}) : tensor<i64>, tensor<f32>
// CHECK: return
func.func private @power(%n: tensor<i32>, %w: tensor<f32>) -> tensor<f32> {
  %x = stablehlo.constant dense<1.0> : tensor<f32>
  %0:2 = stablehlo.while(%i = %n, %p = %x) : tensor<i32>, tensor<f32> attributes {mycc.checkpoints = 3 : i64}
  cond {
    %zero = stablehlo.constant dense<0> : tensor<i32>
    %1 = stablehlo.compare GT, %i, %zero : (tensor<i32>, tensor<i32>) -> tensor<i1>
    stablehlo.return %1 : tensor<i1>
  } do {
    %one = stablehlo.constant dense<1> : tensor<i32>
    %1 = stablehlo.subtract %i, %one : tensor<i32>
    %2 = stablehlo.multiply %p, %w : tensor<f32>
    stablehlo.return %1, %2 : tensor<i32>, tensor<f32>
  }
  return %0#1 : tensor<f32>
}
func.func @dynamic(%n: tensor<i32>, %w: tensor<f32>, %ct: tensor<f32>) -> tensor<f32> {
  %0:2 = stablehlo.custom_call @mycc.vjp(%n, %w, %ct) {called_computations = [@power], mycc.active = array<i1: false, true>, mycc.seeded = array<i1: true>} : (tensor<i32>, tensor<f32>, tensor<f32>) -> (tensor<f32>, tensor<f32>)
  return %0#1 : tensor<f32>
}

// -----

// What the pullback needs of a trip is large and follows by arithmetic from a carry that is small: the carry has the
// rows, and the rest is made again.
// CHECK-LABEL: func.func @remade(
// CHECK: stablehlo.while({{.*}}) : tensor<i32>, tensor<4xf32>, tensor<i32>, tensor<5x4xf32>
// CHECK: stablehlo.while
// CHECK: %[[ROW:.*]] = stablehlo.dynamic_slice %{{.*}}, sizes = [1, 4]
// CHECK: stablehlo.tanh %{{.*}} : tensor<4x4x4x4xf32>
// CHECK: return
func.func private @spreading(%x: tensor<4xf32>) -> tensor<4xf32> {
  %zero = stablehlo.constant dense<0> : tensor<i32>
  %start = stablehlo.constant dense<0.0> : tensor<f32>
  %0:2 = stablehlo.while(%i = %zero, %p = %x) : tensor<i32>, tensor<4xf32>
  cond {
    %five = stablehlo.constant dense<5> : tensor<i32>
    %1 = stablehlo.compare LT, %i, %five : (tensor<i32>, tensor<i32>) -> tensor<i1>
    stablehlo.return %1 : tensor<i1>
  } do {
    %one = stablehlo.constant dense<1> : tensor<i32>
    %1 = stablehlo.add %i, %one : tensor<i32>
    %a = stablehlo.broadcast_in_dim %p, dims = [0] : (tensor<4xf32>) -> tensor<4x4x4x4xf32>
    %b = stablehlo.broadcast_in_dim %p, dims = [3] : (tensor<4xf32>) -> tensor<4x4x4x4xf32>
    %c = stablehlo.multiply %a, %b : tensor<4x4x4x4xf32>
    %d = stablehlo.tanh %c : tensor<4x4x4x4xf32>
    %e = stablehlo.reduce(%d init: %start) applies stablehlo.add across dimensions = [0, 1, 2] : (tensor<4x4x4x4xf32>, tensor<f32>) -> tensor<4xf32>
    stablehlo.return %1, %e : tensor<i32>, tensor<4xf32>
  }
  return %0#1 : tensor<4xf32>
}
func.func @remade(%x: tensor<4xf32>, %ct: tensor<4xf32>) -> tensor<4xf32> {
  %0:2 = stablehlo.custom_call @mycc.vjp(%x, %ct) {called_computations = [@spreading], mycc.active = array<i1: true>, mycc.seeded = array<i1: true>} : (tensor<4xf32>, tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>)
  return %0#1 : tensor<4xf32>
}
