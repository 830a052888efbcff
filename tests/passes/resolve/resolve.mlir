// RUN: mycc opt %s --split-input-file --pass-pipeline='builtin.module(resolve)' | filecheck %s

// CHECK-LABEL: func.func @markers(
// CHECK-NEXT: %[[A:.*]] = stablehlo.sine %arg0
// CHECK-NEXT: %[[B:.*]] = stablehlo.multiply %[[A]], %[[A]]
// CHECK-NEXT: return %[[B]]
func.func @markers(%x: tensor<f32>) -> tensor<f32> {
  %0 = stablehlo.sine %x : tensor<f32>
  %1 = stablehlo.custom_call @mycc.stop_gradient(%0) : (tensor<f32>) -> tensor<f32>
  %2 = stablehlo.custom_call @mycc.stop_gradient(%1) : (tensor<f32>) -> tensor<f32>
  %3 = stablehlo.multiply %1, %2 : tensor<f32>
  return %3 : tensor<f32>
}

// -----

// Nothing calls the function that names an axis: a vmap of it was expanded into another one.
// CHECK-LABEL: func.func private @left_behind(
// CHECK: @mycc.psum
// CHECK-LABEL: func.func @main(
// CHECK-NEXT: return %arg0
func.func private @left_behind(%x: tensor<f32>) -> tensor<f32> {
  %0 = stablehlo.custom_call @mycc.psum(%x) {mycc.axis_name = "i"} : (tensor<f32>) -> tensor<f32>
  return %0 : tensor<f32>
}
func.func @main(%x: tensor<f32>) -> tensor<f32> {
  return %x : tensor<f32>
}

// Composed operations become their parts.
// CHECK-LABEL: @composed
// CHECK-NOT: mycc.
// CHECK: stablehlo.custom_call @lapack_dgeqrf_ffi
// CHECK: stablehlo.custom_call @lapack_dorgqr_ffi
// CHECK: stablehlo.custom_call @lapack_dgetrf_ffi
// CHECK: stablehlo.triangular_solve
// CHECK-NOT: mycc.
func.func @composed(%a: tensor<3x3xf64>, %b: tensor<3x1xf64>) -> (tensor<3x3xf64>, tensor<3x3xf64>, tensor<3x1xf64>) {
  %0:2 = stablehlo.custom_call @mycc.qr(%a) : (tensor<3x3xf64>) -> (tensor<3x3xf64>, tensor<3x3xf64>)
  %1 = stablehlo.custom_call @mycc.solve(%a, %b) {mycc.transpose = false} : (tensor<3x3xf64>, tensor<3x1xf64>) -> tensor<3x1xf64>
  return %0#0, %0#1, %1 : tensor<3x3xf64>, tensor<3x3xf64>, tensor<3x1xf64>
}
