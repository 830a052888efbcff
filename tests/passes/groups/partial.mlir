// RUN: mycc opt %s --pass-pipeline='builtin.module(groups)' | filecheck %s

sdy.mesh @mesh = <["x"=4, "y"=2]>

// A function that is used where one axis is manual, and where both are.
// CHECK-LABEL: func.func private @index(
// CHECK-SAME: -> tensor<i32> {
// CHECK-NEXT: stablehlo.partition_id
func.func private @index() -> tensor<i32> {
  %0 = stablehlo.custom_call @mycc.axis_index() {mycc.axis_name = "x"} : () -> tensor<i32>
  return %0 : tensor<i32>
}

// One without collectives stays one.
// CHECK: func.func private @twice
// CHECK-NOT: @twice.1
func.func private @twice(%x: tensor<i32>) -> tensor<i32> {
  %0 = stablehlo.add %x, %x : tensor<i32>
  return %0 : tensor<i32>
}

// CHECK-LABEL: func.func @main
func.func @main(%x: tensor<16xi32>) -> tensor<16xi32> {
  // CHECK: manual_axes={"x"} (%[[A:.*]]: tensor<4xi32>)
  %0 = sdy.manual_computation(%x) in_shardings=[<@mesh, [{"x", ?}]>] out_shardings=[<@mesh, [{"x", ?}]>] manual_axes={"x"} (%a: tensor<4xi32>) {
    // Groups are of all devices: the others compute the same on their parts.
    // CHECK: "stablehlo.all_reduce"(%[[A]]) <{{.*}}replica_groups = dense<{{\[\[}}0, 2, 4, 6], [1, 3, 5, 7]]>
    %1 = stablehlo.custom_call @mycc.psum(%a) {mycc.axis_name = "x"} : (tensor<4xi32>) -> tensor<4xi32>
    // CHECK: call @index.1()
    %2 = func.call @index() : () -> tensor<i32>
    %3 = func.call @twice(%2) : (tensor<i32>) -> tensor<i32>
    %4 = stablehlo.broadcast_in_dim %3, dims = [] : (tensor<i32>) -> tensor<4xi32>
    %5 = stablehlo.add %1, %4 : tensor<4xi32>
    // CHECK: manual_axes={"y"} (%[[B:.*]]: tensor<2xi32>)
    %6 = sdy.manual_computation(%5) in_shardings=[<@mesh, [{"y", ?}]>] out_shardings=[<@mesh, [{"y", ?}]>] manual_axes={"y"} (%b: tensor<2xi32>) {
      // CHECK: "stablehlo.all_reduce"(%[[B]]) <{{.*}}replica_groups = dense<{{\[\[}}0, 1], [2, 3], [4, 5], [6, 7]]>
      %7 = stablehlo.custom_call @mycc.psum(%b) {mycc.axis_name = "y"} : (tensor<2xi32>) -> tensor<2xi32>
      // CHECK: call @index()
      %8 = func.call @index() : () -> tensor<i32>
      %9 = func.call @twice(%8) : (tensor<i32>) -> tensor<i32>
      %10 = stablehlo.broadcast_in_dim %9, dims = [] : (tensor<i32>) -> tensor<2xi32>
      %11 = stablehlo.add %7, %10 : tensor<2xi32>
      sdy.return %11 : tensor<2xi32>
    } : (tensor<4xi32>) -> tensor<4xi32>
    sdy.return %6 : tensor<4xi32>
  } : (tensor<16xi32>) -> tensor<16xi32>
  return %0 : tensor<16xi32>
}

// The number of a device is known only where all axes are manual.
// CHECK-LABEL: func.func private @index.1
// CHECK-NEXT: sdy.manual_computation() in_shardings=[] out_shardings=[<@mesh, []>] manual_axes={"y"} () {
// CHECK-NEXT: stablehlo.partition_id
