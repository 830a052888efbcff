// RUN: mycc opt %s --pass-pipeline='builtin.module(keep{min-operations=3})' | filecheck %s
// RUN: mycc opt %s --pass-pipeline='builtin.module(keep{min-operations=3},inline)' | filecheck %s --check-prefix=INLINED
// RUN: mycc opt %s --pass-pipeline='builtin.module(keep)' | filecheck %s --check-prefix=SMALL

// What is called once is inlined, and makes its caller larger: so `shared` is kept although it is small itself.
// CHECK-DAG: func.func private @once(%arg0: tensor<4xf32>) -> tensor<4xf32> {
// CHECK-DAG: func.func private @shared(%arg0: tensor<4xf32>) -> tensor<4xf32> attributes {no_inline} {
// CHECK-DAG: func.func private @small(%arg0: tensor<4xf32>) -> tensor<4xf32> {
// CHECK-DAG: func.func @also_called_from_outside(%arg0: tensor<4xf32>) -> tensor<4xf32> {

// INLINED-LABEL: func.func public @main
// INLINED-NEXT: call @shared
// INLINED-NEXT: call @shared
// INLINED-NEXT: stablehlo.negate
// INLINED-NEXT: stablehlo.negate
// INLINED-LABEL: func.func private @shared
// INLINED-NEXT: stablehlo.sine
// INLINED-NEXT: stablehlo.cosine
// INLINED-NEXT: return
// INLINED-NOT: @small

// SMALL-NOT: no_inline
func.func public @main(%x: tensor<4xf32>) -> tensor<4xf32> {
  %0 = call @shared(%x) : (tensor<4xf32>) -> tensor<4xf32>
  %1 = call @shared(%0) : (tensor<4xf32>) -> tensor<4xf32>
  %2 = call @small(%1) : (tensor<4xf32>) -> tensor<4xf32>
  %3 = call @small(%2) : (tensor<4xf32>) -> tensor<4xf32>
  return %3 : tensor<4xf32>
}

func.func private @shared(%x: tensor<4xf32>) -> tensor<4xf32> {
  %0 = call @once(%x) : (tensor<4xf32>) -> tensor<4xf32>
  return %0 : tensor<4xf32>
}

func.func private @once(%x: tensor<4xf32>) -> tensor<4xf32> {
  %0 = stablehlo.sine %x : tensor<4xf32>
  %1 = stablehlo.cosine %0 : tensor<4xf32>
  return %1 : tensor<4xf32>
}

func.func private @small(%x: tensor<4xf32>) -> tensor<4xf32> {
  %0 = stablehlo.negate %x : tensor<4xf32>
  return %0 : tensor<4xf32>
}

func.func @also_called_from_outside(%x: tensor<4xf32>) -> tensor<4xf32> {
  %0 = stablehlo.sine %x : tensor<4xf32>
  %1 = stablehlo.sine %0 : tensor<4xf32>
  %2 = stablehlo.sine %1 : tensor<4xf32>
  %3 = stablehlo.sine %2 : tensor<4xf32>
  return %3 : tensor<4xf32>
}
