// RUN: mycc opt %s --pass-pipeline='builtin.module(fuse{annotate=false})' | filecheck %s

// A small value is computed once, and not for each of its copies.
// CHECK-LABEL: @copies
// CHECK: %[[SUM:.*]] = stablehlo.add
// CHECK: %[[ONCE:.*]] = stablehlo.optimization_barrier {mycc.stored = {{"[^"]*"}}} %[[SUM]] : tensor<256xf32>
// CHECK: stablehlo.broadcast_in_dim %[[ONCE]]
func.func @copies(%x: tensor<256xf32>, %m: tensor<256x256xf32>) -> tensor<256x256xf32> {
  %0 = stablehlo.multiply %x, %x : tensor<256xf32>
  %1 = stablehlo.multiply %0, %x : tensor<256xf32>
  %2 = stablehlo.add %1, %x : tensor<256xf32>
  %3 = stablehlo.broadcast_in_dim %2, dims = [0] : (tensor<256xf32>) -> tensor<256x256xf32>
  %4 = stablehlo.add %3, %m : tensor<256x256xf32>
  return %4 : tensor<256x256xf32>
}

// One operation more is cheaper than a store.
// CHECK-LABEL: @cheap
// CHECK-NOT: optimization_barrier
func.func @cheap(%x: tensor<256xf32>, %m: tensor<256x256xf32>) -> tensor<256x256xf32> {
  %0 = stablehlo.multiply %x, %x : tensor<256xf32>
  %3 = stablehlo.broadcast_in_dim %0, dims = [0] : (tensor<256xf32>) -> tensor<256x256xf32>
  %4 = stablehlo.add %3, %m : tensor<256x256xf32>
  return %4 : tensor<256x256xf32>
}
