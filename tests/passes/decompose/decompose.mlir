// RUN: mycc opt %s --pass-pipeline='builtin.module(decompose,symbol-dce)' | filecheck %s

// Composites become calls, those of other frameworks as well; rules that nothing names any more are dropped.
// CHECK-LABEL: func.func @main(
// CHECK-NEXT: %[[A:.*]] = call @f(%arg0)
// CHECK-NEXT: %[[B:.*]] = call @outer(%[[A]])
// CHECK-NEXT: return %[[B]]
// CHECK-LABEL: func.func private @f(
// CHECK-LABEL: func.func private @outer(
// CHECK-NEXT: call @f(%arg0)
// CHECK-NOT: @rule
// CHECK-NOT: composite
func.func @main(%x: tensor<f32>) -> tensor<f32> {
  %0 = stablehlo.composite "mycc.custom_jvp" %x {composite_attributes = {arguments = 1 : i64, jvp = @rule}, decomposition = @f} : (tensor<f32>) -> tensor<f32>
  %1 = stablehlo.composite "other.thing" %0 {decomposition = @outer} : (tensor<f32>) -> tensor<f32>
  return %1 : tensor<f32>
}
func.func private @f(%x: tensor<f32>) -> tensor<f32> {
  %0 = stablehlo.tanh %x : tensor<f32>
  return %0 : tensor<f32>
}
func.func private @outer(%x: tensor<f32>) -> tensor<f32> {
  %0 = stablehlo.composite "mycc.checkpoint" %x {composite_attributes = {arguments = 1 : i64}, decomposition = @f} : (tensor<f32>) -> tensor<f32>
  return %0 : tensor<f32>
}
func.func private @rule(%x: tensor<f32>, %t: tensor<f32>) -> (tensor<f32>, tensor<f32>) {
  return %x, %t : tensor<f32>, tensor<f32>
}
