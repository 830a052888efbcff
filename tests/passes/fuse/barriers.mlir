// RUN: mycc opt %s --pass-pipeline='builtin.module(fuse{annotate=false})' | filecheck %s
// RUN: mycc opt %s --pass-pipeline='builtin.module(fuse{annotate=false min-elements=100000})' | filecheck %s --check-prefix=SMALL

// SMALL-NOT: optimization_barrier

// Every value has two uses, but one fusion computes them all.
// CHECK-LABEL: @one_fusion
// CHECK-NOT: optimization_barrier
// CHECK: return
func.func @one_fusion(%x: tensor<8192xf32>) -> tensor<8192xf32> {
  %c = stablehlo.constant dense<0.1> : tensor<8192xf32>
  %0 = stablehlo.multiply %x, %c : tensor<8192xf32>
  %1 = stablehlo.subtract %x, %0 : tensor<8192xf32>
  %2 = stablehlo.multiply %1, %c : tensor<8192xf32>
  %3 = stablehlo.subtract %1, %2 : tensor<8192xf32>
  %4 = stablehlo.multiply %3, %c : tensor<8192xf32>
  %5 = stablehlo.subtract %3, %4 : tensor<8192xf32>
  return %5 : tensor<8192xf32>
}

// Three operations, twice: stored. The first of them are computed once and get none.
// CHECK-LABEL: @two_fusions
// CHECK: stablehlo.add
// CHECK-NEXT: stablehlo.multiply
// CHECK-NEXT: %[[V:.*]] = stablehlo.subtract
// CHECK-NEXT: %[[B:.*]] = stablehlo.optimization_barrier {mycc.stored = {{"[^"]*"}}} %[[V]]
// CHECK-NEXT: stablehlo.reduce(%[[B]] init
// CHECK-NEXT: stablehlo.reduce(%[[B]] init
// CHECK-NOT: optimization_barrier
// CHECK: return
func.func @two_fusions(%x: tensor<64x128xf32>, %y: tensor<64x128xf32>) -> (tensor<64xf32>, tensor<128xf32>) {
  %z = stablehlo.constant dense<0.0> : tensor<f32>
  %0 = stablehlo.add %x, %y : tensor<64x128xf32>
  %1 = stablehlo.multiply %0, %y : tensor<64x128xf32>
  %2 = stablehlo.subtract %1, %x : tensor<64x128xf32>
  %3 = stablehlo.reduce(%2 init: %z) applies stablehlo.add across dimensions = [1] : (tensor<64x128xf32>, tensor<f32>) -> tensor<64xf32>
  %4 = stablehlo.reduce(%2 init: %z) applies stablehlo.add across dimensions = [0] : (tensor<64x128xf32>, tensor<f32>) -> tensor<128xf32>
  return %3, %4 : tensor<64xf32>, tensor<128xf32>
}

// One operation, twice: recomputing is cheaper.
// CHECK-LABEL: @cheap
// CHECK-NOT: optimization_barrier
// CHECK: return
func.func @cheap(%x: tensor<64x128xf32>, %y: tensor<64x128xf32>) -> (tensor<64xf32>, tensor<128xf32>) {
  %z = stablehlo.constant dense<0.0> : tensor<f32>
  %0 = stablehlo.add %x, %y : tensor<64x128xf32>
  %1 = stablehlo.reduce(%0 init: %z) applies stablehlo.add across dimensions = [1] : (tensor<64x128xf32>, tensor<f32>) -> tensor<64xf32>
  %2 = stablehlo.reduce(%0 init: %z) applies stablehlo.add across dimensions = [0] : (tensor<64x128xf32>, tensor<f32>) -> tensor<128xf32>
  return %1, %2 : tensor<64xf32>, tensor<128xf32>
}

// XLA stores what is expensive and used twice by itself.
// CHECK-LABEL: @expensive
// CHECK-NOT: optimization_barrier
// CHECK: return
func.func @expensive(%x: tensor<64x128xf32>) -> (tensor<64xf32>, tensor<128xf32>) {
  %z = stablehlo.constant dense<0.0> : tensor<f32>
  %0 = stablehlo.exponential %x : tensor<64x128xf32>
  %1 = stablehlo.reduce(%0 init: %z) applies stablehlo.add across dimensions = [1] : (tensor<64x128xf32>, tensor<f32>) -> tensor<64xf32>
  %2 = stablehlo.reduce(%0 init: %z) applies stablehlo.add across dimensions = [0] : (tensor<64x128xf32>, tensor<f32>) -> tensor<128xf32>
  return %1, %2 : tensor<64xf32>, tensor<128xf32>
}

// CHECK-LABEL: @feeds_dot
// CHECK: %[[V:.*]] = stablehlo.tanh
// CHECK-NEXT: %[[B:.*]] = stablehlo.optimization_barrier {mycc.stored = {{"[^"]*"}}} %[[V]]
// CHECK-NEXT: stablehlo.dot_general %[[B]]
func.func @feeds_dot(%x: tensor<64x128xf32>, %w: tensor<128x64xf32>) -> tensor<64x64xf32> {
  %0 = stablehlo.tanh %x : tensor<64x128xf32>
  %1 = stablehlo.dot_general %0, %w, contracting_dims = [1] x [0] : (tensor<64x128xf32>, tensor<128x64xf32>) -> tensor<64x64xf32>
  return %1 : tensor<64x64xf32>
}

// CHECK-LABEL: @feeds_transpose
// CHECK: %[[V:.*]] = stablehlo.add
// CHECK-NEXT: %[[B:.*]] = stablehlo.optimization_barrier {mycc.stored = {{"[^"]*"}}} %[[V]]
// CHECK-NEXT: stablehlo.transpose %[[B]]
func.func @feeds_transpose(%x: tensor<64x128xf32>) -> tensor<128x64xf32> {
  %0 = stablehlo.add %x, %x : tensor<64x128xf32>
  %1 = stablehlo.transpose %0, dims = [1, 0] : (tensor<64x128xf32>) -> tensor<128x64xf32>
  return %1 : tensor<128x64xf32>
}

// CHECK-LABEL: @reduction_that_is_broadcast
// CHECK: %[[R:.*]] = stablehlo.reduce
// CHECK-NEXT: %[[B:.*]] = stablehlo.optimization_barrier {mycc.stored = {{"[^"]*"}}} %[[R]]
// CHECK-NEXT: stablehlo.broadcast_in_dim %[[B]]
func.func @reduction_that_is_broadcast(%x: tensor<64x128xf32>) -> tensor<64x128xf32> {
  %z = stablehlo.constant dense<0.0> : tensor<f32>
  %0 = stablehlo.reduce(%x init: %z) applies stablehlo.add across dimensions = [1] : (tensor<64x128xf32>, tensor<f32>) -> tensor<64xf32>
  %1 = stablehlo.broadcast_in_dim %0, dims = [0] : (tensor<64xf32>) -> tensor<64x128xf32>
  %2 = stablehlo.subtract %x, %1 : tensor<64x128xf32>
  return %2 : tensor<64x128xf32>
}

// Loop bodies and called functions are programs of their own.
// CHECK-LABEL: @loop
// CHECK: stablehlo.while
// CHECK: optimization_barrier
// CHECK: return
func.func @loop(%x: tensor<64x64xf32>) -> tensor<64x64xf32> {
  %i = stablehlo.constant dense<0> : tensor<i32>
  %n = stablehlo.constant dense<10> : tensor<i32>
  %one = stablehlo.constant dense<1> : tensor<i32>
  %0:2 = stablehlo.while(%k = %i, %a = %x) : tensor<i32>, tensor<64x64xf32>
    cond {
      %c = stablehlo.compare LT, %k, %n : (tensor<i32>, tensor<i32>) -> tensor<i1>
      stablehlo.return %c : tensor<i1>
    } do {
      %s = stablehlo.sine %a : tensor<64x64xf32>
      %d = stablehlo.dot_general %s, %a, contracting_dims = [1] x [0] : (tensor<64x64xf32>, tensor<64x64xf32>) -> tensor<64x64xf32>
      %j = stablehlo.add %k, %one : tensor<i32>
      stablehlo.return %j, %d : tensor<i32>, tensor<64x64xf32>
    }
  return %0#1 : tensor<64x64xf32>
}

// CHECK-LABEL: @private
// CHECK: optimization_barrier
func.func private @private(%x: tensor<64x128xf32>) -> tensor<128x64xf32> {
  %0 = stablehlo.add %x, %x : tensor<64x128xf32>
  %1 = stablehlo.transpose %0, dims = [1, 0] : (tensor<64x128xf32>) -> tensor<128x64xf32>
  return %1 : tensor<128x64xf32>
}
