// RUN: mycc opt %s --split-input-file --pass-pipeline='builtin.module(check-nans)' | filecheck %s

// The number passes through loops and calls, and @main returns it.
// CHECK: mycc.checks = ["'stablehlo.log' at -:{{[0-9]+}}"]
// CHECK-LABEL: func.func private @f(
// CHECK-SAME: %[[X:.*]]: tensor<2xf32>, %[[FIRST:.*]]: tensor<i32>) -> (tensor<2xf32>, tensor<i32>)
// CHECK-NEXT: %[[Y:.*]] = stablehlo.log %[[X]]
// CHECK-NEXT: stablehlo.compare NE, %[[Y]], %[[Y]]
// CHECK: stablehlo.compare NE, %[[X]], %[[X]]
// CHECK: %[[NOW:.*]] = stablehlo.select %{{.*}}, %{{.*}}, %[[FIRST]]
// CHECK-NEXT: return %[[Y]], %[[NOW]]
// CHECK-LABEL: func.func @main(
// CHECK-SAME: -> (tensor<2xf32>, tensor<i32>)
// CHECK: %[[LOOP:.*]]:3 = stablehlo.while(%{{.*}}, %{{.*}}, %[[SO_FAR:.*]] = %{{.*}})
// CHECK: %[[NEXT:.*]]:2 = func.call @f(%{{.*}}, %[[SO_FAR]])
// CHECK-NEXT: stablehlo.return %{{.*}}, %[[NEXT]]#0, %[[NEXT]]#1
// CHECK: return %[[LOOP]]#1, %[[LOOP]]#2
func.func private @f(%x: tensor<2xf32>) -> tensor<2xf32> {
  %0 = stablehlo.log %x : tensor<2xf32>
  return %0 : tensor<2xf32>
}
func.func @main(%n: tensor<i32>, %x: tensor<2xf32>) -> tensor<2xf32> {
  %one = stablehlo.constant dense<1> : tensor<i32>
  %0:2 = stablehlo.while(%i = %n, %c = %x) : tensor<i32>, tensor<2xf32>
    cond {
      %1 = stablehlo.compare LT, %i, %one : (tensor<i32>, tensor<i32>) -> tensor<i1>
      stablehlo.return %1 : tensor<i1>
    } do {
      %1 = stablehlo.add %i, %one : tensor<i32>
      %2 = func.call @f(%c) : (tensor<2xf32>) -> tensor<2xf32>
      stablehlo.return %1, %2 : tensor<i32>, tensor<2xf32>
    }
  return %0#1 : tensor<2xf32>
}

// -----

// A condition that computes floats is computed before the loop and at the end of its body.
// CHECK-LABEL: func.func @main(
// CHECK: stablehlo.exponential %arg0
// CHECK: %[[GO:.*]] = stablehlo.compare LT
// CHECK-NEXT: stablehlo.while(%{{.*}} = %arg0, %[[GOES:.*]] = %[[GO]], %{{.*}})
// CHECK-NEXT: cond
// CHECK-NEXT: stablehlo.return %[[GOES]]
// CHECK: stablehlo.exponential
// CHECK: %[[AGAIN:.*]] = stablehlo.compare LT
// CHECK-NEXT: stablehlo.return %{{.*}}, %[[AGAIN]], %{{.*}}
func.func @main(%x: tensor<f32>, %limit: tensor<f32>) -> tensor<f32> {
  %0 = stablehlo.while(%c = %x) : tensor<f32>
    cond {
      %1 = stablehlo.exponential %c : tensor<f32>
      %2 = stablehlo.compare LT, %1, %limit : (tensor<f32>, tensor<f32>) -> tensor<i1>
      stablehlo.return %2 : tensor<i1>
    } do {
      stablehlo.return %c : tensor<f32>
    }
  return %0 : tensor<f32>
}

// -----

// A branch that checks nothing gives back what it found.
// CHECK-LABEL: func.func @main(
// CHECK: %[[ZERO:.*]] = stablehlo.constant dense<0> : tensor<i32>
// CHECK-NEXT: "stablehlo.case"
// CHECK: stablehlo.log
// CHECK: stablehlo.return %{{.*}}, %{{.*}} : tensor<f32>, tensor<i32>
// CHECK: stablehlo.return %arg1, %[[ZERO]] : tensor<f32>, tensor<i32>
func.func @main(%i: tensor<i32>, %x: tensor<f32>) -> tensor<f32> {
  %0 = "stablehlo.case"(%i) ({
    %1 = stablehlo.log %x : tensor<f32>
    stablehlo.return %1 : tensor<f32>
  }, {
    stablehlo.return %x : tensor<f32>
  }) : (tensor<i32>) -> tensor<f32>
  return %0 : tensor<f32>
}
