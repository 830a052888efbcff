"""Calls of LAPACK for stacks of matrices, side by side in one program."""

from __future__ import annotations

import subprocess
import sys

import numpy as np

import mycc
import mycc.numpy as mnp

# With two threads each call of jaxlib's waits for the other ones, for ever, unless they run one after another.
SIDE_BY_SIDE = """
import numpy as np
import mycc
import mycc.numpy as mnp

rng = np.random.default_rng(0)
a = rng.normal(size=(4, 128, 128)).astype(np.float32)
b = rng.normal(size=(4, 4, 128, 128)).astype(np.float32)


@mycc.jit
def factors(a, b):
    products = [c @ a for c in b]
    return [mnp.linalg.cholesky(p @ mnp.matrix_transpose(p) + 1e3 * mnp.eye(128)) for p in products]


for _ in range(25):
    results = [np.asarray(x) for x in factors(a, b)]
for c, lower in zip(b, results):
    p = c @ a
    expected = p @ np.swapaxes(p, -1, -2) + 1e3 * np.eye(128)
    np.testing.assert_allclose(lower @ np.swapaxes(lower, -1, -2), expected, atol=1e-5 * abs(expected).max())
"""


def test_calls_side_by_side_do_not_wait_for_each_other() -> None:
    subprocess.run([sys.executable, "-c", SIDE_BY_SIDE], check=True, timeout=120)


def test_values_and_derivatives_of_several_stacks() -> None:
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=(2, 3, 4, 4)) + 1j * rng.normal(size=(2, 3, 4, 4))

    @mycc.jit
    def several(a, b):  # type: ignore[no-untyped-def]
        q, r = mnp.linalg.qr(a)
        trips = mycc.lax.fori_loop(0, 3, lambda i, x: mnp.linalg.solve(b, x), a)
        return q @ r, mnp.linalg.inv(b), trips, mnp.linalg.eigvalsh(b @ mnp.conj(mnp.matrix_transpose(b)))

    product, inverse, solved, values = several(a, b)
    np.testing.assert_allclose(product, a, rtol=1e-10)
    np.testing.assert_allclose(inverse, np.linalg.inv(b), rtol=1e-8)
    np.testing.assert_allclose(solved, np.linalg.matrix_power(np.linalg.inv(b), 3) @ a, rtol=1e-6)
    np.testing.assert_allclose(values, np.linalg.eigvalsh(b @ np.conj(np.swapaxes(b, -1, -2))), rtol=1e-8)
