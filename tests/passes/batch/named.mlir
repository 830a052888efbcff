// RUN: mycc opt %s --split-input-file --pass-pipeline='builtin.module(batch,resolve,symbol-dce)' | filecheck %s

// A sum over the axis that the map binds: of what is the same for all it is a multiple.
// CHECK-LABEL: func.func private @f.vmap(
// CHECK: %[[SUM:.*]] = stablehlo.reduce(%arg0 init: %{{.*}}) applies stablehlo.add across dimensions = [0]
// CHECK-NEXT: %[[FOUR:.*]] = stablehlo.constant dense<4.000000e+00>
// CHECK-NEXT: %[[TIMES:.*]] = stablehlo.multiply %arg1, %[[FOUR]]
// CHECK-NEXT: %[[INDEX:.*]] = stablehlo.iota dim = 0 : tensor<4xi32>
// CHECK-NEXT: return %[[SUM]], %[[TIMES]], %[[INDEX]]
func.func private @f(%x: tensor<f32>, %y: tensor<f32>) -> (tensor<f32>, tensor<f32>, tensor<i32>) {
  %0 = stablehlo.custom_call @mycc.psum(%x) {mycc.axis_name = "i"} : (tensor<f32>) -> tensor<f32>
  %1 = stablehlo.custom_call @mycc.psum(%y) {mycc.axis_name = "i"} : (tensor<f32>) -> tensor<f32>
  %2 = stablehlo.custom_call @mycc.axis_index() {mycc.axis_name = "i"} : () -> tensor<i32>
  return %0, %1, %2 : tensor<f32>, tensor<f32>, tensor<i32>
}
func.func @collectives(%x: tensor<4xf32>, %y: tensor<f32>) -> (tensor<f32>, tensor<f32>, tensor<4xi32>) {
  %0:3 = stablehlo.custom_call @mycc.vmap(%x, %y) {called_computations = [@f], mycc.axis_name = "i", mycc.axis_size = 4 : i64, mycc.in_axes = array<i64: 0, -1>, mycc.out_axes = array<i64: -1, -1, 0>} : (tensor<4xf32>, tensor<f32>) -> (tensor<f32>, tensor<f32>, tensor<4xi32>)
  return %0#0, %0#1, %0#2 : tensor<f32>, tensor<f32>, tensor<4xi32>
}

// -----

// The inner map passes over the outer one's name, also where it is in a function that it calls.
// CHECK-LABEL: func.func @nested(
// CHECK-NEXT: %[[R:.*]] = call @row.vmap(%arg0) : (tensor<2x3xf32>) -> tensor<3xf32>
// CHECK-NEXT: stablehlo.broadcast_in_dim %[[R]], dims = [1] : (tensor<3xf32>) -> tensor<2x3xf32>
// CHECK-LABEL: func.func private @sum.vmap.vmap(
// CHECK: stablehlo.reduce(%arg0 init: %{{.*}}) applies stablehlo.add across dimensions = [0] : (tensor<2x3xf32>, tensor<f32>) -> tensor<3xf32>
func.func private @sum(%x: tensor<f32>) -> tensor<f32> {
  %0 = stablehlo.custom_call @mycc.psum(%x) {mycc.axis_name = "i"} : (tensor<f32>) -> tensor<f32>
  return %0 : tensor<f32>
}
func.func private @one(%x: tensor<f32>) -> tensor<f32> {
  %0 = call @sum(%x) : (tensor<f32>) -> tensor<f32>
  return %0 : tensor<f32>
}
func.func private @row(%x: tensor<3xf32>) -> tensor<3xf32> {
  %0 = stablehlo.custom_call @mycc.vmap(%x) {called_computations = [@one], mycc.axis_name = "j", mycc.axis_size = 3 : i64, mycc.in_axes = array<i64: 0>, mycc.out_axes = array<i64: 0>} : (tensor<3xf32>) -> tensor<3xf32>
  return %0 : tensor<3xf32>
}
func.func @nested(%x: tensor<2x3xf32>) -> tensor<2x3xf32> {
  %0 = stablehlo.custom_call @mycc.vmap(%x) {called_computations = [@row], mycc.axis_name = "i", mycc.axis_size = 2 : i64, mycc.in_axes = array<i64: 0>, mycc.out_axes = array<i64: 0>} : (tensor<2x3xf32>) -> tensor<2x3xf32>
  return %0 : tensor<2x3xf32>
}
