// RUN: mycc opt %s --split-input-file --pass-pipeline='builtin.module(autodiff,symbol-dce)' | filecheck %s

// Forward mode calls the rule; the composite inside of it stays, for further derivatives.
// CHECK-LABEL: func.func private @g.jvp(
// CHECK-NEXT: %[[R:.*]]:2 = call @rule(%arg0, %arg1)
// CHECK-NEXT: return %[[R]]#0, %[[R]]#1
func.func private @f(%x: tensor<f32>) -> tensor<f32> {
  %0 = stablehlo.tanh %x : tensor<f32>
  return %0 : tensor<f32>
}
func.func private @rule(%x: tensor<f32>, %t: tensor<f32>) -> (tensor<f32>, tensor<f32>) {
  %0 = stablehlo.composite "mycc.custom_jvp" %x {composite_attributes = {arguments = 1 : i64, jvp = @rule}, decomposition = @f} : (tensor<f32>) -> tensor<f32>
  %1 = stablehlo.cosine %0 : tensor<f32>
  %2 = stablehlo.multiply %1, %t : tensor<f32>
  return %0, %2 : tensor<f32>, tensor<f32>
}
func.func private @g(%x: tensor<f32>) -> tensor<f32> {
  %0 = stablehlo.composite "mycc.custom_jvp" %x {composite_attributes = {arguments = 1 : i64, jvp = @rule}, decomposition = @f} : (tensor<f32>) -> tensor<f32>
  return %0 : tensor<f32>
}
func.func @forward(%x: tensor<f32>, %t: tensor<f32>) -> tensor<f32> {
  %0:2 = stablehlo.custom_call @mycc.jvp(%x, %t) {called_computations = [@g], mycc.active = array<i1: true>, mycc.seeded = array<i1: true>} : (tensor<f32>, tensor<f32>) -> (tensor<f32>, tensor<f32>)
  return %0#1 : tensor<f32>
}

// -----

// Reverse mode takes the rule apart: what primals determine, and a linear function, which is transposed.
// CHECK-LABEL: func.func private @g.fwd(
// CHECK-NEXT: %[[R:.*]]:2 = call @rule.known(%arg0)
// CHECK-NEXT: return %[[R]]#0, %[[R]]#1
// CHECK-LABEL: func.func private @g.pullback(
// CHECK-NEXT: %[[CT:.*]] = call @rule.linear.transpose(%arg1, %arg0)
// CHECK-NEXT: return %[[CT]]
// CHECK-LABEL: func.func private @rule.known(
// CHECK: stablehlo.composite "mycc.custom_jvp" %arg0
// CHECK: %[[C:.*]] = stablehlo.cosine
// CHECK: return %{{.*}}, %[[C]]
// CHECK-LABEL: func.func private @rule.linear.transpose(
// CHECK-NEXT: stablehlo.multiply
// CHECK-NEXT: return
func.func private @f(%x: tensor<f32>) -> tensor<f32> {
  %0 = stablehlo.tanh %x : tensor<f32>
  return %0 : tensor<f32>
}
func.func private @rule(%x: tensor<f32>, %t: tensor<f32>) -> (tensor<f32>, tensor<f32>) {
  %0 = stablehlo.composite "mycc.custom_jvp" %x {composite_attributes = {arguments = 1 : i64, jvp = @rule}, decomposition = @f} : (tensor<f32>) -> tensor<f32>
  %1 = stablehlo.cosine %0 : tensor<f32>
  %2 = stablehlo.multiply %1, %t : tensor<f32>
  return %0, %2 : tensor<f32>, tensor<f32>
}
func.func private @g(%x: tensor<f32>) -> tensor<f32> {
  %0 = stablehlo.composite "mycc.custom_jvp" %x {composite_attributes = {arguments = 1 : i64, jvp = @rule}, decomposition = @f} : (tensor<f32>) -> tensor<f32>
  return %0 : tensor<f32>
}
func.func @reverse(%x: tensor<f32>, %ct: tensor<f32>) -> tensor<f32> {
  %0:2 = stablehlo.custom_call @mycc.vjp(%x, %ct) {called_computations = [@g], mycc.active = array<i1: true>, mycc.seeded = array<i1: true>} : (tensor<f32>, tensor<f32>) -> (tensor<f32>, tensor<f32>)
  return %0#1 : tensor<f32>
}

// -----

// Reverse mode calls the forward and the backward rule of a custom_vjp.
// CHECK-LABEL: func.func private @g.fwd(
// CHECK-NEXT: %[[R:.*]]:2 = call @fwd(%arg0)
// CHECK-NEXT: return %[[R]]#0, %[[R]]#1
// CHECK-LABEL: func.func private @g.pullback(
// CHECK-NEXT: %[[CT:.*]] = call @bwd(%arg1, %arg0)
// CHECK-NEXT: return %[[CT]]
func.func private @f(%x: tensor<f32>) -> tensor<f32> {
  %0 = stablehlo.tanh %x : tensor<f32>
  return %0 : tensor<f32>
}
func.func private @fwd(%x: tensor<f32>) -> (tensor<f32>, tensor<f32>) {
  %0 = stablehlo.tanh %x : tensor<f32>
  return %0, %x : tensor<f32>, tensor<f32>
}
func.func private @bwd(%x: tensor<f32>, %ct: tensor<f32>) -> tensor<f32> {
  %0 = stablehlo.multiply %x, %ct : tensor<f32>
  return %0 : tensor<f32>
}
func.func private @g(%x: tensor<f32>) -> tensor<f32> {
  %0 = stablehlo.composite "mycc.custom_vjp" %x {composite_attributes = {arguments = 1 : i64, fwd = @fwd, bwd = @bwd}, decomposition = @f} : (tensor<f32>) -> tensor<f32>
  return %0 : tensor<f32>
}
func.func @reverse(%x: tensor<f32>, %ct: tensor<f32>) -> tensor<f32> {
  %0:2 = stablehlo.custom_call @mycc.vjp(%x, %ct) {called_computations = [@g], mycc.active = array<i1: true>, mycc.seeded = array<i1: true>} : (tensor<f32>, tensor<f32>) -> (tensor<f32>, tensor<f32>)
  return %0#1 : tensor<f32>
}

// -----

// A checkpoint saves its operand and what has the name; the rest is computed again, behind a barrier.
// CHECK-LABEL: func.func private @g.fwd(
// CHECK-NEXT: %[[R:.*]]:3 = call @f.saving(%arg0)
// CHECK-NEXT: return %[[R]]#0, %[[R]]#1, %[[R]]#2
// CHECK-LABEL: func.func private @g.pullback(
// CHECK-NEXT: %[[CT:.*]] = stablehlo.composite "mycc.checkpoint" %arg0, %arg1, %arg2
// CHECK-SAME: decomposition = @f.again
// CHECK-LABEL: func.func private @f.recompute(
// CHECK-NEXT: %[[E:.*]] = stablehlo.exponential %arg1
// CHECK-NEXT: return %[[E]], %arg0
// CHECK-LABEL: func.func private @f.saving(
// CHECK: %[[S:.*]] = stablehlo.sine %arg0
// CHECK: %[[N:.*]] = stablehlo.custom_call @mycc.checkpoint_name(%[[S]])
// CHECK: %[[E:.*]] = stablehlo.exponential %[[N]]
// CHECK: return %[[E]], %arg0, %[[N]]
// CHECK-LABEL: func.func private @f.again(
// CHECK-NEXT: %[[B:.*]]:3 = stablehlo.optimization_barrier %arg0, %arg1, %arg2
// CHECK-NEXT: call @f.recompute(%[[B]]#1, %[[B]]#2)
func.func private @f(%x: tensor<f32>) -> tensor<f32> {
  %0 = stablehlo.sine %x : tensor<f32>
  %1 = stablehlo.custom_call @mycc.checkpoint_name(%0) {mycc.name = "sine"} : (tensor<f32>) -> tensor<f32>
  %2 = stablehlo.exponential %1 : tensor<f32>
  return %2 : tensor<f32>
}
func.func private @g(%x: tensor<f32>) -> tensor<f32> {
  %0 = stablehlo.composite "mycc.checkpoint" %x {composite_attributes = {arguments = 1 : i64, policy = ["name:sine"]}, decomposition = @f} : (tensor<f32>) -> tensor<f32>
  return %0 : tensor<f32>
}
func.func @reverse(%x: tensor<f32>, %ct: tensor<f32>) -> tensor<f32> {
  %0:2 = stablehlo.custom_call @mycc.vjp(%x, %ct) {called_computations = [@g], mycc.active = array<i1: true>, mycc.seeded = array<i1: true>} : (tensor<f32>, tensor<f32>) -> (tensor<f32>, tensor<f32>)
  return %0#1 : tensor<f32>
}

// -----

// The cotangent of a solution is the solution of the transposed system.
// CHECK-LABEL: func.func private @g.pullback(
// CHECK: stablehlo.composite "mycc.linear_solve" %arg0, %{{.*}} {composite_attributes = {arguments = 1 : i64, matvec = @matvec.transposed, transpose = @solve.unknowns}, decomposition = @transposed}
func.func private @solve(%b: tensor<2xf32>, %a: tensor<2xf32>) -> tensor<2xf32> {
  %0 = stablehlo.divide %b, %a : tensor<2xf32>
  return %0 : tensor<2xf32>
}
func.func private @transposed(%b: tensor<2xf32>, %a: tensor<2xf32>) -> tensor<2xf32> {
  %0 = stablehlo.divide %b, %a : tensor<2xf32>
  return %0 : tensor<2xf32>
}
func.func private @matvec(%x: tensor<2xf32>, %a: tensor<2xf32>) -> tensor<2xf32> {
  %0 = stablehlo.multiply %a, %x : tensor<2xf32>
  return %0 : tensor<2xf32>
}
func.func private @g(%b: tensor<2xf32>, %a: tensor<2xf32>) -> tensor<2xf32> {
  %0 = stablehlo.composite "mycc.linear_solve" %b, %a {composite_attributes = {arguments = 1 : i64, matvec = @matvec, transpose = @transposed}, decomposition = @solve} : (tensor<2xf32>, tensor<2xf32>) -> tensor<2xf32>
  return %0 : tensor<2xf32>
}
func.func @reverse(%b: tensor<2xf32>, %a: tensor<2xf32>, %ct: tensor<2xf32>) -> (tensor<2xf32>, tensor<2xf32>) {
  %0:3 = stablehlo.custom_call @mycc.vjp(%b, %a, %ct) {called_computations = [@g], mycc.active = array<i1: true, true>, mycc.seeded = array<i1: true>} : (tensor<2xf32>, tensor<2xf32>, tensor<2xf32>) -> (tensor<2xf32>, tensor<2xf32>, tensor<2xf32>)
  return %0#1, %0#2 : tensor<2xf32>, tensor<2xf32>
}

// -----

// Another framework's composite is what its decomposition says.
// CHECK-LABEL: func.func private @g.jvp(
// CHECK-NEXT: call @f.jvp(%arg0, %arg1)
func.func private @f(%x: tensor<f32>) -> tensor<f32> {
  %0 = stablehlo.tanh %x : tensor<f32>
  return %0 : tensor<f32>
}
func.func private @g(%x: tensor<f32>) -> tensor<f32> {
  %0 = stablehlo.composite "other.gelu" %x {decomposition = @f} : (tensor<f32>) -> tensor<f32>
  return %0 : tensor<f32>
}
func.func @forward(%x: tensor<f32>, %t: tensor<f32>) -> tensor<f32> {
  %0:2 = stablehlo.custom_call @mycc.jvp(%x, %t) {called_computations = [@g], mycc.active = array<i1: true>, mycc.seeded = array<i1: true>} : (tensor<f32>, tensor<f32>) -> (tensor<f32>, tensor<f32>)
  return %0#1 : tensor<f32>
}
