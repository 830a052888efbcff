// RUN: mycc opt %s --split-input-file --pass-pipeline='builtin.module(autodiff,symbol-dce)' | filecheck %s

// The fixed operand comes first, then the cotangent.
// CHECK-LABEL: func.func @matrix(
// CHECK-NEXT: %[[CT:.*]] = call @f.transpose(%arg0, %arg1)
// CHECK-NEXT: return %[[CT]]
// CHECK-LABEL: func.func private @f.transpose(
// CHECK-SAME: %arg0: tensor<2x3xf32>, %arg1: tensor<2xf32>) -> tensor<3xf32>
// CHECK: stablehlo.dot_general
func.func private @f(%w: tensor<2x3xf32>, %x: tensor<3xf32>) -> tensor<2xf32> {
  %0 = stablehlo.dot_general %w, %x, contracting_dims = [1] x [0] : (tensor<2x3xf32>, tensor<3xf32>) -> tensor<2xf32>
  return %0 : tensor<2xf32>
}
func.func @matrix(%w: tensor<2x3xf32>, %ct: tensor<2xf32>) -> tensor<3xf32> {
  %0 = stablehlo.custom_call @mycc.transpose(%w, %ct) {called_computations = [@f], mycc.active = array<i1: false, true>, mycc.seeded = array<i1: true>} : (tensor<2x3xf32>, tensor<2xf32>) -> tensor<3xf32>
  return %0 : tensor<3xf32>
}

// -----

// Through a call and a choice; what does not depend on the linear argument is computed, and not transposed.
// CHECK-LABEL: func.func @program(
// CHECK-NEXT: %[[CT:.*]] = call @g.transpose(%arg0, %arg1, %arg2)
// CHECK-LABEL: func.func private @g.transpose(
// CHECK: %[[SIN:.*]] = stablehlo.sine %arg0
// CHECK-NEXT: %[[CASE:.*]] = "stablehlo.case"(%arg1) ({
// CHECK-NEXT: func.call @case.region.transpose(%arg2)
// CHECK: func.call @case.region.1.transpose(%arg2)
// CHECK: %[[OUT:.*]] = call @scale.transpose(%[[SIN]], %[[CASE]])
// CHECK-NEXT: return %[[OUT]]
// CHECK-LABEL: func.func private @scale.transpose(
// CHECK-NEXT: stablehlo.multiply %arg1, %arg0
func.func private @scale(%s: tensor<f32>, %x: tensor<f32>) -> tensor<f32> {
  %0 = stablehlo.multiply %s, %x : tensor<f32>
  return %0 : tensor<f32>
}
func.func private @g(%s: tensor<f32>, %i: tensor<i32>, %x: tensor<f32>) -> tensor<f32> {
  %0 = stablehlo.sine %s : tensor<f32>
  %1 = call @scale(%0, %x) : (tensor<f32>, tensor<f32>) -> tensor<f32>
  %2 = "stablehlo.case"(%i) ({
    %3 = stablehlo.negate %1 : tensor<f32>
    stablehlo.return %3 : tensor<f32>
  }, {
    stablehlo.return %1 : tensor<f32>
  }) : (tensor<i32>) -> tensor<f32>
  return %2 : tensor<f32>
}
func.func @program(%s: tensor<f32>, %i: tensor<i32>, %ct: tensor<f32>) -> tensor<f32> {
  %0 = stablehlo.custom_call @mycc.transpose(%s, %i, %ct) {called_computations = [@g], mycc.active = array<i1: false, false, true>, mycc.seeded = array<i1: true>} : (tensor<f32>, tensor<i32>, tensor<f32>) -> tensor<f32>
  return %0 : tensor<f32>
}
