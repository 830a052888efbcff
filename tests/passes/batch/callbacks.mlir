// RUN: mycc opt %s --split-input-file --pass-pipeline='builtin.module(batch,symbol-dce)' | filecheck %s

// The host loops over examples of callbacks with effects, unless none of the operands is mapped. Pure ones take whole
// batches if they say how.
// CHECK-LABEL: func.func private @f.vmap(
// CHECK-NEXT: stablehlo.custom_call @mycc.callback.debug(%arg0, %arg1) {{.*}}mycc.mapped = [array<i1: true, false>]
// CHECK-NEXT: stablehlo.custom_call @mycc.callback.debug(%arg1) {has_side_effect = true, mycc.function = 1 : i64, mycc.name = "show"}
// CHECK-NEXT: %[[IO:.*]] = stablehlo.custom_call @mycc.callback.io(%arg0) {{.*}}mycc.mapped = [array<i1: true>], {{.*}} -> tensor<4xf32>
// CHECK-NEXT: %[[Y1:.*]] = stablehlo.reshape %arg1 : (tensor<2xf32>) -> tensor<1x2xf32>
// CHECK-NEXT: stablehlo.custom_call @mycc.callback.pure(%arg0, %[[Y1]])
// CHECK-NOT: mycc.mapped
// CHECK: %[[Y4:.*]] = stablehlo.broadcast_in_dim %arg1, dims = [1] : (tensor<2xf32>) -> tensor<4x2xf32>
// CHECK-NEXT: stablehlo.custom_call @mycc.callback.pure(%arg0, %[[Y4]])
// CHECK-NOT: mycc.mapped
func.func private @f(%x: tensor<f32>, %y: tensor<2xf32>) -> (tensor<f32>, tensor<f32>, tensor<f32>) {
  stablehlo.custom_call @mycc.callback.debug(%x, %y) {has_side_effect = true, mycc.function = 1 : i64, mycc.name = "show"} : (tensor<f32>, tensor<2xf32>) -> ()
  stablehlo.custom_call @mycc.callback.debug(%y) {has_side_effect = true, mycc.function = 1 : i64, mycc.name = "show"} : (tensor<2xf32>) -> ()
  %0 = stablehlo.custom_call @mycc.callback.io(%x) {has_side_effect = true, mycc.function = 2 : i64, mycc.name = "read"} : (tensor<f32>) -> tensor<f32>
  %1 = stablehlo.custom_call @mycc.callback.pure(%x, %y) {has_side_effect = false, mycc.function = 3 : i64, mycc.name = "f", mycc.vmap_method = "expand_dims"} : (tensor<f32>, tensor<2xf32>) -> tensor<f32>
  %2 = stablehlo.custom_call @mycc.callback.pure(%x, %y) {has_side_effect = false, mycc.function = 3 : i64, mycc.name = "f", mycc.vmap_method = "broadcast_all"} : (tensor<f32>, tensor<2xf32>) -> tensor<f32>
  return %0, %1, %2 : tensor<f32>, tensor<f32>, tensor<f32>
}
func.func @main(%x: tensor<4xf32>, %y: tensor<2xf32>) -> (tensor<4xf32>, tensor<4xf32>, tensor<4xf32>) {
  %0:3 = stablehlo.custom_call @mycc.vmap(%x, %y) {called_computations = [@f], has_side_effect = true, mycc.axis_size = 4 : i64, mycc.in_axes = array<i64: 0, -1>, mycc.out_axes = array<i64: 0, 0, 0>} : (tensor<4xf32>, tensor<2xf32>) -> (tensor<4xf32>, tensor<4xf32>, tensor<4xf32>)
  return %0#0, %0#1, %0#2 : tensor<4xf32>, tensor<4xf32>, tensor<4xf32>
}

// -----

// An outer map comes first in the list.
// CHECK-LABEL: func.func private @f.vmap.vmap(
// CHECK-NEXT: stablehlo.custom_call @mycc.callback.debug(%arg0, %arg1) {{.*}}mycc.mapped = [array<i1: false, true>, array<i1: true, false>]
func.func private @f(%x: tensor<f32>, %y: tensor<f32>) {
  stablehlo.custom_call @mycc.callback.debug(%x, %y) {has_side_effect = true, mycc.function = 1 : i64, mycc.name = "show"} : (tensor<f32>, tensor<f32>) -> ()
  return
}
func.func private @g(%x: tensor<4xf32>, %y: tensor<f32>) {
  stablehlo.custom_call @mycc.vmap(%x, %y) {called_computations = [@f], has_side_effect = true, mycc.axis_size = 4 : i64, mycc.in_axes = array<i64: 0, -1>, mycc.out_axes = array<i64>} : (tensor<4xf32>, tensor<f32>) -> ()
  return
}
func.func @main(%x: tensor<4xf32>, %y: tensor<3xf32>) {
  stablehlo.custom_call @mycc.vmap(%x, %y) {called_computations = [@g], has_side_effect = true, mycc.axis_size = 3 : i64, mycc.in_axes = array<i64: -1, 0>, mycc.out_axes = array<i64>} : (tensor<4xf32>, tensor<3xf32>) -> ()
  return
}
