"""Looking into programs while they run: `print`, `callback`, and the search for NaNs, `nans`.

Output of `print` is that of Python's own in the order in which the runtime calls it. A program that prints has
ended when its call returns, so it stands between what the script prints before and after the call. Whether it is
written at once is a matter of ``sys.stdout``: into a pipe or file Python buffers it (``python -u`` does not).
"""

from __future__ import annotations

import builtins
import string
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any

import numpy as np

from mycc.callbacks import call_from_program
from mycc.drawing import visualize_array_sharding, visualize_sharding
from mycc.lowering.checks import Mode, mode
from mycc.lowering.dispatch import check
from mycc.source import user_line

__all__ = ["callback", "nans", "print", "visualize_array_sharding", "visualize_sharding"]


def callback(callback: Callable[..., Any], *args: Any, ordered: bool = False, **kwargs: Any) -> None:
    """Call a Python function from a program, for what it does; its result is ignored.

    Args:
        callback: called with NumPy arrays in the structure of ``args`` and ``kwargs``.
        args, kwargs: pytrees of arrays; what is no array or number is passed on as it is.
        ordered: whether it keeps its place among the ordered callbacks of the program.

    Under `grad` and its kin it is called once, in the forward pass, with the primal values; under `vmap` once for each
    example. A branch of a mapped `cond` runs for all examples, and so does its callback. Under transforms that are not
    inside of `jit`, a function that is made anew at each call, such as a lambda, makes a new program each time.

    Raises:
        CallbackError: (when the program runs) ``callback`` raised an exception, which is the cause.

    Example:
        >>> import mycc
        >>> seen = []
        >>> def f(x):
        ...     mycc.debug.callback(seen.append, x)
        ...     return x * x
        >>> mycc.jit(mycc.grad(f))(3.0)
        Array(6., dtype=float32, weak_type=True)
        >>> seen
        [array(3., dtype=float32)]
    """
    call_from_program("debug", callback, None, args, kwargs, ordered=ordered)


def print(fmt: str, *args: Any, ordered: bool = False, **kwargs: Any) -> None:
    """Print values of a program when it runs.

    Args:
        fmt: a format string, as of ``str.format``; not an f-string, which would be filled while tracing.
        args, kwargs: what its fields name: arrays, or pytrees of them.
        ordered: whether lines are sure to come in the order of the program. So far all do; others need not.

    Raises:
        TypeError: ``fmt`` is no string.
        ValueError: an argument is not used by ``fmt``, or a field has none.

    Example:
        >>> import mycc
        >>> @mycc.jit
        ... def f(x):
        ...     mycc.debug.print("x = {x:.2f}, twice {}", 2 * x, x=x)
        ...     return x
        >>> f(1.0)
        x = 1.00, twice 2.0
        Array(1., dtype=float32, weak_type=True)
    """
    if not isinstance(fmt, str):
        raise TypeError(f"{user_line()}: debug.print takes a format string first: debug.print('{{}}', x)")
    _check_format(fmt, args, kwargs)
    options = np.get_printoptions()
    key = tuple(sorted((name, repr(value)) for name, value in options.items()))

    def show(*values: Any, **named: Any) -> None:
        # NumPy's options belong to a context, and the runtime's threads have none.
        with np.printoptions(**options):
            builtins.print(fmt.format(*values, **named))

    call_from_program(
        "debug", show, None, args, kwargs, ordered=ordered, identity=(fmt, key), name=f"debug.print({fmt!r})"
    )


class _Fields(string.Formatter):
    """Formats nothing, and finds out which arguments would be used."""

    def format_field(self, value: Any, format_spec: str) -> str:
        return ""

    def get_field(self, field_name: str, args: Sequence[Any], kwargs: Any) -> Any:
        first = str(field_name).partition(".")[0].partition("[")[0]
        key = int(first) if first.isdigit() else first
        self.get_value(key, args, kwargs)
        return None, key

    def convert_field(self, value: Any, conversion: Any) -> Any:
        return value

    def check_unused_args(self, used_args: Any, args: Sequence[Any], kwargs: Any) -> None:
        unused = [str(i) for i in range(len(args)) if i not in used_args]
        unused += [name for name in kwargs if name not in used_args]
        if unused:
            raise ValueError(
                f"no field uses argument {', '.join(unused)}; is fmt an f-string, filled while tracing?"
            )


def _check_format(fmt: str, args: Sequence[Any], kwargs: dict[str, Any]) -> None:
    try:
        _Fields().vformat(fmt, args, kwargs)
    except (IndexError, KeyError) as error:
        raise ValueError(f"{user_line()}: debug.print of {fmt!r}: no argument for field {error}") from None
    except ValueError as error:
        raise ValueError(f"{user_line()}: debug.print of {fmt!r}: {error}") from None


class nans:
    """Find out which operation made a NaN.

    A call switches checking on (or off) in this thread; as a context manager it is switched back at the end. While
    it is on, programs are compiled with a check behind every float operation, also inside of loops, branches and
    derivatives. When a program returns a NaN, the call raises an error that names the first operation that made a
    NaN of operands without any, and the user's line. NaNs that do not reach a result are no error. Checked programs are
    slower, some by several times, and each call waits for its results; others are not touched.

    Args:
        enabled: whether to check.
        infs: whether to look for infinities as well.

    Raises:
        NonFiniteError: (calls of programs) a result has a NaN.

    Example:
        >>> import mycc, mycc.numpy as mnp
        >>> with mycc.debug.nans():
        ...     mnp.log(-1.0)
        Traceback (most recent call last):
        mycc.dialects.errors.NonFiniteError: the result has a NaN; the first operation to give one, ...
    """

    def __init__(self, enabled: bool = True, *, infs: bool = False) -> None:
        self._before = mode()
        check(Mode(infs) if enabled else None)

    def __enter__(self) -> nans:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        check(self._before)
