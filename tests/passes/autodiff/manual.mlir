// RUN: mycc opt %s --pass-pipeline='builtin.module(autodiff,batch,symbol-dce,inline,cse)' | filecheck %s

sdy.mesh @mesh = <["x"=4, "y"=2]>

func.func private @part(%x: tensor<2x8xf32>, %w: tensor<8xf32>) -> tensor<2xf32> {
  %0 = stablehlo.dot_general %x, %w, contracting_dims = [1] x [0] : (tensor<2x8xf32>, tensor<8xf32>) -> tensor<2xf32>
  %1 = stablehlo.custom_call @mycc.psum(%0) {mycc.axis_name = "y"} : (tensor<2xf32>) -> tensor<2xf32>
  return %1 : tensor<2xf32>
}

func.func private @f(%x: tensor<8x16xf32>, %w: tensor<16xf32>) -> tensor<8xf32> {
  %0 = sdy.manual_computation(%x, %w) in_shardings=[<@mesh, [{"x"}, {"y"}]>, <@mesh, [{"y"}]>] out_shardings=[<@mesh, [{"x"}]>] manual_axes={"x", "y"} (%a: tensor<2x8xf32>, %b: tensor<8xf32>) {
    %1 = func.call @part(%a, %b) : (tensor<2x8xf32>, tensor<8xf32>) -> tensor<2xf32>
    sdy.return %1 : tensor<2xf32>
  } : (tensor<8x16xf32>, tensor<16xf32>) -> tensor<8xf32>
  return %0 : tensor<8xf32>
}

// The residual is x, with its own spec; nobody asks for the result, so that there is no forward part. The result is
// replicated over y: each device has half of its cotangent. The second operand is replicated over x: the cotangents of
// its copies are summed.
// CHECK-LABEL: @reverse
// CHECK-NEXT: sdy.manual_computation(%arg2, %arg0)
// CHECK-SAME: in_shardings=[<@mesh, [{"x"}]>, <@mesh, [{"x"}, {"y"}]>] out_shardings=[<@mesh, [{"y"}]>]
// CHECK: stablehlo.divide
// CHECK: @mycc.psum{{.*}}mycc.axis_name = "y"
// CHECK: stablehlo.dot_general
// CHECK: @mycc.psum{{.*}}mycc.axis_name = "x"
func.func @reverse(%x: tensor<8x16xf32>, %w: tensor<16xf32>, %ct: tensor<8xf32>) -> tensor<16xf32> {
  %0:2 = stablehlo.custom_call @mycc.vjp(%x, %w, %ct) {called_computations = [@f], mycc.active = array<i1: false, true>, mycc.seeded = array<i1: true>} : (tensor<8x16xf32>, tensor<16xf32>, tensor<8xf32>) -> (tensor<8xf32>, tensor<16xf32>)
  return %0#1 : tensor<16xf32>
}

// CHECK-LABEL: @batched
// CHECK: sdy.manual_computation(%arg0, %arg1) in_shardings=[<@mesh, [{"x"}, {"y"}]>, <@mesh, [{}, {"y"}]>] out_shardings=[<@mesh, [{}, {"x"}]>]
// CHECK-SAME: (%{{.*}}: tensor<2x8xf32>, %{{.*}}: tensor<3x8xf32>)
func.func @batched(%x: tensor<8x16xf32>, %w: tensor<3x16xf32>) -> tensor<3x8xf32> {
  %0 = stablehlo.custom_call @mycc.vmap(%x, %w) {called_computations = [@f], mycc.in_axes = array<i64: -1, 0>, mycc.out_axes = array<i64: 0>, mycc.axis_size = 3 : i64} : (tensor<8x16xf32>, tensor<3x16xf32>) -> tensor<3x8xf32>
  return %0 : tensor<3x8xf32>
}

func.func private @kinds(%x: tensor<2x8xf32>) -> (tensor<2x8xf32>, tensor<2x8xf32>) {
  %0 = stablehlo.sine %x : tensor<2x8xf32>
  %1 = stablehlo.tanh %0 : tensor<2x8xf32>
  %2 = stablehlo.exponential %0 : tensor<2x8xf32>
  %3 = stablehlo.sine %2 : tensor<2x8xf32>
  return %1, %3 : tensor<2x8xf32>, tensor<2x8xf32>
}

func.func private @g(%x: tensor<8x16xf32>) -> (tensor<8x16xf32>, tensor<8x16xf32>) {
  %0:2 = sdy.manual_computation(%x) in_shardings=[<@mesh, [{"x"}, {"y"}]>] out_shardings=[<@mesh, [{"x"}, {"y"}]>, <@mesh, [{"x"}, {"y"}]>] manual_axes={"x", "y"} (%a: tensor<2x8xf32>) {
    %1:2 = func.call @kinds(%a) : (tensor<2x8xf32>) -> (tensor<2x8xf32>, tensor<2x8xf32>)
    sdy.return %1#0, %1#1 : tensor<2x8xf32>, tensor<2x8xf32>
  } : (tensor<8x16xf32>) -> (tensor<8x16xf32>, tensor<8x16xf32>)
  return %0#0, %0#1 : tensor<8x16xf32>, tensor<8x16xf32>
}

// Three residuals: the exponential leaves stacked over all devices; the hyperbolic tangent is the first result, and x an
// operand.
// CHECK-LABEL: @kept
// CHECK: %[[P:.*]]:3 = sdy.manual_computation(%arg0)
// CHECK-SAME: out_shardings=[<@mesh, [{"x"}, {"y"}]>, <@mesh, [{"x"}, {"y"}]>, <@mesh, [{"x", "y"}, {}, {}]>]
// CHECK: stablehlo.reshape {{.*}} -> tensor<1x2x8xf32>
// CHECK: sdy.manual_computation(%arg1, %arg2, %[[P]]#2, %[[P]]#0, %arg0)
// CHECK-SAME: in_shardings=[{{.*}}, {{.*}}, <@mesh, [{"x", "y"}, {}, {}]>, <@mesh, [{"x"}, {"y"}]>, <@mesh, [{"x"}, {"y"}]>]
func.func @kept(%x: tensor<8x16xf32>, %ct: tensor<8x16xf32>, %du: tensor<8x16xf32>) -> (tensor<8x16xf32>, tensor<8x16xf32>, tensor<8x16xf32>) {
  %0:3 = stablehlo.custom_call @mycc.vjp(%x, %ct, %du) {called_computations = [@g], mycc.active = array<i1: true>, mycc.seeded = array<i1: true, true>} : (tensor<8x16xf32>, tensor<8x16xf32>, tensor<8x16xf32>) -> (tensor<8x16xf32>, tensor<8x16xf32>, tensor<8x16xf32>)
  return %0#0, %0#1, %0#2 : tensor<8x16xf32>, tensor<8x16xf32>, tensor<8x16xf32>
}
