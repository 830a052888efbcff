// RUN: mycc opt %s --split-input-file --verify-diagnostics --pass-pipeline='builtin.module(autodiff)'

func.func private @f(%x: tensor<3xcomplex<f32>>) -> tensor<3xcomplex<f32>> {
  // expected-error@+1 {{cannot differentiate 'stablehlo.custom_call': what its target 'elsewhere' computes is not known here}}
  %0 = stablehlo.custom_call @elsewhere(%x) : (tensor<3xcomplex<f32>>) -> tensor<3xcomplex<f32>>
  return %0 : tensor<3xcomplex<f32>>
}
func.func @unknown(%x: tensor<3xcomplex<f32>>) -> tensor<3xcomplex<f32>> {
  %0:2 = stablehlo.custom_call @mycc.vjp(%x, %x) {called_computations = [@f], mycc.active = array<i1: true>, mycc.seeded = array<i1: true>} : (tensor<3xcomplex<f32>>, tensor<3xcomplex<f32>>) -> (tensor<3xcomplex<f32>>, tensor<3xcomplex<f32>>)
  return %0#1 : tensor<3xcomplex<f32>>
}

// -----

func.func private @square(%x: tensor<f32>) -> tensor<f32> {
  // expected-error@+1 {{cannot transpose 'stablehlo.multiply': the function is not linear there}}
  %0 = stablehlo.multiply %x, %x : tensor<f32>
  return %0 : tensor<f32>
}
func.func @not_linear(%x: tensor<f32>) -> tensor<f32> {
  %0 = stablehlo.custom_call @mycc.transpose(%x) {called_computations = [@square], mycc.active = array<i1: true>, mycc.seeded = array<i1: true>} : (tensor<f32>) -> tensor<f32>
  return %0 : tensor<f32>
}

// -----

func.func private @sin(%x: tensor<f32>) -> tensor<f32> {
  %0 = stablehlo.sine %x : tensor<f32>
  return %0 : tensor<f32>
}
func.func private @apply(%h: !stablehlo.token) -> tensor<f32> {
  %one = stablehlo.constant dense<1.0> : tensor<f32>
  %0 = stablehlo.custom_call @mycc.pullback(%h, %one) {called_computations = [@sin], mycc.active = array<i1: true>, mycc.seeded = array<i1: true>, mycc.reverse = true} : (!stablehlo.token, tensor<f32>) -> tensor<f32>
  return %0 : tensor<f32>
}
func.func @of_a_handle(%x: tensor<f32>) -> tensor<f32> {
  %0:2 = stablehlo.custom_call @mycc.linearize(%x) {called_computations = [@sin], mycc.active = array<i1: true>, mycc.seeded = array<i1: true>, mycc.reverse = true} : (tensor<f32>) -> (tensor<f32>, !stablehlo.token)
  // expected-error@+1 {{cannot differentiate with respect to a pullback or linear function}}
  %1:2 = stablehlo.custom_call @mycc.jvp(%0#1, %0#1) {called_computations = [@apply], mycc.active = array<i1: true>, mycc.seeded = array<i1: true>} : (!stablehlo.token, !stablehlo.token) -> (tensor<f32>, tensor<f32>)
  return %1#1 : tensor<f32>
}

// -----

func.func private @sin(%x: tensor<f32>) -> tensor<f32> {
  %0 = stablehlo.sine %x : tensor<f32>
  return %0 : tensor<f32>
}
func.func @no_flags(%x: tensor<f32>) -> tensor<f32> {
  // expected-error@+1 {{'mycc.vjp' has no attribute mycc.active}}
  %0:2 = stablehlo.custom_call @mycc.vjp(%x, %x) {called_computations = [@sin], mycc.seeded = array<i1: true>} : (tensor<f32>, tensor<f32>) -> (tensor<f32>, tensor<f32>)
  return %0#1 : tensor<f32>
}

// -----

func.func private @sin(%x: tensor<f32>) -> tensor<f32> {
  %0 = stablehlo.sine %x : tensor<f32>
  return %0 : tensor<f32>
}
func.func @two_flags(%x: tensor<f32>) -> tensor<f32> {
  // expected-error@+1 {{'mycc.vjp' has attributes that do not fit the function it refers to}}
  %0:2 = stablehlo.custom_call @mycc.vjp(%x, %x) {called_computations = [@sin], mycc.active = array<i1: true, false>, mycc.seeded = array<i1: true>} : (tensor<f32>, tensor<f32>) -> (tensor<f32>, tensor<f32>)
  return %0#1 : tensor<f32>
}

// -----

func.func private @sin(%x: tensor<f32>) -> tensor<f32> {
  %0 = stablehlo.sine %x : tensor<f32>
  return %0 : tensor<f32>
}
func.func @another_type(%x: tensor<f32>, %y: tensor<f64>) -> tensor<f32> {
  // expected-error@+1 {{'mycc.vjp' takes (tensor<f32>, tensor<f64>) where its function asks for (tensor<f32>, tensor<f32>)}}
  %0:2 = stablehlo.custom_call @mycc.vjp(%x, %y) {called_computations = [@sin], mycc.active = array<i1: true>, mycc.seeded = array<i1: true>} : (tensor<f32>, tensor<f64>) -> (tensor<f32>, tensor<f32>)
  return %0#1 : tensor<f32>
}
