// RUN: mycc opt %s --split-input-file --verify-diagnostics --pass-pipeline='builtin.module(autodiff)'

func.func private @f(%x: tensor<f32>) -> tensor<f32> {
  return %x : tensor<f32>
}
func.func @no_rule(%x: tensor<f32>) -> tensor<f32> {
  // expected-error@+1 {{the composite 'mycc.custom_jvp' of @f: its rule 'jvp' names no function; it must name a function by symbol}}
  %0 = stablehlo.composite "mycc.custom_jvp" %x {composite_attributes = {arguments = 1 : i64, jvp = "rule"}, decomposition = @f} : (tensor<f32>) -> tensor<f32>
  return %0 : tensor<f32>
}

// -----

func.func private @f(%x: tensor<f32>) -> tensor<f32> {
  return %x : tensor<f32>
}
func.func @not_there(%x: tensor<f32>) -> tensor<f32> {
  // expected-error@+1 {{its rule 'jvp' names @rule, which is not in the module}}
  %0 = stablehlo.composite "mycc.custom_jvp" %x {composite_attributes = {arguments = 1 : i64, jvp = @rule}, decomposition = @f} : (tensor<f32>) -> tensor<f32>
  return %0 : tensor<f32>
}

// -----

func.func private @f(%x: tensor<f32>, %n: tensor<i32>) -> tensor<f32> {
  return %x : tensor<f32>
}
func.func private @rule(%x: tensor<f32>, %n: tensor<i32>) -> (tensor<f32>, tensor<f32>) {
  return %x, %x : tensor<f32>, tensor<f32>
}
func.func @wrong_type(%x: tensor<f32>, %n: tensor<i32>) -> tensor<f32> {
  // expected-error@+1 {{its rule 'jvp' has the type (tensor<f32>, tensor<i32>) -> (tensor<f32>, tensor<f32>), expected (tensor<f32>, tensor<i32>, tensor<f32>) -> (tensor<f32>, tensor<f32>)}}
  %0 = stablehlo.composite "mycc.custom_jvp" %x, %n {composite_attributes = {arguments = 2 : i64, jvp = @rule}, decomposition = @f} : (tensor<f32>, tensor<i32>) -> tensor<f32>
  return %0 : tensor<f32>
}

// -----

func.func private @f(%x: tensor<f32>) -> tensor<f32> {
  return %x : tensor<f32>
}
func.func private @fwd(%x: tensor<f32>) -> (tensor<f32>, tensor<2xf32>) {
  %0 = stablehlo.constant dense<0.0> : tensor<2xf32>
  return %x, %0 : tensor<f32>, tensor<2xf32>
}
func.func private @bwd(%r: tensor<f32>, %ct: tensor<f32>) -> tensor<f32> {
  return %ct : tensor<f32>
}
func.func @wrong_residuals(%x: tensor<f32>) -> tensor<f32> {
  // expected-error@+1 {{its rule 'bwd' has the type (tensor<f32>, tensor<f32>) -> tensor<f32>, expected (tensor<2xf32>, tensor<f32>) -> tensor<f32>}}
  %0 = stablehlo.composite "mycc.custom_vjp" %x {composite_attributes = {arguments = 1 : i64, fwd = @fwd, bwd = @bwd}, decomposition = @f} : (tensor<f32>) -> tensor<f32>
  return %0 : tensor<f32>
}

// -----

func.func private @f(%x: tensor<f32>) -> tensor<f32> {
  return %x : tensor<f32>
}
func.func @no_arguments(%x: tensor<f32>) -> tensor<f32> {
  // expected-error@+1 {{needs the integer attribute 'arguments', from 0 to its 1 operands}}
  %0 = stablehlo.composite "mycc.checkpoint" %x {decomposition = @f} : (tensor<f32>) -> tensor<f32>
  return %0 : tensor<f32>
}

// -----

func.func private @f(%x: tensor<f32>, %c: tensor<f32>) -> tensor<f32> {
  return %x : tensor<f32>
}
func.func private @rule(%x: tensor<f32>, %c: tensor<f32>, %t: tensor<f32>) -> (tensor<f32>, tensor<f32>) {
  return %x, %t : tensor<f32>, tensor<f32>
}
func.func private @g(%x: tensor<f32>, %c: tensor<f32>) -> tensor<f32> {
  // expected-error@+1 {{cannot differentiate f, a custom_jvp function, with respect to a value from around it that it uses}}
  %0 = stablehlo.composite "mycc.custom_jvp" %x, %c {composite_attributes = {arguments = 1 : i64, jvp = @rule}, decomposition = @f} : (tensor<f32>, tensor<f32>) -> tensor<f32>
  return %0 : tensor<f32>
}
func.func @captured(%x: tensor<f32>, %t: tensor<f32>) -> tensor<f32> {
  %0:2 = stablehlo.custom_call @mycc.jvp(%x, %x, %t) {called_computations = [@g], mycc.active = array<i1: false, true>, mycc.seeded = array<i1: true>} : (tensor<f32>, tensor<f32>, tensor<f32>) -> (tensor<f32>, tensor<f32>)
  return %0#1 : tensor<f32>
}
