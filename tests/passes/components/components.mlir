// RUN: mycc opt %s --pass-pipeline='builtin.module(components)' | filecheck %s

// Distances of all pairs of points: the points are taken apart, and nothing is 3 numbers wide any more.
// CHECK-LABEL: @distances
// CHECK-DAG: %[[X:.*]] = stablehlo.slice %arg0 [0:128, 0:1]
// CHECK-DAG: %[[Y:.*]] = stablehlo.slice %arg0 [0:128, 1:2]
// CHECK-DAG: %[[Z:.*]] = stablehlo.slice %arg0 [0:128, 2:3]
// CHECK-NOT: 128x128x3xf32
// CHECK-COUNT-3: stablehlo.subtract {{.*}} : tensor<128x128xf32>
// CHECK-COUNT-3: stablehlo.multiply {{.*}} : tensor<128x128xf32>
// CHECK: %[[XY:.*]] = stablehlo.add {{.*}} : tensor<128x128xf32>
// CHECK: %[[XYZ:.*]] = stablehlo.add %[[XY]], {{.*}} : tensor<128x128xf32>
// CHECK: return %[[XYZ]]
func.func @distances(%p: tensor<128x3xf32>) -> tensor<128x128xf32> {
  %zero = stablehlo.constant dense<0.0> : tensor<f32>
  %0 = stablehlo.broadcast_in_dim %p, dims = [0, 2] : (tensor<128x3xf32>) -> tensor<128x128x3xf32>
  %1 = stablehlo.broadcast_in_dim %p, dims = [1, 2] : (tensor<128x3xf32>) -> tensor<128x128x3xf32>
  %2 = stablehlo.subtract %0, %1 : tensor<128x128x3xf32>
  %3 = stablehlo.multiply %2, %2 : tensor<128x128x3xf32>
  %4 = stablehlo.reduce(%3 init: %zero) applies stablehlo.add across dimensions = [2] : (tensor<128x128x3xf32>, tensor<f32>) -> tensor<128x128xf32>
  return %4 : tensor<128x128xf32>
}

// What is the same for all components is read as it is; a small result is put together again.
// CHECK-LABEL: @forces
// CHECK: stablehlo.reduce(%{{.*}} init: %{{.*}}) applies stablehlo.maximum across dimensions = [0] : (tensor<128x128xf32>
// CHECK: stablehlo.reduce(%{{.*}} init: %{{.*}}) applies stablehlo.maximum across dimensions = [0] : (tensor<128x128xf32>
// CHECK: %[[R:.*]] = stablehlo.concatenate %{{.*}}, %{{.*}}, dim = 1 : (tensor<128x1xf32>, tensor<128x1xf32>) -> tensor<128x2xf32>
// CHECK: return %[[R]]
func.func @forces(%p: tensor<128x2xf32>, %w: tensor<128x128x1xf32>) -> tensor<128x2xf32> {
  %low = stablehlo.constant dense<0xFF800000> : tensor<f32>
  %two = stablehlo.constant dense<2.0> : tensor<128x128x2xf32>
  %0 = stablehlo.broadcast_in_dim %p, dims = [0, 2] : (tensor<128x2xf32>) -> tensor<128x128x2xf32>
  %1 = stablehlo.broadcast_in_dim %w, dims = [0, 1, 2] : (tensor<128x128x1xf32>) -> tensor<128x128x2xf32>
  %2 = stablehlo.multiply %0, %1 : tensor<128x128x2xf32>
  %3 = stablehlo.power %2, %two : tensor<128x128x2xf32>
  %4 = stablehlo.reduce(%3 init: %low) applies stablehlo.maximum across dimensions = [0] : (tensor<128x128x2xf32>, tensor<f32>) -> tensor<128x2xf32>
  return %4 : tensor<128x2xf32>
}

// An array that is returned, stored or read from memory stays as it is.
// CHECK-LABEL: @wanted_whole
// CHECK: stablehlo.subtract {{.*}} : tensor<128x128x3xf32>
// CHECK: stablehlo.reduce{{.*}}tensor<128x128x3xf32>
func.func @wanted_whole(%p: tensor<128x3xf32>) -> (tensor<128x128xf32>, tensor<128x128x3xf32>) {
  %zero = stablehlo.constant dense<0.0> : tensor<f32>
  %0 = stablehlo.broadcast_in_dim %p, dims = [0, 2] : (tensor<128x3xf32>) -> tensor<128x128x3xf32>
  %1 = stablehlo.broadcast_in_dim %p, dims = [1, 2] : (tensor<128x3xf32>) -> tensor<128x128x3xf32>
  %2 = stablehlo.subtract %0, %1 : tensor<128x128x3xf32>
  %4 = stablehlo.reduce(%2 init: %zero) applies stablehlo.add across dimensions = [2] : (tensor<128x128x3xf32>, tensor<f32>) -> tensor<128x128xf32>
  return %4, %2 : tensor<128x128xf32>, tensor<128x128x3xf32>
}
// CHECK-LABEL: @read_from_memory
// CHECK: stablehlo.multiply {{.*}} : tensor<128x128x3xf32>
func.func @read_from_memory(%x: tensor<128x128x3xf32>) -> tensor<128x128xf32> {
  %zero = stablehlo.constant dense<0.0> : tensor<f32>
  %0 = stablehlo.multiply %x, %x : tensor<128x128x3xf32>
  %1 = stablehlo.reduce(%0 init: %zero) applies stablehlo.add across dimensions = [2] : (tensor<128x128x3xf32>, tensor<f32>) -> tensor<128x128xf32>
  return %1 : tensor<128x128xf32>
}

// Loops are programs of their own.
// CHECK-LABEL: @in_a_loop
// CHECK: stablehlo.while
// CHECK-NOT: 128x128x3xf32
func.func @in_a_loop(%p: tensor<128x3xf32>) -> tensor<128x3xf32> {
  %zero = stablehlo.constant dense<0.0> : tensor<f32>
  %none = stablehlo.constant dense<0> : tensor<i32>
  %one = stablehlo.constant dense<1> : tensor<i32>
  %ten = stablehlo.constant dense<10> : tensor<i32>
  %r:2 = stablehlo.while(%i = %none, %x = %p) : tensor<i32>, tensor<128x3xf32>
  cond {
    %c = stablehlo.compare LT, %i, %ten : (tensor<i32>, tensor<i32>) -> tensor<i1>
    stablehlo.return %c : tensor<i1>
  } do {
    %0 = stablehlo.broadcast_in_dim %x, dims = [0, 2] : (tensor<128x3xf32>) -> tensor<128x128x3xf32>
    %1 = stablehlo.broadcast_in_dim %x, dims = [1, 2] : (tensor<128x3xf32>) -> tensor<128x128x3xf32>
    %2 = stablehlo.subtract %0, %1 : tensor<128x128x3xf32>
    %3 = stablehlo.tanh %2 : tensor<128x128x3xf32>
    %4 = stablehlo.reduce(%3 init: %zero) applies stablehlo.add across dimensions = [0] : (tensor<128x128x3xf32>, tensor<f32>) -> tensor<128x3xf32>
    %n = stablehlo.add %i, %one : tensor<i32>
    stablehlo.return %n, %4 : tensor<i32>, tensor<128x3xf32>
  }
  return %r#1 : tensor<128x3xf32>
}

// Sums along rows that nothing else reads are done in one loop, each row in lengths of its own.
// CHECK-LABEL: @accelerations
// CHECK-COUNT-6: stablehlo.slice {{.*}} : (tensor<128x128xf32>) -> tensor<128x64xf32>
// CHECK: %[[S:.*]]:6 = stablehlo.reduce({{.*}}) across dimensions = [1] : (tensor<128x64xf32>
// CHECK: %[[X:.*]] = stablehlo.add %[[S]]#0, %[[S]]#1 : tensor<128xf32>
// CHECK: %[[Y:.*]] = stablehlo.add %[[S]]#2, %[[S]]#3 : tensor<128xf32>
// CHECK: %[[Z:.*]] = stablehlo.add %[[S]]#4, %[[S]]#5 : tensor<128xf32>
// CHECK: stablehlo.concatenate
func.func @accelerations(%p: tensor<128x3xf32>, %w: tensor<128x128x1xf32>) -> tensor<128x3xf32> {
  %zero = stablehlo.constant dense<0.0> : tensor<f32>
  %0 = stablehlo.broadcast_in_dim %p, dims = [0, 2] : (tensor<128x3xf32>) -> tensor<128x128x3xf32>
  %1 = stablehlo.broadcast_in_dim %w, dims = [0, 1, 2] : (tensor<128x128x1xf32>) -> tensor<128x128x3xf32>
  %2 = stablehlo.multiply %0, %1 : tensor<128x128x3xf32>
  %3 = stablehlo.reduce(%2 init: %zero) applies stablehlo.add across dimensions = [1] : (tensor<128x128x3xf32>, tensor<f32>) -> tensor<128x3xf32>
  return %3 : tensor<128x3xf32>
}

// What is summed twice is stored, and each sum has its own loop, which XLA then vectorizes; so has each of columns.
// CHECK-LABEL: @both_ways
// CHECK-COUNT-3: stablehlo.reduce(%{{.*}} init: %{{.*}}) applies stablehlo.add across dimensions = [1] : (tensor<128x128xf32>
// CHECK-COUNT-3: stablehlo.reduce(%{{.*}} init: %{{.*}}) applies stablehlo.add across dimensions = [0] : (tensor<128x128xf32>
func.func @both_ways(%p: tensor<128x3xf32>, %w: tensor<128x128x1xf32>) -> (tensor<128x3xf32>, tensor<128x3xf32>) {
  %zero = stablehlo.constant dense<0.0> : tensor<f32>
  %0 = stablehlo.broadcast_in_dim %p, dims = [0, 2] : (tensor<128x3xf32>) -> tensor<128x128x3xf32>
  %1 = stablehlo.broadcast_in_dim %w, dims = [0, 1, 2] : (tensor<128x128x1xf32>) -> tensor<128x128x3xf32>
  %2 = stablehlo.multiply %0, %1 : tensor<128x128x3xf32>
  %3 = stablehlo.reduce(%2 init: %zero) applies stablehlo.add across dimensions = [1] : (tensor<128x128x3xf32>, tensor<f32>) -> tensor<128x3xf32>
  %4 = stablehlo.reduce(%2 init: %zero) applies stablehlo.add across dimensions = [0] : (tensor<128x128x3xf32>, tensor<f32>) -> tensor<128x3xf32>
  return %3, %4 : tensor<128x3xf32>, tensor<128x3xf32>
}
