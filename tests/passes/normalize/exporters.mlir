// RUN: mycc opt %s --pass-pipeline='builtin.module(normalize)' | filecheck %s

// A composite is the CHLO operation of its name where that has a record, else its decomposition; constants of other kinds
// are StableHLO's; shardings and attributes of arguments are gone.

// CHECK-LABEL: func.func @main(%arg0: tensor<2xf32>) -> (tensor<2xf32>, tensor<2xf32>)
// CHECK-NOT: sdy
// CHECK-DAG: %[[A:.*]] = stablehlo.constant dense<[1.000000e+00, 2.000000e+00]> : tensor<2xf32>
// CHECK-DAG: %[[B:.*]] = stablehlo.constant dense<[3.000000e+00, -4.000000e+00]> : tensor<2xf32>
// CHECK-DAG: stablehlo.constant dense<[7, 8]> : tensor<2xi64>
// CHECK-NOT: arith.constant
// CHECK: %[[E:.*]] = chlo.erf %arg0
// CHECK: %[[C:.*]] = stablehlo.add %[[E]], %[[E]]
// CHECK: %[[X:.*]] = stablehlo.add %[[C]], %[[A]]
// CHECK: return %[[X]], %[[B]]
module attributes {mhlo.num_partitions = 2 : i32} {
  sdy.mesh @mesh = <["x"=2]>
  func.func @main(%arg0: tensor<2xf32> {sdy.sharding = #sdy.sharding<@mesh, [{"x"}]>, tf.aliasing_output = 0 : i32})
      -> (tensor<2xf32> {jax.result_info = "a"}, tensor<2xf32>) {
    %a = arith.constant dense<[1.0, 2.0]> : tensor<2xf32>
    %b = stablehlo.constant dense_resource<weights> : tensor<2xf32>
    %s = arith.constant 7 : i64
    %t = arith.constant 8 : i64
    %st = tensor.from_elements %s, %t : tensor<2xi64>
    %0 = stablehlo.composite "chlo.erf" %arg0 {decomposition = @erf} : (tensor<2xf32>) -> tensor<2xf32>
    %1 = sdy.sharding_constraint %0 <@mesh, [{"x"}]> : tensor<2xf32>
    %2 = stablehlo.composite "my.twice" %1 {decomposition = @twice} : (tensor<2xf32>) -> tensor<2xf32>
    %3 = stablehlo.custom_call @Sharding(%2) {mhlo.sharding = "{replicated}"} : (tensor<2xf32>) -> tensor<2xf32>
    %4 = stablehlo.add %3, %a {mhlo.frontend_attributes = {a = "b"}} : tensor<2xf32>
    return %4, %b : tensor<2xf32>, tensor<2xf32>
  }
  func.func private @erf(%x: tensor<2xf32>) -> tensor<2xf32> {
    return %x : tensor<2xf32>
  }
  func.func private @twice(%x: tensor<2xf32>) -> tensor<2xf32> {
    %0 = stablehlo.add %x, %x : tensor<2xf32>
    return %0 : tensor<2xf32>
  }
}

{-#
  dialect_resources: {
    builtin: {
      weights: "0x0400000000004040000080C0"
    }
  }
#-}
