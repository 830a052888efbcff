// RUN: mycc opt %s --pass-pipeline='builtin.module(host-lapack,lapack-in-turn)' | filecheck %s

// The second call waits for the first one, by a choice that is always the same; the smaller operand carries it.
// CHECK-LABEL: @two
// CHECK: %[[X:.*]] = stablehlo.custom_call @lapack_strsm_ffi(%arg0, %arg1)
// CHECK: %[[F:.*]] = stablehlo.slice %[[X]] [0:1, 0:1, 0:1]
// CHECK: %[[S:.*]] = stablehlo.reshape %[[F]]
// CHECK: %[[L:.*]] = stablehlo.compare LT, %[[S]]
// CHECK: %[[G:.*]] = stablehlo.compare GE, %[[S]]
// CHECK: %[[N:.*]] = stablehlo.and %[[L]], %[[G]]
// CHECK: %[[B:.*]] = stablehlo.select %[[N]], %{{.*}}, %arg2
// CHECK: stablehlo.custom_call @lapack_strsm_ffi(%arg0, %[[B]])
func.func @two(%a: tensor<2x3x3xf32>, %b: tensor<2x3x4xf32>, %c: tensor<2x3x1xf32>) -> (tensor<2x3x4xf32>, tensor<2x3x1xf32>) {
  %0 = "stablehlo.triangular_solve"(%a, %b) {left_side = true, lower = true, unit_diagonal = false, transpose_a = #stablehlo<transpose NO_TRANSPOSE>} : (tensor<2x3x3xf32>, tensor<2x3x4xf32>) -> tensor<2x3x4xf32>
  %1 = "stablehlo.triangular_solve"(%a, %c) {left_side = true, lower = true, unit_diagonal = false, transpose_a = #stablehlo<transpose NO_TRANSPOSE>} : (tensor<2x3x3xf32>, tensor<2x3x1xf32>) -> tensor<2x3x1xf32>
  return %0, %1 : tensor<2x3x4xf32>, tensor<2x3x1xf32>
}

// What follows from the first call anyway, and single matrices, are left alone.
// CHECK-LABEL: @alone
// CHECK-NOT: stablehlo.select
// CHECK: return
func.func @alone(%a: tensor<2x3x3xf32>, %b: tensor<2x3x4xf32>, %c: tensor<3x3xf32>, %d: tensor<3x4xf32>) -> (tensor<2x3x4xf32>, tensor<3x4xf32>) {
  %0 = "stablehlo.triangular_solve"(%a, %b) {left_side = true, lower = true, unit_diagonal = false, transpose_a = #stablehlo<transpose NO_TRANSPOSE>} : (tensor<2x3x3xf32>, tensor<2x3x4xf32>) -> tensor<2x3x4xf32>
  %1 = stablehlo.negate %0 : tensor<2x3x4xf32>
  %2 = "stablehlo.triangular_solve"(%a, %1) {left_side = true, lower = true, unit_diagonal = false, transpose_a = #stablehlo<transpose NO_TRANSPOSE>} : (tensor<2x3x3xf32>, tensor<2x3x4xf32>) -> tensor<2x3x4xf32>
  %3 = "stablehlo.triangular_solve"(%c, %d) {left_side = true, lower = true, unit_diagonal = false, transpose_a = #stablehlo<transpose NO_TRANSPOSE>} : (tensor<3x3xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
  return %2, %3 : tensor<2x3x4xf32>, tensor<3x4xf32>
}

// A function or a loop with such a call is one.
// CHECK-LABEL: @around
// CHECK: %[[C:.*]] = call @inner(%arg0, %arg1)
// CHECK: stablehlo.select %{{.*}}, %{{.*}}, %arg0
// CHECK: stablehlo.select %{{.*}}, %{{.*}}, %[[D:.*]] :
// CHECK: call @inner(
// CHECK: stablehlo.select
// CHECK: stablehlo.while
func.func private @inner(%a: tensor<2x3x3xcomplex<f64>>, %b: tensor<2x3x4xcomplex<f64>>) -> tensor<2x3x4xcomplex<f64>> {
  %0 = "stablehlo.triangular_solve"(%a, %b) {left_side = true, lower = true, unit_diagonal = false, transpose_a = #stablehlo<transpose NO_TRANSPOSE>} : (tensor<2x3x3xcomplex<f64>>, tensor<2x3x4xcomplex<f64>>) -> tensor<2x3x4xcomplex<f64>>
  return %0 : tensor<2x3x4xcomplex<f64>>
}
func.func @around(%a: tensor<2x3x3xcomplex<f64>>, %b: tensor<2x3x4xcomplex<f64>>, %c: tensor<2x3x4xcomplex<f64>>, %n: tensor<i32>) -> (tensor<2x3x4xcomplex<f64>>, tensor<2x3x4xcomplex<f64>>, tensor<2x3x4xcomplex<f64>>) {
  %0 = call @inner(%a, %b) : (tensor<2x3x3xcomplex<f64>>, tensor<2x3x4xcomplex<f64>>) -> tensor<2x3x4xcomplex<f64>>
  %1 = call @inner(%a, %c) : (tensor<2x3x3xcomplex<f64>>, tensor<2x3x4xcomplex<f64>>) -> tensor<2x3x4xcomplex<f64>>
  %2:2 = stablehlo.while(%i = %n, %x = %b) : tensor<i32>, tensor<2x3x4xcomplex<f64>>
    cond {
      %3 = stablehlo.constant dense<0> : tensor<i32>
      %4 = stablehlo.compare GT, %i, %3 : (tensor<i32>, tensor<i32>) -> tensor<i1>
      stablehlo.return %4 : tensor<i1>
    } do {
      %3 = stablehlo.constant dense<1> : tensor<i32>
      %4 = stablehlo.subtract %i, %3 : tensor<i32>
      %5 = func.call @inner(%a, %x) : (tensor<2x3x3xcomplex<f64>>, tensor<2x3x4xcomplex<f64>>) -> tensor<2x3x4xcomplex<f64>>
      stablehlo.return %4, %5 : tensor<i32>, tensor<2x3x4xcomplex<f64>>
    }
  return %0, %1, %2#1 : tensor<2x3x4xcomplex<f64>>, tensor<2x3x4xcomplex<f64>>, tensor<2x3x4xcomplex<f64>>
}
