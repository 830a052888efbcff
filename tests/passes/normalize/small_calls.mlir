// RUN: mycc opt %s --pass-pipeline='builtin.module(normalize)' | filecheck %s

// What exporters make of `where` is no function any more; one that the outside can call stays, as does a long one.

// CHECK-LABEL: func.func @main
// CHECK: %[[P:.*]] = stablehlo.compare
// CHECK: %[[Z:.*]] = stablehlo.broadcast_in_dim %arg1
// CHECK: %[[C:.*]] = stablehlo.select %[[P]], %arg0, %[[Z]]
// CHECK: call @long(%[[C]])
// CHECK-NOT: @_where
// CHECK-LABEL: func.func private @long
// CHECK-LABEL: func.func @shared
func.func @main(%x: tensor<3xf32>, %y: tensor<f32>) -> (tensor<3xf32>, tensor<3xf32>) {
  %p = stablehlo.compare GT, %x, %x : (tensor<3xf32>, tensor<3xf32>) -> tensor<3xi1>
  %0 = call @_where(%p, %x, %y) : (tensor<3xi1>, tensor<3xf32>, tensor<f32>) -> tensor<3xf32>
  %1 = call @long(%0) : (tensor<3xf32>) -> tensor<3xf32>
  %2 = call @shared(%1) : (tensor<3xf32>) -> tensor<3xf32>
  return %1, %2 : tensor<3xf32>, tensor<3xf32>
}
func.func private @_where(%p: tensor<3xi1>, %x: tensor<3xf32>, %y: tensor<f32>) -> tensor<3xf32> {
  %0 = stablehlo.broadcast_in_dim %y, dims = [] : (tensor<f32>) -> tensor<3xf32>
  %1 = stablehlo.select %p, %x, %0 : tensor<3xi1>, tensor<3xf32>
  return %1 : tensor<3xf32>
}
func.func private @long(%x: tensor<3xf32>) -> tensor<3xf32> {
  %0 = stablehlo.sine %x : tensor<3xf32>
  %1 = stablehlo.sine %0 : tensor<3xf32>
  %2 = stablehlo.sine %1 : tensor<3xf32>
  %3 = stablehlo.sine %2 : tensor<3xf32>
  %4 = stablehlo.sine %3 : tensor<3xf32>
  %5 = stablehlo.sine %4 : tensor<3xf32>
  return %5 : tensor<3xf32>
}
func.func @shared(%x: tensor<3xf32>) -> tensor<3xf32> {
  %0 = stablehlo.cosine %x : tensor<3xf32>
  return %0 : tensor<3xf32>
}
