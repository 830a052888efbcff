// RUN: mycc opt %s --split-input-file --verify-diagnostics --pass-pipeline='builtin.module(groups)'

sdy.mesh @mesh = <["x"=4, "y"=2]>

func.func @main(%x: tensor<16xf32>) -> tensor<16xf32> {
  // expected-error@+1 {{'sdy.manual_computation': it splits an array by a part of the axis 'x'; all of it can be}}
  %0 = sdy.manual_computation(%x) in_shardings=[<@mesh, [{"x":(1)2}]>] out_shardings=[<@mesh, [{"x":(1)2}]>] manual_axes={"x"} (%a: tensor<8xf32>) {
    sdy.return %a : tensor<8xf32>
  } : (tensor<16xf32>) -> tensor<16xf32>
  return %0 : tensor<16xf32>
}

// -----

sdy.mesh @mesh = <["x"=4, "y"=2]>
sdy.mesh @other = <["q"=8]>

func.func @main(%x: tensor<16xf32>) -> tensor<16xf32> {
  %0 = sdy.manual_computation(%x) in_shardings=[<@mesh, [{"x", ?}]>] out_shardings=[<@mesh, [{"x", ?}]>] manual_axes={"x"} (%a: tensor<4xf32>) {
    // expected-error@+1 {{is over the mesh {'q': 8} inside of one over {'x': 4, 'y': 2}; give both the same mesh}}
    %1 = sdy.manual_computation(%a) in_shardings=[<@other, [{}]>] out_shardings=[<@other, [{}]>] manual_axes={"q"} (%b: tensor<4xf32>) {
      sdy.return %b : tensor<4xf32>
    } : (tensor<4xf32>) -> tensor<4xf32>
    sdy.return %1 : tensor<4xf32>
  } : (tensor<16xf32>) -> tensor<16xf32>
  return %0 : tensor<16xf32>
}
