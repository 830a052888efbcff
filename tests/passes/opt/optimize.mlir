// RUN: mycc opt %s -O2 | filecheck %s

// The transpose goes into the product, and the call is inlined.
// CHECK-LABEL: func.func public @main
// CHECK-NOT: call
// CHECK-NOT: transpose
// CHECK: stablehlo.dot_general %arg1, %arg0, contracting_dims = [0] x [1] : (tensor<64x32xf32>, tensor<128x64xf32>) -> tensor<32x128xf32>
// CHECK-NOT: func.func
module @foreign {
  func.func public @main(%x: tensor<128x64xf32>, %w: tensor<64x32xf32>) -> tensor<32x128xf32> {
    %0 = stablehlo.dot_general %x, %w, contracting_dims = [1] x [0] : (tensor<128x64xf32>, tensor<64x32xf32>) -> tensor<128x32xf32>
    %1 = func.call @swap(%0) : (tensor<128x32xf32>) -> tensor<32x128xf32>
    return %1 : tensor<32x128xf32>
  }
  func.func private @swap(%x: tensor<128x32xf32>) -> tensor<32x128xf32> {
    %0 = stablehlo.transpose %x, dims = [1, 0] : (tensor<128x32xf32>) -> tensor<32x128xf32>
    return %0 : tensor<32x128xf32>
  }
}
