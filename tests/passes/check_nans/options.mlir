// RUN: mycc opt %s --pass-pipeline='builtin.module(check-nans)' | filecheck %s --check-prefix=NAN
// RUN: mycc opt %s --pass-pipeline='builtin.module(check-nans{infs=true})' | filecheck %s --check-prefix=INF

// A constant is to blame for its NaNs. An infinity in one is no mistake: reductions start there.
// NAN: mycc.checks = ["'stablehlo.constant' at {{.*}}:{{[0-9]+}}", "'stablehlo.add' at {{.*}}:{{[0-9]+}}"]
// INF: mycc.checks = ["'stablehlo.add' at {{.*}}:{{[0-9]+}}"]
// INF-NOT: stablehlo.compare NE
// INF: stablehlo.is_finite
func.func @main(%x: tensor<f32>) -> (tensor<f32>, tensor<f32>, tensor<i32>) {
  %nan = stablehlo.constant dense<0x7FC00000> : tensor<f32>
  %inf = stablehlo.constant dense<0x7F800000> : tensor<f32>
  %n = stablehlo.constant dense<1> : tensor<i32>
  %0 = stablehlo.add %x, %nan : tensor<f32>
  return %0, %inf, %n : tensor<f32>, tensor<f32>, tensor<i32>
}
