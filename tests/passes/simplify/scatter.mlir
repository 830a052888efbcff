// RUN: mycc opt %s --pass-pipeline='builtin.module(simplify)' | filecheck %s

// Two windows of one element, both the first.
// CHECK-LABEL: @scatter_without_indices
// CHECK-DAG: %[[X:.*]] = stablehlo.reshape %arg0 : (tensor<3xf32>) -> tensor<1x3xf32>
// CHECK-DAG: %[[I:.*]] = stablehlo.constant dense<0> : tensor<1x2xi32>
// CHECK: %[[S:.*]] = "stablehlo.scatter"(%[[X]], %[[I]], %arg2)
// CHECK-SAME: inserted_window_dims = [0, 1], scatter_dims_to_operand_dims = [0]>
// CHECK: %[[R:.*]] = stablehlo.reshape %[[S]] : (tensor<1x3xf32>) -> tensor<3xf32>
// CHECK: return %[[R]]
func.func @scatter_without_indices(%x: tensor<3xf32>, %i: tensor<0x2xi32>, %u: tensor<2xf32>) -> tensor<3xf32> {
  %0 = "stablehlo.scatter"(%x, %i, %u) <{scatter_dimension_numbers = #stablehlo.scatter<inserted_window_dims = [0], index_vector_dim = 0>}> ({
  ^bb0(%a: tensor<f32>, %b: tensor<f32>):
    %1 = stablehlo.add %a, %b : tensor<f32>
    stablehlo.return %1 : tensor<f32>
  }) : (tensor<3xf32>, tensor<0x2xi32>, tensor<2xf32>) -> tensor<3xf32>
  return %0 : tensor<3xf32>
}
