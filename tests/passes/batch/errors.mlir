// RUN: mycc opt %s --split-input-file --verify-diagnostics --pass-pipeline='builtin.module(batch)'

func.func private @f(%x: tensor<f32>) -> tensor<f32> {
  return %x : tensor<f32>
}
func.func @mapped_result(%x: tensor<4xf32>) -> tensor<f32> {
  // expected-error@+1 {{vmap has out_axes=None for a result that depends on a mapped argument; give the axis along which its values are to be stacked}}
  %0 = stablehlo.custom_call @mycc.vmap(%x) {called_computations = [@f], mycc.axis_size = 4 : i64, mycc.in_axes = array<i64: 0>, mycc.out_axes = array<i64: -1>} : (tensor<4xf32>) -> tensor<f32>
  return %0 : tensor<f32>
}

// -----

func.func private @f(%x: tensor<3xcomplex<f32>>) -> tensor<3xcomplex<f32>> {
  // expected-error@+1 {{cannot batch}}
  %0 = stablehlo.custom_call @elsewhere(%x) {has_side_effect = true} : (tensor<3xcomplex<f32>>) -> tensor<3xcomplex<f32>>
  return %0 : tensor<3xcomplex<f32>>
}
func.func @unknown(%x: tensor<4x3xcomplex<f32>>) -> tensor<4x3xcomplex<f32>> {
  %0 = stablehlo.custom_call @mycc.vmap(%x) {called_computations = [@f], mycc.axis_size = 4 : i64, mycc.in_axes = array<i64: 0>, mycc.out_axes = array<i64: 0>} : (tensor<4x3xcomplex<f32>>) -> tensor<4x3xcomplex<f32>>
  return %0 : tensor<4x3xcomplex<f32>>
}
