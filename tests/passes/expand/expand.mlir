// RUN: mycc opt %s --split-input-file --pass-pipeline='builtin.module(expand,inline{default-pipeline= },symbol-dce)' | filecheck %s

// CHECK-LABEL: func.func @conditional(
// CHECK: %[[I:.*]] = stablehlo.select %arg0
// CHECK: "stablehlo.case"(%[[I]])
// CHECK: stablehlo.sine
// CHECK: stablehlo.return %arg1
// CHECK-NOT: stablehlo.if
func.func @conditional(%p: tensor<i1>, %x: tensor<3xf32>) -> tensor<3xf32> {
  %0 = "stablehlo.if"(%p) ({
    %1 = stablehlo.sine %x : tensor<3xf32>
    stablehlo.return %1 : tensor<3xf32>
  }, {
    stablehlo.return %x : tensor<3xf32>
  }) : (tensor<i1>) -> tensor<3xf32>
  return %0 : tensor<3xf32>
}

// -----

// A body of scalars becomes operations on the whole, also inside of other regions.
// CHECK-LABEL: func.func @maps(
// CHECK: stablehlo.while
// CHECK: stablehlo.multiply %{{.*}} : tensor<3xf32>
// CHECK-NOT: stablehlo.map
func.func @maps(%x: tensor<3xf32>, %n: tensor<i32>) -> tensor<3xf32> {
  %0:2 = stablehlo.while(%i = %n, %y = %x) : tensor<i32>, tensor<3xf32>
  cond {
    %zero = stablehlo.constant dense<0> : tensor<i32>
    %p = stablehlo.compare GT, %i, %zero : (tensor<i32>, tensor<i32>) -> tensor<i1>
    stablehlo.return %p : tensor<i1>
  } do {
    %one = stablehlo.constant dense<1> : tensor<i32>
    %j = stablehlo.subtract %i, %one : tensor<i32>
    %z = "stablehlo.map"(%y, %y) <{dimensions = array<i64: 0>}> ({
    ^bb0(%a: tensor<f32>, %b: tensor<f32>):
      %c = stablehlo.multiply %a, %b : tensor<f32>
      stablehlo.return %c : tensor<f32>
    }) : (tensor<3xf32>, tensor<3xf32>) -> tensor<3xf32>
    stablehlo.return %j, %z : tensor<i32>, tensor<3xf32>
  }
  return %0#1 : tensor<3xf32>
}

// -----

// CHECK-LABEL: func.func @tuples(
// CHECK-NEXT: %[[S:.*]] = stablehlo.sine %arg1
// CHECK-NEXT: return %[[S]], %arg0
func.func @tuples(%x: tensor<3xf32>, %y: tensor<2xf32>) -> (tensor<2xf32>, tensor<3xf32>) {
  %0 = stablehlo.sine %y : tensor<2xf32>
  %1 = stablehlo.tuple %x, %0 : tuple<tensor<3xf32>, tensor<2xf32>>
  %2 = stablehlo.get_tuple_element %1[1] : (tuple<tensor<3xf32>, tensor<2xf32>>) -> tensor<2xf32>
  %3 = stablehlo.get_tuple_element %1[0] : (tuple<tensor<3xf32>, tensor<2xf32>>) -> tensor<3xf32>
  return %2, %3 : tensor<2xf32>, tensor<3xf32>
}

// -----

// CHECK-LABEL: func.func @contraction(
// CHECK-NEXT: %[[D:.*]] = stablehlo.dot_general %arg0, %arg1, contracting_dims = [1] x [0]
// CHECK-NEXT: %[[T:.*]] = stablehlo.transpose %[[D]], dims = [1, 0]
// CHECK-NEXT: return %[[T]]
func.func @contraction(%x: tensor<3x4xf32>, %y: tensor<4x5xf32>) -> tensor<5x3xf32> {
  %0 = stablehlo.einsum %x, %y, config = "ij,jk->ki" : (tensor<3x4xf32>, tensor<4x5xf32>) -> tensor<5x3xf32>
  return %0 : tensor<5x3xf32>
}

// -----

// What is constant needs no operations at run time.
// CHECK-LABEL: func.func @padding(
// CHECK: stablehlo.pad %arg0, %{{.*}}, low = [1], high = [2], interior = [0]
func.func @padding(%x: tensor<3xf32>) -> tensor<6xf32> {
  %value = stablehlo.constant dense<0.0> : tensor<f32>
  %low = stablehlo.constant dense<1> : tensor<1xi32>
  %high = stablehlo.constant dense<2> : tensor<1xi32>
  %none = stablehlo.constant dense<0> : tensor<1xi32>
  %0 = stablehlo.dynamic_pad %x, %value, %low, %high, %none : (tensor<3xf32>, tensor<f32>, tensor<1xi32>, tensor<1xi32>, tensor<1xi32>) -> tensor<6xf32>
  return %0 : tensor<6xf32>
}

// -----

// CHECK-LABEL: func.func @sums(
// CHECK: stablehlo.all_reduce
// CHECK: stablehlo.add
func.func @sums(%x: tensor<3xf32>) -> tensor<3xf32> {
  %0 = "stablehlo.cross-replica-sum"(%x) {replica_groups = dense<[[0, 1]]> : tensor<1x2xi64>} : (tensor<3xf32>) -> tensor<3xf32>
  return %0 : tensor<3xf32>
}
