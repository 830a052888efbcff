// RUN: mycc opt %s --pass-pipeline='builtin.module(simplify{inexact=true})' | filecheck %s

// CHECK-LABEL: @elementwise_of_transposes
// CHECK-DAG: %[[C:.*]] = stablehlo.constant dense<2.000000e+00> : tensor<3x4xf32>
// CHECK-DAG: %[[A:.*]] = stablehlo.add %arg0, %arg1 : tensor<3x4xf32>
// CHECK-DAG: %[[T:.*]] = stablehlo.transpose %[[A]], dims = [1, 0]
// CHECK-DAG: %[[S:.*]] = stablehlo.select %arg2, %arg1, %[[C]] : tensor<3x4xi1>, tensor<3x4xf32>
// CHECK-DAG: %[[U:.*]] = stablehlo.transpose %[[S]], dims = [1, 0]
// CHECK: return %[[T]], %[[U]]
func.func @elementwise_of_transposes(%x: tensor<3x4xf32>, %y: tensor<3x4xf32>, %p: tensor<3x4xi1>) -> (tensor<4x3xf32>, tensor<4x3xf32>) {
  %two = stablehlo.constant dense<2.0> : tensor<4x3xf32>
  %0 = stablehlo.transpose %x, dims = [1, 0] : (tensor<3x4xf32>) -> tensor<4x3xf32>
  %1 = stablehlo.transpose %y, dims = [1, 0] : (tensor<3x4xf32>) -> tensor<4x3xf32>
  %2 = stablehlo.add %0, %1 : tensor<4x3xf32>
  %3 = stablehlo.transpose %p, dims = [1, 0] : (tensor<3x4xi1>) -> tensor<4x3xi1>
  %4 = stablehlo.transpose %y, dims = [1, 0] : (tensor<3x4xf32>) -> tensor<4x3xf32>
  %5 = stablehlo.select %3, %4, %two : tensor<4x3xi1>, tensor<4x3xf32>
  return %2, %5 : tensor<4x3xf32>, tensor<4x3xf32>
}

// Another transpose, and one that is needed anyway.
// CHECK-LABEL: @no_elementwise_of_transposes
// CHECK-COUNT-4: stablehlo.transpose
func.func @no_elementwise_of_transposes(%x: tensor<2x2x2xf32>, %y: tensor<2x2x2xf32>) -> (tensor<2x2x2xf32>, tensor<2x2x2xf32>, tensor<2x2x2xf32>) {
  %0 = stablehlo.transpose %x, dims = [1, 0, 2] : (tensor<2x2x2xf32>) -> tensor<2x2x2xf32>
  %1 = stablehlo.transpose %y, dims = [0, 2, 1] : (tensor<2x2x2xf32>) -> tensor<2x2x2xf32>
  %2 = stablehlo.add %0, %1 : tensor<2x2x2xf32>
  %3 = stablehlo.transpose %x, dims = [2, 1, 0] : (tensor<2x2x2xf32>) -> tensor<2x2x2xf32>
  %4 = stablehlo.transpose %y, dims = [2, 1, 0] : (tensor<2x2x2xf32>) -> tensor<2x2x2xf32>
  %5 = stablehlo.subtract %3, %4 : tensor<2x2x2xf32>
  return %2, %5, %3 : tensor<2x2x2xf32>, tensor<2x2x2xf32>, tensor<2x2x2xf32>
}

// CHECK-LABEL: @elementwise_of_reshapes
// CHECK: %[[A:.*]] = stablehlo.add %arg0, %arg1 : tensor<3x4xf32>
// CHECK: %[[B:.*]] = stablehlo.compare GT, %[[A]], %{{.*}} : (tensor<3x4xf32>
// CHECK: %[[C:.*]] = stablehlo.reshape %[[B]] : (tensor<3x4xi1>) -> tensor<12xi1>
// CHECK: return %[[C]]
func.func @elementwise_of_reshapes(%x: tensor<3x4xf32>, %y: tensor<3x4xf32>, %z: tensor<3x4xf32>) -> tensor<12xi1> {
  %two = stablehlo.constant dense<2.0> : tensor<12xf32>
  %0 = stablehlo.reshape %x : (tensor<3x4xf32>) -> tensor<12xf32>
  %1 = stablehlo.reshape %y : (tensor<3x4xf32>) -> tensor<12xf32>
  %2 = stablehlo.add %0, %1 : tensor<12xf32>
  %3 = stablehlo.reshape %z : (tensor<3x4xf32>) -> tensor<12xf32>
  %4 = stablehlo.multiply %3, %two : tensor<12xf32>
  %5 = stablehlo.compare GT, %2, %3 : (tensor<12xf32>, tensor<12xf32>) -> tensor<12xi1>
  return %5 : tensor<12xi1>
}

// CHECK-LABEL: @no_elementwise_of_reshapes
// CHECK: stablehlo.add {{.*}} : tensor<12xf32>
func.func @no_elementwise_of_reshapes(%x: tensor<3x4xf32>, %y: tensor<4x3xf32>) -> tensor<12xf32> {
  %0 = stablehlo.reshape %x : (tensor<3x4xf32>) -> tensor<12xf32>
  %1 = stablehlo.reshape %y : (tensor<4x3xf32>) -> tensor<12xf32>
  %2 = stablehlo.add %0, %1 : tensor<12xf32>
  return %2 : tensor<12xf32>
}

// CHECK-LABEL: @transpose_of_elementwise
// CHECK: %[[B:.*]] = stablehlo.broadcast_in_dim %arg1, dims = [0] : (tensor<3xf32>) -> tensor<3x4xf32>
// CHECK: %[[A:.*]] = stablehlo.add %arg0, %[[B]] : tensor<3x4xf32>
// CHECK: return %[[A]]
func.func @transpose_of_elementwise(%x: tensor<3x4xf32>, %y: tensor<3xf32>) -> tensor<3x4xf32> {
  %0 = stablehlo.transpose %x, dims = [1, 0] : (tensor<3x4xf32>) -> tensor<4x3xf32>
  %1 = stablehlo.broadcast_in_dim %y, dims = [1] : (tensor<3xf32>) -> tensor<4x3xf32>
  %2 = stablehlo.add %0, %1 : tensor<4x3xf32>
  %3 = stablehlo.transpose %2, dims = [1, 0] : (tensor<4x3xf32>) -> tensor<3x4xf32>
  return %3 : tensor<3x4xf32>
}

// Somebody else needs what is transposed.
// CHECK-LABEL: @no_transpose_of_elementwise
// CHECK-COUNT-2: stablehlo.transpose
func.func @no_transpose_of_elementwise(%x: tensor<3x4xf32>, %y: tensor<4x3xf32>) -> (tensor<3x4xf32>, tensor<4x3xf32>) {
  %0 = stablehlo.transpose %x, dims = [1, 0] : (tensor<3x4xf32>) -> tensor<4x3xf32>
  %1 = stablehlo.add %0, %y : tensor<4x3xf32>
  %2 = stablehlo.transpose %1, dims = [1, 0] : (tensor<4x3xf32>) -> tensor<3x4xf32>
  return %2, %1 : tensor<3x4xf32>, tensor<4x3xf32>
}

// CHECK-LABEL: @reduce_of_transpose
// CHECK: stablehlo.reduce(%arg0 init: %{{.*}}) applies stablehlo.maximum across dimensions = [0, 2] : (tensor<2x3x4xf32>
func.func @reduce_of_transpose(%x: tensor<2x3x4xf32>) -> tensor<3xf32> {
  %low = stablehlo.constant dense<0xFF800000> : tensor<f32>
  %0 = stablehlo.transpose %x, dims = [2, 1, 0] : (tensor<2x3x4xf32>) -> tensor<4x3x2xf32>
  %1 = stablehlo.reduce(%0 init: %low) applies stablehlo.maximum across dimensions = [0, 2] : (tensor<4x3x2xf32>, tensor<f32>) -> tensor<3xf32>
  return %1 : tensor<3xf32>
}

// What is left changes places.
// CHECK-LABEL: @no_reduce_of_transpose
// CHECK: stablehlo.transpose
func.func @no_reduce_of_transpose(%x: tensor<2x3x4xf32>) -> tensor<4x2xf32> {
  %low = stablehlo.constant dense<0xFF800000> : tensor<f32>
  %0 = stablehlo.transpose %x, dims = [2, 1, 0] : (tensor<2x3x4xf32>) -> tensor<4x3x2xf32>
  %1 = stablehlo.reduce(%0 init: %low) applies stablehlo.maximum across dimensions = [1] : (tensor<4x3x2xf32>, tensor<f32>) -> tensor<4x2xf32>
  return %1 : tensor<4x2xf32>
}
