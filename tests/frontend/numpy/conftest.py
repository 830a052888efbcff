"""What the tests of `mycc.numpy` share: many cases compiled as one program and compared with NumPy."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

import mycc
import mycc.numpy as mnp

Case = Callable[..., Any]


def _assert_like(name: str, ours: Any, theirs: Any, rtol: float, atol: float) -> None:
    if isinstance(theirs, (tuple, list)):
        assert len(ours) == len(theirs), name
        for a, b in zip(ours, theirs, strict=True):
            _assert_like(name, a, b, rtol, atol)
        return
    expected = np.asarray(theirs)
    found = np.asarray(ours)
    assert found.shape == expected.shape, f"{name}: shape {found.shape}, NumPy's is {expected.shape}"
    kinds = {"i": "i", "u": "iu", "f": "f", "c": "c", "b": "b"}
    assert found.dtype.kind in kinds[expected.dtype.kind], (
        f"{name}: dtype {found.dtype}, NumPy's is {expected.dtype}"
    )
    np.testing.assert_allclose(found, expected.astype(found.dtype), rtol=rtol, atol=atol, err_msg=name)


def _compare(arrays: Sequence[Any], cases: dict[str, Case], rtol: float = 2e-5, atol: float = 1e-5) -> None:
    """Check that each case gives with `mycc.numpy`, all compiled as one program, what it gives with NumPy."""

    def program(*values: Any) -> list[Any]:
        return [case(mnp, *values) for case in cases.values()]

    results = mycc.jit(program)(*arrays)
    with np.errstate(all="ignore"):
        for (name, case), ours in zip(cases.items(), results, strict=True):
            _assert_like(name, ours, case(np, *arrays), rtol, atol)


@pytest.fixture(scope="session")
def compare() -> Callable[..., None]:
    return _compare


@pytest.fixture(scope="session")
def assert_like() -> Callable[..., None]:
    return _assert_like
