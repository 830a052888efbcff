// RUN: mycc opt %s --split-input-file --verify-diagnostics --pass-pipeline='builtin.module(expand)'

func.func @dynamic(%x: tensor<?xf32>, %s: tensor<1xi32>) -> tensor<?x1xf32> {
  // expected-error@+1 {{cannot expand 'stablehlo.dynamic_broadcast_in_dim': its shape tensor<?x1xf32> is known at run time only; run stablehlo-refine-shapes}}
  %0 = stablehlo.dynamic_broadcast_in_dim %x, %s, dims = [0] : (tensor<?xf32>, tensor<1xi32>) -> tensor<?x1xf32>
  return %0 : tensor<?x1xf32>
}

// -----

func.func @equation(%x: tensor<3x4xf32>) -> tensor<4x3xf32> {
  // expected-error@+1 {{its equation 'ij,jk->ik' does not fit its operands}}
  %0 = "stablehlo.unary_einsum"(%x) <{einsum_config = "ij,jk->ik"}> : (tensor<3x4xf32>) -> tensor<4x3xf32>
  return %0 : tensor<4x3xf32>
}
