// RUN: mycc opt %s --split-input-file --verify-diagnostics --pass-pipeline='builtin.module(autodiff)'

func.func private @f(%x: tensor<3xf32>) -> tensor<3xf32> {
  // expected-error@+1 {{cannot differentiate 'stablehlo.tuple': tuples are not looked into; run the pass expand}}
  %0 = stablehlo.tuple %x : tuple<tensor<3xf32>>
  %1 = stablehlo.get_tuple_element %0[0] : (tuple<tensor<3xf32>>) -> tensor<3xf32>
  return %1 : tensor<3xf32>
}
func.func @tuples(%x: tensor<3xf32>) -> tensor<3xf32> {
  %0:2 = stablehlo.custom_call @mycc.jvp(%x, %x) {called_computations = [@f], mycc.active = array<i1: true>, mycc.seeded = array<i1: true>} : (tensor<3xf32>, tensor<3xf32>) -> (tensor<3xf32>, tensor<3xf32>)
  return %0#1 : tensor<3xf32>
}

// -----

func.func private @f(%x: tensor<3xf32>) -> tensor<3xf32> {
  %token = stablehlo.create_token : !stablehlo.token
  // expected-error@+1 {{cannot differentiate 'stablehlo.outfeed': it exchanges data with the world outside}}
  %0 = "stablehlo.outfeed"(%x, %token) : (tensor<3xf32>, !stablehlo.token) -> !stablehlo.token
  return %x : tensor<3xf32>
}
func.func @outfeed(%x: tensor<3xf32>) -> tensor<3xf32> {
  %0:2 = stablehlo.custom_call @mycc.jvp(%x, %x) {called_computations = [@f], mycc.active = array<i1: true>, mycc.seeded = array<i1: true>} : (tensor<3xf32>, tensor<3xf32>) -> (tensor<3xf32>, tensor<3xf32>)
  return %0#1 : tensor<3xf32>
}

// -----

// expected-error@+1 {{cannot differentiate @f: its argument of type tensor<?xf32> has a shape that is known at run time only; give @main static shapes (stablehlo-refine-arguments)}}
func.func private @f(%x: tensor<?xf32>) -> tensor<?xf32> {
  return %x : tensor<?xf32>
}
func.func @dynamic(%x: tensor<?xf32>) -> tensor<?xf32> {
  %0:2 = stablehlo.custom_call @mycc.jvp(%x, %x) {called_computations = [@f], mycc.active = array<i1: true>, mycc.seeded = array<i1: true>} : (tensor<?xf32>, tensor<?xf32>) -> (tensor<?xf32>, tensor<?xf32>)
  return %0#1 : tensor<?xf32>
}
