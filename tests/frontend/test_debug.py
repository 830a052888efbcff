"""`mycc.debug`: printing, and the search for NaNs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import mycc
import mycc.numpy as mnp
from mycc import lax
from mycc.tools.cli import main

Capture = pytest.CaptureFixture[str]


def line(code: str) -> int:
    """The line of this file on which a piece of code stands."""
    with open(__file__) as lines:
        return next(n for n, text in enumerate(lines, 1) if text.rstrip().endswith(code))


# ---- print ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("jit", [False, True])
def test_print_formats_as_python_does(jit: bool, capsys: Capture) -> None:
    def f(x: Any, n: Any) -> Any:
        mycc.debug.print(
            "{} {n:3d} {x:.2f} {a} {{}} {d[k]} {s!r}", x > 0, x=x, n=n, a=mnp.ones(2), d={"k": n}, s="s"
        )
        mycc.debug.print("no fields")
        return x

    (mycc.jit(f) if jit else f)(1.5, 7)
    assert capsys.readouterr().out == "True   7 1.50 [1. 1.] {} 7 's'\nno fields\n"


def test_print_as_in_jax(capsys: Capture) -> None:
    import jax

    def program(numpy: Any, lax: Any, debug: Any) -> Any:
        def f(x: Any) -> Any:
            def body(i: Any, c: Any) -> Any:
                debug.print("i={i} c={c}", i=i, c=c, ordered=True)
                return numpy.sin(c)

            debug.print("x={}", x, ordered=True)
            return lax.fori_loop(0, 2, body, x) * numpy.sum(numpy.arange(3.0))

        return f

    x = np.float32(1)
    mycc.jit(program(mnp, lax, mycc.debug))(x)
    ours = capsys.readouterr().out
    jax.jit(program(jax.numpy, jax.lax, jax.debug))(x)
    jax.effects_barrier()
    assert ours == capsys.readouterr().out


def test_print_stands_between_what_the_script_prints(capsys: Capture) -> None:
    f = mycc.jit(lambda x: (mycc.debug.print("inside {}", x), x @ x)[1])
    for n in range(3):
        print("before", n)
        f(np.full((1, 1), n))
    assert capsys.readouterr().out == "".join(f"before {n}\ninside [[{n}]]\n" for n in range(3))


def test_print_takes_numpy_options_where_it_is_traced(capsys: Capture) -> None:
    def f(x: Any) -> Any:
        with np.printoptions(precision=2):
            mycc.debug.print("{}", x)
        mycc.debug.print("{}", x)
        return x

    mycc.jit(f)(np.array([1 / 3], np.float32))
    assert capsys.readouterr().out == "[0.33]\n[0.33333334]\n"


@pytest.mark.parametrize(
    ("args", "kwargs", "message"),
    [
        (("{}",), {}, "no argument for field"),
        (("{x}",), {}, "no argument for field 'x'"),
        (("f-string 1.0", 1.0), {}, "no field uses argument 0"),
        (("{}", 1.0), {"x": 1.0}, "no field uses argument x"),
        (("{", 1.0), {}, r"test_debug\.py:\d+"),
    ],
)
def test_wrong_formats(args: Any, kwargs: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        mycc.debug.print(*args, **kwargs)
    with pytest.raises(ValueError, match=message):
        mycc.jit(lambda: mycc.debug.print(*args, **kwargs))()


def test_print_takes_a_string_first() -> None:
    with pytest.raises(TypeError, match="format string"):
        mycc.debug.print(1.0)  # type: ignore[arg-type]


def test_the_program_is_readable() -> None:
    text = mycc.jit(lambda x: mycc.debug.print("x = {}", x, ordered=True)).trace(1.0).as_text()
    assert "@mycc.callback.debug(%arg0)" in text
    assert "mycc.name = \"debug.print('x = {}')\"" in text
    assert "mycc.ordered" in text


@pytest.mark.parametrize("emit", ["mlir", "stablehlo", "hlo", "llvm"])
def test_mycc_trace_of_a_script_that_prints(
    emit: str, tmp_path: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import mycc, mycc.numpy as mnp\n"
        "@mycc.jit\n"
        "def f(x):\n"
        "    mycc.debug.print('x is {}', x)\n"
        "    return mnp.sin(x) + x\n"
        "f(2.0)\n"
    )
    assert main(["trace", f"{script}:f", f"--emit={emit}"]) == 0
    printed = capfd.readouterr()
    assert "x is 2.0" in printed.err
    assert "x is 2.0" not in printed.out
    assert {
        "mlir": "mycc.callback.debug",
        "stablehlo": "mycc.callback.debug",
        "hlo": "callback",
        "llvm": "define",
    }[emit] in printed.out


def test_a_program_of_another_process_is_refused(tmp_path: Any, capfd: pytest.CaptureFixture[str]) -> None:
    module = tmp_path / "module.mlir"
    module.write_text(
        "func.func @main(%x: tensor<f32>) -> tensor<f32> {\n"
        "  stablehlo.custom_call @mycc.callback.debug(%x) {has_side_effect = true, mycc.function = 99999 : i64, "
        'mycc.name = "show"} : (tensor<f32>) -> ()\n'
        "  return %x : tensor<f32>\n"
        "}\n"
    )
    assert main(["run", str(module), "--arg", "1.0"]) != 0
    assert "Python function 'show'" in capfd.readouterr().err


# ---- nans ----------------------------------------------------------------------------------------


def body(i: Any, c: Any) -> Any:
    c = c - 1.0
    return mnp.sqrt(c)  # in the loop


def loop(x: Any) -> Any:
    return lax.fori_loop(0, 3, body, x)


def choose(x: Any) -> Any:
    return lax.cond(x < 0, lambda x: mnp.log(x) + 1, lambda x: x, x)  # in the branch


def nan_of(x: Any) -> Any:
    return x + mnp.nan  # the constant


def divide(x: Any) -> Any:
    return (x * 0) / (x * 0)  # zero by zero


def test_nans_behind_a_loop_whose_condition_computes_floats() -> None:
    def f(x: Any) -> Any:
        return lax.while_loop(lambda c: mnp.log(c - 2) > 100.0, lambda c: c * 2, x) * mnp.log(-x)  # behind

    with mycc.debug.nans(), pytest.raises(mycc.NonFiniteError, match=r"'stablehlo\.log' at .*in <lambda>"):
        mycc.jit(f)(1.0)


CASES = [
    (mycc.jit(loop), 3.0, "'stablehlo.sqrt'", "# in the loop", "body"),
    (loop, 3.0, "'stablehlo.sqrt'", "# in the loop", "body"),
    (mycc.jit(mycc.vmap(loop)), np.array([30.0, 3.0]), "'stablehlo.sqrt'", "# in the loop", "body"),
    (lambda x: mycc.jvp(loop, (x,), (x,)), 3.0, "'stablehlo.sqrt'", "# in the loop", "body"),
    (mycc.jit(choose), -1.0, "'stablehlo.log'", "# in the branch", "<lambda>"),
    (mycc.jit(nan_of), 1.0, "'stablehlo.constant'", "# the constant", "nan_of"),
    (divide, mnp.asarray(1.0), "'stablehlo.divide'", "# zero by zero", "divide"),
]


@pytest.mark.parametrize("case", CASES)
def test_nans_name_the_operation_and_the_line(case: Any) -> None:
    f, x, operation, code, function = case
    with mycc.debug.nans(), pytest.raises(FloatingPointError) as caught:
        f(x)
    assert isinstance(caught.value, mycc.NonFiniteError)
    assert f"{operation} at {__file__}:{line(code)} (in {function})" in str(caught.value)
    f(x)  # switched off again


def test_nans_in_a_derivative() -> None:
    def f(x: Any) -> Any:
        return mnp.sum(mnp.abs(x) ** mnp.float32(1.0) * mnp.sqrt(x - x))  # 0 * inf

    x = np.ones(3, np.float32)
    mycc.grad(f)(x)
    with mycc.debug.nans():
        assert float(mycc.jit(f)(x)) == 0.0
        with pytest.raises(mycc.NonFiniteError) as caught:
            mycc.jit(mycc.grad(f))(x)
    assert f"at {__file__}:{line('# 0 * inf')} (in f)" in str(caught.value)


def test_nans_that_no_result_has_are_none() -> None:
    with mycc.debug.nans():
        x = mycc.jit(lambda x: mnp.where(x > 0, mnp.log(x), 0.0))(np.array([-1.0, 1.0]))
        assert np.asarray(x).tolist() == [0.0, 0.0]
        assert np.asarray(mnp.asarray([1.0, np.inf])).tolist() == [1.0, np.inf]
        assert mycc.jit(lambda x: x, donate_argnums=0)(mnp.ones(2)).sum() == 2
        assert mycc.jit(lambda x: (x, x > 0, mnp.ones(0)))(1)[0] == 1


def test_nans_of_arguments() -> None:
    with (
        mycc.debug.nans(),
        pytest.raises(mycc.NonFiniteError, match="argument leaf 1 of the program has one already"),
    ):
        mycc.jit(lambda x, y: (x, y * 2))(1.0, np.array([1.0, np.nan]))


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "bfloat16", "complex64"])
def test_nans_of_every_dtype(dtype: str) -> None:
    x = mnp.zeros(3, dtype)
    with mycc.debug.nans(), pytest.raises(mycc.NonFiniteError, match=r"'stablehlo\.divide'"):
        mycc.jit(lambda x: x / x)(x)
    with mycc.debug.nans(), pytest.raises(mycc.NonFiniteError, match=r"'stablehlo\.divide'"):
        x / x


def test_eager_operations_name_the_line_that_called_them_now() -> None:
    x = mnp.asarray(-1.0)
    with mycc.debug.nans():
        with pytest.raises(mycc.NonFiniteError, match=rf":{line('# first call')} "):
            mnp.log(x)  # first call
        with pytest.raises(mycc.NonFiniteError, match=rf":{line('# second call')} "):
            mnp.log(x)  # second call


def test_infs() -> None:
    x = np.array([1.0, 100.0], np.float32)
    f = mycc.jit(lambda x: mnp.max(mnp.exp(x)))
    with mycc.debug.nans():
        assert np.isinf(float(f(x)))
    with mycc.debug.nans(infs=True):
        assert float(f(x / 10)) == pytest.approx(np.exp(10))
        with pytest.raises(mycc.NonFiniteError, match=r"a NaN or an infinity.*'stablehlo\.exponential'"):
            f(x)


def test_nans_is_a_switch_as_well() -> None:
    f = mycc.jit(mnp.log)
    mycc.debug.nans()
    try:
        with pytest.raises(mycc.NonFiniteError):
            f(-1.0)
        with mycc.debug.nans(False):
            f(-1.0)
        with pytest.raises(mycc.NonFiniteError):
            f(-1.0)
    finally:
        mycc.debug.nans(False)
    f(-1.0)
    f(mnp.asarray(-1.0))


def test_nans_compile_programs_once_and_leave_others_alone() -> None:
    f = mycc.jit(lambda x: x * 2)
    f(1.0)
    for _ in range(3):
        with mycc.debug.nans():
            f(1.0)
    f(2.0)
    assert f.cache_size() == 2


def test_nans_with_callbacks_and_print(capsys: Capture) -> None:
    def f(x: Any) -> Any:
        mycc.debug.print("x {}", x)
        return mycc.pure_callback(lambda x: x * np.float32(np.nan), x, x)

    with mycc.debug.nans(), pytest.raises(mycc.NonFiniteError, match=r"'mycc\.callback\.pure' at"):
        mycc.jit(f)(np.float32(1))
    assert capsys.readouterr().out == "x 1.0\n"
