"""Convolutions and windows of `mycc.lax` beside JAX's."""

from __future__ import annotations

from typing import Any

import jax
import ml_dtypes
import numpy as np
import pytest

import mycc
import mycc.lax
import mycc.numpy as mnp

NHWC = ("NHWC", "HWIO", "NHWC")
RNG = np.random.default_rng(0)


def normal(*shape: int, dtype: Any = np.float32) -> Any:
    x = RNG.normal(size=shape)
    if np.dtype(dtype).kind == "c":
        x = x + 1j * RNG.normal(size=shape)
    return (x * 3).astype(dtype)


def same(got: Any, want: Any, tolerance: float = 1e-4) -> None:
    assert got.shape == want.shape and got.dtype == want.dtype
    wide = np.complex128 if np.dtype(want.dtype).kind == "c" else np.float64
    a, b = np.asarray(got).astype(wide), np.asarray(want).astype(wide)
    np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance * max(1.0, np.abs(b).max(initial=0.0)))


@pytest.mark.parametrize(
    ("shapes", "arguments", "options"),
    [
        (((2, 3, 8, 7), (4, 3, 3, 2)), ((2, 1), "SAME"), {}),
        (((2, 3, 8, 7), (4, 3, 3, 2)), ((1, 1), "VALID"), {"rhs_dilation": (2, 1)}),
        (((2, 8, 7, 4), (3, 2, 2, 6)), ((1, 2), [(1, 0), (-1, 2)]), {"dimension_numbers": NHWC, "feature_group_count": 2}),
        (((4, 3, 9), (4, 3, 2)), ((2,), "SAME_LOWER"), {"batch_group_count": 2}),
        (((2, 3, 5), (4, 3, 2)), ((1,), ((2, 1),)), {"lhs_dilation": (3,), "precision": "highest"}),
        (((2, 3), (4, 3)), ((), "VALID"), {}),
        (((5, 2, 3), (3, 2, 4)), ((1,), "SAME"), {"dimension_numbers": ("WNC", "IWO", "CWN")}),
        (((2, 3, 4, 5, 6), (2, 3, 2, 2, 2)), ((1, 2, 1), "SAME"), {}),
    ],
)  # fmt: skip
def test_conv_general_dilated(shapes: Any, arguments: Any, options: Any) -> None:
    x, y = (normal(*shape) for shape in shapes)
    got = mycc.lax.conv_general_dilated(x, y, *arguments, **options)
    same(got, jax.lax.conv_general_dilated(x, y, *arguments, **options))
    traced = mycc.jit(lambda a, b: mycc.lax.conv_general_dilated(a, b, *arguments, **options))(x, y)
    same(traced, got)
    if "SAME_LOWER" in arguments:
        return

    def loss(lax: Any) -> Any:
        return lambda a, b: (lax.conv_general_dilated(a, b, *arguments, **options) ** 2).sum()

    for a, b in zip(
        mycc.grad(loss(mycc.lax), argnums=(0, 1))(x, y),
        jax.grad(loss(jax.lax), argnums=(0, 1))(x, y),
        strict=True,
    ):
        same(a, b)


@pytest.mark.parametrize("dtype", [np.complex64, np.float16, ml_dtypes.bfloat16, np.int32, np.uint8])
def test_element_types(dtype: Any) -> None:
    x, y = normal(2, 2, 6, dtype=dtype), normal(3, 2, 3, dtype=dtype)
    tolerance = {2: 3e-2}.get(np.dtype(dtype).itemsize, 1e-5)
    got = mycc.lax.conv_general_dilated(x, y, (1,), "SAME")
    same(got, jax.lax.conv_general_dilated(x, y, (1,), "SAME"), tolerance)


def test_64_bits_stay() -> None:
    x, y = normal(1, 1, 5, dtype=np.float64), normal(1, 1, 3, dtype=np.float64)
    got = mycc.lax.conv_general_dilated(x, y, (1,), "VALID")
    assert got.dtype == np.float64
    np.testing.assert_allclose(got[0, 0], np.correlate(x[0, 0], y[0, 0]), rtol=1e-12)
    z = x + 1j * x[..., ::-1]
    got = mycc.lax.conv_general_dilated(z, y + 2j * y, (1,), "VALID")
    np.testing.assert_allclose(got[0, 0], np.convolve(z[0, 0], (y + 2j * y)[0, 0, ::-1], "valid"), rtol=1e-12)


def test_preferred_element_type_and_its_gradient() -> None:
    x, y = normal(2, 2, 6, dtype=ml_dtypes.bfloat16), normal(3, 2, 3, dtype=ml_dtypes.bfloat16)

    def f(a: Any, b: Any) -> Any:
        return mycc.lax.conv(a, b, (1,), "SAME", preferred_element_type=np.float32)

    same(f(x, y), jax.lax.conv(x, y, (1,), "SAME", preferred_element_type=np.float32), 1e-5)
    left, right = mycc.grad(lambda a, b: f(a, b).sum(), argnums=(0, 1))(x, y)
    assert left.dtype == right.dtype == x.dtype
    wide = x.astype(np.float32), y.astype(np.float32)
    expected = jax.grad(lambda a, b: jax.lax.conv(a, b, (1,), "SAME").sum(), argnums=(0, 1))(*wide)
    for got, want in zip((left, right), expected, strict=True):
        np.testing.assert_allclose(got.astype(np.float32), want, rtol=2e-2, atol=0.1)


def test_conv_and_general_padding() -> None:
    x, y = normal(2, 3, 6, 5), normal(4, 3, 2, 2)
    same(mycc.lax.conv(x, y, [1, 2], "SAME"), jax.lax.conv(x, y, [1, 2], "SAME"))
    arguments = ([1, 2], [(1, 0), (2, 1)], [2, 1], [1, 2])
    same(
        mycc.lax.conv_with_general_padding(x, y, *arguments),
        jax.lax.conv_with_general_padding(x, y, *arguments),
    )


@pytest.mark.parametrize("padding", ["SAME", "VALID", [(2, 1), (0, 3)]])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"rhs_dilation": (2, 1)},
        {"transpose_kernel": True, "dimension_numbers": NHWC},
        {"use_consistent_padding": True},
    ],
)
def test_conv_transpose(padding: Any, options: Any) -> None:
    x = normal(2, 4, 5, 3)
    y = normal(3, 2, 2, 3) if "transpose_kernel" in options else normal(3, 2, 3, 2)
    for strides in ((2, 1), (3, 3)):
        same(
            mycc.lax.conv_transpose(x, y, strides, padding, **options),
            jax.lax.conv_transpose(x, y, strides, padding, **options),
        )


@pytest.mark.parametrize(
    "numbers", [None, NHWC, ("NCHW", "OIHW", "NCHW"), ((0, 1, 2, 3), (3, 2, 0, 1), (1, 0, 3, 2))]
)
def test_dimension_numbers(numbers: Any) -> None:
    ours = mycc.lax.conv_dimension_numbers((1, 2, 3, 4), (5, 6, 7, 8), numbers)
    if numbers is not None and not isinstance(numbers[0], str):
        numbers = jax.lax.ConvDimensionNumbers(*numbers)
    assert tuple(map(tuple, ours)) == tuple(map(tuple, jax.lax.conv_dimension_numbers((1, 2, 3, 4), (5, 6, 7, 8), numbers)))  # fmt: skip


@pytest.mark.parametrize("padding", ["SAME", "VALID", "SAME_LOWER", "same"])
def test_padtype_to_pads(padding: Any) -> None:
    arguments = ((7, 10), (3, 4), (2, 3), padding)
    assert list(mycc.lax.padtype_to_pads(*arguments)) == list(jax.lax.padtype_to_pads(*arguments))


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda x, y: mycc.lax.conv(x, y[:, :2], (1, 1), "SAME"), ValueError, "has 3 features"),
        (lambda x, y: mycc.lax.conv(x, y, (1,), "SAME"), ValueError, "window_strides"),
        (lambda x, y: mycc.lax.conv(x, y, (1, 1), "FULL"), ValueError, "no padding 'FULL'"),
        (lambda x, y: mycc.lax.conv(x, y, (1, 1), [(1, 1)]), ValueError, "1 pairs of padding"),
        (lambda x, y: mycc.lax.conv(x, y[0], (1, 1), "SAME"), TypeError, "arrays of one rank"),
        (lambda x, y: mycc.lax.conv(x, y.astype(np.float16), (1, 1), "SAME"), TypeError, "float16"),
        (
            lambda x, y: mycc.lax.conv_general_dilated(x, y, (1, 1), "SAME", dimension_numbers=("NCHW", "OIHX", "NCHW")),
            TypeError,
            "same letters",
        ),
        (
            lambda x, y: mycc.lax.conv_general_dilated(x, y, (1, 1), "SAME", dimension_numbers=("NCHW", "OHW", "NCHW")),
            TypeError,
            "4 different letters",
        ),
        (
            lambda x, y: mycc.lax.conv_general_dilated(x, y, (1, 1), "SAME", feature_group_count=2, batch_group_count=2),
            ValueError,
            "one of them 1",
        ),
        (
            lambda x, y: mycc.lax.conv_general_dilated(x, y, (1, 1), "SAME", batch_group_count=3),
            ValueError,
            "do not divide into 3 groups",
        ),
        (lambda x, y: mycc.lax.reduce_window(x, 0.0, mycc.lax.add, (2, 2)), ValueError, "window_dimensions"),
        (lambda x, y: mycc.lax.reduce_window(x, 0.0, mycc.lax.add, (1, 1, 2, 0)), ValueError, "positive"),
        (lambda x, y: mycc.lax.reduce_window(x, x, mycc.lax.add, (1, 1, 2, 2)), TypeError, "scalars"),
        (lambda x, y: mycc.lax.reduce_window((x, y), (0.0, 0.0), mycc.lax.add, (1, 1, 2, 2)), TypeError, "one shape"),
    ],
)  # fmt: skip
def test_errors_name_the_line(call: Any, error: Any, says: str) -> None:
    x, y = mnp.ones((2, 3, 5, 5)), mnp.ones((4, 3, 2, 2))
    with pytest.raises(error, match=says) as caught:
        call(x, y)
    assert "test_convolution.py" in str(caught.value)


WINDOWS: list[tuple[Any, dict[str, Any]]] = [
    ((1, 2, 2, 1), {"window_strides": (1, 2, 2, 1)}),
    ((1, 3, 2, 1), {"window_strides": (1, 1, 2, 1), "padding": "SAME"}),
    ((1, 3, 2, 1), {"window_strides": (1, 2, 1, 1), "padding": ((0, 0), (1, 2), (1, 0), (0, 0))}),
    ((1, 2, 2, 1), {"base_dilation": (1, 2, 1, 1), "window_dilation": (1, 1, 2, 1)}),
]


@pytest.mark.parametrize(("sizes", "options"), WINDOWS)
@pytest.mark.parametrize(("name", "initial"), [("add", 0.0), ("max", -np.inf), ("min", np.inf), ("mul", 1.0)])
def test_reduce_window(name: str, initial: float, sizes: Any, options: Any) -> None:
    x = normal(2, 5, 6, 2)
    t = normal(2, 5, 6, 2)

    def f(lax: Any) -> Any:
        return lambda a: lax.reduce_window(a, initial, getattr(lax, name), sizes, **options)

    same(f(mycc.lax)(x), f(jax.lax)(x))
    same(mycc.vmap(f(mycc.lax), in_axes=3, out_axes=1)(np.stack([x, t], 3)), jax.vmap(f(jax.lax), in_axes=3, out_axes=1)(np.stack([x, t], 3)))  # fmt: skip
    if name in ("max", "min") and "base_dilation" in options:
        # Windows without an element give an infinity, whose tangent JAX has as it comes.
        return
    for got, want in zip(mycc.jvp(f(mycc.lax), (x,), (t,)), jax.jvp(f(jax.lax), (x,), (t,)), strict=True):
        same(got, want)
    if name == "mul" or (name != "add" and "base_dilation" in options):
        # JAX has no reverse rule; the tangent was checked, and the pairing must agree with it.
        out, pull = mycc.vjp(f(mycc.lax), x)
        ct = normal(*out.shape)
        left = float((mycc.jvp(f(mycc.lax), (x,), (t,))[1] * ct).sum())
        assert abs(left - float((pull(ct)[0] * t).sum())) < 1e-3 * max(1.0, abs(left))
        return
    ct = normal(*f(jax.lax)(x).shape)
    same(mycc.vjp(f(mycc.lax), x)[1](ct)[0], jax.vjp(f(jax.lax), x)[1](ct)[0])


def test_reduce_window_of_any_function_and_of_several_arrays() -> None:
    x = normal(6)
    got = mycc.lax.reduce_window(x, -np.inf, mnp.logaddexp, (3,), (1,), "SAME")
    same(got, jax.lax.reduce_window(x, -np.inf, jax.numpy.logaddexp, (3,), (1,), "SAME"))

    def pair(np_: Any) -> Any:
        def keep(a: Any, b: Any) -> Any:
            better = a[0] >= b[0]
            return np_.where(better, a[0], b[0]), np_.where(better, a[1], b[1])

        return keep

    index = np.arange(6, dtype=np.int32)
    got = mycc.lax.reduce_window((x, index), (-np.inf, np.int32(0)), pair(mnp), (2,))
    want = jax.lax.reduce_window(
        (x, index), (np.float32(-np.inf), np.int32(0)), pair(jax.numpy), (2,), (1,), "VALID"
    )
    for a, b in zip(got, want, strict=True):
        same(a, b)


def test_a_small_network_trains_like_jax() -> None:
    """A convolution, a pooling and a dense layer, differentiated twice."""
    x, k, w = normal(2, 8, 8, 1) / 3, normal(3, 3, 1, 2) / 3, normal(32, 3) / 9

    def loss(lax: Any, np_: Any) -> Any:
        def f(k: Any, w: Any) -> Any:
            y = np_.tanh(lax.conv_general_dilated(x, k, (1, 1), "SAME", dimension_numbers=NHWC))
            y = lax.reduce_window(y, -np.inf, lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")
            return (np_.tanh(y.reshape(2, -1) @ w) ** 2).sum()

        return f

    ours, theirs = loss(mycc.lax, mnp), loss(jax.lax, jax.numpy)
    for a, b in zip(mycc.grad(ours, (0, 1))(k, w), jax.grad(theirs, (0, 1))(k, w), strict=True):
        same(a, b)

    def second(grad: Any, f: Any) -> Any:
        return grad(lambda k: (grad(f)(k, w) ** 2).sum())(k)

    same(second(mycc.grad, ours), second(jax.grad, theirs))
