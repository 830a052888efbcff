"""`mycc.explain_recompile`: each kind of difference between two signatures is named, and where it came from."""

from __future__ import annotations

import functools
import inspect
import os
import subprocess
import sys
import threading
from typing import Any

import numpy as np
import pytest

import mycc
import mycc.numpy as mnp
from mycc import recompiles

ONE = np.ones(3, np.float32)


@pytest.fixture(autouse=True)
def fresh() -> None:
    """As in a process that has compiled nothing: tests run their functions with several arguments."""
    recompiles._histories.clear()


def lines(fun: Any = None) -> list[str]:
    return mycc.explain_recompile(fun).splitlines()


def here() -> str:
    frame = inspect.currentframe()
    assert frame is not None and frame.f_back is not None
    return f"{__file__}:{frame.f_back.f_lineno}"


def test_shape_and_lines() -> None:
    @mycc.jit
    def total(x: Any, scale: Any = 1.0) -> Any:
        return mnp.sum(x) * scale

    assert lines(total) == ["total was not compiled yet"]
    first = here(), total(mnp.ones(3))
    assert lines(total) == [f"total was compiled once, for the call at {first[0]}"]
    again = here(), total(mnp.ones(4))
    title, *rest = lines(total)
    assert title == (
        f"{again[0]}: total is compiled again, for the 2nd time; nearest is the signature of {first[0]}"
    )
    assert rest == ["  argument x: shape (3,) became (4,)"]
    assert lines() == [title, *rest]
    total(mnp.ones(3)), total(mnp.ones(4))
    assert lines() == [title, *rest]


@pytest.mark.parametrize(("before", "after", "told"), [
    ((ONE,), (ONE.astype(np.int32),), "argument x: dtype float32 became int32"),
    ((ONE,), (ONE.reshape(1, 3).astype(np.float64),), "argument x: shape (3,) became (1, 3), dtype float32 became float64"),
    ((2.0,), (np.ones((), np.float32),), "argument x: weakly typed (a Python number, or made of such) became of a fixed dtype"),
    (({"a": ONE, "b": [ONE, 1]},), ({"a": ONE, "b": [ONE[:2], 1]},), "argument x['b'][0]: shape (3,) became (2,)"),
    (([ONE],), ((ONE,),), "the structure of the arguments: x: PyTreeDef([*]) became x: PyTreeDef((*,))"),
    (([ONE],), ([ONE, ONE],), "argument x[1]: was not there, or not in this place (f32[3] now)"),
    (([ONE, ONE],), ([ONE],), "argument x[1]: is not there any more, or not in this place (it was f32[3])"),
    ((ONE,), (ONE, ONE), "argument more[0]: was not there, or not in this place (f32[3] now)"),
])  # fmt: skip
def test_arguments(before: Any, after: Any, told: str) -> None:
    @mycc.jit
    def f(x: Any, *more: Any) -> Any:
        return mycc.tree.map(lambda leaf: leaf + 1, x)

    f(*before), f(*after)
    assert lines(f)[1:] == [f"  {told}"]


def test_keywords_and_static_values() -> None:
    @functools.partial(mycc.jit, static_argnames=("n", "how"))
    def power(x: Any, n: int, *, how: Any = None, scale: Any = 1.0) -> Any:
        return x**n * scale

    power(2.0, 3), power(2.0, n=4, how="fast", scale=ONE)
    assert lines(power)[1:] == [
        "  argument scale: was not there, or not in this place (f32[3] now)",
        "  argument n (static): 3 became 4",
        "  argument how (static): was not there, or not in this place ('fast' now)",
    ]
    power(2.0, 5, how="fast", scale=ONE)
    assert lines(power)[1:] == ["  argument n (static): 4 became 5"]


def test_the_nearest_signature_is_compared() -> None:
    @mycc.jit
    def add(x: Any, y: Any) -> Any:
        return x + y

    add(ONE, ONE)
    near = here(), add(ONE[:1], ONE)
    add(mnp.ones((2, 3, 3)), ONE[:1].astype(np.int8))
    add(ONE[:1], ONE.astype(np.float64))
    title, *rest = lines(add)
    assert title.endswith(f"4th time; nearest is the signature of {near[0]}")
    assert rest == ["  argument y: dtype float32 became float64"]


def test_a_function_that_is_made_anew() -> None:
    def make(n: int, table: Any) -> Any:
        return mycc.jit(lambda x, k=n + 1: x * n + k + len(table))

    table = {"some": "object"}
    make(2, table)(1.0), make(3, table)(1.0)
    assert lines()[1:] == [
        "  the function is another object, made anew from the same text; make it once, and pass as an argument what changes",
        "  captured variable n: 2 became 3",
        "  default of k: 3 became 4",
    ]


def test_jit_that_is_applied_anew() -> None:
    def f(x: Any) -> Any:
        return x + 1

    for _ in range(2):
        mycc.jit(mycc.grad(f))(1.0)
    assert "made anew from the same text" in lines(mycc.grad(f))[1]
    for _ in range(2):
        mycc.jit(f)(1.0)
    assert lines(f)[1:] == [
        "  mycc.jit was applied anew to the same function; apply it once, and call what it returned"
    ]
    assert lines(mycc.jit(f)) == lines(f)


def test_wrappers_of_different_functions_are_not_confused() -> None:
    f, g = mycc.jit(mycc.grad(lambda x: x * 2)), mycc.jit(mycc.grad(lambda x: x * 3 + 1))
    f(1.0), g(1.0)
    assert "compiled once" in lines(f)[0] and "compiled once" in lines(g)[0]


def test_partials_and_methods() -> None:
    def scale(n: int, x: Any) -> Any:
        return x * n

    mycc.jit(functools.partial(scale, 2))(1.0), mycc.jit(functools.partial(scale, 3))(1.0)
    assert lines(scale)[2:] == ["  bound argument 0: 2 became 3"]

    class Model:
        def step(self, x: Any) -> Any:
            return x + 1

    one, two = Model(), Model()
    mycc.jit(one.step)(1.0), mycc.jit(two.step)(1.0)
    assert lines(one.step)[2].startswith("  the object of the method: ")


def test_settings_and_cleared_caches() -> None:
    @mycc.jit
    def f(x: Any) -> Any:
        return x + 1

    f(1.0)
    with mycc.debug.nans():
        f(1.0)
    assert lines(f)[1:] == ["  checks for NaNs: off became Mode(infs=False)"]
    f.clear_cache()
    f(1.0)
    assert lines(f)[1].startswith("  the signature is the same: what was compiled for it was cleared")


def test_long_stories_are_cut() -> None:
    @mycc.jit
    def f(xs: Any) -> Any:
        return [x + 1 for x in xs]

    f([ONE] * 20), f([ONE[:1]] * 20)
    assert len(lines(f)) == 10 and lines(f)[-1] == "  and 12 more"


def test_functions_that_fail_are_not_told_of() -> None:
    @mycc.jit
    def f(x: Any) -> Any:
        if x > 0:
            return x
        return -x

    for n in (1, 2):
        with pytest.raises(mycc.ConcretizationError):
            f(mnp.ones(n))
    assert lines(f) == ["f was not compiled yet"]


def test_nothing_is_kept_alive() -> None:
    import gc
    import weakref

    class Big:
        def __hash__(self) -> int:
            return 1

        def __eq__(self, other: object) -> bool:
            return self is other

    def compiled() -> Any:
        big = Big()

        @functools.partial(mycc.jit, static_argnums=1)
        def f(x: Any, k: Any) -> Any:
            return x + (big is not None)

        f(1.0, Big()), f(1.0, big)
        return weakref.ref(big)

    found = compiled()
    gc.collect()
    assert found() is None
    assert len(recompiles._histories) <= recompiles._FUNCTIONS


def test_threads() -> None:
    @mycc.jit
    def f(x: Any) -> Any:
        return x + 1

    threads = [threading.Thread(target=lambda n=n: f(mnp.ones(n))) for n in range(1, 9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert "for the 8th time" in lines(f)[0]


DEVICES = """
import mycc, mycc.numpy as mnp
f = mycc.jit(lambda x: x + 1)
f(mnp.ones(3))
f(mycc.device_put(mnp.ones(3), mycc.devices()[1]))
print(mycc.explain_recompile(f))
"""


def _run(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=True,
    )


def test_places() -> None:
    found = _run(DEVICES, MYCC_NUM_CPU_DEVICES="2")
    assert "\n  place of x: " in found.stdout and "(by default) became" in found.stdout
    assert found.stderr == ""


def test_the_log() -> None:
    code = "import mycc\nf = mycc.jit(lambda x: x + 1)\nf(1.0)\nf(2.0)\nf(1)\n"
    assert _run(code).stderr == ""
    assert _run(code, MYCC_LOG="recompiles").stderr == (
        "mycc: <string>:5: lambda is compiled again, for the 2nd time; nearest is the signature of <string>:3\n"
        "  argument x: dtype float32 became int32\n"
    )
