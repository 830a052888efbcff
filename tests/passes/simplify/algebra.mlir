// RUN: mycc opt %s --pass-pipeline='builtin.module(simplify{inexact=true})' | filecheck %s

// CHECK-LABEL: @identity_element
// CHECK-SAME: (%[[X:.*]]: tensor<4xf32>, %[[I:.*]]: tensor<4xi32>, %[[P:.*]]: tensor<4xi1>)
// CHECK-NEXT: return %[[X]], %[[X]], %[[X]], %[[X]], %[[X]], %[[I]], %[[I]], %[[P]], %[[P]]
func.func @identity_element(%x: tensor<4xf32>, %i: tensor<4xi32>, %p: tensor<4xi1>)
    -> (tensor<4xf32>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32>, tensor<4xi32>, tensor<4xi32>, tensor<4xi1>, tensor<4xi1>) {
  %zero = stablehlo.constant dense<0.0> : tensor<4xf32>
  %one = stablehlo.constant dense<1.0> : tensor<4xf32>
  %izero = stablehlo.constant dense<0> : tensor<4xi32>
  %ones = stablehlo.constant dense<-1> : tensor<4xi32>
  %true = stablehlo.constant dense<true> : tensor<4xi1>
  %false = stablehlo.constant dense<false> : tensor<4xi1>
  %0 = stablehlo.add %x, %zero : tensor<4xf32>
  %1 = stablehlo.add %zero, %x : tensor<4xf32>
  %2 = stablehlo.subtract %x, %zero : tensor<4xf32>
  %3 = stablehlo.multiply %one, %x : tensor<4xf32>
  %4 = stablehlo.divide %x, %one : tensor<4xf32>
  %5 = stablehlo.or %i, %izero : tensor<4xi32>
  %6 = stablehlo.and %ones, %i : tensor<4xi32>
  %7 = stablehlo.and %p, %true : tensor<4xi1>
  %8 = stablehlo.xor %p, %false : tensor<4xi1>
  return %0, %1, %2, %3, %4, %5, %6, %7, %8 : tensor<4xf32>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32>, tensor<4xi32>, tensor<4xi32>, tensor<4xi1>, tensor<4xi1>
}

// An identity from the wrong side is none.
// CHECK-LABEL: @no_left_identity
// CHECK: stablehlo.subtract %{{.*}}, %{{.*}}
// CHECK: stablehlo.divide %{{.*}}, %{{.*}}
func.func @no_left_identity(%x: tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>) {
  %zero = stablehlo.constant dense<0.0> : tensor<4xf32>
  %one = stablehlo.constant dense<1.0> : tensor<4xf32>
  %0 = stablehlo.subtract %zero, %x : tensor<4xf32>
  %1 = stablehlo.divide %one, %x : tensor<4xf32>
  return %0, %1 : tensor<4xf32>, tensor<4xf32>
}

// CHECK-LABEL: @absorbing_element
// CHECK-DAG: %[[ZERO:.*]] = stablehlo.constant dense<0> : tensor<4xi32>
// CHECK-DAG: %[[FALSE:.*]] = stablehlo.constant dense<false> : tensor<4xi1>
// CHECK-DAG: %[[TRUE:.*]] = stablehlo.constant dense<true> : tensor<4xi1>
// CHECK: return %[[ZERO]], %[[FALSE]], %[[TRUE]]
func.func @absorbing_element(%i: tensor<4xi32>, %p: tensor<4xi1>) -> (tensor<4xi32>, tensor<4xi1>, tensor<4xi1>) {
  %zero = stablehlo.constant dense<0> : tensor<4xi32>
  %true = stablehlo.constant dense<true> : tensor<4xi1>
  %false = stablehlo.constant dense<false> : tensor<4xi1>
  %0 = stablehlo.multiply %i, %zero : tensor<4xi32>
  %1 = stablehlo.and %false, %p : tensor<4xi1>
  %2 = stablehlo.or %p, %true : tensor<4xi1>
  return %0, %1, %2 : tensor<4xi32>, tensor<4xi1>, tensor<4xi1>
}

// inf * 0 is NaN.
// CHECK-LABEL: @no_absorbing_float
// CHECK: stablehlo.multiply
func.func @no_absorbing_float(%x: tensor<4xf32>) -> tensor<4xf32> {
  %zero = stablehlo.constant dense<0.0> : tensor<4xf32>
  %0 = stablehlo.multiply %x, %zero : tensor<4xf32>
  return %0 : tensor<4xf32>
}

// CHECK-LABEL: @involution
// CHECK-SAME: (%[[X:.*]]: tensor<4xf32>, %[[P:.*]]: tensor<4xi1>)
// CHECK-NEXT: return %[[X]], %[[P]]
func.func @involution(%x: tensor<4xf32>, %p: tensor<4xi1>) -> (tensor<4xf32>, tensor<4xi1>) {
  %0 = stablehlo.negate %x : tensor<4xf32>
  %1 = stablehlo.negate %0 : tensor<4xf32>
  %2 = stablehlo.not %p : tensor<4xi1>
  %3 = stablehlo.not %2 : tensor<4xi1>
  return %1, %3 : tensor<4xf32>, tensor<4xi1>
}

// CHECK-LABEL: @sum_with_negation
// CHECK-SAME: (%[[X:.*]]: tensor<4xf32>, %[[Y:.*]]: tensor<4xf32>)
// CHECK-NEXT: %[[A:.*]] = stablehlo.subtract %[[X]], %[[Y]]
// CHECK-NEXT: %[[B:.*]] = stablehlo.subtract %[[X]], %[[Y]]
// CHECK-NEXT: %[[C:.*]] = stablehlo.add %[[X]], %[[Y]]
// CHECK-NEXT: return %[[A]], %[[B]], %[[C]]
func.func @sum_with_negation(%x: tensor<4xf32>, %y: tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>, tensor<4xf32>) {
  %n = stablehlo.negate %y : tensor<4xf32>
  %0 = stablehlo.add %x, %n : tensor<4xf32>
  %1 = stablehlo.add %n, %x : tensor<4xf32>
  %2 = stablehlo.subtract %x, %n : tensor<4xf32>
  return %0, %1, %2 : tensor<4xf32>, tensor<4xf32>, tensor<4xf32>
}

// CHECK-LABEL: @product_of_negations
// CHECK-NOT: negate
// CHECK: stablehlo.multiply %arg0, %arg1
// CHECK: stablehlo.divide %arg0, %arg1
func.func @product_of_negations(%x: tensor<4xf32>, %y: tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>) {
  %a = stablehlo.negate %x : tensor<4xf32>
  %b = stablehlo.negate %y : tensor<4xf32>
  %0 = stablehlo.multiply %a, %b : tensor<4xf32>
  %1 = stablehlo.divide %a, %b : tensor<4xf32>
  return %0, %1 : tensor<4xf32>, tensor<4xf32>
}

// CHECK-LABEL: @product_of_negation_and_constant
// CHECK: %[[C:.*]] = stablehlo.constant dense<-3.000000e+00>
// CHECK: stablehlo.multiply %arg0, %[[C]]
func.func @product_of_negation_and_constant(%x: tensor<4xf32>) -> tensor<4xf32> {
  %c = stablehlo.constant dense<3.0> : tensor<4xf32>
  %a = stablehlo.negate %x : tensor<4xf32>
  %0 = stablehlo.multiply %c, %a : tensor<4xf32>
  return %0 : tensor<4xf32>
}

// CHECK-LABEL: @product_with_minus_one
// CHECK-NEXT: %[[A:.*]] = stablehlo.negate %arg0
// CHECK-NEXT: %[[B:.*]] = stablehlo.negate %arg0
// CHECK-NEXT: return %[[A]], %[[B]]
func.func @product_with_minus_one(%x: tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>) {
  %c = stablehlo.constant dense<-1.0> : tensor<4xf32>
  %0 = stablehlo.multiply %c, %x : tensor<4xf32>
  %1 = stablehlo.divide %x, %c : tensor<4xf32>
  return %0, %1 : tensor<4xf32>, tensor<4xf32>
}

// CHECK-LABEL: @same_operands
// CHECK-SAME: (%[[X:.*]]: tensor<4xf32>, %[[I:.*]]: tensor<4xi32>)
// CHECK: %[[ZERO:.*]] = stablehlo.constant dense<0> : tensor<4xi32>
// CHECK: %[[NAN:.*]] = stablehlo.subtract %[[X]], %[[X]]
// CHECK: return %[[X]], %[[I]], %[[ZERO]], %[[NAN]]
func.func @same_operands(%x: tensor<4xf32>, %i: tensor<4xi32>) -> (tensor<4xf32>, tensor<4xi32>, tensor<4xi32>, tensor<4xf32>) {
  %0 = stablehlo.maximum %x, %x : tensor<4xf32>
  %1 = stablehlo.and %i, %i : tensor<4xi32>
  %2 = stablehlo.subtract %i, %i : tensor<4xi32>
  %3 = stablehlo.subtract %x, %x : tensor<4xf32>
  return %0, %1, %2, %3 : tensor<4xf32>, tensor<4xi32>, tensor<4xi32>, tensor<4xf32>
}

// CHECK-LABEL: @compare_of_same
// CHECK-DAG: %[[FALSE:.*]] = stablehlo.constant dense<false>
// CHECK-DAG: %[[TRUE:.*]] = stablehlo.constant dense<true>
// CHECK: %[[EQ:.*]] = stablehlo.compare EQ
// CHECK: return %[[FALSE]], %[[TRUE]], %[[EQ]]
func.func @compare_of_same(%x: tensor<4xf32>, %i: tensor<4xi32>) -> (tensor<4xi1>, tensor<4xi1>, tensor<4xi1>) {
  %0 = stablehlo.compare LT, %x, %x : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xi1>
  %1 = stablehlo.compare GE, %i, %i : (tensor<4xi32>, tensor<4xi32>) -> tensor<4xi1>
  %2 = stablehlo.compare EQ, %x, %x : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xi1>
  return %0, %1, %2 : tensor<4xi1>, tensor<4xi1>, tensor<4xi1>
}

// CHECK-LABEL: @comparison_with_boolean
// CHECK-SAME: (%[[P:.*]]: tensor<4xi1>)
// CHECK-NEXT: %[[N:.*]] = stablehlo.not %[[P]]
// CHECK-NEXT: return %[[P]], %[[N]]
func.func @comparison_with_boolean(%p: tensor<4xi1>) -> (tensor<4xi1>, tensor<4xi1>) {
  %f = stablehlo.constant dense<false> : tensor<4xi1>
  %0 = stablehlo.compare NE, %p, %f : (tensor<4xi1>, tensor<4xi1>) -> tensor<4xi1>
  %1 = stablehlo.compare EQ, %p, %f : (tensor<4xi1>, tensor<4xi1>) -> tensor<4xi1>
  return %0, %1 : tensor<4xi1>, tensor<4xi1>
}

// CHECK-LABEL: @select_of_constant
// CHECK-SAME: (%[[X:.*]]: tensor<4xf32>, %[[Y:.*]]: tensor<4xf32>, %[[P:.*]]: tensor<4xi1>)
// CHECK: %[[N:.*]] = stablehlo.not %[[P]]
// CHECK: return %[[X]], %[[X]], %[[P]], %[[N]]
func.func @select_of_constant(%x: tensor<4xf32>, %y: tensor<4xf32>, %p: tensor<4xi1>)
    -> (tensor<4xf32>, tensor<4xf32>, tensor<4xi1>, tensor<4xi1>) {
  %t = stablehlo.constant dense<true> : tensor<4xi1>
  %f = stablehlo.constant dense<false> : tensor<4xi1>
  %0 = stablehlo.select %t, %x, %y : tensor<4xi1>, tensor<4xf32>
  %1 = stablehlo.select %p, %x, %x : tensor<4xi1>, tensor<4xf32>
  %2 = stablehlo.select %p, %t, %f : tensor<4xi1>, tensor<4xi1>
  %3 = stablehlo.select %p, %f, %t : tensor<4xi1>, tensor<4xi1>
  return %0, %1, %2, %3 : tensor<4xf32>, tensor<4xf32>, tensor<4xi1>, tensor<4xi1>
}

// CHECK-LABEL: @select_of_not
// CHECK-NEXT: stablehlo.select %arg2, %arg1, %arg0
func.func @select_of_not(%x: tensor<4xf32>, %y: tensor<4xf32>, %p: tensor<4xi1>) -> tensor<4xf32> {
  %n = stablehlo.not %p : tensor<4xi1>
  %0 = stablehlo.select %n, %x, %y : tensor<4xi1>, tensor<4xf32>
  return %0 : tensor<4xf32>
}

// CHECK-LABEL: @abs_of_negation
// CHECK-NEXT: %[[A:.*]] = stablehlo.abs %arg0
// CHECK-NEXT: return %[[A]]
func.func @abs_of_negation(%x: tensor<4xf32>) -> tensor<4xf32> {
  %n = stablehlo.negate %x : tensor<4xf32>
  %0 = stablehlo.abs %n : tensor<4xf32>
  %1 = stablehlo.abs %0 : tensor<4xf32>
  return %1 : tensor<4xf32>
}

// CHECK-LABEL: @part_of_complex
// CHECK-NEXT: return %arg0, %arg1
func.func @part_of_complex(%x: tensor<4xf32>, %y: tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>) {
  %z = stablehlo.complex %x, %y : tensor<4xcomplex<f32>>
  %0 = stablehlo.real %z : (tensor<4xcomplex<f32>>) -> tensor<4xf32>
  %1 = stablehlo.imag %z : (tensor<4xcomplex<f32>>) -> tensor<4xf32>
  return %0, %1 : tensor<4xf32>, tensor<4xf32>
}

// CHECK-LABEL: @complex_of_parts
// CHECK-NEXT: return %arg0
func.func @complex_of_parts(%z: tensor<4xcomplex<f32>>) -> tensor<4xcomplex<f32>> {
  %0 = stablehlo.real %z : (tensor<4xcomplex<f32>>) -> tensor<4xf32>
  %1 = stablehlo.imag %z : (tensor<4xcomplex<f32>>) -> tensor<4xf32>
  %2 = stablehlo.complex %0, %1 : tensor<4xcomplex<f32>>
  return %2 : tensor<4xcomplex<f32>>
}

// A general power is a call for each element. That of a negative zero is positive.
// CHECK-LABEL: @power_of_halves
// CHECK: %[[R:.*]] = stablehlo.divide %{{.*}}, %arg0
// CHECK: %[[S:.*]] = stablehlo.sqrt %[[R]]
// CHECK: %[[P:.*]] = stablehlo.multiply %[[R]], %[[S]]
// CHECK: %[[ZERO:.*]] = stablehlo.compare EQ, %arg0
// CHECK: stablehlo.select %[[ZERO]], %{{.*}}, %[[P]]
func.func @power_of_halves(%x: tensor<4xf32>) -> tensor<4xf32> {
  %0 = stablehlo.constant dense<-1.5> : tensor<4xf32>
  %1 = stablehlo.power %x, %0 : tensor<4xf32>
  return %1 : tensor<4xf32>
}

// CHECK-LABEL: @sum_with_zero
// CHECK-NEXT: return %arg0, %arg0
func.func @sum_with_zero(%x: tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>) {
  %zero = stablehlo.constant dense<0.0> : tensor<4xf32>
  %minus = stablehlo.constant dense<-0.0> : tensor<4xf32>
  %0 = stablehlo.add %zero, %x : tensor<4xf32>
  %1 = stablehlo.subtract %x, %minus : tensor<4xf32>
  return %0, %1 : tensor<4xf32>, tensor<4xf32>
}

// CHECK-LABEL: @no_sum_with_zero
// CHECK: stablehlo.subtract
func.func @no_sum_with_zero(%x: tensor<4xf32>) -> tensor<4xf32> {
  %zero = stablehlo.constant dense<0.0> : tensor<4xf32>
  %0 = stablehlo.subtract %zero, %x : tensor<4xf32>
  return %0 : tensor<4xf32>
}
