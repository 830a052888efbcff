"""The same bits as JAX for the same key.

What JAX draws stands in a file, so that the comparison needs no jax package;
``python tests/frontend/random/test_bits.py`` writes it anew (64-bit draws with x64 on).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest

import mycc
from mycc import random

PATH = Path(__file__).parent / "golden.npz"

F32, F64, BF16 = np.float32, np.float64, ml_dtypes.bfloat16
TABLE = np.arange(60, dtype=np.float32).reshape(30, 2)
WEIGHTS = (np.arange(30) % 7 + 0.5).astype(np.float32)
LOGITS = np.sin(np.arange(35, dtype=np.float32)).reshape(5, 7)
RATES = np.linspace(0.5, 3, 6, dtype=np.float32)

Draw = Callable[[Any, Any], Any]

# Each takes the module of random functions and a key.
EXACT: dict[str, Draw] = {
    "split": lambda r, k: r.key_data(r.split(k)),
    "split_shape": lambda r, k: r.key_data(r.split(k, (5, 3))),
    "fold_in": lambda r, k: r.key_data(r.fold_in(k, 12345)),
    "bits": lambda r, k: r.bits(k, (7, 3)),
    "bits8": lambda r, k: r.bits(k, (9,), np.uint8),
    "bits16": lambda r, k: r.bits(k, (3, 3), np.uint16),
    "scalar": lambda r, k: r.bits(k),
    "empty": lambda r, k: r.bits(k, (0, 3)),
    "uniform": lambda r, k: r.uniform(k, (3, 5)),
    "uniform_bf16": lambda r, k: r.uniform(k, (50,), BF16),
    "uniform_f16": lambda r, k: r.uniform(k, (50,), np.float16),
    "bernoulli": lambda r, k: r.bernoulli(k, F32(0.3), (50,)),
    "rademacher": lambda r, k: r.rademacher(k, (50,)),
    "randint": lambda r, k: r.randint(k, (50,), 0, 10),
    "randint_wide": lambda r, k: r.randint(k, (50,), -5, 2**31 - 1),
    "randint_u8": lambda r, k: r.randint(k, (50,), 0, 256, np.uint8),
    "randint_i16": lambda r, k: r.randint(k, (50,), -40000, 40000, np.int16),
    "randint_u32": lambda r, k: r.randint(k, (50,), 3, 2**31 - 1, np.uint32),
    "randint_arrays": lambda r, k: r.randint(k, (4, 3), np.arange(3), np.array([[9], [99], [0], [2]])),
    "permutation": lambda r, k: r.permutation(k, 40),
    "permutation_rows": lambda r, k: r.permutation(k, TABLE),
    "permutation_columns": lambda r, k: r.permutation(k, TABLE, axis=1, independent=True),
    "categorical": lambda r, k: r.categorical(k, LOGITS),
    "categorical_shape": lambda r, k: r.categorical(k, LOGITS, axis=0, shape=(3, 7)),
    "choice": lambda r, k: r.choice(k, 30, (20,)),
    "choice_rows": lambda r, k: r.choice(k, TABLE, (4, 2)),
    "choice_columns": lambda r, k: r.choice(k, TABLE, (3,), axis=1),
    "choice_without": lambda r, k: r.choice(k, TABLE, (7,), replace=False),
    "choice_weighted": lambda r, k: r.choice(k, 30, (20,), p=WEIGHTS),
    "choice_weighted_without": lambda r, k: r.choice(k, TABLE, (7,), p=WEIGHTS, replace=False),
}
FLOATS: dict[str, Draw] = {
    "uniform_bounds": lambda r, k: r.uniform(k, (50,), minval=-2.0, maxval=3.5),
    "normal": lambda r, k: r.normal(k, (50,)),
    "normal_scalar": lambda r, k: r.normal(k),
    "normal_f16": lambda r, k: r.normal(k, (50,), np.float16),
    "normal_c64": lambda r, k: r.normal(k, (50,), np.complex64),
    "truncated_normal": lambda r, k: r.truncated_normal(k, F32(-2.0), F32(1.0), (50,)),
    "exponential": lambda r, k: r.exponential(k, (50,)),
    "gumbel": lambda r, k: r.gumbel(k, (50,)),
    "laplace": lambda r, k: r.laplace(k, (50,)),
    "logistic": lambda r, k: r.logistic(k, (50,)),
    "cauchy": lambda r, k: r.cauchy(k, (50,)),
    "geometric": lambda r, k: r.geometric(k, F32(0.2), (50,)),
    "lognormal": lambda r, k: r.lognormal(k, F32(0.5), (50,)),
    "pareto": lambda r, k: r.pareto(k, RATES, (4, 6)),
    "rayleigh": lambda r, k: r.rayleigh(k, RATES),
    "triangular": lambda r, k: r.triangular(k, F32(-1.0), F32(0.5), F32(2.0), (50,)),
    "wald": lambda r, k: r.wald(k, RATES, (4, 6)),
    "weibull_min": lambda r, k: r.weibull_min(k, F32(2.0), F32(3.0), (50,)),
    "maxwell": lambda r, k: r.maxwell(k, (50,)),
    "double_sided_maxwell": lambda r, k: r.double_sided_maxwell(k, F32(1.0), F32(2.0), (50,)),
}
WIDE: dict[str, Draw] = {
    "bits64": lambda r, k: r.bits(k, (9,), np.uint64),
    "uniform_f64": lambda r, k: r.uniform(k, (50,), F64),
    "normal_f64": lambda r, k: r.normal(k, (50,), F64),
    "normal_c128": lambda r, k: r.normal(k, (50,), np.complex128),
    "randint_i64": lambda r, k: r.randint(k, (50,), -(2**40), 2**62, np.int64),
    "randint_u64": lambda r, k: r.randint(k, (50,), 0, np.uint64(2**63 + 5), np.uint64),
    "exponential_f64": lambda r, k: r.exponential(k, (50,), F64),
    "gumbel_f64": lambda r, k: r.gumbel(k, (50,), F64),
    "truncated_normal_f64": lambda r, k: r.truncated_normal(k, F64(-1.0), F64(2.0), (50,), F64),
}
SEEDS = (0, 42, -1, 2**31 + 5)
SEED = 7


def storable(x: Any) -> np.ndarray[Any, Any]:
    """As bytes beside the dtype's name, since the file knows no bfloat16."""
    array = np.asarray(x)
    return array.view(np.uint16) if array.dtype == BF16 else array


def jax_results(draws: dict[str, Draw]) -> dict[str, np.ndarray[Any, Any]]:
    """What JAX draws."""
    import jax

    key = jax.random.key(SEED)
    return {name: storable(draw(jax.random, key)) for name, draw in draws.items()}


GOLDEN: Any = dict(np.load(PATH)) if PATH.exists() else {}


def compare(name: str, draw: Draw, expected: Any, exact: bool) -> None:
    found = storable(draw(random, random.key(SEED)))
    assert found.dtype == expected.dtype
    assert found.shape == expected.shape
    if exact or found.dtype.kind not in "fc":
        np.testing.assert_array_equal(found, expected, err_msg=name)
    else:
        # Logarithms and their like, and division of complex numbers, differ between releases of the compiler.
        tolerance = (16 if found.dtype.kind == "c" else 4) * np.finfo(found.dtype).eps
        np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance, err_msg=name)


def test_keys_of_seeds() -> None:
    found = [random.key_data(random.key(seed)) for seed in SEEDS]
    np.testing.assert_array_equal(found, GOLDEN["keys"])


@pytest.mark.parametrize("name", EXACT)
def test_draws_of_exact_arithmetic(name: str) -> None:
    compare(name, EXACT[name], GOLDEN[name], exact=True)


@pytest.mark.parametrize("name", FLOATS)
def test_draws_of_floats(name: str) -> None:
    compare(name, FLOATS[name], GOLDEN[name], exact=False)


@pytest.mark.parametrize("name", WIDE)
def test_draws_of_64_bits(name: str) -> None:
    compare(name, WIDE[name], GOLDEN[name], exact=name.startswith(("bits", "randint", "uniform")))


SHAPES: list[tuple[int, ...]] = [(), (1,), (17,), (3, 0), (2, 3, 5), (1000, 33)]


@pytest.mark.exhaustive
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("seed", [0, 1, 123456789, -5])
def test_bits_live(shape: tuple[int, ...], seed: int) -> None:
    jax = pytest.importorskip("jax")
    ours, theirs = random.key(seed), jax.random.key(seed)
    for name in ("bits", "normal", "uniform", "exponential", "gumbel", "laplace", "logistic", "cauchy"):
        found = getattr(random, name)(ours, shape)
        np.testing.assert_array_equal(found, getattr(jax.random, name)(theirs, shape), err_msg=name)
    found = random.randint(ours, shape, -3, 1000)
    np.testing.assert_array_equal(found, jax.random.randint(theirs, shape, -3, 1000))
    found = random.key_data(random.split(ours, shape))
    np.testing.assert_array_equal(found, jax.random.key_data(jax.random.split(theirs, shape)))


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", {**EXACT, **FLOATS})
def test_draws_live(name: str) -> None:
    jax = pytest.importorskip("jax")
    draw = (EXACT | FLOATS)[name]
    compare(name, draw, storable(draw(jax.random, jax.random.key(SEED))), exact=True)


def test_the_same_bits_under_jit_and_vmap() -> None:
    keys = random.split(random.key(3), 4)
    alone = [np.asarray(random.bits(key, (5,))) for key in keys]
    np.testing.assert_array_equal(mycc.vmap(lambda key: random.bits(key, (5,)))(keys), alone)
    np.testing.assert_array_equal(mycc.jit(lambda key: random.bits(key, (5,)))(keys[2]), alone[2])
    raw = random.key_data(keys)
    np.testing.assert_array_equal(mycc.vmap(lambda key: random.bits(key, (5,)))(raw), alone)


def test_one_hash_function_for_each_size() -> None:
    def draws(key: Any) -> Any:
        first, second = random.split(key)
        return [random.normal(k, (4, 3)) for k in (first, second)], random.uniform(key, (12,))

    text = str(mycc.jit(draws).trace(random.key(0)).as_text())
    assert text.count("func.func private @threefry_12(") == 1
    assert text.count("call @threefry_12(") == 3


@pytest.mark.parametrize(
    ("axis", "shape"), [(-1, (4, 3)), (-1, (2, 1, 3)), (0, (2, 5)), (-1, (3,)), (1, (5, 3))]
)
def test_categorical_without_replacement_as_in_jax(axis: int, shape: tuple[int, ...]) -> None:
    jax = pytest.importorskip("jax")
    logits = np.linspace(-2, 3, 15, dtype=np.float32).reshape(3, 5)
    wanted = jax.random.categorical(jax.random.key(3), logits, axis, shape, replace=False)
    got = random.categorical(random.key(3), logits, axis, shape, replace=False)
    np.testing.assert_array_equal(got, wanted)
    draws = np.sort(np.asarray(got), 0)
    assert len(shape) == 1 or axis == 1 or (np.diff(draws, axis=0) > 0).all() or len(shape) == 3


def test_too_many_draws_without_replacement() -> None:
    with pytest.raises(ValueError, match="cannot draw 6 different indices of 5"):
        random.categorical(random.key(3), np.zeros(5, np.float32), shape=(6,), replace=False)


def main() -> None:
    import jax

    results = jax_results(EXACT | FLOATS)
    results["keys"] = np.stack([jax.random.key_data(jax.random.key(seed)) for seed in SEEDS])
    jax.config.update("jax_enable_x64", True)
    np.savez_compressed(PATH, **results, **jax_results(WIDE))


if __name__ == "__main__":
    main()
