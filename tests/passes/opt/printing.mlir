// RUN: mycc opt %s --pass-pipeline='builtin.module(simplify,func.func(canonicalize,cse))' --mlir-print-ir-after-change --mlir-print-ir-before=cse -o %t 2>&1 | filecheck %s

// Each pass is seen by its own name, nested ones too, always at the scope of the module.
// CHECK: IR Dump After simplify
// CHECK-NEXT: module {
// CHECK-NOT: canonicalize
// CHECK: IR Dump Before cse
// CHECK: module {
// CHECK: IR Dump After cse
func.func @main(%x: tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>) {
  %0 = stablehlo.negate %x : tensor<4xf32>
  %1 = stablehlo.negate %0 : tensor<4xf32>
  %2 = stablehlo.sine %1 : tensor<4xf32>
  %3 = stablehlo.sine %1 : tensor<4xf32>
  return %2, %3 : tensor<4xf32>, tensor<4xf32>
}
