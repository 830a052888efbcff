// RUN: mycc opt %s --split-input-file --verify-diagnostics --pass-pipeline='builtin.module(resolve)'

func.func private @f(%x: tensor<f32>) -> tensor<f32> {
  // expected-error@+1 {{'mycc.psum' names the axis 'i', which no vmap around it binds; give axis_name to the vmap, or call the function under it}}
  %0 = stablehlo.custom_call @mycc.psum(%x) {mycc.axis_name = "i"} : (tensor<f32>) -> tensor<f32>
  return %0 : tensor<f32>
}
func.func @main(%x: tensor<f32>) -> tensor<f32> {
  %0 = call @f(%x) : (tensor<f32>) -> tensor<f32>
  return %0 : tensor<f32>
}

// -----

func.func @in_a_region(%i: tensor<i32>) -> tensor<i32> {
  %0 = "stablehlo.case"(%i) ({
    // expected-error@+1 {{'mycc.axis_index' names the axis 'rows'}}
    %1 = stablehlo.custom_call @mycc.axis_index() {mycc.axis_name = "rows"} : () -> tensor<i32>
    stablehlo.return %1 : tensor<i32>
  }) : (tensor<i32>) -> tensor<i32>
  return %0 : tensor<i32>
}
