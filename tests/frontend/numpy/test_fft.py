"""`mycc.numpy.fft` against NumPy; derivatives against differences."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

import mycc
import mycc.numpy as mnp

RNG = np.random.default_rng(2)
REAL = RNG.normal(size=(3, 4, 5))
WHOLE = REAL + 1j * RNG.normal(size=(3, 4, 5))
NORMS = (None, "backward", "ortho", "forward")


def test_one_axis(compare: Any) -> None:
    cases = {}
    for name, real in (("fft", 0), ("ifft", 0), ("rfft", 1), ("irfft", 0), ("hfft", 0), ("ihfft", 1)):
        for norm in NORMS:
            for n, axis in ((None, -1), (3, 1), (7, 0)):
                cases[f"{name} {norm} {n} {axis}"] = (
                    lambda np_, x, z, name=name, real=real, norm=norm, n=n, axis=axis: getattr(np_.fft, name)(
                        x if real else z, n, axis, norm
                    )
                )
    cases["fft of real"] = lambda np_, x, z: np_.fft.fft(x)
    cases["irfft of real"] = lambda np_, x, z: np_.fft.irfft(x)
    compare((REAL, WHOLE), cases, 1e-10, 1e-10)


def test_several_axes(compare: Any) -> None:
    cases = {}
    for name, real in (("fft", 0), ("ifft", 0), ("rfft", 1), ("irfft", 0)):
        for norm in NORMS[1:]:
            cases[f"{name}2 {norm}"] = lambda np_, x, z, name=name, real=real, norm=norm: getattr(
                np_.fft, f"{name}2"
            )(x if real else z, norm=norm)
            for s, axes in ((None, None), (None, (1, 0)), ((2, 6), (0, 2)), ((3, 5), (-1, 0))):
                cases[f"{name}n {norm} {s} {axes}"] = (
                    lambda np_, x, z, name=name, real=real, norm=norm, s=s, axes=axes: getattr(
                        np_.fft, f"{name}n"
                    )(x if real else z, s, axes, norm)
                )
    cases["fftn twice"] = lambda np_, x, z: np_.fft.fftn(z, axes=(1, 1))
    compare((REAL, WHOLE), cases, 1e-10, 1e-10)


def test_more_axes_than_xla_takes_at_once(compare: Any) -> None:
    x = RNG.normal(size=(2, 3, 2, 2, 4))
    compare(
        (x,),
        {
            "fftn": lambda np_, x: np_.fft.fftn(x),
            "ifftn": lambda np_, x: np_.fft.ifftn(x, norm="ortho"),
            "rfftn": lambda np_, x: np_.fft.rfftn(x),
            "irfftn": lambda np_, x: np_.fft.irfftn(x + 1j * x**2),
        },
        1e-10, 1e-10,
    )  # fmt: skip


def test_frequencies_and_shifts(compare: Any) -> None:
    for n in (1, 4, 5):
        np.testing.assert_allclose(mnp.fft.fftfreq(n, 0.5), np.fft.fftfreq(n, 0.5), rtol=1e-6)
        np.testing.assert_allclose(mnp.fft.rfftfreq(n, 0.5), np.fft.rfftfreq(n, 0.5), rtol=1e-6)
    assert mnp.fft.fftfreq(4, dtype=np.float64).dtype == np.float64
    compare(
        (REAL,),
        {
            "fftshift": lambda np_, x: np_.fft.fftshift(x),
            "fftshift axis": lambda np_, x: np_.fft.fftshift(x, 1),
            "ifftshift": lambda np_, x: np_.fft.ifftshift(x),
            "ifftshift axes": lambda np_, x: np_.fft.ifftshift(x, (0, 2)),
        },
    )


def test_dtypes_and_empty_batches() -> None:
    assert mnp.fft.fft(np.ones(4, np.int32)).dtype == np.complex64
    assert mnp.fft.fft(np.ones(4, np.float32)).dtype == np.complex64
    assert mnp.fft.irfft(np.ones(4, np.complex128)).dtype == np.float64
    assert mnp.fft.fft(np.ones((0, 4))).shape == (0, 4)
    assert mnp.fft.rfft2(np.ones((0, 4, 4))).shape == (0, 4, 3)


@pytest.mark.parametrize("name", ["fft", "ifft", "rfft", "irfft", "hfft", "ihfft"])
def test_derivatives(name: str) -> None:
    x = REAL[0, 0] if name in ("rfft", "ihfft") else WHOLE[0, 0]

    def f(x: Any) -> Any:
        y = getattr(mnp.fft, name)(x, norm="ortho")
        return mnp.sum(mnp.abs(y) ** 2 * mnp.arange(1.0, y.size + 1))

    t = RNG.normal(size=x.shape) + (1j * RNG.normal(size=x.shape) if np.iscomplexobj(x) else 0)
    got = np.sum(np.real(np.asarray(mycc.grad(f)(x)) * t))
    h = 1e-4
    want = (float(f(x + h * t)) - float(f(x - h * t))) / (2 * h)
    assert got == pytest.approx(want, rel=1e-7)
    batch = np.asarray(mycc.vmap(mycc.grad(f))(np.stack([x, 2 * x])))
    np.testing.assert_allclose(batch[1], 2 * batch[0], rtol=1e-10)


def test_errors_name_the_line() -> None:
    cases = [
        (lambda: mnp.fft.fft(WHOLE, 0), ValueError, "1 or more"),
        (lambda: mnp.fft.fft(np.ones((2, 0))), ValueError, "1 or more"),
        (lambda: mnp.fft.irfft(np.ones(1)), ValueError, "1 or more"),
        (lambda: mnp.fft.rfft(WHOLE), TypeError, "takes real numbers"),
        (lambda: mnp.fft.fft(WHOLE, norm="x"), ValueError, "norm='x'"),
        (lambda: mnp.fft.fft(WHOLE, axis=5), ValueError, "axis 5"),
        (lambda: mnp.fft.fftn(WHOLE, (2,), (0, 1)), ValueError, "1 sizes for 2 axes"),
        (lambda: mnp.fft.fft(WHOLE, 1.5), TypeError, "integer"),
    ]
    for call, kind, text in cases:
        with pytest.raises(kind, match=text) as info:
            call()
        assert "test_fft.py" in str(info.value)


@settings(max_examples=8, deadline=None, phases=[Phase.generate])
@given(st.lists(st.integers(1, 4), min_size=1, max_size=3), st.sampled_from(NORMS), st.data())
def test_round_trips(shape: list[int], norm: Any, data: Any) -> None:
    x = RNG.normal(size=shape)
    axes = data.draw(st.permutations(range(len(shape)))) if norm else None
    np.testing.assert_allclose(
        mnp.fft.ifftn(mnp.fft.fftn(x, axes=axes, norm=norm), axes=axes, norm=norm), x, atol=1e-12
    )
    s = [shape[a] for a in axes] if axes else shape
    np.testing.assert_allclose(
        mnp.fft.irfftn(mnp.fft.rfftn(x, axes=axes, norm=norm), s, axes, norm), x, atol=1e-12
    )
