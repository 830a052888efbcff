// RUN: mycc opt %s --pass-pipeline='builtin.module(simplify)' | filecheck %s

// CHECK-LABEL: @gather_of_one_window
// CHECK-NOT: stablehlo.gather
// CHECK: %[[A:.*]] = stablehlo.dynamic_slice %arg0, %{{.*}}, %{{.*}}, sizes = [1, 3] : (tensor<5x3xf32>
// CHECK: stablehlo.reshape %[[A]] : (tensor<1x3xf32>) -> tensor<3xf32>
func.func @gather_of_one_window(%x: tensor<5x3xf32>, %i: tensor<1xi32>) -> tensor<3xf32> {
  %0 = "stablehlo.gather"(%x, %i) <{dimension_numbers = #stablehlo.gather<offset_dims = [0], collapsed_slice_dims = [0], start_index_map = [0]>, slice_sizes = array<i64: 1, 3>}> : (tensor<5x3xf32>, tensor<1xi32>) -> tensor<3xf32>
  return %0 : tensor<3xf32>
}

// One vector of two components, among dimensions of size 1.
// CHECK-LABEL: @gather_of_one_window_along_two
// CHECK-NOT: stablehlo.gather
// CHECK: stablehlo.dynamic_slice %arg0, %[[I:.*]], %[[J:.*]], sizes = [2, 2] : (tensor<5x3xf32>, tensor<i32>, tensor<i32>) -> tensor<2x2xf32>
func.func @gather_of_one_window_along_two(%x: tensor<5x3xf32>, %i: tensor<1x2xi32>) -> tensor<2x1x2xf32> {
  %0 = "stablehlo.gather"(%x, %i) <{dimension_numbers = #stablehlo.gather<offset_dims = [0, 2], start_index_map = [1, 0], index_vector_dim = 1>, slice_sizes = array<i64: 2, 2>}> : (tensor<5x3xf32>, tensor<1x2xi32>) -> tensor<2x1x2xf32>
  return %0 : tensor<2x1x2xf32>
}

// CHECK-LABEL: @no_gather_of_one_window
// CHECK: stablehlo.gather
func.func @no_gather_of_one_window(%x: tensor<5x3xf32>, %i: tensor<2x1xi32>) -> tensor<2x3xf32> {
  %0 = "stablehlo.gather"(%x, %i) <{dimension_numbers = #stablehlo.gather<offset_dims = [1], collapsed_slice_dims = [0], start_index_map = [0], index_vector_dim = 1>, slice_sizes = array<i64: 1, 3>}> : (tensor<5x3xf32>, tensor<2x1xi32>) -> tensor<2x3xf32>
  return %0 : tensor<2x3xf32>
}

// CHECK-LABEL: @gather_of_row
// CHECK-NOT: stablehlo.gather
// CHECK: %[[A:.*]] = stablehlo.slice %arg0 [0:3, 0:2] : (tensor<3x5xf32>) -> tensor<3x2xf32>
// CHECK: %[[B:.*]] = stablehlo.transpose %[[A]], dims = [1, 0]
// CHECK: %[[C:.*]] = stablehlo.slice %arg1 [0:5:2, 0:3] : (tensor<5x3xf32>) -> tensor<3x3xf32>
// CHECK: %[[D:.*]] = stablehlo.reverse %[[C]], dims = [0]
// CHECK: return %[[B]], %[[D]]
func.func @gather_of_row(%x: tensor<3x5xf32>, %y: tensor<5x3xf32>) -> (tensor<2x3xf32>, tensor<3x3xf32>) {
  %i = stablehlo.iota dim = 0 : tensor<2x1xi32>
  %j = stablehlo.constant dense<[[4], [2], [0]]> : tensor<3x1xi32>
  %0 = "stablehlo.gather"(%x, %i) <{dimension_numbers = #stablehlo.gather<offset_dims = [1], collapsed_slice_dims = [1], start_index_map = [1], index_vector_dim = 1>, slice_sizes = array<i64: 3, 1>}> : (tensor<3x5xf32>, tensor<2x1xi32>) -> tensor<2x3xf32>
  %1 = "stablehlo.gather"(%y, %j) <{dimension_numbers = #stablehlo.gather<offset_dims = [1], collapsed_slice_dims = [0], start_index_map = [0], index_vector_dim = 1>, slice_sizes = array<i64: 1, 3>}> : (tensor<5x3xf32>, tensor<3x1xi32>) -> tensor<3x3xf32>
  return %0, %1 : tensor<2x3xf32>, tensor<3x3xf32>
}

// Not evenly spaced; and the last is moved to be inside.
// CHECK-LABEL: @no_gather_of_row
// CHECK-COUNT-2: stablehlo.gather
func.func @no_gather_of_row(%x: tensor<5x3xf32>) -> (tensor<3x3xf32>, tensor<3x3xf32>) {
  %i = stablehlo.constant dense<[[0], [1], [3]]> : tensor<3x1xi32>
  %j = stablehlo.constant dense<[[1], [3], [5]]> : tensor<3x1xi32>
  %0 = "stablehlo.gather"(%x, %i) <{dimension_numbers = #stablehlo.gather<offset_dims = [1], collapsed_slice_dims = [0], start_index_map = [0], index_vector_dim = 1>, slice_sizes = array<i64: 1, 3>}> : (tensor<5x3xf32>, tensor<3x1xi32>) -> tensor<3x3xf32>
  %1 = "stablehlo.gather"(%x, %j) <{dimension_numbers = #stablehlo.gather<offset_dims = [1], collapsed_slice_dims = [0], start_index_map = [0], index_vector_dim = 1>, slice_sizes = array<i64: 1, 3>}> : (tensor<5x3xf32>, tensor<3x1xi32>) -> tensor<3x3xf32>
  return %0, %1 : tensor<3x3xf32>, tensor<3x3xf32>
}

// An index outside changes nothing.
// CHECK-LABEL: @scatter_of_one_window
// CHECK-NOT: stablehlo.scatter
// CHECK: stablehlo.dynamic_slice %arg0
// CHECK: stablehlo.add
// CHECK: stablehlo.select
// CHECK: stablehlo.dynamic_update_slice %arg0
func.func @scatter_of_one_window(%x: tensor<5x3xf32>, %i: tensor<1xi32>, %u: tensor<3xf32>) -> tensor<5x3xf32> {
  %0 = "stablehlo.scatter"(%x, %i, %u) <{scatter_dimension_numbers = #stablehlo.scatter<update_window_dims = [0], inserted_window_dims = [0], scatter_dims_to_operand_dims = [0]>}> ({
  ^bb0(%a: tensor<f32>, %b: tensor<f32>):
    %1 = stablehlo.add %a, %b : tensor<f32>
    stablehlo.return %1 : tensor<f32>
  }) : (tensor<5x3xf32>, tensor<1xi32>, tensor<3xf32>) -> tensor<5x3xf32>
  return %0 : tensor<5x3xf32>
}

// CHECK-LABEL: @scatter_outside
// CHECK-NOT: stablehlo.scatter
func.func @scatter_outside(%x: tensor<5x3xf32>, %u: tensor<3xf32>) -> tensor<5x3xf32> {
  %i = stablehlo.constant dense<-1> : tensor<1xi32>
  %0 = "stablehlo.scatter"(%x, %i, %u) <{scatter_dimension_numbers = #stablehlo.scatter<update_window_dims = [0], inserted_window_dims = [0], scatter_dims_to_operand_dims = [0]>}> ({
  ^bb0(%a: tensor<f32>, %b: tensor<f32>):
    stablehlo.return %b : tensor<f32>
  }) : (tensor<5x3xf32>, tensor<1xi32>, tensor<3xf32>) -> tensor<5x3xf32>
  return %0 : tensor<5x3xf32>
}

// CHECK-LABEL: @no_scatter_of_one_window
// CHECK: stablehlo.scatter
func.func @no_scatter_of_one_window(%x: tensor<5x3xf32>, %i: tensor<2x1xi32>, %u: tensor<2x3xf32>) -> tensor<5x3xf32> {
  %0 = "stablehlo.scatter"(%x, %i, %u) <{scatter_dimension_numbers = #stablehlo.scatter<update_window_dims = [1], inserted_window_dims = [0], scatter_dims_to_operand_dims = [0], index_vector_dim = 1>}> ({
  ^bb0(%a: tensor<f32>, %b: tensor<f32>):
    %1 = stablehlo.add %a, %b : tensor<f32>
    stablehlo.return %1 : tensor<f32>
  }) : (tensor<5x3xf32>, tensor<2x1xi32>, tensor<2x3xf32>) -> tensor<5x3xf32>
  return %0 : tensor<5x3xf32>
}
