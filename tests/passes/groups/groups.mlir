// RUN: mycc opt %s --pass-pipeline='builtin.module(groups)' | filecheck %s

sdy.mesh @mesh = <["x"=4, "y"=2]>

// Devices are counted along the last axis first.
// CHECK-LABEL: func.func private @part
func.func private @part(%x: tensor<4xf32>) -> (tensor<4xf32>, tensor<8xf32>, tensor<1xf32>, tensor<4xf32>, tensor<4xf32>, tensor<i32>) {
  // CHECK: "stablehlo.all_reduce"(%arg0) <{{.*}}replica_groups = dense<{{\[\[}}0, 2, 4, 6], [1, 3, 5, 7]]>
  // CHECK: stablehlo.add
  %0 = stablehlo.custom_call @mycc.psum(%x) {mycc.axis_name = "x"} : (tensor<4xf32>) -> tensor<4xf32>
  // CHECK: "stablehlo.all_gather"(%arg0) <{all_gather_dim = 0 : i64, {{.*}}replica_groups = dense<{{\[\[}}0, 1], [2, 3], [4, 5], [6, 7]]>
  %1 = stablehlo.custom_call @mycc.all_gather(%x) {mycc.axis_name = "y", mycc.dimension = 0 : i64} : (tensor<4xf32>) -> tensor<8xf32>
  // CHECK: "stablehlo.reduce_scatter"(%arg0) <{{.*}}scatter_dimension = 0
  %2 = stablehlo.custom_call @mycc.psum_scatter(%x) {mycc.axis_name = "x", mycc.dimension = 0 : i64} : (tensor<4xf32>) -> tensor<1xf32>
  // CHECK: "stablehlo.all_to_all"(%arg0) <{{.*}}split_count = 4
  %3 = stablehlo.custom_call @mycc.all_to_all(%x) {mycc.axis_name = "x", mycc.split_dimension = 0 : i64, mycc.concat_dimension = 0 : i64} : (tensor<4xf32>) -> tensor<4xf32>
  // CHECK: "stablehlo.collective_permute"(%arg0) <{{.*}}source_target_pairs = dense<{{\[\[}}0, 2], [1, 3]]>
  %4 = stablehlo.custom_call @mycc.ppermute(%x) {mycc.axis_name = "x", mycc.pairs = array<i64: 0, 1>} : (tensor<4xf32>) -> tensor<4xf32>
  // CHECK: stablehlo.partition_id
  // CHECK: stablehlo.divide
  // CHECK: stablehlo.remainder
  %5 = stablehlo.custom_call @mycc.axis_index() {mycc.axis_name = "x"} : () -> tensor<i32>
  return %0, %1, %2, %3, %4, %5 : tensor<4xf32>, tensor<8xf32>, tensor<1xf32>, tensor<4xf32>, tensor<4xf32>, tensor<i32>
}

func.func @main(%x: tensor<16xf32>) -> tensor<16xf32> {
  %0 = sdy.manual_computation(%x) in_shardings=[<@mesh, [{"x"}]>] out_shardings=[<@mesh, [{"x"}]>] manual_axes={"x", "y"} (%a: tensor<4xf32>) {
    %1:6 = func.call @part(%a) : (tensor<4xf32>) -> (tensor<4xf32>, tensor<8xf32>, tensor<1xf32>, tensor<4xf32>, tensor<4xf32>, tensor<i32>)
    sdy.return %1#0 : tensor<4xf32>
  } : (tensor<16xf32>) -> tensor<16xf32>
  return %0 : tensor<16xf32>
}
