// RUN: mycc opt %s --pass-pipeline='builtin.module(simplify{inexact=true})' | filecheck %s

// Two places in a window: which one is larger is asked once, and each gets what is its.
// CHECK-LABEL: @select_and_scatter_of_small_windows
// CHECK-DAG: %[[A:.*]] = stablehlo.slice %arg0 [0:3:2] : (tensor<4xf32>) -> tensor<2xf32>
// CHECK-DAG: %[[B:.*]] = stablehlo.slice %arg0 [1:4:2] : (tensor<4xf32>) -> tensor<2xf32>
// CHECK: %[[STAYS:.*]] = stablehlo.compare GE, %[[A]], %[[B]]
// CHECK: %[[PLACE:.*]] = stablehlo.select %[[STAYS]]
// CHECK: stablehlo.compare EQ, %[[PLACE]]
// CHECK: %[[EVEN:.*]] = stablehlo.pad {{.*}}, low = [0], high = [1], interior = [1]
// CHECK: stablehlo.compare EQ, %[[PLACE]]
// CHECK: %[[ODD:.*]] = stablehlo.pad {{.*}}, low = [1], high = [0], interior = [1]
// CHECK: %[[SUM:.*]] = stablehlo.add %[[EVEN]], %[[ODD]]
// CHECK: return %[[SUM]]
func.func @select_and_scatter_of_small_windows(%x: tensor<4xf32>, %source: tensor<2xf32>) -> tensor<4xf32> {
  %zero = stablehlo.constant dense<0.0> : tensor<f32>
  %0 = "stablehlo.select_and_scatter"(%x, %source, %zero) <{window_dimensions = array<i64: 2>, window_strides = array<i64: 2>}> ({
  ^bb0(%a: tensor<f32>, %b: tensor<f32>):
    %1 = stablehlo.compare GE, %a, %b : (tensor<f32>, tensor<f32>) -> tensor<i1>
    stablehlo.return %1 : tensor<i1>
  }, {
  ^bb0(%a: tensor<f32>, %b: tensor<f32>):
    %1 = stablehlo.add %a, %b : tensor<f32>
    stablehlo.return %1 : tensor<f32>
  }) : (tensor<4xf32>, tensor<2xf32>, tensor<f32>) -> tensor<4xf32>
  return %0 : tensor<4xf32>
}

// Of large windows each element would be looked at by itself.
// CHECK-LABEL: @large_windows
// CHECK: "stablehlo.select_and_scatter"
func.func @large_windows(%x: tensor<40xf32>, %source: tensor<2xf32>) -> tensor<40xf32> {
  %zero = stablehlo.constant dense<0.0> : tensor<f32>
  %0 = "stablehlo.select_and_scatter"(%x, %source, %zero) <{window_dimensions = array<i64: 20>, window_strides = array<i64: 20>}> ({
  ^bb0(%a: tensor<f32>, %b: tensor<f32>):
    %1 = stablehlo.compare GE, %a, %b : (tensor<f32>, tensor<f32>) -> tensor<i1>
    stablehlo.return %1 : tensor<i1>
  }, {
  ^bb0(%a: tensor<f32>, %b: tensor<f32>):
    %1 = stablehlo.add %a, %b : tensor<f32>
    stablehlo.return %1 : tensor<f32>
  }) : (tensor<40xf32>, tensor<2xf32>, tensor<f32>) -> tensor<40xf32>
  return %0 : tensor<40xf32>
}

// A last row that no window holds is left out.
// CHECK-LABEL: @windows_apart
// CHECK-NOT: reduce_window
// CHECK: %[[A:.*]] = stablehlo.slice %arg0 [0:2, 0:4, 0:6, 0:3]
// CHECK: %[[B:.*]] = stablehlo.reshape %[[A]] : (tensor<2x4x6x3xf32>) -> tensor<2x2x2x2x3x3xf32>
// CHECK: stablehlo.reduce(%[[B]] init: %{{.*}}) applies stablehlo.maximum across dimensions = [2, 4]
func.func @windows_apart(%x: tensor<2x5x6x3xf32>) -> tensor<2x2x2x3xf32> {
  %low = stablehlo.constant dense<0xFF800000> : tensor<f32>
  %0 = "stablehlo.reduce_window"(%x, %low) <{window_dimensions = array<i64: 1, 2, 3, 1>, window_strides = array<i64: 1, 2, 3, 1>}> ({
  ^bb0(%a: tensor<f32>, %b: tensor<f32>):
    %1 = stablehlo.maximum %a, %b : tensor<f32>
    stablehlo.return %1 : tensor<f32>
  }) : (tensor<2x5x6x3xf32>, tensor<f32>) -> tensor<2x2x2x3xf32>
  return %0 : tensor<2x2x2x3xf32>
}

// One window over everything, whatever its strides.
// CHECK-LABEL: @windows_apart_one
// CHECK: stablehlo.reduce(%{{.*}}) applies stablehlo.add
func.func @windows_apart_one(%x: tensor<2x6xf32>) -> tensor<2x1xf32> {
  %zero = stablehlo.constant dense<0.0> : tensor<f32>
  %0 = "stablehlo.reduce_window"(%x, %zero) <{window_dimensions = array<i64: 1, 6>}> ({
  ^bb0(%a: tensor<f32>, %b: tensor<f32>):
    %1 = stablehlo.add %a, %b : tensor<f32>
    stablehlo.return %1 : tensor<f32>
  }) : (tensor<2x6xf32>, tensor<f32>) -> tensor<2x1xf32>
  return %0 : tensor<2x1xf32>
}

// They meet; and there is padding.
// CHECK-LABEL: @no_windows_apart
// CHECK-COUNT-2: "stablehlo.reduce_window"
func.func @no_windows_apart(%x: tensor<6xf32>) -> (tensor<5xf32>, tensor<4xf32>) {
  %zero = stablehlo.constant dense<0.0> : tensor<f32>
  %0 = "stablehlo.reduce_window"(%x, %zero) <{window_dimensions = array<i64: 2>}> ({
  ^bb0(%a: tensor<f32>, %b: tensor<f32>):
    %2 = stablehlo.add %a, %b : tensor<f32>
    stablehlo.return %2 : tensor<f32>
  }) : (tensor<6xf32>, tensor<f32>) -> tensor<5xf32>
  %1 = "stablehlo.reduce_window"(%x, %zero) <{window_dimensions = array<i64: 2>, window_strides = array<i64: 2>, padding = dense<1> : tensor<1x2xi64>}> ({
  ^bb0(%a: tensor<f32>, %b: tensor<f32>):
    %2 = stablehlo.add %a, %b : tensor<f32>
    stablehlo.return %2 : tensor<f32>
  }) : (tensor<6xf32>, tensor<f32>) -> tensor<4xf32>
  return %0, %1 : tensor<5xf32>, tensor<4xf32>
}
