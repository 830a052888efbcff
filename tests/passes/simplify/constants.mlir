// RUN: mycc opt %s --pass-pipeline='builtin.module(simplify)' | filecheck %s

// CHECK-LABEL: @arithmetic_on_splats
// CHECK-DAG: %[[A:.*]] = stablehlo.constant dense<7.000000e+00> : tensor<4xf32>
// CHECK-DAG: %[[B:.*]] = stablehlo.constant dense<true> : tensor<4xi1>
// CHECK-DAG: %[[C:.*]] = stablehlo.constant dense<-2147483648> : tensor<i32>
// CHECK: return %[[A]], %[[B]], %[[C]]
func.func @arithmetic_on_splats() -> (tensor<4xf32>, tensor<4xi1>, tensor<i32>) {
  %two = stablehlo.constant dense<2.0> : tensor<4xf32>
  %three = stablehlo.constant dense<3.0> : tensor<4xf32>
  %max = stablehlo.constant dense<2147483647> : tensor<i32>
  %one = stablehlo.constant dense<1> : tensor<i32>
  %0 = stablehlo.multiply %two, %three : tensor<4xf32>
  %1 = stablehlo.divide %two, %two : tensor<4xf32>
  %2 = stablehlo.add %0, %1 : tensor<4xf32>
  %3 = stablehlo.compare LT, %two, %three : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xi1>
  %4 = stablehlo.add %max, %one : tensor<i32>
  return %2, %3, %4 : tensor<4xf32>, tensor<4xi1>, tensor<i32>
}

// Backends round these in their own ways.
// CHECK-LABEL: @no_folding
// CHECK: stablehlo.exponential
func.func @no_folding() -> tensor<4xf32> {
  %two = stablehlo.constant dense<2.0> : tensor<4xf32>
  %0 = stablehlo.exponential %two : tensor<4xf32>
  return %0 : tensor<4xf32>
}

// Towards zero, unlike Python.
// CHECK-LABEL: @division_of_integers
// CHECK-DAG: %[[A:.*]] = stablehlo.constant dense<-2> : tensor<4xi32>
// CHECK-DAG: %[[B:.*]] = stablehlo.constant dense<-1> : tensor<4xi32>
// CHECK-DAG: %[[C:.*]] = stablehlo.constant dense<[-3, 7, 7]> : tensor<3xi8>
// CHECK-DAG: %[[D:.*]] = stablehlo.constant dense<[-1, 0, 0]> : tensor<3xi8>
// CHECK: return %[[A]], %[[B]], %[[C]], %[[D]]
func.func @division_of_integers() -> (tensor<4xi32>, tensor<4xi32>, tensor<3xi8>, tensor<3xi8>) {
  %x = stablehlo.constant dense<-7> : tensor<4xi32>
  %y = stablehlo.constant dense<3> : tensor<4xi32>
  %a = stablehlo.constant dense<[-7, 7, -7]> : tensor<3xi8>
  %b = stablehlo.constant dense<[2, 1, -1]> : tensor<3xi8>
  %0 = stablehlo.divide %x, %y : tensor<4xi32>
  %1 = stablehlo.remainder %x, %y : tensor<4xi32>
  %2 = stablehlo.divide %a, %b : tensor<3xi8>
  %3 = stablehlo.remainder %a, %b : tensor<3xi8>
  return %0, %1, %2, %3 : tensor<4xi32>, tensor<4xi32>, tensor<3xi8>, tensor<3xi8>
}

// CHECK-LABEL: @convert_of_splat
// CHECK-DAG: %[[A:.*]] = stablehlo.constant dense<2> : tensor<4xi32>
// CHECK-DAG: %[[B:.*]] = stablehlo.constant dense<1.000980e-01> : tensor<bf16>
// CHECK-DAG: %[[C:.*]] = stablehlo.convert
// CHECK: return %[[A]], %[[B]], %[[C]]
func.func @convert_of_splat() -> (tensor<4xi32>, tensor<bf16>, tensor<i8>) {
  %two = stablehlo.constant dense<2.7> : tensor<4xf32>
  %tenth = stablehlo.constant dense<0.1> : tensor<f32>
  %large = stablehlo.constant dense<1000.0> : tensor<f32>
  %0 = stablehlo.convert %two : (tensor<4xf32>) -> tensor<4xi32>
  %1 = stablehlo.convert %tenth : (tensor<f32>) -> tensor<bf16>
  %2 = stablehlo.convert %large : (tensor<f32>) -> tensor<i8>
  return %0, %1, %2 : tensor<4xi32>, tensor<bf16>, tensor<i8>
}

// CHECK-LABEL: @shape_of_splat
// CHECK-DAG: %[[A:.*]] = stablehlo.constant dense<2.000000e+00> : tensor<4x3xf32>
// CHECK-DAG: %[[B:.*]] = stablehlo.constant dense<2.000000e+00> : tensor<12xf32>
// CHECK-DAG: %[[C:.*]] = stablehlo.constant dense<2.000000e+00> : tensor<3x4xf32>
// CHECK-DAG: %[[D:.*]] = stablehlo.constant dense<2.000000e+00> : tensor<2x3xf32>
// CHECK: return %[[A]], %[[B]], %[[C]], %[[D]]
func.func @shape_of_splat() -> (tensor<4x3xf32>, tensor<12xf32>, tensor<3x4xf32>, tensor<2x3xf32>) {
  %two = stablehlo.constant dense<2.0> : tensor<f32>
  %0 = stablehlo.broadcast_in_dim %two, dims = [] : (tensor<f32>) -> tensor<4x3xf32>
  %1 = stablehlo.reshape %0 : (tensor<4x3xf32>) -> tensor<12xf32>
  %2 = stablehlo.transpose %0, dims = [1, 0] : (tensor<4x3xf32>) -> tensor<3x4xf32>
  %3 = stablehlo.slice %0 [0:2, 0:3] : (tensor<4x3xf32>) -> tensor<2x3xf32>
  return %0, %1, %2, %3 : tensor<4x3xf32>, tensor<12xf32>, tensor<3x4xf32>, tensor<2x3xf32>
}

// CHECK-LABEL: @pad_of_splat
// CHECK: %[[A:.*]] = stablehlo.constant dense<0.000000e+00> : tensor<7xf32>
// CHECK: return %[[A]]
func.func @pad_of_splat() -> tensor<7xf32> {
  %0 = stablehlo.constant dense<0.0> : tensor<4xf32>
  %1 = stablehlo.constant dense<0.0> : tensor<f32>
  %2 = stablehlo.pad %0, %1, low = [1], high = [2], interior = [0] : (tensor<4xf32>, tensor<f32>) -> tensor<7xf32>
  return %2 : tensor<7xf32>
}

// CHECK-LABEL: @concatenate_of_splats
// CHECK: %[[A:.*]] = stablehlo.constant dense<1> : tensor<7xi32>
// CHECK: return %[[A]]
func.func @concatenate_of_splats() -> tensor<7xi32> {
  %0 = stablehlo.constant dense<1> : tensor<4xi32>
  %1 = stablehlo.constant dense<1> : tensor<3xi32>
  %2 = stablehlo.concatenate %0, %1, dim = 0 : (tensor<4xi32>, tensor<3xi32>) -> tensor<7xi32>
  return %2 : tensor<7xi32>
}

// CHECK-LABEL: @shape_of_constant
// CHECK-DAG: %[[A:.*]] = stablehlo.constant dense<{{\[\[}}1.000000e+00, 3.000000e+00], [2.000000e+00, 4.000000e+00]]>
// CHECK-DAG: %[[B:.*]] = stablehlo.constant dense<[1.000000e+00, 2.000000e+00, 3.000000e+00, 4.000000e+00]>
// CHECK: return %[[A]], %[[B]]
func.func @shape_of_constant() -> (tensor<2x2xf32>, tensor<4xf32>) {
  %0 = stablehlo.constant dense<[[1.0, 2.0], [3.0, 4.0]]> : tensor<2x2xf32>
  %1 = stablehlo.transpose %0, dims = [1, 0] : (tensor<2x2xf32>) -> tensor<2x2xf32>
  %2 = stablehlo.reshape %0 : (tensor<2x2xf32>) -> tensor<4xf32>
  return %1, %2 : tensor<2x2xf32>, tensor<4xf32>
}

// The bindings cannot read complex constants; they stay.
// CHECK-LABEL: @complex_constant
// CHECK: stablehlo.multiply
func.func @complex_constant(%z: tensor<2xcomplex<f32>>) -> tensor<2xcomplex<f32>> {
  %c = stablehlo.constant dense<(1.0, 0.0)> : tensor<2xcomplex<f32>>
  %0 = stablehlo.multiply %z, %c : tensor<2xcomplex<f32>>
  return %0 : tensor<2xcomplex<f32>>
}

// CHECK-LABEL: @shape_of_constant_slices
// CHECK-DAG: %[[A:.*]] = stablehlo.constant dense<{{\[}}2, 4]> : tensor<2xi32>
// CHECK-DAG: %[[B:.*]] = stablehlo.constant dense<{{\[}}4, 3, 2, 1]> : tensor<4xi32>
// CHECK: return %[[A]], %[[B]]
func.func @shape_of_constant_slices() -> (tensor<2xi32>, tensor<4xi32>) {
  %0 = stablehlo.constant dense<[1, 2, 3, 4]> : tensor<4xi32>
  %1 = stablehlo.slice %0 [1:4:2] : (tensor<4xi32>) -> tensor<2xi32>
  %2 = stablehlo.reverse %0, dims = [0] : tensor<4xi32>
  return %1, %2 : tensor<2xi32>, tensor<4xi32>
}

// CHECK-LABEL: @operation_on_constants
// CHECK-DAG: %[[A:.*]] = stablehlo.constant dense<{{\[}}3, 2, 5]> : tensor<3xi32>
// CHECK-DAG: %[[B:.*]] = stablehlo.constant dense<{{\[}}true, false, true]> : tensor<3xi1>
// CHECK-DAG: %[[C:.*]] = stablehlo.constant dense<{{\[}}1, 2, 3, 2, 2, 2]> : tensor<6xi32>
// CHECK-DAG: %[[D:.*]] = stablehlo.constant dense<{{\[}}1.500000e+00, 2.500000e+00, 3.500000e+00]> : tensor<3xf32>
// CHECK: return %[[A]], %[[B]], %[[C]], %[[D]]
func.func @operation_on_constants() -> (tensor<3xi32>, tensor<3xi1>, tensor<6xi32>, tensor<3xf32>) {
  %0 = stablehlo.constant dense<[1, 2, 3]> : tensor<3xi32>
  %1 = stablehlo.constant dense<2> : tensor<3xi32>
  %half = stablehlo.constant dense<0.5> : tensor<3xf32>
  %2 = stablehlo.compare NE, %0, %1 : (tensor<3xi32>, tensor<3xi32>) -> tensor<3xi1>
  %3 = stablehlo.add %0, %1 : tensor<3xi32>
  %4 = stablehlo.select %2, %3, %0 : tensor<3xi1>, tensor<3xi32>
  %5 = stablehlo.concatenate %0, %1, dim = 0 : (tensor<3xi32>, tensor<3xi32>) -> tensor<6xi32>
  %6 = stablehlo.convert %0 : (tensor<3xi32>) -> tensor<3xf32>
  %7 = stablehlo.add %6, %half : tensor<3xf32>
  return %4, %2, %5, %7 : tensor<3xi32>, tensor<3xi1>, tensor<6xi32>, tensor<3xf32>
}

// Too large a float becomes an integer in each backend's own way.
// CHECK-LABEL: @no_operation_on_constants
// CHECK: stablehlo.convert
func.func @no_operation_on_constants(%x: tensor<1xi32>) -> tensor<2xi8> {
  %0 = stablehlo.constant dense<[1.0, 1000.0]> : tensor<2xf32>
  %1 = stablehlo.convert %0 : (tensor<2xf32>) -> tensor<2xi8>
  return %1 : tensor<2xi8>
}
