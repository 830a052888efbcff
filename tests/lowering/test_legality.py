"""Modules that verify, or are being verified, and on which XLA or MLIR would end the process."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import mycc

MOST = 2**63 - 1


def main(arguments: str, result: str, body: str) -> str:
    return f"func.func @main({arguments}) -> {result} {{\n{body}\n}}"


def one(arguments: str, result: str, op: str) -> str:
    return main(arguments, result, f"%0 = {op} -> {result}\nreturn %0 : {result}")


def fft(length: str, kind: str = "FFT") -> str:
    type_ = "tensor<3x2xcomplex<f32>>"
    attributes = f"{{fft_length = array<i64: {length}>, fft_type = #stablehlo<fft_type {kind}>}}"
    return one(f"%x: {type_}", type_, f'"stablehlo.fft"(%x) {attributes} : ({type_})')


def rng(element: str, kind: str = "UNIFORM") -> str:
    scalar = f"tensor<{element}>"
    op = (
        f'"stablehlo.rng"(%a, %b, %s) {{rng_distribution = #stablehlo<rng_distribution {kind}>}} : '
        f"({scalar}, {scalar}, tensor<1xi64>)"
    )
    text = one(f"%a: {scalar}, %b: {scalar}", f"tensor<3x{element}>", op)
    return text.replace("%0 =", "%s = stablehlo.constant dense<3> : tensor<1xi64>\n%0 =", 1)


def window(attributes: str, sizes: str) -> str:
    body = (
        "%c = stablehlo.constant dense<0.0> : tensor<f32>\n"
        '%0 = "stablehlo.reduce_window"(%x, %c) ({\n^bb0(%a: tensor<f32>, %b: tensor<f32>):\n'
        "%1 = stablehlo.add %a, %b : tensor<f32>\nstablehlo.return %1 : tensor<f32>\n}) "
        f"{{{attributes}}} : (tensor<4x4xf32>, tensor<f32>) -> tensor<{sizes}xf32>\nreturn %0 : tensor<{sizes}xf32>"
    )
    return main("%x: tensor<4x4xf32>", f"tensor<{sizes}xf32>", body)


def convolution(attributes: str, sizes: str) -> str:
    numbers = "#stablehlo.conv<[b, 0, 1, f]x[0, 1, i, o]->[b, 0, 1, f]>"
    op = (
        f'"stablehlo.convolution"(%x, %w) {{dimension_numbers = {numbers}, feature_group_count = 1 : i64, '
        f"batch_group_count = 1 : i64, {attributes}}} : (tensor<1x4x4x1xf32>, tensor<2x2x1x1xf32>)"
    )
    return one("%x: tensor<1x4x4x1xf32>, %w: tensor<2x2x1x1xf32>", f"tensor<1x{sizes}x1xf32>", op)


def placed(index: str) -> str:
    op = f"stablehlo.dynamic_update_slice %x, %u, %i, %i : (tensor<3x4xf32>, tensor<1x4xf32>, {index}, {index})"
    return one(f"%x: tensor<3x4xf32>, %u: tensor<1x4xf32>, %i: {index}", "tensor<3x4xf32>", op)


def broadcast(op: str, element: str, dims: str) -> str:
    types = f"tensor<3x4x{element}>", f"tensor<4x{element}>"
    attributes = f"{{broadcast_dimensions = array<i64: {dims}>}}"
    return one(
        f"%x: {types[0]}, %y: {types[1]}",
        types[0],
        f"chlo.broadcast_{op} %x, %y {attributes} : ({types[0]}, {types[1]})",
    )


def gathered(groups: str) -> str:
    type_ = "tensor<4x16xf32>"
    attributes = f"{{all_gather_dim = 1 : i64, replica_groups = dense<0> : tensor<{groups}xi64>}}"
    return one(f"%x: {type_}", type_, f'"stablehlo.all_gather"(%x) {attributes} : ({type_})')


F32 = "tensor<f32>"
BOUNDED = "tensor<?xf32, #stablehlo.bounds<4>>"
CASES = {
    "length of a transform": (
        fft("3"),
        r"text:2: error: 'stablehlo.fft' has fft_length \[3\] where .* \[2\]",
    ),
    "huge length": (fft(str(2**62)), "has fft_length"),
    "inverse": (fft("1", "IFFT"), "has fft_length"),
    "random booleans": (rng("i1"), "'stablehlo.rng' has elements of type i1"),
    "random bytes": (rng("i8"), "elements of type i8"),
    "random floats of eight bits": (rng("f8E4M3FN"), "elements of type f8E4M3FN"),
    "window dilation": (
        window(f"window_dimensions = array<i64: 2, 1>, window_dilations = array<i64: {2**40}, 1>", "0x4"),
        r"window_dilations of 2\*\*31 and more",
    ),
    "stride": (
        window(f"window_dimensions = array<i64: 2, 1>, window_strides = array<i64: {MOST}, 1>", "1x4"),
        r"window_strides of 2\*\*31 and more",
    ),
    "dilated kernel": (
        convolution(f"rhs_dilation = array<i64: {2**40}, 1>", "0x3"),
        r"rhs_dilation of 2\*\*31",
    ),
    "padding": (
        convolution(f"padding = dense<[[{2**40}, {-(2**40)}], [0, 0]]> : tensor<2x2xi64>", "3x3"),
        r"padding of 2\*\*31",
    ),
    "narrow indices": (placed("tensor<i2>"), "indices of type i2"),
    "integers for polygamma": (broadcast("polygamma", "i8", "1"), "takes floats only"),
    "too many dimensions": (broadcast("add", "f32", "0, 1"), r"has broadcast_dimensions \[0, 1\]"),
    "no such dimension": (broadcast("add", "f32", "7"), r"has broadcast_dimensions \[7\]"),
    "negative dimension": (
        broadcast("add", "f32", "-3"),
        "on which MLIR's reader crashes|broadcast_dimensions",
    ),
    "joined integers of two bits": (
        one(
            "%x: tensor<4xi2>",
            "tensor<8xi2>",
            "stablehlo.concatenate %x, %x, dim = 0 : (tensor<4xi2>, tensor<4xi2>)",
        ),
        "elements of type i2, which XLA cannot join",
    ),
    "groups of nobody": (gathered("1x0"), "replica_groups that hold no device"),
    "bounds": (main(f"%x: {BOUNDED}", BOUNDED, f"return %x : {BOUNDED}"), "bounded sizes"),
    "another end": (
        main(f"%x: {F32}", F32, f'"stablehlo.return"(%x) : ({F32}) -> ()'),
        "ends in 'stablehlo.return'",
    ),
    "dimension size": (
        main(
            "%x: tensor<2xf32>",
            "tensor<2xf32>",
            "%c = stablehlo.constant dense<10> : tensor<i32>\n%0 = stablehlo.set_dimension_size %x, %c, dim = 0 : "
            "(tensor<2xf32>, tensor<i32>) -> tensor<2xf32>\nreturn %0 : tensor<2xf32>",
        ),
        "the size 10 for a dimension of size 2",
    ),
    "a target of XLA's": (
        one("%x: tensor<2x3xf32>", "tensor<2x3xf32>", "stablehlo.custom_call @TopK(%x) : (tensor<2x3xf32>)"),
        "the target TopK, which takes",
    ),
    "complex numbers of another type": (
        main(
            "",
            "tensor<tf32>",
            "%0 = stablehlo.constant dense<(1.0, 2.0)> : tensor<tf32>\nreturn %0 : tensor<tf32>",
        ),
        "text: error: text, on which MLIR's reader crashes|text:2",
    ),
    "no groups": (
        one(
            "%x: tensor<4x16xf32>",
            "tensor<16x4xf32>",
            '"stablehlo.all_to_all"(%x) {split_dimension = 1 : i64, concat_dimension = 0 : i64, split_count = 4 : i64, '
            "replica_groups = dense<0> : tensor<0x2xi64>} : (tensor<4x16xf32>)",
        ),
        "text: error: text, on which MLIR's reader crashes|text:2",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_refused(case: str) -> None:
    """In one process: were it to crash, the test run would."""
    text, message = CASES[case]
    with pytest.raises(mycc.ModuleError, match=message):
        mycc.from_stablehlo(text)


def allowed() -> Iterator[str]:
    yield fft("2")
    yield fft("3, 2")
    yield rng("f32", "NORMAL")
    yield rng("i32")
    yield window("window_dimensions = array<i64: 2, 1>, window_dilations = array<i64: 3, 1>", "1x4")
    yield convolution("rhs_dilation = array<i64: 2, 1>", "2x3")
    yield placed("tensor<i8>")
    yield broadcast("polygamma", "f32", "1")
    yield gathered("0x0").replace("tensor<0x0xi64>", "tensor<1x1xi64>")


@pytest.mark.parametrize("text", list(allowed()))
def test_what_is_meant_runs(text: str) -> None:
    f = mycc.from_stablehlo(text)
    f(*(mycc.numpy.ones([n or 0 for n in p.shape], p.dtype) for p in f.in_avals))
