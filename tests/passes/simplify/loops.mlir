// RUN: mycc opt %s --pass-pipeline='builtin.module(simplify)' | filecheck %s

// Row i is read and cleared in the trip that counts down to i, and nobody reads the array afterwards.
// CHECK-LABEL: @clearing_of_rows_read_once
// CHECK: stablehlo.while(%[[I:.*]] = %{{.*}}, %[[SUM:.*]] = %arg1)
// CHECK: do {
// CHECK-NOT: dynamic_update_slice
// CHECK: %[[NEXT:.*]] = stablehlo.subtract %[[I]]
// CHECK: stablehlo.dynamic_slice %arg0, %[[NEXT]]
// CHECK: stablehlo.return %[[NEXT]], %{{[^,]*}} :
func.func @clearing_of_rows_read_once(%rows: tensor<5xf32>, %sum: tensor<1xf32>) -> tensor<1xf32> {
  %five = stablehlo.constant dense<5> : tensor<i32>
  %zero = stablehlo.constant dense<0> : tensor<i32>
  %one = stablehlo.constant dense<1> : tensor<i32>
  %cleared = stablehlo.constant dense<0.0> : tensor<1xf32>
  %0:3 = stablehlo.while(%i = %five, %r = %rows, %s = %sum) : tensor<i32>, tensor<5xf32>, tensor<1xf32>
  cond {
    %1 = stablehlo.compare GT, %i, %zero : (tensor<i32>, tensor<i32>) -> tensor<i1>
    stablehlo.return %1 : tensor<i1>
  } do {
    %1 = stablehlo.subtract %i, %one : tensor<i32>
    %2 = stablehlo.dynamic_slice %r, %1, sizes = [1] : (tensor<5xf32>, tensor<i32>) -> tensor<1xf32>
    %3 = stablehlo.dynamic_update_slice %r, %cleared, %1 : (tensor<5xf32>, tensor<1xf32>, tensor<i32>) -> tensor<5xf32>
    %4 = stablehlo.add %s, %2 : tensor<1xf32>
    stablehlo.return %1, %3, %4 : tensor<i32>, tensor<5xf32>, tensor<1xf32>
  }
  return %0#2 : tensor<1xf32>
}

// The array is returned: it must be cleared.
// CHECK-LABEL: @read_afterwards
// CHECK: dynamic_update_slice
func.func @read_afterwards(%rows: tensor<5xf32>, %sum: tensor<1xf32>) -> (tensor<5xf32>, tensor<1xf32>) {
  %five = stablehlo.constant dense<5> : tensor<i32>
  %zero = stablehlo.constant dense<0> : tensor<i32>
  %one = stablehlo.constant dense<1> : tensor<i32>
  %cleared = stablehlo.constant dense<0.0> : tensor<1xf32>
  %0:3 = stablehlo.while(%i = %five, %r = %rows, %s = %sum) : tensor<i32>, tensor<5xf32>, tensor<1xf32>
  cond {
    %1 = stablehlo.compare GT, %i, %zero : (tensor<i32>, tensor<i32>) -> tensor<i1>
    stablehlo.return %1 : tensor<i1>
  } do {
    %1 = stablehlo.subtract %i, %one : tensor<i32>
    %2 = stablehlo.dynamic_slice %r, %1, sizes = [1] : (tensor<5xf32>, tensor<i32>) -> tensor<1xf32>
    %3 = stablehlo.dynamic_update_slice %r, %cleared, %1 : (tensor<5xf32>, tensor<1xf32>, tensor<i32>) -> tensor<5xf32>
    %4 = stablehlo.add %s, %2 : tensor<1xf32>
    stablehlo.return %1, %3, %4 : tensor<i32>, tensor<5xf32>, tensor<1xf32>
  }
  return %0#1, %0#2 : tensor<5xf32>, tensor<1xf32>
}

// The last two trips both read row 0, where the window is moved to be inside of the array.
// CHECK-LABEL: @moved_inside
// CHECK: dynamic_update_slice
func.func @moved_inside(%rows: tensor<5xf32>, %sum: tensor<1xf32>) -> tensor<1xf32> {
  %four = stablehlo.constant dense<4> : tensor<i32>
  %end = stablehlo.constant dense<-1> : tensor<i32>
  %one = stablehlo.constant dense<1> : tensor<i32>
  %cleared = stablehlo.constant dense<0.0> : tensor<1xf32>
  %0:3 = stablehlo.while(%i = %four, %r = %rows, %s = %sum) : tensor<i32>, tensor<5xf32>, tensor<1xf32>
  cond {
    %1 = stablehlo.compare GT, %i, %end : (tensor<i32>, tensor<i32>) -> tensor<i1>
    stablehlo.return %1 : tensor<i1>
  } do {
    %1 = stablehlo.subtract %i, %one : tensor<i32>
    %2 = stablehlo.dynamic_slice %r, %1, sizes = [1] : (tensor<5xf32>, tensor<i32>) -> tensor<1xf32>
    %3 = stablehlo.dynamic_update_slice %r, %cleared, %1 : (tensor<5xf32>, tensor<1xf32>, tensor<i32>) -> tensor<5xf32>
    %4 = stablehlo.add %s, %2 : tensor<1xf32>
    stablehlo.return %1, %3, %4 : tensor<i32>, tensor<5xf32>, tensor<1xf32>
  }
  return %0#2 : tensor<1xf32>
}
