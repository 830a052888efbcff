"""NaN checking: which programs are compiled with checks, and what is done with what these find."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mycc.dialects.errors import NonFiniteError
from mycc.dialects.mlir import ir
from mycc.lowering.buffers import to_numpy
from mycc.passes.check_nans import CHECKS, CheckNans

__all__ = ["Checks", "Mode", "instrument", "mode", "set_mode"]


@dataclass(frozen=True, slots=True)
class Mode:
    """That programs are checked, and for what; part of the key of every compiled program."""

    infs: bool = False


class _State(threading.local):
    mode: Mode | None = None


_state = _State()


def mode() -> Mode | None:
    """What programs of this thread are checked for; None at rest."""
    return _state.mode


def set_mode(new: Mode | None) -> Mode | None:
    """Sets the mode of this thread and returns the old one. `mycc.lowering.dispatch.check` tells the dispatcher."""
    old = _state.mode
    _state.mode = new
    return old


@dataclass(frozen=True, slots=True)
class Checks:
    """What an instrumented program looks for, and the operations that its last result points to."""

    mode: Mode
    operations: tuple[str, ...]

    def verify(self, arguments: Sequence[Any], results: Sequence[Any]) -> list[Any]:
        """The results without the last one.

        Args:
            arguments: one ``ArrayImpl`` for each argument of the program; one that was donated is not looked at.
            results: one for each result.

        Raises:
            NonFiniteError: a result has a NaN, or with ``infs`` an infinity.
        """
        *own, first = results
        bad = [i for i, result in enumerate(own) if self._is_bad(result)]
        if not bad:
            return own
        what = "a NaN or an infinity" if self.mode.infs else "a NaN"
        found = f"result {bad[0]} has {what}" if len(own) > 1 else f"the result has {what}"
        number = int(to_numpy(first))
        if number:
            raise NonFiniteError(
                f"{found}; the first operation to give one, of operands without any, was {self.operations[number - 1]}"
            )
        given = [i for i, x in enumerate(arguments) if not x.is_deleted() and self._is_bad(x)]
        where = (
            f"argument leaf {given[0]} of the program has one already" if given else "no operation made it"
        )
        raise NonFiniteError(f"{found}; {where}")

    def _is_bad(self, data: Any) -> bool:
        array = to_numpy(data)
        if array.dtype.kind not in "fcV" or not array.size:
            return False
        bad = ~np.isfinite(array) if self.mode.infs else np.isnan(array)
        return bool(bad.any())


def instrument(module: ir.Module) -> Checks | None:
    """Insert checks into a module if this thread's mode asks for them; it is changed in place."""
    if _state.mode is None:
        return None
    CheckNans(infs=_state.mode.infs).run(module)
    return Checks(_state.mode, tuple(text.value for text in module.operation.attributes[CHECKS]))
