// RUN: mycc opt %s --split-input-file --pass-pipeline='builtin.module(outline{min-operations=1})' | filecheck %s

// Four layers from the same lines. The constant goes into the function, although the layers share it, and what
// differs from one layer to the next is an argument.
// CHECK-LABEL: func.func @main(
// CHECK: mycc.vjp
// CHECK-LABEL: func.func private @layers(
// CHECK-SAME: %arg0: tensor<4xf32>, %arg1: tensor<f32>, %arg2: tensor<f32>, %arg3: tensor<f32>, %arg4: tensor<f32>
// CHECK: %[[A:.*]] = call @layers.repeated(%arg0, %arg1)
// CHECK-NEXT: %[[B:.*]] = call @layers.repeated(%[[A]], %arg2)
// CHECK-NEXT: %[[C:.*]] = call @layers.repeated(%[[B]], %arg3)
// CHECK-NEXT: %[[D:.*]] = call @layers.repeated(%[[C]], %arg4)
// CHECK-NEXT: return %[[D]]
// CHECK-LABEL: func.func private @layers.repeated(
// CHECK-SAME: %arg0: tensor<4xf32>, %arg1: tensor<f32>) -> tensor<4xf32>
// CHECK-NEXT: %[[ZERO:.*]] = stablehlo.constant dense<0.0
// CHECK-NEXT: %[[SUM:.*]] = stablehlo.reduce(%arg0 init: %[[ZERO]]) applies stablehlo.add
// CHECK-NEXT: %[[PRODUCT:.*]] = stablehlo.multiply %[[SUM]], %arg1
// CHECK-NEXT: %[[SPREAD:.*]] = stablehlo.broadcast_in_dim %[[PRODUCT]]
// CHECK-NEXT: stablehlo.tanh %[[SPREAD]]
// CHECK: %[[ROOT:.*]] = stablehlo.sqrt
// CHECK-NEXT: %[[OUT:.*]] = stablehlo.add %arg0, %[[ROOT]]
// CHECK-NEXT: return %[[OUT]]
func.func @main(%x: tensor<4xf32>, %w0: tensor<f32>, %w1: tensor<f32>, %w2: tensor<f32>, %w3: tensor<f32>, %ct: tensor<4xf32>) -> tensor<4xf32> {
  %0:2 = stablehlo.custom_call @mycc.vjp(%x, %w0, %w1, %w2, %w3, %ct)
      {called_computations = [@layers], mycc.active = array<i1: true, false, false, false, false>, mycc.seeded = array<i1: true>}
      : (tensor<4xf32>, tensor<f32>, tensor<f32>, tensor<f32>, tensor<f32>, tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>)
  return %0#1 : tensor<4xf32>
}
func.func private @layers(%x0: tensor<4xf32>, %w0: tensor<f32>, %w1: tensor<f32>, %w2: tensor<f32>, %w3: tensor<f32>) -> tensor<4xf32> {
  %zero = stablehlo.constant dense<0.0> : tensor<f32>
  %s0 = stablehlo.reduce(%x0 init: %zero) applies stablehlo.add across dimensions = [0] : (tensor<4xf32>, tensor<f32>) -> tensor<f32> loc("m.py":1:1)
  %p0 = stablehlo.multiply %s0, %w0 : tensor<f32> loc("m.py":2:1)
  %a0 = stablehlo.broadcast_in_dim %p0, dims = [] : (tensor<f32>) -> tensor<4xf32> loc("m.py":3:1)
  %b0 = stablehlo.tanh %a0 : tensor<4xf32> loc("m.py":4:1)
  %c0 = stablehlo.sine %b0 : tensor<4xf32> loc("m.py":5:1)
  %d0 = stablehlo.exponential %c0 : tensor<4xf32> loc("m.py":6:1)
  %e0 = stablehlo.negate %d0 : tensor<4xf32> loc("m.py":7:1)
  %f0 = stablehlo.cosine %e0 : tensor<4xf32> loc("m.py":8:1)
  %g0 = stablehlo.logistic %f0 : tensor<4xf32> loc("m.py":9:1)
  %h0 = stablehlo.abs %g0 : tensor<4xf32> loc("m.py":10:1)
  %i0 = stablehlo.sqrt %h0 : tensor<4xf32> loc("m.py":11:1)
  %x1 = stablehlo.add %x0, %i0 : tensor<4xf32> loc("m.py":13:1)
  %s1 = stablehlo.reduce(%x1 init: %zero) applies stablehlo.add across dimensions = [0] : (tensor<4xf32>, tensor<f32>) -> tensor<f32> loc("m.py":1:1)
  %p1 = stablehlo.multiply %s1, %w1 : tensor<f32> loc("m.py":2:1)
  %a1 = stablehlo.broadcast_in_dim %p1, dims = [] : (tensor<f32>) -> tensor<4xf32> loc("m.py":3:1)
  %b1 = stablehlo.tanh %a1 : tensor<4xf32> loc("m.py":4:1)
  %c1 = stablehlo.sine %b1 : tensor<4xf32> loc("m.py":5:1)
  %d1 = stablehlo.exponential %c1 : tensor<4xf32> loc("m.py":6:1)
  %e1 = stablehlo.negate %d1 : tensor<4xf32> loc("m.py":7:1)
  %f1 = stablehlo.cosine %e1 : tensor<4xf32> loc("m.py":8:1)
  %g1 = stablehlo.logistic %f1 : tensor<4xf32> loc("m.py":9:1)
  %h1 = stablehlo.abs %g1 : tensor<4xf32> loc("m.py":10:1)
  %i1 = stablehlo.sqrt %h1 : tensor<4xf32> loc("m.py":11:1)
  %x2 = stablehlo.add %x1, %i1 : tensor<4xf32> loc("m.py":13:1)
  %s2 = stablehlo.reduce(%x2 init: %zero) applies stablehlo.add across dimensions = [0] : (tensor<4xf32>, tensor<f32>) -> tensor<f32> loc("m.py":1:1)
  %p2 = stablehlo.multiply %s2, %w2 : tensor<f32> loc("m.py":2:1)
  %a2 = stablehlo.broadcast_in_dim %p2, dims = [] : (tensor<f32>) -> tensor<4xf32> loc("m.py":3:1)
  %b2 = stablehlo.tanh %a2 : tensor<4xf32> loc("m.py":4:1)
  %c2 = stablehlo.sine %b2 : tensor<4xf32> loc("m.py":5:1)
  %d2 = stablehlo.exponential %c2 : tensor<4xf32> loc("m.py":6:1)
  %e2 = stablehlo.negate %d2 : tensor<4xf32> loc("m.py":7:1)
  %f2 = stablehlo.cosine %e2 : tensor<4xf32> loc("m.py":8:1)
  %g2 = stablehlo.logistic %f2 : tensor<4xf32> loc("m.py":9:1)
  %h2 = stablehlo.abs %g2 : tensor<4xf32> loc("m.py":10:1)
  %i2 = stablehlo.sqrt %h2 : tensor<4xf32> loc("m.py":11:1)
  %x3 = stablehlo.add %x2, %i2 : tensor<4xf32> loc("m.py":13:1)
  %s3 = stablehlo.reduce(%x3 init: %zero) applies stablehlo.add across dimensions = [0] : (tensor<4xf32>, tensor<f32>) -> tensor<f32> loc("m.py":1:1)
  %p3 = stablehlo.multiply %s3, %w3 : tensor<f32> loc("m.py":2:1)
  %a3 = stablehlo.broadcast_in_dim %p3, dims = [] : (tensor<f32>) -> tensor<4xf32> loc("m.py":3:1)
  %b3 = stablehlo.tanh %a3 : tensor<4xf32> loc("m.py":4:1)
  %c3 = stablehlo.sine %b3 : tensor<4xf32> loc("m.py":5:1)
  %d3 = stablehlo.exponential %c3 : tensor<4xf32> loc("m.py":6:1)
  %e3 = stablehlo.negate %d3 : tensor<4xf32> loc("m.py":7:1)
  %f3 = stablehlo.cosine %e3 : tensor<4xf32> loc("m.py":8:1)
  %g3 = stablehlo.logistic %f3 : tensor<4xf32> loc("m.py":9:1)
  %h3 = stablehlo.abs %g3 : tensor<4xf32> loc("m.py":10:1)
  %i3 = stablehlo.sqrt %h3 : tensor<4xf32> loc("m.py":11:1)
  %x4 = stablehlo.add %x3, %i3 : tensor<4xf32> loc("m.py":13:1)
  return %x4 : tensor<4xf32>
}

// -----

// The same from other lines each: a function would tell the wrong ones.
// CHECK-LABEL: func.func private @lines(
// CHECK-NOT: call
// CHECK: return
func.func @main(%x: tensor<4xf32>, %w0: tensor<f32>, %w1: tensor<f32>, %w2: tensor<f32>, %w3: tensor<f32>, %ct: tensor<4xf32>) -> tensor<4xf32> {
  %0:2 = stablehlo.custom_call @mycc.vjp(%x, %w0, %w1, %w2, %w3, %ct)
      {called_computations = [@lines], mycc.active = array<i1: true, false, false, false, false>, mycc.seeded = array<i1: true>}
      : (tensor<4xf32>, tensor<f32>, tensor<f32>, tensor<f32>, tensor<f32>, tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>)
  return %0#1 : tensor<4xf32>
}
func.func private @lines(%x0: tensor<4xf32>, %w0: tensor<f32>, %w1: tensor<f32>, %w2: tensor<f32>, %w3: tensor<f32>) -> tensor<4xf32> {
  %zero = stablehlo.constant dense<0.0> : tensor<f32>
  %s0 = stablehlo.reduce(%x0 init: %zero) applies stablehlo.add across dimensions = [0] : (tensor<4xf32>, tensor<f32>) -> tensor<f32> loc("m.py":1:1)
  %p0 = stablehlo.multiply %s0, %w0 : tensor<f32> loc("m.py":2:1)
  %a0 = stablehlo.broadcast_in_dim %p0, dims = [] : (tensor<f32>) -> tensor<4xf32> loc("m.py":3:1)
  %b0 = stablehlo.tanh %a0 : tensor<4xf32> loc("m.py":4:1)
  %c0 = stablehlo.sine %b0 : tensor<4xf32> loc("m.py":5:1)
  %d0 = stablehlo.exponential %c0 : tensor<4xf32> loc("m.py":6:1)
  %e0 = stablehlo.negate %d0 : tensor<4xf32> loc("m.py":7:1)
  %f0 = stablehlo.cosine %e0 : tensor<4xf32> loc("m.py":8:1)
  %g0 = stablehlo.logistic %f0 : tensor<4xf32> loc("m.py":9:1)
  %h0 = stablehlo.abs %g0 : tensor<4xf32> loc("m.py":10:1)
  %i0 = stablehlo.sqrt %h0 : tensor<4xf32> loc("m.py":11:1)
  %x1 = stablehlo.add %x0, %i0 : tensor<4xf32> loc("m.py":13:1)
  %s1 = stablehlo.reduce(%x1 init: %zero) applies stablehlo.add across dimensions = [0] : (tensor<4xf32>, tensor<f32>) -> tensor<f32> loc("m.py":101:1)
  %p1 = stablehlo.multiply %s1, %w1 : tensor<f32> loc("m.py":102:1)
  %a1 = stablehlo.broadcast_in_dim %p1, dims = [] : (tensor<f32>) -> tensor<4xf32> loc("m.py":103:1)
  %b1 = stablehlo.tanh %a1 : tensor<4xf32> loc("m.py":104:1)
  %c1 = stablehlo.sine %b1 : tensor<4xf32> loc("m.py":105:1)
  %d1 = stablehlo.exponential %c1 : tensor<4xf32> loc("m.py":106:1)
  %e1 = stablehlo.negate %d1 : tensor<4xf32> loc("m.py":107:1)
  %f1 = stablehlo.cosine %e1 : tensor<4xf32> loc("m.py":108:1)
  %g1 = stablehlo.logistic %f1 : tensor<4xf32> loc("m.py":109:1)
  %h1 = stablehlo.abs %g1 : tensor<4xf32> loc("m.py":110:1)
  %i1 = stablehlo.sqrt %h1 : tensor<4xf32> loc("m.py":111:1)
  %x2 = stablehlo.add %x1, %i1 : tensor<4xf32> loc("m.py":113:1)
  %s2 = stablehlo.reduce(%x2 init: %zero) applies stablehlo.add across dimensions = [0] : (tensor<4xf32>, tensor<f32>) -> tensor<f32> loc("m.py":201:1)
  %p2 = stablehlo.multiply %s2, %w2 : tensor<f32> loc("m.py":202:1)
  %a2 = stablehlo.broadcast_in_dim %p2, dims = [] : (tensor<f32>) -> tensor<4xf32> loc("m.py":203:1)
  %b2 = stablehlo.tanh %a2 : tensor<4xf32> loc("m.py":204:1)
  %c2 = stablehlo.sine %b2 : tensor<4xf32> loc("m.py":205:1)
  %d2 = stablehlo.exponential %c2 : tensor<4xf32> loc("m.py":206:1)
  %e2 = stablehlo.negate %d2 : tensor<4xf32> loc("m.py":207:1)
  %f2 = stablehlo.cosine %e2 : tensor<4xf32> loc("m.py":208:1)
  %g2 = stablehlo.logistic %f2 : tensor<4xf32> loc("m.py":209:1)
  %h2 = stablehlo.abs %g2 : tensor<4xf32> loc("m.py":210:1)
  %i2 = stablehlo.sqrt %h2 : tensor<4xf32> loc("m.py":211:1)
  %x3 = stablehlo.add %x2, %i2 : tensor<4xf32> loc("m.py":213:1)
  %s3 = stablehlo.reduce(%x3 init: %zero) applies stablehlo.add across dimensions = [0] : (tensor<4xf32>, tensor<f32>) -> tensor<f32> loc("m.py":301:1)
  %p3 = stablehlo.multiply %s3, %w3 : tensor<f32> loc("m.py":302:1)
  %a3 = stablehlo.broadcast_in_dim %p3, dims = [] : (tensor<f32>) -> tensor<4xf32> loc("m.py":303:1)
  %b3 = stablehlo.tanh %a3 : tensor<4xf32> loc("m.py":304:1)
  %c3 = stablehlo.sine %b3 : tensor<4xf32> loc("m.py":305:1)
  %d3 = stablehlo.exponential %c3 : tensor<4xf32> loc("m.py":306:1)
  %e3 = stablehlo.negate %d3 : tensor<4xf32> loc("m.py":307:1)
  %f3 = stablehlo.cosine %e3 : tensor<4xf32> loc("m.py":308:1)
  %g3 = stablehlo.logistic %f3 : tensor<4xf32> loc("m.py":309:1)
  %h3 = stablehlo.abs %g3 : tensor<4xf32> loc("m.py":310:1)
  %i3 = stablehlo.sqrt %h3 : tensor<4xf32> loc("m.py":311:1)
  %x4 = stablehlo.add %x3, %i3 : tensor<4xf32> loc("m.py":313:1)
  return %x4 : tensor<4xf32>
}

// -----

// Each layer adds to the input, which is one more argument and the same for all.
// CHECK-LABEL: func.func private @input(
// CHECK: call @input.repeated(%arg0, %arg1, %arg0)
// CHECK: call @input.repeated(%{{.*}}, %arg2, %arg0)
// CHECK-LABEL: func.func private @input.repeated(
// CHECK-SAME: %arg0: tensor<4xf32>, %arg1: tensor<f32>, %arg2: tensor<4xf32>)
// CHECK: stablehlo.add %arg2
func.func @main(%x: tensor<4xf32>, %w0: tensor<f32>, %w1: tensor<f32>, %w2: tensor<f32>, %w3: tensor<f32>, %ct: tensor<4xf32>) -> tensor<4xf32> {
  %0:2 = stablehlo.custom_call @mycc.vjp(%x, %w0, %w1, %w2, %w3, %ct)
      {called_computations = [@input], mycc.active = array<i1: true, false, false, false, false>, mycc.seeded = array<i1: true>}
      : (tensor<4xf32>, tensor<f32>, tensor<f32>, tensor<f32>, tensor<f32>, tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>)
  return %0#1 : tensor<4xf32>
}
func.func private @input(%x0: tensor<4xf32>, %w0: tensor<f32>, %w1: tensor<f32>, %w2: tensor<f32>, %w3: tensor<f32>) -> tensor<4xf32> {
  %zero = stablehlo.constant dense<0.0> : tensor<f32>
  %s0 = stablehlo.reduce(%x0 init: %zero) applies stablehlo.add across dimensions = [0] : (tensor<4xf32>, tensor<f32>) -> tensor<f32> loc("m.py":1:1)
  %p0 = stablehlo.multiply %s0, %w0 : tensor<f32> loc("m.py":2:1)
  %a0 = stablehlo.broadcast_in_dim %p0, dims = [] : (tensor<f32>) -> tensor<4xf32> loc("m.py":3:1)
  %b0 = stablehlo.tanh %a0 : tensor<4xf32> loc("m.py":4:1)
  %c0 = stablehlo.sine %b0 : tensor<4xf32> loc("m.py":5:1)
  %d0 = stablehlo.exponential %c0 : tensor<4xf32> loc("m.py":6:1)
  %e0 = stablehlo.negate %d0 : tensor<4xf32> loc("m.py":7:1)
  %f0 = stablehlo.cosine %e0 : tensor<4xf32> loc("m.py":8:1)
  %g0 = stablehlo.logistic %f0 : tensor<4xf32> loc("m.py":9:1)
  %h0 = stablehlo.abs %g0 : tensor<4xf32> loc("m.py":10:1)
  %i0 = stablehlo.sqrt %h0 : tensor<4xf32> loc("m.py":11:1)
  %x1 = stablehlo.add %x0, %i0 : tensor<4xf32> loc("m.py":13:1)
  %s1 = stablehlo.reduce(%x1 init: %zero) applies stablehlo.add across dimensions = [0] : (tensor<4xf32>, tensor<f32>) -> tensor<f32> loc("m.py":1:1)
  %p1 = stablehlo.multiply %s1, %w1 : tensor<f32> loc("m.py":2:1)
  %a1 = stablehlo.broadcast_in_dim %p1, dims = [] : (tensor<f32>) -> tensor<4xf32> loc("m.py":3:1)
  %b1 = stablehlo.tanh %a1 : tensor<4xf32> loc("m.py":4:1)
  %c1 = stablehlo.sine %b1 : tensor<4xf32> loc("m.py":5:1)
  %d1 = stablehlo.exponential %c1 : tensor<4xf32> loc("m.py":6:1)
  %e1 = stablehlo.negate %d1 : tensor<4xf32> loc("m.py":7:1)
  %f1 = stablehlo.cosine %e1 : tensor<4xf32> loc("m.py":8:1)
  %g1 = stablehlo.logistic %f1 : tensor<4xf32> loc("m.py":9:1)
  %h1 = stablehlo.abs %g1 : tensor<4xf32> loc("m.py":10:1)
  %i1 = stablehlo.sqrt %h1 : tensor<4xf32> loc("m.py":11:1)
  %x2 = stablehlo.add %x0, %i1 : tensor<4xf32> loc("m.py":13:1)
  %s2 = stablehlo.reduce(%x2 init: %zero) applies stablehlo.add across dimensions = [0] : (tensor<4xf32>, tensor<f32>) -> tensor<f32> loc("m.py":1:1)
  %p2 = stablehlo.multiply %s2, %w2 : tensor<f32> loc("m.py":2:1)
  %a2 = stablehlo.broadcast_in_dim %p2, dims = [] : (tensor<f32>) -> tensor<4xf32> loc("m.py":3:1)
  %b2 = stablehlo.tanh %a2 : tensor<4xf32> loc("m.py":4:1)
  %c2 = stablehlo.sine %b2 : tensor<4xf32> loc("m.py":5:1)
  %d2 = stablehlo.exponential %c2 : tensor<4xf32> loc("m.py":6:1)
  %e2 = stablehlo.negate %d2 : tensor<4xf32> loc("m.py":7:1)
  %f2 = stablehlo.cosine %e2 : tensor<4xf32> loc("m.py":8:1)
  %g2 = stablehlo.logistic %f2 : tensor<4xf32> loc("m.py":9:1)
  %h2 = stablehlo.abs %g2 : tensor<4xf32> loc("m.py":10:1)
  %i2 = stablehlo.sqrt %h2 : tensor<4xf32> loc("m.py":11:1)
  %x3 = stablehlo.add %x0, %i2 : tensor<4xf32> loc("m.py":13:1)
  %s3 = stablehlo.reduce(%x3 init: %zero) applies stablehlo.add across dimensions = [0] : (tensor<4xf32>, tensor<f32>) -> tensor<f32> loc("m.py":1:1)
  %p3 = stablehlo.multiply %s3, %w3 : tensor<f32> loc("m.py":2:1)
  %a3 = stablehlo.broadcast_in_dim %p3, dims = [] : (tensor<f32>) -> tensor<4xf32> loc("m.py":3:1)
  %b3 = stablehlo.tanh %a3 : tensor<4xf32> loc("m.py":4:1)
  %c3 = stablehlo.sine %b3 : tensor<4xf32> loc("m.py":5:1)
  %d3 = stablehlo.exponential %c3 : tensor<4xf32> loc("m.py":6:1)
  %e3 = stablehlo.negate %d3 : tensor<4xf32> loc("m.py":7:1)
  %f3 = stablehlo.cosine %e3 : tensor<4xf32> loc("m.py":8:1)
  %g3 = stablehlo.logistic %f3 : tensor<4xf32> loc("m.py":9:1)
  %h3 = stablehlo.abs %g3 : tensor<4xf32> loc("m.py":10:1)
  %i3 = stablehlo.sqrt %h3 : tensor<4xf32> loc("m.py":11:1)
  %x4 = stablehlo.add %x0, %i3 : tensor<4xf32> loc("m.py":13:1)
  return %x4 : tensor<4xf32>
}

// -----

// One layer is of another kind: only the others are repeated.
// CHECK-LABEL: func.func private @odd(
// CHECK: stablehlo.cbrt
// CHECK-COUNT-4: call @odd.repeated
// CHECK-NOT: call
// CHECK: return
func.func @main(%x: tensor<4xf32>, %w0: tensor<f32>, %w1: tensor<f32>, %w2: tensor<f32>, %w3: tensor<f32>, %w4: tensor<f32>, %ct: tensor<4xf32>) -> tensor<4xf32> {
  %0:2 = stablehlo.custom_call @mycc.vjp(%x, %w0, %w1, %w2, %w3, %w4, %ct)
      {called_computations = [@odd], mycc.active = array<i1: true, false, false, false, false, false>, mycc.seeded = array<i1: true>}
      : (tensor<4xf32>, tensor<f32>, tensor<f32>, tensor<f32>, tensor<f32>, tensor<f32>, tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>)
  return %0#1 : tensor<4xf32>
}
func.func private @odd(%x0: tensor<4xf32>, %w0: tensor<f32>, %w1: tensor<f32>, %w2: tensor<f32>, %w3: tensor<f32>, %w4: tensor<f32>) -> tensor<4xf32> {
  %zero = stablehlo.constant dense<0.0> : tensor<f32>
  %s0 = stablehlo.reduce(%x0 init: %zero) applies stablehlo.add across dimensions = [0] : (tensor<4xf32>, tensor<f32>) -> tensor<f32> loc("m.py":1:1)
  %p0 = stablehlo.multiply %s0, %w0 : tensor<f32> loc("m.py":2:1)
  %a0 = stablehlo.broadcast_in_dim %p0, dims = [] : (tensor<f32>) -> tensor<4xf32> loc("m.py":3:1)
  %b0 = stablehlo.tanh %a0 : tensor<4xf32> loc("m.py":4:1)
  %c0 = stablehlo.sine %b0 : tensor<4xf32> loc("m.py":5:1)
  %d0 = stablehlo.exponential %c0 : tensor<4xf32> loc("m.py":6:1)
  %e0 = stablehlo.negate %d0 : tensor<4xf32> loc("m.py":7:1)
  %f0 = stablehlo.cosine %e0 : tensor<4xf32> loc("m.py":8:1)
  %g0 = stablehlo.logistic %f0 : tensor<4xf32> loc("m.py":9:1)
  %h0 = stablehlo.abs %g0 : tensor<4xf32> loc("m.py":10:1)
  %i0 = stablehlo.cbrt %h0 : tensor<4xf32> loc("m.py":11:1)
  %x1 = stablehlo.add %x0, %i0 : tensor<4xf32> loc("m.py":13:1)
  %s1 = stablehlo.reduce(%x1 init: %zero) applies stablehlo.add across dimensions = [0] : (tensor<4xf32>, tensor<f32>) -> tensor<f32> loc("m.py":1:1)
  %p1 = stablehlo.multiply %s1, %w1 : tensor<f32> loc("m.py":2:1)
  %a1 = stablehlo.broadcast_in_dim %p1, dims = [] : (tensor<f32>) -> tensor<4xf32> loc("m.py":3:1)
  %b1 = stablehlo.tanh %a1 : tensor<4xf32> loc("m.py":4:1)
  %c1 = stablehlo.sine %b1 : tensor<4xf32> loc("m.py":5:1)
  %d1 = stablehlo.exponential %c1 : tensor<4xf32> loc("m.py":6:1)
  %e1 = stablehlo.negate %d1 : tensor<4xf32> loc("m.py":7:1)
  %f1 = stablehlo.cosine %e1 : tensor<4xf32> loc("m.py":8:1)
  %g1 = stablehlo.logistic %f1 : tensor<4xf32> loc("m.py":9:1)
  %h1 = stablehlo.abs %g1 : tensor<4xf32> loc("m.py":10:1)
  %i1 = stablehlo.sqrt %h1 : tensor<4xf32> loc("m.py":11:1)
  %x2 = stablehlo.add %x1, %i1 : tensor<4xf32> loc("m.py":13:1)
  %s2 = stablehlo.reduce(%x2 init: %zero) applies stablehlo.add across dimensions = [0] : (tensor<4xf32>, tensor<f32>) -> tensor<f32> loc("m.py":1:1)
  %p2 = stablehlo.multiply %s2, %w2 : tensor<f32> loc("m.py":2:1)
  %a2 = stablehlo.broadcast_in_dim %p2, dims = [] : (tensor<f32>) -> tensor<4xf32> loc("m.py":3:1)
  %b2 = stablehlo.tanh %a2 : tensor<4xf32> loc("m.py":4:1)
  %c2 = stablehlo.sine %b2 : tensor<4xf32> loc("m.py":5:1)
  %d2 = stablehlo.exponential %c2 : tensor<4xf32> loc("m.py":6:1)
  %e2 = stablehlo.negate %d2 : tensor<4xf32> loc("m.py":7:1)
  %f2 = stablehlo.cosine %e2 : tensor<4xf32> loc("m.py":8:1)
  %g2 = stablehlo.logistic %f2 : tensor<4xf32> loc("m.py":9:1)
  %h2 = stablehlo.abs %g2 : tensor<4xf32> loc("m.py":10:1)
  %i2 = stablehlo.sqrt %h2 : tensor<4xf32> loc("m.py":11:1)
  %x3 = stablehlo.add %x2, %i2 : tensor<4xf32> loc("m.py":13:1)
  %s3 = stablehlo.reduce(%x3 init: %zero) applies stablehlo.add across dimensions = [0] : (tensor<4xf32>, tensor<f32>) -> tensor<f32> loc("m.py":1:1)
  %p3 = stablehlo.multiply %s3, %w3 : tensor<f32> loc("m.py":2:1)
  %a3 = stablehlo.broadcast_in_dim %p3, dims = [] : (tensor<f32>) -> tensor<4xf32> loc("m.py":3:1)
  %b3 = stablehlo.tanh %a3 : tensor<4xf32> loc("m.py":4:1)
  %c3 = stablehlo.sine %b3 : tensor<4xf32> loc("m.py":5:1)
  %d3 = stablehlo.exponential %c3 : tensor<4xf32> loc("m.py":6:1)
  %e3 = stablehlo.negate %d3 : tensor<4xf32> loc("m.py":7:1)
  %f3 = stablehlo.cosine %e3 : tensor<4xf32> loc("m.py":8:1)
  %g3 = stablehlo.logistic %f3 : tensor<4xf32> loc("m.py":9:1)
  %h3 = stablehlo.abs %g3 : tensor<4xf32> loc("m.py":10:1)
  %i3 = stablehlo.sqrt %h3 : tensor<4xf32> loc("m.py":11:1)
  %x4 = stablehlo.add %x3, %i3 : tensor<4xf32> loc("m.py":13:1)
  %s4 = stablehlo.reduce(%x4 init: %zero) applies stablehlo.add across dimensions = [0] : (tensor<4xf32>, tensor<f32>) -> tensor<f32> loc("m.py":1:1)
  %p4 = stablehlo.multiply %s4, %w4 : tensor<f32> loc("m.py":2:1)
  %a4 = stablehlo.broadcast_in_dim %p4, dims = [] : (tensor<f32>) -> tensor<4xf32> loc("m.py":3:1)
  %b4 = stablehlo.tanh %a4 : tensor<4xf32> loc("m.py":4:1)
  %c4 = stablehlo.sine %b4 : tensor<4xf32> loc("m.py":5:1)
  %d4 = stablehlo.exponential %c4 : tensor<4xf32> loc("m.py":6:1)
  %e4 = stablehlo.negate %d4 : tensor<4xf32> loc("m.py":7:1)
  %f4 = stablehlo.cosine %e4 : tensor<4xf32> loc("m.py":8:1)
  %g4 = stablehlo.logistic %f4 : tensor<4xf32> loc("m.py":9:1)
  %h4 = stablehlo.abs %g4 : tensor<4xf32> loc("m.py":10:1)
  %i4 = stablehlo.sqrt %h4 : tensor<4xf32> loc("m.py":11:1)
  %x5 = stablehlo.add %x4, %i4 : tensor<4xf32> loc("m.py":13:1)
  return %x5 : tensor<4xf32>
}

// -----

// Nothing is to be derived here.
// CHECK-LABEL: func.func private @alone(
// CHECK-NOT: call
// CHECK: return
func.func private @alone(%x0: tensor<4xf32>, %w0: tensor<f32>, %w1: tensor<f32>, %w2: tensor<f32>, %w3: tensor<f32>) -> tensor<4xf32> {
  %zero = stablehlo.constant dense<0.0> : tensor<f32>
  %s0 = stablehlo.reduce(%x0 init: %zero) applies stablehlo.add across dimensions = [0] : (tensor<4xf32>, tensor<f32>) -> tensor<f32> loc("m.py":1:1)
  %p0 = stablehlo.multiply %s0, %w0 : tensor<f32> loc("m.py":2:1)
  %a0 = stablehlo.broadcast_in_dim %p0, dims = [] : (tensor<f32>) -> tensor<4xf32> loc("m.py":3:1)
  %b0 = stablehlo.tanh %a0 : tensor<4xf32> loc("m.py":4:1)
  %c0 = stablehlo.sine %b0 : tensor<4xf32> loc("m.py":5:1)
  %d0 = stablehlo.exponential %c0 : tensor<4xf32> loc("m.py":6:1)
  %e0 = stablehlo.negate %d0 : tensor<4xf32> loc("m.py":7:1)
  %f0 = stablehlo.cosine %e0 : tensor<4xf32> loc("m.py":8:1)
  %g0 = stablehlo.logistic %f0 : tensor<4xf32> loc("m.py":9:1)
  %h0 = stablehlo.abs %g0 : tensor<4xf32> loc("m.py":10:1)
  %i0 = stablehlo.sqrt %h0 : tensor<4xf32> loc("m.py":11:1)
  %x1 = stablehlo.add %x0, %i0 : tensor<4xf32> loc("m.py":13:1)
  %s1 = stablehlo.reduce(%x1 init: %zero) applies stablehlo.add across dimensions = [0] : (tensor<4xf32>, tensor<f32>) -> tensor<f32> loc("m.py":1:1)
  %p1 = stablehlo.multiply %s1, %w1 : tensor<f32> loc("m.py":2:1)
  %a1 = stablehlo.broadcast_in_dim %p1, dims = [] : (tensor<f32>) -> tensor<4xf32> loc("m.py":3:1)
  %b1 = stablehlo.tanh %a1 : tensor<4xf32> loc("m.py":4:1)
  %c1 = stablehlo.sine %b1 : tensor<4xf32> loc("m.py":5:1)
  %d1 = stablehlo.exponential %c1 : tensor<4xf32> loc("m.py":6:1)
  %e1 = stablehlo.negate %d1 : tensor<4xf32> loc("m.py":7:1)
  %f1 = stablehlo.cosine %e1 : tensor<4xf32> loc("m.py":8:1)
  %g1 = stablehlo.logistic %f1 : tensor<4xf32> loc("m.py":9:1)
  %h1 = stablehlo.abs %g1 : tensor<4xf32> loc("m.py":10:1)
  %i1 = stablehlo.sqrt %h1 : tensor<4xf32> loc("m.py":11:1)
  %x2 = stablehlo.add %x1, %i1 : tensor<4xf32> loc("m.py":13:1)
  %s2 = stablehlo.reduce(%x2 init: %zero) applies stablehlo.add across dimensions = [0] : (tensor<4xf32>, tensor<f32>) -> tensor<f32> loc("m.py":1:1)
  %p2 = stablehlo.multiply %s2, %w2 : tensor<f32> loc("m.py":2:1)
  %a2 = stablehlo.broadcast_in_dim %p2, dims = [] : (tensor<f32>) -> tensor<4xf32> loc("m.py":3:1)
  %b2 = stablehlo.tanh %a2 : tensor<4xf32> loc("m.py":4:1)
  %c2 = stablehlo.sine %b2 : tensor<4xf32> loc("m.py":5:1)
  %d2 = stablehlo.exponential %c2 : tensor<4xf32> loc("m.py":6:1)
  %e2 = stablehlo.negate %d2 : tensor<4xf32> loc("m.py":7:1)
  %f2 = stablehlo.cosine %e2 : tensor<4xf32> loc("m.py":8:1)
  %g2 = stablehlo.logistic %f2 : tensor<4xf32> loc("m.py":9:1)
  %h2 = stablehlo.abs %g2 : tensor<4xf32> loc("m.py":10:1)
  %i2 = stablehlo.sqrt %h2 : tensor<4xf32> loc("m.py":11:1)
  %x3 = stablehlo.add %x2, %i2 : tensor<4xf32> loc("m.py":13:1)
  %s3 = stablehlo.reduce(%x3 init: %zero) applies stablehlo.add across dimensions = [0] : (tensor<4xf32>, tensor<f32>) -> tensor<f32> loc("m.py":1:1)
  %p3 = stablehlo.multiply %s3, %w3 : tensor<f32> loc("m.py":2:1)
  %a3 = stablehlo.broadcast_in_dim %p3, dims = [] : (tensor<f32>) -> tensor<4xf32> loc("m.py":3:1)
  %b3 = stablehlo.tanh %a3 : tensor<4xf32> loc("m.py":4:1)
  %c3 = stablehlo.sine %b3 : tensor<4xf32> loc("m.py":5:1)
  %d3 = stablehlo.exponential %c3 : tensor<4xf32> loc("m.py":6:1)
  %e3 = stablehlo.negate %d3 : tensor<4xf32> loc("m.py":7:1)
  %f3 = stablehlo.cosine %e3 : tensor<4xf32> loc("m.py":8:1)
  %g3 = stablehlo.logistic %f3 : tensor<4xf32> loc("m.py":9:1)
  %h3 = stablehlo.abs %g3 : tensor<4xf32> loc("m.py":10:1)
  %i3 = stablehlo.sqrt %h3 : tensor<4xf32> loc("m.py":11:1)
  %x4 = stablehlo.add %x3, %i3 : tensor<4xf32> loc("m.py":13:1)
  return %x4 : tensor<4xf32>
}
