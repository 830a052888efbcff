// RUN: mycc opt %s --split-input-file --pass-pipeline='builtin.module(simplify)' | filecheck %s

// The second argument makes only the second result, which nobody reads.
// CHECK-LABEL: func.func @main
// CHECK: %[[A:.*]]:2 = call @f(%arg0) : (tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>)
// CHECK: %[[B:.*]]:2 = call @f(%[[A]]#0) : (tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>)
// CHECK: return %[[B]]#0, %[[B]]#1
// CHECK: func.func private @f(%arg0: tensor<4xf32> {mycc.name = "x"}) -> (tensor<4xf32>, tensor<4xf32>)
// CHECK-NOT: cosine
func.func @main(%x: tensor<4xf32>, %y: tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>) {
  %0:3 = call @f(%x, %y) : (tensor<4xf32>, tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>, tensor<4xf32>)
  %1:3 = call @f(%0#0, %y) : (tensor<4xf32>, tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>, tensor<4xf32>)
  return %1#0, %1#2 : tensor<4xf32>, tensor<4xf32>
}
func.func private @f(%x: tensor<4xf32> {mycc.name = "x"}, %y: tensor<4xf32> {mycc.name = "y"}) -> (tensor<4xf32>, tensor<4xf32>, tensor<4xf32>) {
  %0 = stablehlo.sine %x : tensor<4xf32>
  %1 = stablehlo.cosine %y : tensor<4xf32>
  return %0, %1, %x : tensor<4xf32>, tensor<4xf32>, tensor<4xf32>
}

// -----

// A dead result frees one of what is called further down.
// CHECK-LABEL: func.func @chain
// CHECK: call @g(%arg0) : (tensor<4xf32>) -> tensor<4xf32>
// CHECK: func.func private @g(%arg0: tensor<4xf32>) -> tensor<4xf32>
// CHECK: call @h(%arg0) : (tensor<4xf32>) -> tensor<4xf32>
// CHECK: func.func private @h(%arg0: tensor<4xf32>) -> tensor<4xf32>
func.func @chain(%x: tensor<4xf32>, %y: tensor<4xf32>) -> tensor<4xf32> {
  %0:2 = call @g(%x, %y) : (tensor<4xf32>, tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>)
  return %0#0 : tensor<4xf32>
}
func.func private @g(%x: tensor<4xf32>, %y: tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>) {
  %0:2 = call @h(%x, %y) : (tensor<4xf32>, tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>)
  return %0#0, %0#1 : tensor<4xf32>, tensor<4xf32>
}
func.func private @h(%x: tensor<4xf32>, %y: tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>) {
  %0 = stablehlo.sine %x : tensor<4xf32>
  %1 = stablehlo.cosine %y : tensor<4xf32>
  return %0, %1 : tensor<4xf32>, tensor<4xf32>
}

// -----

// What is called from elsewhere, or differentiated, keeps what it takes and returns; so does what nobody calls.
// CHECK-LABEL: func.func @public_and_transformed
// CHECK: func.func public @p(%arg0: tensor<4xf32>, %arg1: tensor<4xf32>) -> tensor<4xf32>
// CHECK: func.func private @q(%arg0: tensor<f32>, %arg1: tensor<4xf32>) -> tensor<f32>
// CHECK: func.func private @r(%arg0: tensor<f32>) -> tensor<f32>
func.func @public_and_transformed(%x: tensor<4xf32>, %y: tensor<f32>, %ct: tensor<f32>) -> (tensor<4xf32>, tensor<f32>, tensor<f32>) {
  %0 = call @p(%x, %x) : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  %1:3 = stablehlo.custom_call @mycc.vjp(%y, %x, %ct) {called_computations = [@q], mycc.active = array<i1: true, true>, mycc.seeded = array<i1: true>} : (tensor<f32>, tensor<4xf32>, tensor<f32>) -> (tensor<f32>, tensor<f32>, tensor<4xf32>)
  %2 = call @q(%y, %x) : (tensor<f32>, tensor<4xf32>) -> tensor<f32>
  return %0, %1#1, %2 : tensor<4xf32>, tensor<f32>, tensor<f32>
}
func.func public @p(%x: tensor<4xf32>, %y: tensor<4xf32>) -> tensor<4xf32> {
  %0 = stablehlo.sine %x : tensor<4xf32>
  return %0 : tensor<4xf32>
}
func.func private @q(%x: tensor<f32>, %y: tensor<4xf32>) -> tensor<f32> {
  %0 = stablehlo.sine %x : tensor<f32>
  return %0 : tensor<f32>
}
func.func private @r(%x: tensor<f32>) -> tensor<f32> {
  %0 = stablehlo.constant dense<1.0> : tensor<f32>
  return %0 : tensor<f32>
}

// -----

// A function that prints what it gets is called, though nobody reads its results.
// CHECK-LABEL: func.func @effects
// CHECK: call @prints(%arg0) : (tensor<4xf32>) -> tensor<4xf32>
func.func @effects(%x: tensor<4xf32>) -> tensor<4xf32> {
  %0:2 = call @prints(%x) : (tensor<4xf32>) -> (tensor<4xf32>, tensor<f32>)
  return %x : tensor<4xf32>
}
func.func private @prints(%x: tensor<4xf32>) -> (tensor<4xf32>, tensor<f32>) {
  %0 = stablehlo.custom_call @print(%x) {has_side_effect = true} : (tensor<4xf32>) -> tensor<4xf32>
  %1 = stablehlo.constant dense<1.0> : tensor<f32>
  return %0, %1 : tensor<4xf32>, tensor<f32>
}
