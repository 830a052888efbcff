"""Result dtypes against JAX's, which these rules follow; JAX runs with 32-bit defaults here."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest

import mycc
import mycc.numpy as mnp

NAMES = ("bool", "int8", "int32", "uint8", "float16", "bfloat16", "float32", "complex64")
ARRAYS = [np.array([1, 2, 3]).astype(getattr(ml_dtypes, name, name)) for name in NAMES]
SCALARS = [True, 2, 2.0, 2j]

UNARY = (
    "sin exp log sqrt cbrt square reciprocal absolute fabs sign signbit negative floor ceil trunc rint isfinite isnan "
    "iscomplex logical_not invert real imag conj angle sinc i0 nan_to_num deg2rad modf frexp sum prod mean var std min "
    "max any all argmax argmin nansum nanmean nanmax median cumsum cumprod count_nonzero sort argsort diff zeros_like "
    "diag flip bitwise_count positive"
).split()
BINARY = (
    "add subtract multiply true_divide floor_divide remainder fmod divmod power float_power maximum minimum fmax fmin "
    "arctan2 copysign nextafter gcd lcm bitwise_and left_shift right_shift logical_and equal less isclose allclose dot "
    "matmul inner outer vdot append searchsorted isin"
).split()

# Where mycc keeps to NumPy: what JAX refuses or widens, and names JAX gives other limits.
OURS = {
    ("deg2rad", "complex64"),
    ("argmax", "complex64"),
    ("argmin", "complex64"),
}


def described(evaluate, function, arguments):
    """The dtypes of the results, with a star if they are weak; None for a TypeError or a ValueError."""
    try:
        results = evaluate(function, *arguments)
    except (TypeError, ValueError):
        return None
    leaves = results if isinstance(results, (tuple, list)) else [results]
    return [f"{r.dtype}{'*' if r.weak_type and r.dtype != bool else ''}{r.shape}" for r in leaves]


def disagreements(names, argument_lists):
    found = []
    for name in names:
        for arguments in argument_lists:
            kinds = tuple(str(a.dtype) if isinstance(a, np.ndarray) else type(a).__name__ for a in arguments)
            if (name, *kinds) in OURS:
                continue
            ours = described(mycc.eval_shape, getattr(mnp, name), arguments)
            theirs = described(jax.eval_shape, getattr(jnp, name), arguments)
            if ours != theirs:
                found.append(f"{name}{kinds}: {ours}, JAX's {theirs}")
    return found


def test_functions_of_one_array():
    assert not disagreements(UNARY, [(x,) for x in ARRAYS])


def test_functions_of_arrays_and_numbers():
    some = [x for x in ARRAYS if x.dtype.name in ("int8", "bfloat16", "float32", "complex64")]
    skipped = {"dot", "matmul", "inner", "outer", "vdot", "append", "searchsorted", "isin"}
    names = [n for n in BINARY if n not in skipped]
    assert not disagreements(names, [(x, s) for x in some for s in SCALARS])


@pytest.mark.exhaustive
def test_functions_of_two_arrays():
    assert not disagreements(BINARY, [(x, y) for x in ARRAYS for y in ARRAYS])


def test_functions_of_two_arrays_briefly():
    pairs = [(x, y) for x in ARRAYS for y in ARRAYS if {x.dtype.name, y.dtype.name} & {"int8", "bfloat16"}]
    assert not disagreements(BINARY[::3], pairs[::2])


def test_64_bits_stay():
    for dtype in (np.float64, np.int64, np.uint64, np.complex128):
        x = np.array([1, 2, 3], dtype)
        for function in (
            mnp.sum,
            mnp.prod,
            mnp.max,
            mnp.cumsum,
            mnp.sort,
            mnp.ravel,
            mnp.asarray,
            mnp.square,
        ):
            assert function(x).dtype == dtype
        assert (mnp.asarray(x) * 2).dtype == dtype
        assert mnp.asarray(x)[0].dtype == dtype
    assert mnp.sin(np.float64([1.0])).dtype == np.float64
    assert mnp.mean(np.float64([1.0])).dtype == np.float64
    assert mnp.add(np.int32([1]), np.uint32([1])).dtype == np.int64
    assert (mnp.asarray(np.float64([1.0])) + mnp.ones(1)).dtype == np.float64


def test_defaults():
    assert mnp.zeros(2).dtype == mnp.ones(2).dtype == mnp.linspace(0, 1, 3).dtype == np.float32
    assert mnp.arange(3).dtype == mnp.array([1, 2]).dtype == mnp.full(2, 1).dtype == np.int32
    assert mnp.arange(3.0).dtype == mnp.array([1.0]).dtype == mnp.eye(2).dtype == np.float32
    assert mnp.array([1j]).dtype == np.complex64
    assert mnp.array([True]).dtype == bool
    assert mnp.array([1, 2**40]).dtype == np.int64
    assert mnp.full(2, 1.0).weak_type
    assert not mnp.array(1.0, mnp.float32).weak_type


def test_dtypes_by_name():
    assert mnp.float32 == np.float32 == mnp.float32.dtype
    assert mnp.float32 != mnp.float64
    assert mnp.zeros(2, mnp.bfloat16).dtype == mnp.bfloat16 == ml_dtypes.bfloat16
    assert mnp.zeros(2, "bfloat16").dtype == mnp.zeros(2, ml_dtypes.bfloat16).dtype
    assert mnp.zeros(2, float).dtype == np.float32
    assert mnp.int8(3).dtype == np.int8
    assert {mnp.int32: 1}[mnp.int32] == 1
    with pytest.raises(TypeError):
        mnp.zeros(2, "float33")
    with pytest.raises(TypeError, match="no counterpart"):
        mnp.zeros(2, "datetime64[s]")


def test_questions_about_dtypes():
    assert mnp.promote_types("int8", "uint8") == np.int16
    assert mnp.promote_types(mnp.bfloat16, mnp.float16) == np.float32
    assert mnp.result_type(np.float16, 1.0) == np.float16
    assert mnp.result_type(mnp.ones(2), np.float64) == np.float64
    assert mnp.finfo(mnp.bfloat16).bits == 16
    assert mnp.iinfo("int8").max == 127
    assert mnp.issubdtype(mnp.bfloat16, mnp.floating)
    assert mnp.issubdtype(np.int32, mnp.integer)
    assert not mnp.issubdtype(mnp.float32, np.complexfloating)
    assert mnp.issubdtype(mnp.int32, np.int32)
    assert mnp.can_cast(np.int8, mnp.float32)
    assert not mnp.can_cast(mnp.ones(2), mnp.int32)
    assert mnp.isdtype(mnp.float32, "real floating")
    assert mnp.isdtype(np.dtype("int8"), ("bool", "integral"))
    assert not mnp.isdtype(mnp.float32, np.float64)
    with pytest.raises(ValueError, match="the kind 'real'"):
        mnp.isdtype(mnp.float32, "real")
    assert mnp.pi == np.pi
    assert mnp.newaxis is None


def test_what_the_array_api_asks():
    info = mnp.__array_namespace_info__()
    assert info.default_dtypes()["integral"] == np.int32
    assert set(info.dtypes(kind="complex floating")) == {"complex64", "complex128"}
    assert info.capabilities()["boolean indexing"]
    assert info.default_device() in info.devices()
    assert mnp.ones(2).__array_namespace__() is mnp
    with pytest.raises(ValueError, match="the kind 'text'"):
        info.dtypes(kind="text")


def test_what_names_no_dtype_differs_from_every_one() -> None:
    for other in ("f4,f4", "a: b", "foo", object(), None, 3):
        assert mnp.float32 != other
    assert mnp.float32 == "float32" and mnp.float32 == np.float32 and mnp.bfloat16 == "bfloat16"
