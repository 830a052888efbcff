// RUN: mycc opt %s --pass-pipeline='builtin.module(autodiff,batch,symbol-dce,inline,cse)' | filecheck %s

sdy.mesh @mesh = <["x"=4, "y"=2]>

func.func private @f(%x: tensor<8xf32>) -> tensor<8xf32> {
  %0 = sdy.sharding_constraint %x <@mesh, [{"x"}]> : tensor<8xf32>
  return %0 : tensor<8xf32>
}

// A cotangent is spread like its primal.
// CHECK-LABEL: @reverse
// CHECK: sdy.sharding_constraint %arg0 <@mesh, [{"x"}]>
// CHECK: sdy.sharding_constraint %arg1 <@mesh, [{"x"}]>
func.func @reverse(%x: tensor<8xf32>, %ct: tensor<8xf32>) -> (tensor<8xf32>, tensor<8xf32>) {
  %0:2 = stablehlo.custom_call @mycc.vjp(%x, %ct) {called_computations = [@f], mycc.active = array<i1: true>, mycc.seeded = array<i1: true>} : (tensor<8xf32>, tensor<8xf32>) -> (tensor<8xf32>, tensor<8xf32>)
  return %0#0, %0#1 : tensor<8xf32>, tensor<8xf32>
}

// The dimension that batching adds is the partitioner's to split.
// CHECK-LABEL: @batched
// CHECK: sdy.sharding_constraint %arg0 <@mesh, [{?}, {"x"}]> : tensor<3x8xf32>
func.func @batched(%x: tensor<3x8xf32>) -> tensor<3x8xf32> {
  %0 = stablehlo.custom_call @mycc.vmap(%x) {called_computations = [@f], mycc.in_axes = array<i64: 0>, mycc.out_axes = array<i64: 0>, mycc.axis_size = 3 : i64} : (tensor<3x8xf32>) -> tensor<3x8xf32>
  return %0 : tensor<3x8xf32>
}
