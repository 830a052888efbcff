// RUN: mycc opt %s --split-input-file --verify-diagnostics --pass-pipeline='builtin.module(normalize)'

func.func @elided() -> tensor<3xf32> {
  // expected-error@+1 {{has no data in the module}}
  %0 = stablehlo.constant dense_resource<__elided__> : tensor<3xf32>
  return %0 : tensor<3xf32>
}

// -----

func.func @short() -> tensor<3xf32> {
  // expected-error@+1 {{has 8 bytes of data, not 12}}
  %0 = stablehlo.constant dense_resource<short> : tensor<3xf32>
  return %0 : tensor<3xf32>
}

{-#
  dialect_resources: {
    builtin: {
      short: "0x0400000000004040000080C0"
    }
  }
#-}

// -----

func.func @asserts() {
  %0 = stablehlo.constant dense<false> : tensor<i1>
  %1 = stablehlo.constant dense<5> : tensor<i32>
  // expected-error@+1 {{the module asserts of its arguments' shapes: b is 5, not 4}}
  stablehlo.custom_call @shape_assertion(%0, %1) {error_message = "b is {0}, not 4", has_side_effect = true} : (tensor<i1>, tensor<i32>) -> ()
  return
}
