// RUN: mycc opt %s --pass-pipeline='builtin.module(simplify)' | filecheck %s

// CHECK-LABEL: @invariant_carry
// CHECK: stablehlo.while(%{{[^,]*}} = %c, %[[A:[^,]*]] = %arg0) : tensor<i32>, tensor<3xf32>
// CHECK: stablehlo.compare LT, %{{.*}}, %arg2
// CHECK: stablehlo.multiply %[[A]], %arg1
// CHECK: return %{{.*}}#1, %arg1
func.func @invariant_carry(%x: tensor<3xf32>, %w: tensor<3xf32>, %n: tensor<i32>) -> (tensor<3xf32>, tensor<3xf32>) {
  %zero = stablehlo.constant dense<0> : tensor<i32>
  %one = stablehlo.constant dense<1> : tensor<i32>
  %0:4 = stablehlo.while(%i = %zero, %a = %x, %b = %w, %m = %n) : tensor<i32>, tensor<3xf32>, tensor<3xf32>, tensor<i32>
  cond {
    %1 = stablehlo.compare LT, %i, %m : (tensor<i32>, tensor<i32>) -> tensor<i1>
    stablehlo.return %1 : tensor<i1>
  } do {
    %1 = stablehlo.add %i, %one : tensor<i32>
    %2 = stablehlo.multiply %a, %b : tensor<3xf32>
    stablehlo.return %1, %2, %b, %m : tensor<i32>, tensor<3xf32>, tensor<3xf32>, tensor<i32>
  }
  return %0#1, %0#2 : tensor<3xf32>, tensor<3xf32>
}

// The second and third part only make each other.
// CHECK-LABEL: @unused_carry
// CHECK: stablehlo.while(%{{[^,]*}} = %c, %[[A:[^,]*]] = %arg0) : tensor<i32>, tensor<3xf32>
// CHECK-NOT: cosine
// CHECK-NOT: dynamic_update_slice
// CHECK: return %{{.*}}#1
func.func @unused_carry(%x: tensor<3xf32>, %rows: tensor<4x3xf32>) -> tensor<3xf32> {
  %zero = stablehlo.constant dense<0> : tensor<i32>
  %one = stablehlo.constant dense<1> : tensor<i32>
  %four = stablehlo.constant dense<4> : tensor<i32>
  %0:4 = stablehlo.while(%i = %zero, %a = %x, %b = %x, %r = %rows) : tensor<i32>, tensor<3xf32>, tensor<3xf32>, tensor<4x3xf32>
  cond {
    %1 = stablehlo.compare LT, %i, %four : (tensor<i32>, tensor<i32>) -> tensor<i1>
    stablehlo.return %1 : tensor<i1>
  } do {
    %1 = stablehlo.add %i, %one : tensor<i32>
    %2 = stablehlo.sine %a : tensor<3xf32>
    %3 = stablehlo.dynamic_slice %r, %i, %zero, sizes = [1, 3] : (tensor<4x3xf32>, tensor<i32>, tensor<i32>) -> tensor<1x3xf32>
    %4 = stablehlo.reshape %3 : (tensor<1x3xf32>) -> tensor<3xf32>
    %5 = stablehlo.add %4, %b : tensor<3xf32>
    %6 = stablehlo.cosine %5 : tensor<3xf32>
    %7 = stablehlo.reshape %6 : (tensor<3xf32>) -> tensor<1x3xf32>
    %8 = stablehlo.dynamic_update_slice %r, %7, %i, %zero : (tensor<4x3xf32>, tensor<1x3xf32>, tensor<i32>, tensor<i32>) -> tensor<4x3xf32>
    stablehlo.return %1, %2, %6, %8 : tensor<i32>, tensor<3xf32>, tensor<3xf32>, tensor<4x3xf32>
  }
  return %0#1 : tensor<3xf32>
}

// What is written is read back at once; then nobody reads the rows.
// CHECK-LABEL: @rows_read_back
// CHECK: stablehlo.while({{.*}}) : tensor<i32>, tensor<3xf32>
// CHECK-NOT: dynamic
// CHECK: return
func.func @rows_read_back(%x: tensor<3xf32>, %rows: tensor<4x3xf32>) -> tensor<3xf32> {
  %zero = stablehlo.constant dense<0> : tensor<i32>
  %one = stablehlo.constant dense<1> : tensor<i32>
  %four = stablehlo.constant dense<4> : tensor<i32>
  %0:3 = stablehlo.while(%i = %zero, %a = %x, %r = %rows) : tensor<i32>, tensor<3xf32>, tensor<4x3xf32>
  cond {
    %1 = stablehlo.compare LT, %i, %four : (tensor<i32>, tensor<i32>) -> tensor<i1>
    stablehlo.return %1 : tensor<i1>
  } do {
    %1 = stablehlo.add %i, %one : tensor<i32>
    %2 = stablehlo.sine %a : tensor<3xf32>
    %3 = stablehlo.reshape %2 : (tensor<3xf32>) -> tensor<1x3xf32>
    %4 = stablehlo.dynamic_update_slice %r, %3, %i, %zero : (tensor<4x3xf32>, tensor<1x3xf32>, tensor<i32>, tensor<i32>) -> tensor<4x3xf32>
    %5 = stablehlo.dynamic_slice %4, %i, %zero, sizes = [1, 3] : (tensor<4x3xf32>, tensor<i32>, tensor<i32>) -> tensor<1x3xf32>
    %6 = stablehlo.reshape %5 : (tensor<1x3xf32>) -> tensor<3xf32>
    stablehlo.return %1, %6, %4 : tensor<i32>, tensor<3xf32>, tensor<4x3xf32>
  }
  return %0#1 : tensor<3xf32>
}

// Nobody reads the part, but a call that prints depends on it.
// CHECK-LABEL: @no_unused_carry
// CHECK: stablehlo.while({{.*}}) : tensor<i32>, tensor<3xf32>, tensor<3x?xf32>
func.func @no_unused_carry(%x: tensor<3xf32>, %y: tensor<3x?xf32>) -> tensor<3xf32> {
  %zero = stablehlo.constant dense<0> : tensor<i32>
  %one = stablehlo.constant dense<1> : tensor<i32>
  %four = stablehlo.constant dense<4> : tensor<i32>
  %0:3 = stablehlo.while(%i = %zero, %a = %x, %b = %y) : tensor<i32>, tensor<3xf32>, tensor<3x?xf32>
  cond {
    %1 = stablehlo.compare LT, %i, %four : (tensor<i32>, tensor<i32>) -> tensor<i1>
    stablehlo.return %1 : tensor<i1>
  } do {
    %1 = stablehlo.add %i, %one : tensor<i32>
    %2 = stablehlo.sine %a : tensor<3xf32>
    %3 = stablehlo.cosine %b : tensor<3x?xf32>
    %4 = stablehlo.custom_call @print(%3) {has_side_effect = true} : (tensor<3x?xf32>) -> tensor<3xf32>
    stablehlo.return %1, %2, %3 : tensor<i32>, tensor<3xf32>, tensor<3x?xf32>
  }
  return %0#1 : tensor<3xf32>
}

// CHECK-LABEL: @equal_carries
// CHECK: stablehlo.while(%[[I:[^,]*]] = %c, %[[A:[^,]*]] = %arg0, %{{.*}} = %arg1) : tensor<i32>, tensor<3xf32>, tensor<3xf32>
// CHECK: stablehlo.sine %[[A]]
// CHECK-NOT: stablehlo.sine
func.func @equal_carries(%x: tensor<3xf32>, %y: tensor<3xf32>, %n: tensor<i32>) -> (tensor<3xf32>, tensor<3xf32>, tensor<i32>) {
  %zero = stablehlo.constant dense<0> : tensor<i32>
  %one = stablehlo.constant dense<1> : tensor<i32>
  %0:5 = stablehlo.while(%i = %zero, %a = %x, %j = %zero, %b = %x, %s = %y) : tensor<i32>, tensor<3xf32>, tensor<i32>, tensor<3xf32>, tensor<3xf32>
  cond {
    %1 = stablehlo.compare LT, %i, %n : (tensor<i32>, tensor<i32>) -> tensor<i1>
    stablehlo.return %1 : tensor<i1>
  } do {
    %1 = stablehlo.add %i, %one : tensor<i32>
    %2 = stablehlo.add %j, %one : tensor<i32>
    %3 = stablehlo.sine %a : tensor<3xf32>
    %4 = stablehlo.sine %b : tensor<3xf32>
    %5 = stablehlo.convert %j : (tensor<i32>) -> tensor<f32>
    %6 = stablehlo.broadcast_in_dim %5, dims = [] : (tensor<f32>) -> tensor<3xf32>
    %7 = stablehlo.add %s, %6 : tensor<3xf32>
    %8 = stablehlo.add %7, %4 : tensor<3xf32>
    stablehlo.return %1, %3, %2, %4, %8 : tensor<i32>, tensor<3xf32>, tensor<i32>, tensor<3xf32>, tensor<3xf32>
  }
  return %0#3, %0#4, %0#2 : tensor<3xf32>, tensor<3xf32>, tensor<i32>
}

// Both start at zero and one counts faster.
// CHECK-LABEL: @no_equal_carries
// CHECK: stablehlo.while({{.*}}) : tensor<i32>, tensor<i32>
func.func @no_equal_carries(%n: tensor<i32>) -> (tensor<i32>, tensor<i32>) {
  %zero = stablehlo.constant dense<0> : tensor<i32>
  %one = stablehlo.constant dense<1> : tensor<i32>
  %two = stablehlo.constant dense<2> : tensor<i32>
  %0:2 = stablehlo.while(%i = %zero, %j = %zero) : tensor<i32>, tensor<i32>
  cond {
    %1 = stablehlo.compare LT, %i, %n : (tensor<i32>, tensor<i32>) -> tensor<i1>
    stablehlo.return %1 : tensor<i1>
  } do {
    %1 = stablehlo.add %i, %one : tensor<i32>
    %2 = stablehlo.add %j, %two : tensor<i32>
    stablehlo.return %1, %2 : tensor<i32>, tensor<i32>
  }
  return %0#0, %0#1 : tensor<i32>, tensor<i32>
}
