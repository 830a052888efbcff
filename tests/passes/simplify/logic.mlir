// RUN: mycc opt %s --pass-pipeline='builtin.module(simplify)' | filecheck %s

// CHECK-LABEL: @not_of_compare
// CHECK-NEXT: %[[A:.*]] = stablehlo.compare NE, %arg0, %arg0
// CHECK-NEXT: %[[B:.*]] = stablehlo.compare GE, %arg1, %arg2
// CHECK-NEXT: return %[[A]], %[[B]]
func.func @not_of_compare(%x: tensor<4xf32>, %i: tensor<4xi32>, %j: tensor<4xi32>) -> (tensor<4xi1>, tensor<4xi1>) {
  %0 = stablehlo.compare EQ, %x, %x : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xi1>
  %1 = stablehlo.not %0 : tensor<4xi1>
  %2 = stablehlo.compare LT, %i, %j : (tensor<4xi32>, tensor<4xi32>) -> tensor<4xi1>
  %3 = stablehlo.not %2 : tensor<4xi1>
  return %1, %3 : tensor<4xi1>, tensor<4xi1>
}

// NaN is neither less than another number nor not less.
// CHECK-LABEL: @no_not_of_compare
// CHECK: stablehlo.not
func.func @no_not_of_compare(%x: tensor<4xf32>, %y: tensor<4xf32>) -> tensor<4xi1> {
  %0 = stablehlo.compare LT, %x, %y : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xi1>
  %1 = stablehlo.not %0 : tensor<4xi1>
  return %1 : tensor<4xi1>
}

// CHECK-LABEL: @select_of_select
// CHECK-NEXT: %[[A:.*]] = stablehlo.select %arg0, %arg1, %arg3
// CHECK-NEXT: return %[[A]], %[[A]]
func.func @select_of_select(%p: tensor<4xi1>, %x: tensor<4xf32>, %y: tensor<4xf32>, %z: tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>) {
  %0 = stablehlo.select %p, %x, %y : tensor<4xi1>, tensor<4xf32>
  %1 = stablehlo.select %p, %0, %z : tensor<4xi1>, tensor<4xf32>
  return %1, %1 : tensor<4xf32>, tensor<4xf32>
}

// CHECK-LABEL: @no_select_of_select
// CHECK-COUNT-2: stablehlo.select
func.func @no_select_of_select(%p: tensor<4xi1>, %q: tensor<4xi1>, %x: tensor<4xf32>, %y: tensor<4xf32>) -> tensor<4xf32> {
  %0 = stablehlo.select %q, %x, %y : tensor<4xi1>, tensor<4xf32>
  %1 = stablehlo.select %p, %0, %x : tensor<4xi1>, tensor<4xf32>
  return %1 : tensor<4xf32>
}

// CHECK-LABEL: @select_of_booleans
// CHECK-NEXT: %[[A:.*]] = stablehlo.or %arg0, %arg1
// CHECK-NEXT: %[[B:.*]] = stablehlo.and %arg0, %arg1
// CHECK-NEXT: return %[[A]], %[[B]]
func.func @select_of_booleans(%p: tensor<4xi1>, %q: tensor<4xi1>) -> (tensor<4xi1>, tensor<4xi1>) {
  %true = stablehlo.constant dense<true> : tensor<4xi1>
  %false = stablehlo.constant dense<false> : tensor<4xi1>
  %0 = stablehlo.select %p, %true, %q : tensor<4xi1>, tensor<4xi1>
  %1 = stablehlo.select %p, %q, %false : tensor<4xi1>, tensor<4xi1>
  return %0, %1 : tensor<4xi1>, tensor<4xi1>
}

// The predicate is one boolean, the choice are four.
// CHECK-LABEL: @no_select_of_booleans
// CHECK: stablehlo.select
func.func @no_select_of_booleans(%p: tensor<i1>, %q: tensor<4xi1>) -> tensor<4xi1> {
  %true = stablehlo.constant dense<true> : tensor<4xi1>
  %0 = stablehlo.select %p, %true, %q : tensor<i1>, tensor<4xi1>
  return %0 : tensor<4xi1>
}

// CHECK-LABEL: @constant_of_constant
// CHECK-DAG: %[[C:.*]] = stablehlo.constant dense<7> : tensor<4xi32>
// CHECK-DAG: %[[D:.*]] = stablehlo.constant dense<3.000000e+00> : tensor<4xf32>
// CHECK-DAG: %[[A:.*]] = stablehlo.add %arg0, %[[C]]
// CHECK-DAG: %[[B:.*]] = stablehlo.maximum %arg1, %[[D]]
// CHECK: return %[[A]], %[[B]]
func.func @constant_of_constant(%i: tensor<4xi32>, %x: tensor<4xf32>) -> (tensor<4xi32>, tensor<4xf32>) {
  %two = stablehlo.constant dense<2> : tensor<4xi32>
  %five = stablehlo.constant dense<5> : tensor<4xi32>
  %a = stablehlo.constant dense<2.0> : tensor<4xf32>
  %b = stablehlo.constant dense<3.0> : tensor<4xf32>
  %0 = stablehlo.add %i, %two : tensor<4xi32>
  %1 = stablehlo.add %five, %0 : tensor<4xi32>
  %2 = stablehlo.maximum %x, %a : tensor<4xf32>
  %3 = stablehlo.maximum %2, %b : tensor<4xf32>
  return %1, %3 : tensor<4xi32>, tensor<4xf32>
}

// Each sum of floats is rounded.
// CHECK-LABEL: @no_constant_of_constant
// CHECK-COUNT-2: stablehlo.add
func.func @no_constant_of_constant(%x: tensor<4xf32>) -> tensor<4xf32> {
  %a = stablehlo.constant dense<0.1> : tensor<4xf32>
  %b = stablehlo.constant dense<3.0> : tensor<4xf32>
  %0 = stablehlo.add %x, %a : tensor<4xf32>
  %1 = stablehlo.add %0, %b : tensor<4xf32>
  return %1 : tensor<4xf32>
}

// CHECK-LABEL: @compare_of_converted_boolean
// CHECK-DAG: %[[T:.*]] = stablehlo.constant dense<true>
// CHECK-DAG: %[[N:.*]] = stablehlo.not %arg0
// CHECK: return %arg0, %[[N]], %[[T]]
func.func @compare_of_converted_boolean(%p: tensor<4xi1>) -> (tensor<4xi1>, tensor<4xi1>, tensor<4xi1>) {
  %zero = stablehlo.constant dense<0.0> : tensor<4xf32>
  %half = stablehlo.constant dense<0.5> : tensor<4xf32>
  %two = stablehlo.constant dense<2.0> : tensor<4xf32>
  %0 = stablehlo.convert %p : (tensor<4xi1>) -> tensor<4xf32>
  %1 = stablehlo.compare NE, %0, %zero : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xi1>
  %2 = stablehlo.compare LT, %0, %half : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xi1>
  %3 = stablehlo.compare LT, %0, %two : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xi1>
  return %1, %2, %3 : tensor<4xi1>, tensor<4xi1>, tensor<4xi1>
}

// CHECK-LABEL: @no_compare_of_converted_boolean
// CHECK: stablehlo.compare
func.func @no_compare_of_converted_boolean(%i: tensor<4xi8>) -> tensor<4xi1> {
  %zero = stablehlo.constant dense<0.0> : tensor<4xf32>
  %0 = stablehlo.convert %i : (tensor<4xi8>) -> tensor<4xf32>
  %1 = stablehlo.compare NE, %0, %zero : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xi1>
  return %1 : tensor<4xi1>
}

// Indices that may be negative, as NumPy's, are counted from the end; these never are.
// CHECK-LABEL: @decided_compare
// CHECK-DAG: %[[I:.*]] = stablehlo.iota
// CHECK-DAG: %[[T:.*]] = stablehlo.constant dense<true>
// CHECK: return %[[I]], %[[T]]
func.func @decided_compare(%u: tensor<4xui8>) -> (tensor<4xi32>, tensor<4xi1>) {
  %zero = stablehlo.constant dense<0> : tensor<4xi32>
  %four = stablehlo.constant dense<4> : tensor<4xi32>
  %none = stablehlo.constant dense<0> : tensor<4xui8>
  %0 = stablehlo.iota dim = 0 : tensor<4xi32>
  %1 = stablehlo.compare LT, %0, %zero : (tensor<4xi32>, tensor<4xi32>) -> tensor<4xi1>
  %2 = stablehlo.add %0, %four : tensor<4xi32>
  %3 = stablehlo.select %1, %2, %0 : tensor<4xi1>, tensor<4xi32>
  %4 = stablehlo.compare GE, %u, %none : (tensor<4xui8>, tensor<4xui8>) -> tensor<4xi1>
  return %3, %4 : tensor<4xi32>, tensor<4xi1>
}

// A loop's counter is not negative, whatever an exporter asks.
// CHECK-LABEL: @decided_compare_of_counter
// CHECK: } do {
// CHECK-NOT: stablehlo.compare
// CHECK-NOT: stablehlo.select
// CHECK: return
func.func @decided_compare_of_counter(%x: tensor<4xf32>) -> tensor<f32> {
  %zero = stablehlo.constant dense<0> : tensor<i32>
  %one = stablehlo.constant dense<1> : tensor<i32>
  %four = stablehlo.constant dense<4> : tensor<i32>
  %nothing = stablehlo.constant dense<0.0> : tensor<f32>
  %0:2 = stablehlo.while(%i = %zero, %s = %nothing) : tensor<i32>, tensor<f32>
  cond {
    %1 = stablehlo.compare LT, %i, %four : (tensor<i32>, tensor<i32>) -> tensor<i1>
    stablehlo.return %1 : tensor<i1>
  } do {
    %1 = stablehlo.compare LT, %i, %zero : (tensor<i32>, tensor<i32>) -> tensor<i1>
    %2 = stablehlo.add %i, %four : tensor<i32>
    %3 = stablehlo.select %1, %2, %i : tensor<i1>, tensor<i32>
    %4 = stablehlo.dynamic_slice %x, %3, sizes = [1] : (tensor<4xf32>, tensor<i32>) -> tensor<1xf32>
    %5 = stablehlo.reshape %4 : (tensor<1xf32>) -> tensor<f32>
    %6 = stablehlo.add %s, %5 : tensor<f32>
    %7 = stablehlo.add %i, %one : tensor<i32>
    stablehlo.return %7, %6 : tensor<i32>, tensor<f32>
  }
  return %0#1 : tensor<f32>
}

// The last counter is 3, and the first one less than 1.
// CHECK-LABEL: @no_decided_compare
// CHECK: stablehlo.compare
func.func @no_decided_compare() -> tensor<4xi1> {
  %one = stablehlo.constant dense<1> : tensor<4xi32>
  %0 = stablehlo.iota dim = 0 : tensor<4xi32>
  %1 = stablehlo.compare LT, %0, %one : (tensor<4xi32>, tensor<4xi32>) -> tensor<4xi1>
  return %1 : tensor<4xi1>
}

// CHECK-LABEL: @clamp_of_inside
// CHECK-NEXT: %[[A:.*]] = stablehlo.iota
// CHECK-NEXT: return %[[A]]
func.func @clamp_of_inside() -> tensor<4xi32> {
  %zero = stablehlo.constant dense<0> : tensor<i32>
  %three = stablehlo.constant dense<3> : tensor<i32>
  %0 = stablehlo.iota dim = 0 : tensor<4xi32>
  %1 = stablehlo.clamp %zero, %0, %three : (tensor<i32>, tensor<4xi32>, tensor<i32>) -> tensor<4xi32>
  return %1 : tensor<4xi32>
}

// A counter of three trips, as an index vector.
// CHECK-LABEL: @clamp_of_counter
// CHECK: } do {
// CHECK-NOT: stablehlo.clamp
// CHECK: return
func.func @clamp_of_counter() -> tensor<1xi32> {
  %zero = stablehlo.constant dense<0> : tensor<i32>
  %one = stablehlo.constant dense<1> : tensor<i32>
  %two = stablehlo.constant dense<2> : tensor<i32>
  %three = stablehlo.constant dense<3> : tensor<i32>
  %none = stablehlo.constant dense<0> : tensor<1xi32>
  %0:2 = stablehlo.while(%i = %zero, %s = %none) : tensor<i32>, tensor<1xi32>
  cond {
    %1 = stablehlo.compare LT, %i, %three : (tensor<i32>, tensor<i32>) -> tensor<i1>
    stablehlo.return %1 : tensor<i1>
  } do {
    %1 = stablehlo.reshape %i : (tensor<i32>) -> tensor<1xi32>
    %2 = stablehlo.clamp %zero, %1, %two : (tensor<i32>, tensor<1xi32>, tensor<i32>) -> tensor<1xi32>
    %3 = stablehlo.add %s, %2 : tensor<1xi32>
    %4 = stablehlo.add %i, %one : tensor<i32>
    stablehlo.return %4, %3 : tensor<i32>, tensor<1xi32>
  }
  return %0#1 : tensor<1xi32>
}

// CHECK-LABEL: @no_clamp_of_inside
// CHECK: stablehlo.clamp
func.func @no_clamp_of_inside() -> tensor<4xi32> {
  %zero = stablehlo.constant dense<0> : tensor<i32>
  %two = stablehlo.constant dense<2> : tensor<i32>
  %0 = stablehlo.iota dim = 0 : tensor<4xi32>
  %1 = stablehlo.clamp %zero, %0, %two : (tensor<i32>, tensor<4xi32>, tensor<i32>) -> tensor<4xi32>
  return %1 : tensor<4xi32>
}

// CHECK-LABEL: @division_by_power_of_two
// CHECK: %[[C:.*]] = stablehlo.constant dense<2.500000e-01>
// CHECK: stablehlo.multiply %arg0, %[[C]]
func.func @division_by_power_of_two(%x: tensor<4xf32>) -> tensor<4xf32> {
  %four = stablehlo.constant dense<4.0> : tensor<4xf32>
  %0 = stablehlo.divide %x, %four : tensor<4xf32>
  return %0 : tensor<4xf32>
}

// The reciprocal of three is rounded.
// CHECK-LABEL: @no_division_by_power_of_two
// CHECK: stablehlo.divide
// CHECK: stablehlo.divide
func.func @no_division_by_power_of_two(%x: tensor<4xf32>, %i: tensor<4xi32>) -> (tensor<4xf32>, tensor<4xi32>) {
  %three = stablehlo.constant dense<3.0> : tensor<4xf32>
  %four = stablehlo.constant dense<4> : tensor<4xi32>
  %0 = stablehlo.divide %x, %three : tensor<4xf32>
  %1 = stablehlo.divide %i, %four : tensor<4xi32>
  return %0, %1 : tensor<4xf32>, tensor<4xi32>
}

// CHECK-LABEL: @power_of_integers
// CHECK-DAG: %[[ONE:.*]] = stablehlo.constant dense<1.000000e+00>
// CHECK-DAG: %[[A:.*]] = stablehlo.multiply %arg0, %arg0
// CHECK-DAG: %[[B:.*]] = stablehlo.multiply %[[A]], %[[A]]
// CHECK-DAG: %[[C:.*]] = stablehlo.multiply %[[B]], %arg0
// CHECK: return %[[C]], %[[ONE]]
func.func @power_of_integers(%i: tensor<4xi8>, %x: tensor<4xf32>) -> (tensor<4xi8>, tensor<4xf32>) {
  %five = stablehlo.constant dense<5> : tensor<4xi8>
  %zero = stablehlo.constant dense<0.0> : tensor<4xf32>
  %0 = stablehlo.power %i, %five : tensor<4xi8>
  %1 = stablehlo.power %x, %zero : tensor<4xf32>
  return %0, %1 : tensor<4xi8>, tensor<4xf32>
}

// CHECK-LABEL: @no_power_of_integers
// CHECK: stablehlo.power
func.func @no_power_of_integers(%i: tensor<4xi32>) -> tensor<4xi32> {
  %minus = stablehlo.constant dense<-1> : tensor<4xi32>
  %0 = stablehlo.power %i, %minus : tensor<4xi32>
  return %0 : tensor<4xi32>
}
