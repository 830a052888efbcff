// RUN: mycc opt %s --pass-pipeline='builtin.module(simplify)' | filecheck %s

// The body takes the loop's place, and its slice is at a constant.
// CHECK-LABEL: @one_trip
// CHECK-NOT: stablehlo.while
// CHECK: %[[ROW:.*]] = stablehlo.slice %arg1 [2:3, 0:3]
// CHECK: %[[R:.*]] = stablehlo.reshape %[[ROW]]
// CHECK: stablehlo.add %arg0, %[[R]]
func.func @one_trip(%x: tensor<3xf32>, %rows: tensor<4x3xf32>) -> (tensor<3xf32>, tensor<i32>) {
  %two = stablehlo.constant dense<2> : tensor<i32>
  %zero = stablehlo.constant dense<0> : tensor<i32>
  %one = stablehlo.constant dense<1> : tensor<i32>
  %three = stablehlo.constant dense<3> : tensor<i32>
  %0:2 = stablehlo.while(%i = %two, %a = %x) : tensor<i32>, tensor<3xf32>
  cond {
    %1 = stablehlo.compare LT, %i, %three : (tensor<i32>, tensor<i32>) -> tensor<i1>
    stablehlo.return %1 : tensor<i1>
  } do {
    %1 = stablehlo.add %i, %one : tensor<i32>
    %2 = stablehlo.dynamic_slice %rows, %i, %zero, sizes = [1, 3] : (tensor<4x3xf32>, tensor<i32>, tensor<i32>) -> tensor<1x3xf32>
    %3 = stablehlo.reshape %2 : (tensor<1x3xf32>) -> tensor<3xf32>
    %4 = stablehlo.add %a, %3 : tensor<3xf32>
    stablehlo.return %1, %4 : tensor<i32>, tensor<3xf32>
  }
  return %0#1, %0#0 : tensor<3xf32>, tensor<i32>
}

// CHECK-LABEL: @no_trip
// CHECK-NEXT: return %arg0
func.func @no_trip(%x: tensor<3xf32>) -> tensor<3xf32> {
  %three = stablehlo.constant dense<3> : tensor<i32>
  %one = stablehlo.constant dense<1> : tensor<i32>
  %0:2 = stablehlo.while(%i = %three, %a = %x) : tensor<i32>, tensor<3xf32>
  cond {
    %1 = stablehlo.compare LT, %i, %three : (tensor<i32>, tensor<i32>) -> tensor<i1>
    stablehlo.return %1 : tensor<i1>
  } do {
    %1 = stablehlo.add %i, %one : tensor<i32>
    %2 = stablehlo.sine %a : tensor<3xf32>
    stablehlo.return %1, %2 : tensor<i32>, tensor<3xf32>
  }
  return %0#1 : tensor<3xf32>
}

// CHECK-LABEL: @branch_of_constant
// CHECK-NEXT: %[[A:.*]] = stablehlo.sine %arg0
// CHECK-NEXT: %[[B:.*]] = stablehlo.tanh %[[A]]
// CHECK-NEXT: return %[[B]]
func.func @branch_of_constant(%x: tensor<3xf32>) -> tensor<3xf32> {
  %true = stablehlo.constant dense<true> : tensor<i1>
  %nine = stablehlo.constant dense<9> : tensor<i32>
  %0 = "stablehlo.if"(%true) ({
    %2 = stablehlo.sine %x : tensor<3xf32>
    stablehlo.return %2 : tensor<3xf32>
  }, {
    stablehlo.return %x : tensor<3xf32>
  }) : (tensor<i1>) -> tensor<3xf32>
  %1 = "stablehlo.case"(%nine) ({
    stablehlo.return %x : tensor<3xf32>
  }, {
    %2 = stablehlo.tanh %0 : tensor<3xf32>
    stablehlo.return %2 : tensor<3xf32>
  }) : (tensor<i32>) -> tensor<3xf32>
  return %1 : tensor<3xf32>
}

// The product of the weights does not change; the broadcast stays, as does what it is added to.
// CHECK-LABEL: @loop_invariant_code
// CHECK: %[[W:.*]] = stablehlo.dot_general %arg1, %arg2
// CHECK: stablehlo.while
// CHECK-NOT: stablehlo.dot_general %arg1
// CHECK: stablehlo.broadcast_in_dim %arg3
// CHECK: stablehlo.dot_general %{{.*}}, %[[W]]
func.func @loop_invariant_code(%x: tensor<3x3xf32>, %v: tensor<3x3xf32>, %w: tensor<3x3xf32>, %b: tensor<3xf32>, %n: tensor<i32>) -> tensor<3x3xf32> {
  %zero = stablehlo.constant dense<0> : tensor<i32>
  %one = stablehlo.constant dense<1> : tensor<i32>
  %0:2 = stablehlo.while(%i = %zero, %a = %x) : tensor<i32>, tensor<3x3xf32>
  cond {
    %1 = stablehlo.compare LT, %i, %n : (tensor<i32>, tensor<i32>) -> tensor<i1>
    stablehlo.return %1 : tensor<i1>
  } do {
    %1 = stablehlo.add %i, %one : tensor<i32>
    %2 = stablehlo.dot_general %v, %w, contracting_dims = [1] x [0] : (tensor<3x3xf32>, tensor<3x3xf32>) -> tensor<3x3xf32>
    %3 = stablehlo.broadcast_in_dim %b, dims = [1] : (tensor<3xf32>) -> tensor<3x3xf32>
    %4 = stablehlo.add %a, %3 : tensor<3x3xf32>
    %5 = stablehlo.dot_general %4, %2, contracting_dims = [1] x [0] : (tensor<3x3xf32>, tensor<3x3xf32>) -> tensor<3x3xf32>
    stablehlo.return %1, %5 : tensor<i32>, tensor<3x3xf32>
  }
  return %0#1 : tensor<3x3xf32>
}

// Adding two broadcasts again is cheaper than reading their sum.
// CHECK-LABEL: @no_loop_invariant_code
// CHECK: stablehlo.while
// CHECK: stablehlo.add %{{.*}}, %{{.*}} : tensor<3x5xf32>
func.func @no_loop_invariant_code(%x: tensor<3x5xf32>, %b: tensor<3xf32>, %c: tensor<5xf32>, %n: tensor<i32>) -> tensor<3x5xf32> {
  %zero = stablehlo.constant dense<0> : tensor<i32>
  %one = stablehlo.constant dense<1> : tensor<i32>
  %0:2 = stablehlo.while(%i = %zero, %a = %x) : tensor<i32>, tensor<3x5xf32>
  cond {
    %1 = stablehlo.compare LT, %i, %n : (tensor<i32>, tensor<i32>) -> tensor<i1>
    stablehlo.return %1 : tensor<i1>
  } do {
    %1 = stablehlo.add %i, %one : tensor<i32>
    %2 = stablehlo.broadcast_in_dim %b, dims = [0] : (tensor<3xf32>) -> tensor<3x5xf32>
    %3 = stablehlo.broadcast_in_dim %c, dims = [1] : (tensor<5xf32>) -> tensor<3x5xf32>
    %4 = stablehlo.add %2, %3 : tensor<3x5xf32>
    %5 = stablehlo.multiply %a, %4 : tensor<3x5xf32>
    stablehlo.return %1, %5 : tensor<i32>, tensor<3x5xf32>
  }
  return %0#1 : tensor<3x5xf32>
}
