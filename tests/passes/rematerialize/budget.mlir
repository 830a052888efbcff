// RUN: mycc opt %s --pass-pipeline='builtin.module(rematerialize{budget=8200})' | filecheck %s
// RUN: mycc opt %s --pass-pipeline='builtin.module(rematerialize{budget=1M})' | filecheck %s --check-prefix=ENOUGH
// RUN: mycc opt %s --pass-pipeline='builtin.module(rematerialize)' | filecheck %s --check-prefix=ENOUGH
// RUN: not mycc opt %s --pass-pipeline='builtin.module(rematerialize{budget=5X})' 2>&1 | filecheck %s --check-prefix=WRONG
// RUN: not mycc opt %s --memory-budget=1M 2>&1 | filecheck %s --check-prefix=ALONE
// RUN: not mycc opt %s -O2 --memory-budget=much 2>&1 | filecheck %s --check-prefix=MUCH
// RUN: mycc opt %s -O2 --memory-budget=8200 2>&1 | filecheck %s --check-prefix=REMARK

// What is cheap is computed again, behind a barrier with a value that is there only by then.
// CHECK-LABEL: @main
// CHECK-SAME: mycc.memory = {added_flops_percent = {{.*}}, after = 8192 : i64, before = 12288 : i64, budget = 8200 : i64}
// CHECK: stablehlo.tanh %arg0 :
// CHECK: %[[B:.*]]:2 = stablehlo.optimization_barrier {mycc.recomputed} %arg0, %{{.*}}
// CHECK: stablehlo.tanh %[[B]]#0 {mycc.recomputed}
// CHECK: return
// ENOUGH-NOT: mycc.recomputed
// WRONG: pass 'rematerialize': '5X' is no amount of memory: write 512M, 1.5G, 100000 (bytes), or 50%
// ALONE: --memory-budget is an option of -O2
// MUCH: --memory-budget: 'much' is no amount of memory
// REMARK: remark: @main keeps {{.*}} bytes alive at most, by estimate
func.func @main(%x: tensor<1024xf32>) -> tensor<1024xf32> {
  %a = stablehlo.tanh %x : tensor<1024xf32>
  %b = stablehlo.multiply %a, %a : tensor<1024xf32>
  %c = stablehlo.sine %a : tensor<1024xf32>
  %d = stablehlo.cosine %c : tensor<1024xf32>
  %e = stablehlo.exponential %d : tensor<1024xf32>
  %f = stablehlo.multiply %e, %d : tensor<1024xf32>
  %g = stablehlo.multiply %f, %c : tensor<1024xf32>
  %h = stablehlo.multiply %g, %b : tensor<1024xf32>
  %i = stablehlo.multiply %h, %a : tensor<1024xf32>
  return %i : tensor<1024xf32>
}
