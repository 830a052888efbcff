// RUN: mycc opt %s --pass-pipeline='builtin.module(host-lapack)' | filecheck %s

// CHECK-LABEL: @cholesky
// CHECK: %[[F:.*]]:2 = stablehlo.custom_call @lapack_dpotrf_ffi(%arg0)
// CHECK-SAME: backend_config = {uplo = 76 : ui8}
// CHECK-SAME: operand_layouts = [dense<[1, 2, 0]> : tensor<3xindex>]
// CHECK: stablehlo.compare NE, %[[F]]#1
// CHECK: stablehlo.select
func.func @cholesky(%a: tensor<2x3x3xf64>) -> tensor<2x3x3xf64> {
  %0 = stablehlo.cholesky %a, lower = true : tensor<2x3x3xf64>
  return %0 : tensor<2x3x3xf64>
}

// CHECK-LABEL: @solve
// CHECK: stablehlo.custom_call @lapack_ctrsm_ffi(%arg0, %arg1)
// CHECK-SAME: backend_config = {diag = 78 : ui8, side = 82 : ui8, trans_x = 67 : ui8, uplo = 85 : ui8}
func.func @solve(%a: tensor<3x3xcomplex<f32>>, %b: tensor<2x3xcomplex<f32>>) -> tensor<2x3xcomplex<f32>> {
  %0 = "stablehlo.triangular_solve"(%a, %b) {left_side = false, lower = false, unit_diagonal = false, transpose_a = #stablehlo<transpose ADJOINT>} : (tensor<3x3xcomplex<f32>>, tensor<2x3xcomplex<f32>>) -> tensor<2x3xcomplex<f32>>
  return %0 : tensor<2x3xcomplex<f32>>
}

// What LAPACK has no type for, or nothing to do with, stays.
// CHECK-LABEL: @others
// CHECK: stablehlo.cholesky
// CHECK: stablehlo.cholesky
func.func @others(%a: tensor<3x3xf16>, %b: tensor<0x0xf32>) -> (tensor<3x3xf16>, tensor<0x0xf32>) {
  %0 = stablehlo.cholesky %a, lower = true : tensor<3x3xf16>
  %1 = stablehlo.cholesky %b, lower = true : tensor<0x0xf32>
  return %0, %1 : tensor<3x3xf16>, tensor<0x0xf32>
}
