"""Misuse: each error names the user's line and the way out, and the process ends cleanly after it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import mycc
import mycc.numpy as mnp
from mycc import lax
from mycc.dialects.errors import ConcretizationError, LeakedTracerError, MyccError, TransformError

X = np.arange(3.0)
HERE = r"test_errors\.py:\d+: "


def script(text: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a Python script that has the usual names."""
    head = "import numpy as np, mycc, mycc.numpy as mnp\nfrom mycc import lax\n"
    return subprocess.run(
        [sys.executable, "-c", head + text],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={**os.environ, **environment},
    )


# ---- Arguments -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: mnp.ones(3) + mnp.ones(4), ValueError, r"add got operands of shapes \(3,\), \(4,\)"),
        (lambda: mnp.ones(3) @ mnp.ones((4, 2)), ValueError, r"matmul got shapes \(3,\) and \(4, 2\)"),
        (lambda: mnp.concatenate([mnp.ones((2, 2)), mnp.ones((3, 3))]), ValueError, "concatenate"),
        (lambda: mnp.array(X)[5], IndexError, "index 5 is out of bounds for axis 0 of size 3"),
        (lambda: mnp.array(X)[0, 0], IndexError, ""),
        (lambda: mnp.sum(X, axis=2), ValueError, "axis"),
        (lambda: mycc.jit(lambda x: x)("text"), TypeError, "argument of type str, .*static_argnums"),
        (lambda: mycc.jit(lambda x: x)(np.array(["a"])), TypeError, "dtype <U1 is no array of numbers"),
        (lambda: mycc.jit(lambda x: "text")(X), TypeError, "returned a value of type str"),
        (
            lambda: mycc.grad(lambda x: (x, "aux"), has_aux=True)(1.0),
            TypeError,
            "returned a value of type str",
        ),
        (
            lambda: mycc.jit(lambda x, n: x, static_argnums=1)(X, [1]),
            TypeError,
            "static argument .*not hashable.*tuple",
        ),
        (
            lambda: mycc.jit(lambda x, *, n: x, static_argnames="n")(X, n={}),
            TypeError,
            "static argument .*not hashable",
        ),
        (lambda: mycc.jit(lambda x: x, static_argnums=3), ValueError, "static_argnums=3 names no argument"),
        (
            lambda: mycc.jit(lambda x: x, donate_argnames="q"),
            ValueError,
            "donate_argnames='q' names no argument",
        ),
        (lambda: mycc.jit("text"), TypeError, "jit takes a function, got str"),
    ],
)
def test_bad_arguments(call: Callable[[], Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=HERE + ".*" + message):
        call()


def test_an_unhashable_static_argument_of_a_nested_call() -> None:
    inner = mycc.jit(lambda x, n: x, static_argnums=1)
    with pytest.raises(TypeError, match=HERE + "a static argument of .* not hashable"):
        mycc.jit(lambda x: inner(x, [1]))(X)


def test_the_line_is_that_of_the_operation() -> None:
    def f(x: Any) -> Any:
        y = x * 2.0
        return y + mnp.ones(4)

    line = f.__code__.co_firstlineno + 2
    for run in (mycc.jit(f), mycc.vmap(f), mycc.jit(mycc.grad(f)), lambda x: lax.cond(True, f, f, x)):
        with pytest.raises(ValueError, match=rf"test_errors\.py:{line}: add"):
            run(np.ones((2, 3)))


# ---- Values that are not known -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asks", "what"),
    [
        (lambda x: x if x > 0 else -x, r"bool\(\), as in `if` and `while`,"),
        (lambda x: bool(x) and x, r"bool\(\)"),
        (int, r"int\(\)"),
        (float, r"float\(\)"),
        (complex, r"complex\(\)"),
        (lambda x: [0 for _ in range(x)], "use as an index or a shape"),
        (lambda x: [1, 2][x], "use as an index or a shape"),
        (lambda x: x.item(), r"item\(\)"),
        (lambda x: x.tolist(), r"tolist\(\)"),
        (np.asarray, "conversion to a NumPy array"),
        (np.sin, "conversion to a NumPy array"),
        (lambda x: f"{x:.2f}", r"format\(\)"),
        (lambda x: x in [3], r"bool\(\)"),
        (lambda x: 3 in mnp.array([1, 2]) + x, r"bool\(\)"),
        (np.from_dlpack, "DLPack export"),
    ],
)
def test_requests_for_values(asks: Callable[[Any], Any], what: str) -> None:
    def f(x: Any) -> Any:
        return asks(x)

    message = what + r".* needs the value of a traced array .* under {}; use mycc.lax.cond .*static_argnums"
    with pytest.raises(ConcretizationError, match=HERE + message.format("jit")):
        mycc.jit(f)(2)
    with pytest.raises(ConcretizationError, match=HERE + message.format("vmap")):
        mycc.vmap(f)(np.array([2, 3]))


@pytest.mark.parametrize("shape", ["i32[]", "i32[2]"])
def test_printing_shows_what_is_traced(shape: str, capsys: pytest.CaptureFixture[str]) -> None:
    kept = []

    def f(x: Any) -> Any:
        print(x, f"{x}")
        kept.append(x)
        return x

    x = np.ones((2,) if shape == "i32[2]" else (), np.int32)
    mycc.jit(f)(x)
    mycc.vmap(f)(np.stack([x, x]))
    print(kept[0])
    assert (
        capsys.readouterr().out
        == 2 * f"Tracer<{shape}> of f Tracer<{shape}> of f\n" + f"Tracer<{shape}> of f\n"
    )
    mycc.grad(lambda x: mnp.sum(f(x)))(np.float32([3.0]))
    assert capsys.readouterr().out == "[3.] [3.]\n"


def test_iteration() -> None:
    assert [float(x) for x in mycc.jit(lambda x: [row * 2.0 for row in x])(X)] == [0.0, 2.0, 4.0]
    for call in (iter, len):
        with pytest.raises(TypeError, match=HERE + ".*array without dimensions"):
            mycc.jit(lambda x, call=call: call(x), static_argnames="call")(1.0)
        with pytest.raises(TypeError, match=HERE + ".*array without dimensions"):
            call(mnp.array(1.0))


# ---- Leaked values -------------------------------------------------------------------------------


def leak(transform: Callable[[Any], Any]) -> Any:
    kept: list[Any] = []

    def keeps(x: Any) -> Any:
        kept.append(x * 1.0)
        return mnp.sum(x)

    transform(keeps)(np.outer(X, X))
    return kept[0]


@pytest.mark.parametrize(
    "transform",
    [mycc.jit, mycc.grad, mycc.vmap, lambda f: lambda x: lax.scan(lambda c, t: (f(t), c), 0.0, x)],
)
@pytest.mark.parametrize(
    "use",
    [
        lambda x: x + 1.0,
        lambda x: mnp.sin(x),
        float,
        lambda x: x[0:1],
        lambda x: mycc.jit(lambda y: y + x)(1.0),
        lambda x: mycc.jit(lambda y: y)(x),
        lambda x: mycc.grad(lambda y: mnp.sum(y * x))(1.0),
        lambda x: mycc.grad(lambda y: mnp.sum(y))(x),
        lambda x: mycc.vmap(lambda y: y)(x),
        lambda x: mycc.jit(lambda: x)(),
        lambda x: lax.scan(lambda c, t: (c, x), 1.0, X),
        lambda x: lax.cond(True, lambda: x, lambda: x),
    ],
)
def test_leaked_values(transform: Any, use: Callable[[Any], Any]) -> None:
    x = leak(transform)
    message = (
        HERE + r"a traced array of type .* belongs to the trace of keeps \(begun at .*test_errors.py:\d+\)"
    )
    message = (
        message.replace("keeps", "[a-z_]*") + ", which has ended or is not around this one; return the value"
    )
    with pytest.raises(LeakedTracerError, match=message):
        use(x)


def test_a_leaked_value_is_still_printable_for_debuggers() -> None:
    assert repr(leak(mycc.jit)) == "Tracer<f64[3,3]> of keeps"


def test_a_leak_between_functions_of_one_trace() -> None:
    kept: list[Any] = []

    def f(x: Any) -> Any:
        mycc.vmap(lambda y: kept.append(y) or y)(x)
        return x * kept[0]

    with pytest.raises(LeakedTracerError, match=HERE + ".* is used while f is traced"):
        mycc.jit(f)(X)


def test_a_leaked_pullback() -> None:
    kept: list[Any] = []
    mycc.jit(lambda x: kept.append(mycc.vjp(mnp.sin, x)[1]) or x)(1.0)
    with pytest.raises(LeakedTracerError, match=HERE):
        kept[0](1.0)
    with pytest.raises(LeakedTracerError, match=HERE):
        mycc.jit(lambda p: p(1.0))(kept[0])


# ---- After an error ------------------------------------------------------------------------------


def test_tracing_goes_on_after_an_error() -> None:
    def f(x: Any) -> Any:
        with pytest.raises(ConcretizationError):
            mycc.vmap(lambda y: y if y > 0 else 0)(x)
        with pytest.raises(ValueError, match="boom"):
            mycc.grad(lambda y: fail(y))(x[0])
        with pytest.raises(ValueError, match="boom"):
            lax.scan(lambda c, t: (fail(c), t), x[0], x)
        return mnp.sum(mycc.vmap(lambda y: y * y)(x))

    def fail(x: Any) -> Any:
        mnp.sin(x)
        raise ValueError("boom")

    np.testing.assert_allclose(np.asarray(mycc.grad(f)(X)), 2 * X)
    np.testing.assert_allclose(float(mycc.jit(f)(X)), 5.0)
    with pytest.raises(ValueError, match="boom"):
        mycc.jit(lambda x: mycc.grad(fail)(x))(1.0)
    assert float(mnp.sin(0.0)) == 0.0


def test_an_error_while_lowering_leaves_the_function_usable() -> None:
    @mycc.jit
    def f(x: Any) -> Any:
        return mycc.linear_transpose(mnp.sin, x)(x) if x.ndim == 0 else x

    with pytest.raises(TransformError, match="not linear"):
        f(1.0)
    np.testing.assert_allclose(np.asarray(f(X)), X)


CLEAN = {
    "plain": ("print(mycc.grad(lambda x: x * x)(1.0))", 0),
    "caught": (
        """
def f(x): raise ValueError("boom")
for call in (
    lambda: mycc.jit(lambda x: mycc.grad(f)(x))(1.0),
    lambda: mycc.grad(lambda x: lax.scan(lambda c, t: f(c), x, mnp.arange(3.0)))(1.0),
    lambda: mycc.vmap(lambda x: lax.cond(x > 0, f, f, x))(np.arange(3.0)),
):
    try: call()
    except ValueError: pass
print(mycc.jit(lambda x: x + 1)(1))
""",
        0,
    ),
    "exit in the middle of a trace": (
        """
import sys
kept = []
def f(x):
    kept.append(mnp.sin(x))
    sys.exit(3)
mycc.jit(lambda x: mycc.grad(f)(x))(1.0)
""",
        3,
    ),
    "values kept for ever": (
        """
kept = []
def f(x):
    kept.append((x, mnp.sin(x)))
    return x * x
mycc.jit(mycc.grad(f))(1.0)
pullback = mycc.vjp(f, 1.0)
compiled = mycc.jit(f).lower(1.0).compile()
""",
        0,
    ),
    "threads at work": (
        """
import threading, time
def work():
    for i in range(10_000): mycc.jit(mycc.grad(lambda x: mnp.sin(x) * i))(1.0)
for _ in range(3): threading.Thread(target=work, daemon=True).start()
time.sleep(0.3)
""",
        0,
    ),
}


@pytest.mark.parametrize("case", CLEAN)
def test_the_interpreter_ends_silently(case: str) -> None:
    text, code = CLEAN[case]
    done = script(text)
    assert (done.returncode, done.stderr) == (code, "")


def test_an_uncaught_error_prints_its_traceback_only() -> None:
    done = script('def f(x):\n    raise ValueError("boom")\nmycc.jit(lambda x: mycc.grad(f)(x))(1.0)')
    assert done.returncode == 1
    assert done.stderr.startswith("Traceback (most recent call last)")
    assert done.stderr.endswith("ValueError: boom\n")


# ---- Devices -------------------------------------------------------------------------------------

DEVICES = """
first, second = (mycc.device_put(np.ones(3, np.float32), d) for d in mycc.devices())
for call in (
    lambda: first + second,
    lambda: mycc.jit(lambda x, y: x + y)(first, second),
    lambda: mycc.grad(lambda x: mnp.sum(x * second))(first),
    lambda: mycc.jit(lambda x: x + second)(first),
    lambda: mycc.vmap(lambda x, y: x + y)(first, second),
    lambda: lax.scan(lambda c, t: (c + t, c), first[0], second),
):
    try: print("no error", call())
    except mycc.DeviceError as error: print(error)
free = np.ones(3, np.float32)
results = [
    mycc.jit(lambda x: x + second)(free),
    mycc.jit(lambda x: x * 2)(second),
    mycc.grad(lambda x: mnp.sum(x * x))(second),
    mycc.vmap(lambda x: x * x)(second),
    mycc.vjp(mnp.sin, second)[1](free)[0],
    mnp.ones(3) + second,
]
print([x.device.id for x in results])
"""


def test_arrays_on_different_devices() -> None:
    done = script(DEVICES, MYCC_NUM_CPU_DEVICES="2")
    assert (done.returncode, done.stderr) == (0, "")
    *errors, places = done.stdout.splitlines()
    assert len(errors) == 6
    for error in errors:
        assert error.startswith("<string>:"), error
        assert "got arrays on different devices (f32[" in error
        assert "on cpu:0, f32[" in error
        assert error.endswith("move them together with device_put")
    assert places == "[1, 1, 1, 1, 1, 1]"


def test_errors_share_a_base_and_pythons_kinds() -> None:
    for error, kind in (
        (mycc.ConcretizationError, TypeError),
        (mycc.TransformError, TypeError),
        (mycc.TreeError, ValueError),
        (mycc.UnsupportedOperationError, NotImplementedError),
        (mycc.DeviceError, RuntimeError),
    ):
        assert issubclass(error, MyccError)
        assert issubclass(error, kind)
