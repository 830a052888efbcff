// RUN: mycc opt %s --pass-pipeline='builtin.module(cuda-solvers)' | filecheck %s

// What takes and gives the same has another name.
// CHECK-LABEL: @same
// CHECK: stablehlo.custom_call @cusolver_getrf_ffi(%arg0)
// CHECK-SAME: backend_config = {}
// CHECK-SAME: operand_layouts = [dense<[1, 2, 0]> : tensor<3xindex>]
// CHECK: %[[QR:.*]]:2 = stablehlo.custom_call @cusolver_geqrf_ffi(%arg1)
// CHECK: stablehlo.custom_call @cusolver_orgqr_ffi(%[[QR]]#0, %[[QR]]#1)
func.func @same(%a: tensor<2x4x3xf64>, %b: tensor<4x3xcomplex<f32>>) -> (tensor<2x3xi32>, tensor<4x3xcomplex<f32>>) {
  %0:3 = stablehlo.custom_call @lapack_dgetrf_ffi(%a) {backend_config = {}, api_version = 4 : i32} : (tensor<2x4x3xf64>) -> (tensor<2x4x3xf64>, tensor<2x3xi32>, tensor<2xi32>)
  %1:2 = stablehlo.custom_call @lapack_cgeqrf_ffi(%b) {backend_config = {}, api_version = 4 : i32} : (tensor<4x3xcomplex<f32>>) -> (tensor<4x3xcomplex<f32>>, tensor<3xcomplex<f32>>)
  %2 = stablehlo.custom_call @lapack_cungqr_ffi(%1#0, %1#1) {backend_config = {}, api_version = 4 : i32} : (tensor<4x3xcomplex<f32>>, tensor<3xcomplex<f32>>) -> tensor<4x3xcomplex<f32>>
  return %0#1, %2 : tensor<2x3xi32>, tensor<4x3xcomplex<f32>>
}

// CHECK-LABEL: @eigenvalues
// CHECK: stablehlo.custom_call @cusolver_syevd_ffi(%arg0)
// CHECK-SAME: backend_config = {algorithm = 0 : ui8, lower = true}
// CHECK: stablehlo.custom_call @cusolver_sytrd_ffi(%arg0)
// CHECK-SAME: backend_config = {lower = false}
// CHECK: stablehlo.custom_call @cuhybrid_eig_real(%arg0)
// CHECK-SAME: backend_config = {left = true, magma = "auto", right = false}
func.func @eigenvalues(%a: tensor<3x3xf32>) -> (tensor<3xf32>, tensor<3xf32>, tensor<3xf32>) {
  %0:3 = stablehlo.custom_call @lapack_ssyevd_ffi(%a) {backend_config = {mode = 86 : ui8, uplo = 76 : ui8}, api_version = 4 : i32} : (tensor<3x3xf32>) -> (tensor<3x3xf32>, tensor<3xf32>, tensor<i32>)
  %1:5 = stablehlo.custom_call @lapack_ssytrd_ffi(%a) {backend_config = {uplo = 85 : ui8}, api_version = 4 : i32} : (tensor<3x3xf32>) -> (tensor<3x3xf32>, tensor<3xf32>, tensor<2xf32>, tensor<2xf32>, tensor<i32>)
  %2:5 = stablehlo.custom_call @lapack_sgeev_ffi(%a) {backend_config = {compute_left = 86 : ui8, compute_right = 78 : ui8}, api_version = 4 : i32} : (tensor<3x3xf32>) -> (tensor<3xf32>, tensor<3xf32>, tensor<3x3xcomplex<f32>>, tensor<3x3xcomplex<f32>>, tensor<i32>)
  return %0#1, %1#1, %2#0 : tensor<3xf32>, tensor<3xf32>, tensor<3xf32>
}

// Small matrices: by Jacobi's method, whose right factor is not the adjoint, and is whole.
// CHECK-LABEL: @small
// CHECK: %[[F:.*]]:5 = stablehlo.custom_call @cusolver_gesvdj_ffi(%arg0)
// CHECK-SAME: backend_config = {compute_uv = true, full_matrices = true}
// CHECK-SAME: -> (tensor<4x3xf32>, tensor<3xf32>, tensor<4x4xf32>, tensor<3x3xf32>, tensor<i32>)
// CHECK-DAG: stablehlo.transpose %[[F]]#3, dims = [1, 0]
// CHECK-DAG: stablehlo.slice %[[F]]#2 [0:4, 0:3]
func.func @small(%a: tensor<4x3xf32>) -> (tensor<4x3xf32>, tensor<3x3xf32>) {
  %0:5 = stablehlo.custom_call @lapack_sgesdd_ffi(%a) {backend_config = {mode = 83 : ui8}, api_version = 4 : i32} : (tensor<4x3xf32>) -> (tensor<4x3xf32>, tensor<3xf32>, tensor<4x3xf32>, tensor<3x3xf32>, tensor<i32>)
  return %0#2, %0#3 : tensor<4x3xf32>, tensor<3x3xf32>
}

// Large ones by QR, and wide ones by rows.
// CHECK-LABEL: @wide
// CHECK: %[[F:.*]]:5 = stablehlo.custom_call @cusolver_gesvd_ffi(%arg0)
// CHECK-SAME: backend_config = {compute_uv = true, full_matrices = false, transposed = true}
// CHECK-SAME: operand_layouts = [dense<[1, 0]> : tensor<2xindex>]
// CHECK: return %[[F]]#3, %[[F]]#2
func.func @wide(%a: tensor<3x2000xf32>) -> (tensor<3x3xf32>, tensor<3x2000xf32>) {
  %0:5 = stablehlo.custom_call @lapack_sgesdd_ffi(%a) {backend_config = {mode = 83 : ui8}, api_version = 4 : i32} : (tensor<3x2000xf32>) -> (tensor<3x2000xf32>, tensor<3xf32>, tensor<3x3xf32>, tensor<3x2000xf32>, tensor<i32>)
  return %0#2, %0#3 : tensor<3x3xf32>, tensor<3x2000xf32>
}

// XLA has libraries of its own for these.
// CHECK-LABEL: @triangles
// CHECK: stablehlo.cholesky %arg0, lower = true
// CHECK: "stablehlo.triangular_solve"(%arg0, %arg1)
// CHECK-SAME: left_side = false, lower = false, transpose_a = #stablehlo<transpose ADJOINT>, unit_diagonal = false
func.func @triangles(%a: tensor<3x3xf64>, %b: tensor<2x3xf64>) -> (tensor<3x3xf64>, tensor<i32>, tensor<2x3xf64>) {
  %0:2 = stablehlo.custom_call @lapack_dpotrf_ffi(%a) {backend_config = {uplo = 76 : ui8}, api_version = 4 : i32} : (tensor<3x3xf64>) -> (tensor<3x3xf64>, tensor<i32>)
  %1 = stablehlo.custom_call @lapack_dtrsm_ffi(%a, %b) {backend_config = {diag = 78 : ui8, side = 82 : ui8, trans_x = 67 : ui8, uplo = 85 : ui8}, api_version = 4 : i32} : (tensor<3x3xf64>, tensor<2x3xf64>) -> tensor<2x3xf64>
  return %0#0, %0#1, %1 : tensor<3x3xf64>, tensor<i32>, tensor<2x3xf64>
}

// What has no kernel stays.
// CHECK-LABEL: @others
// CHECK: stablehlo.custom_call @lapack_dgehrd_ffi
func.func @others(%a: tensor<3x3xf64>) -> tensor<3x3xf64> {
  %0:3 = stablehlo.custom_call @lapack_dgehrd_ffi(%a) {backend_config = {low = 1 : i32, high = 3 : i32}, api_version = 4 : i32} : (tensor<3x3xf64>) -> (tensor<3x3xf64>, tensor<2xf64>, tensor<i32>)
  return %0#0 : tensor<3x3xf64>
}
