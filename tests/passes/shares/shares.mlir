// RUN: mycc opt %s --pass-pipeline='builtin.module(shares)' | filecheck %s

sdy.mesh @mesh = <["x"=4, "y"=2]>

// What is the same along an axis has an n-th of the cotangent, and the sum of them; what is not, its own.
// CHECK-LABEL: func.func public @main
func.func public @main(%w: tensor<f32>, %x: tensor<8xf32>) -> (tensor<f32>, tensor<8xf32>, tensor<4xf32>) {
  // CHECK: func.call @part
  // CHECK: func.call @part.1(
  %0:3 = sdy.manual_computation(%w, %x) in_shardings=[<@mesh, []>, <@mesh, [{"x"}]>] out_shardings=[<@mesh, []>, <@mesh, [{"x"}]>, <@mesh, [{"x"}]>] manual_axes={"x", "y"} (%a: tensor<f32>, %b: tensor<2xf32>) {
    %1:2 = func.call @part(%a, %b) : (tensor<f32>, tensor<2xf32>) -> (tensor<f32>, tensor<2xf32>)
    %2 = stablehlo.slice %b [0:1] : (tensor<2xf32>) -> tensor<1xf32>
    %3 = stablehlo.reshape %2 : (tensor<1xf32>) -> tensor<f32>
    %4:2 = func.call @part(%3, %b) : (tensor<f32>, tensor<2xf32>) -> (tensor<f32>, tensor<2xf32>)
    %5 = stablehlo.reshape %4#0 : (tensor<f32>) -> tensor<1xf32>
    sdy.return %1#0, %1#1, %5 : tensor<f32>, tensor<2xf32>, tensor<1xf32>
  } : (tensor<f32>, tensor<8xf32>) -> (tensor<f32>, tensor<8xf32>, tensor<4xf32>)
  return %0#0, %0#1, %0#2 : tensor<f32>, tensor<8xf32>, tensor<4xf32>
}

// CHECK-LABEL: func.func private @part(
// CHECK: %[[N:.*]] = stablehlo.constant dense<2.500000e-01>
// CHECK-NEXT: %[[SHARE:.*]] = stablehlo.multiply %arg0, %[[N]]
// CHECK-NEXT: %[[TOTAL:.*]] = stablehlo.custom_call @mycc.psum(%[[SHARE]]) {mycc.axis_name = "x"}
// CHECK-NEXT: %[[Y:.*]] = stablehlo.custom_call @mycc.psum(%arg1) {mycc.axis_name = "y"}
// CHECK-NEXT: return %[[TOTAL]], %[[Y]]
// CHECK: func.func private @part.1(
// CHECK: %[[Y:.*]] = stablehlo.custom_call @mycc.psum(%arg1) {mycc.axis_name = "y"}
// CHECK-NEXT: return %arg0, %[[Y]]
func.func private @part(%w: tensor<f32>, %x: tensor<2xf32>) -> (tensor<f32>, tensor<2xf32>) {
  %0 = stablehlo.custom_call @mycc.mark(%w) : (tensor<f32>) -> tensor<i1>
  %1 = stablehlo.custom_call @mycc.mark(%x) : (tensor<2xf32>) -> tensor<i1>
  %2 = stablehlo.custom_call @mycc.share(%w, %0) {mycc.axis_name = "x", mycc.axis_size = 4 : i64} : (tensor<f32>, tensor<i1>) -> tensor<f32>
  %3 = stablehlo.custom_call @mycc.total(%2, %0) {mycc.axis_name = "x"} : (tensor<f32>, tensor<i1>) -> tensor<f32>
  %4 = stablehlo.custom_call @mycc.total(%x, %1) {mycc.axis_name = "x"} : (tensor<2xf32>, tensor<i1>) -> tensor<2xf32>
  %5 = stablehlo.custom_call @mycc.total(%4, %1) {mycc.axis_name = "y"} : (tensor<2xf32>, tensor<i1>) -> tensor<2xf32>
  return %3, %5 : tensor<f32>, tensor<2xf32>
}
