"""``mycc opt --grad``, ``--jvp``, ``--vmap``: a module of a transform of a function of the module.

Several are applied in the order in which they stand: ``--grad --vmap=0,None`` is ``vmap(grad(main))``.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from mycc.dialects.errors import MyccError
from mycc.lowering.sources import Source

if TYPE_CHECKING:
    from mycc.dialects.mlir import ir

__all__ = ["add_arguments", "check", "transformed"]

Request = tuple[str, str]


class _Ordered(argparse.Action):
    """Keeps the transforms in the order of the command line."""

    def __call__(
        self, parser: Any, namespace: argparse.Namespace, values: Any, option: str | None = None
    ) -> None:
        found: list[Request] = [*(namespace.transforms or []), ((option or "").lstrip("-"), values or "")]
        namespace.transforms = found


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the transforms to a command."""
    group = parser.add_argument_group(
        "transforms", "each makes a module whose @main is the transform of a function (default: main)"
    )
    add = group.add_argument
    parser.set_defaults(transforms=[])
    add("--grad", metavar="FUNCTION:ARGNUMS", nargs="?", action=_Ordered, dest="transforms", default=[],
        help="the gradient for these arguments (default: the first), e.g. main:0,2")  # fmt: skip
    add("--jvp", metavar="FUNCTION:ARGNUMS", nargs="?", action=_Ordered, dest="transforms", default=[],
        help="values and tangents; takes a tangent for each of these arguments (default: all floats) last")  # fmt: skip
    add("--vmap", metavar="FUNCTION:IN_AXES", nargs="?", action=_Ordered, dest="transforms", default=[],
        help="the function over a batch, along these axes of its arguments (default: 0), e.g. main:0,None")  # fmt: skip
    add("--axis-size", metavar="N", type=int, help="the size of the batch, for --vmap")


def check(requests: Sequence[Request]) -> None:
    """Refuses a file's name that the command line's parser has taken for a transform's value.

    Raises:
        MyccError: there is such a file.
    """
    for kind, text in requests:
        if os.path.isfile(text):
            raise MyccError(
                f"--{kind} took the file {text} for its value; write the file first, as in: mycc opt {text} --{kind}"
            )


def transformed(source: Source, requests: Sequence[Request], axis_size: int | None) -> ir.Module:
    """The module of the transforms of a function of a module, expanded.

    Args:
        source: the module.
        requests: for each transform its name and what stands behind its equals sign.
        axis_size: the size of the batch, for `vmap`.

    Raises:
        MyccError: the module cannot be taken in, or a transform is not defined on the function.
    """
    from mycc import export
    from mycc.foreign import ForeignFunction
    from mycc.lowering.foreign import take_in
    from mycc.stages import ShapeDtypeStruct

    split = [(kind, *_split(text)) for kind, text in requests]
    names = {name for _, name, _ in split if name}
    if len(names) > 1:
        raise MyccError(
            f"transforms name several functions ({', '.join(sorted(names))}); they nest, so name one"
        )
    program = take_in(source, next(iter(names), "main"))
    if not program.static:
        raise MyccError(
            f"{program.name}: error: its arguments have open sizes, which must be known to transform it"
        )
    fun: Callable[..., Any] = ForeignFunction(program)
    specs: list[Any] = [ShapeDtypeStruct([n or 0 for n in p.shape], p.dtype) for p in program.parameters]
    for kind, _, text in split:
        fun, specs = _APPLY[kind](fun, specs, text, axis_size, program.name)
    try:
        return export(fun)(*specs).module
    except TypeError as error:
        raise MyccError(f"{program.name}: error: {error}") from error


def _split(text: str) -> tuple[str, str]:
    """``main:0,1`` is a function and a list; either may be missing."""
    name, colon, rest = text.rpartition(":")
    if colon:
        return name, rest
    is_list = all(part.strip().lstrip("-").isdigit() or part.strip() == "None" for part in text.split(","))
    return ("", text) if is_list else (text, "")


def _numbers(text: str, what: str, count: int) -> list[int | None]:
    try:
        return [None if part.strip() == "None" else int(part) for part in text.split(",")]
    except ValueError:
        raise MyccError(f"{what}: expected numbers such as 0,1 for {count} arguments, got '{text}'") from None


def _argnums(text: str, what: str, specs: Sequence[Any], default: Sequence[int]) -> tuple[int, ...]:
    found = _numbers(text, what, len(specs)) if text else list(default)
    for n in found:
        if n is None or not -len(specs) <= n < len(specs):
            raise MyccError(f"{what}: there is no argument {n}; the function takes {len(specs)}")
    return tuple(n % len(specs) for n in found if n is not None)


def _grad(
    fun: Callable[..., Any], specs: list[Any], text: str, size: int | None, name: str
) -> tuple[Callable[..., Any], list[Any]]:
    from mycc import grad

    positions = _argnums(text, "--grad", specs, [0])
    return grad(fun, argnums=positions if len(positions) > 1 else positions[0]), specs


def _jvp(
    fun: Callable[..., Any], specs: list[Any], text: str, size: int | None, name: str
) -> tuple[Callable[..., Any], list[Any]]:
    from mycc import jvp
    from mycc.differentiation import is_inexact

    floats = [i for i, spec in enumerate(specs) if is_inexact(spec.dtype)]
    positions = _argnums(text, "--jvp", specs, floats)
    count = len(specs)

    def pushed(*args: Any) -> Any:
        primals, tangents = list(args[:count]), args[count:]

        def chosen(*active: Any) -> Any:
            full = list(primals)
            for position, value in zip(positions, active, strict=True):
                full[position] = value
            return fun(*full)

        values, derivatives = jvp(chosen, tuple(primals[i] for i in positions), tuple(tangents))
        return values, derivatives

    pushed.__name__ = name.rpartition("@")[2]
    return pushed, [*specs, *(specs[i] for i in positions)]


def _vmap(
    fun: Callable[..., Any], specs: list[Any], text: str, size: int | None, name: str
) -> tuple[Callable[..., Any], list[Any]]:
    from mycc import vmap
    from mycc.stages import ShapeDtypeStruct

    if size is None or size < 1:
        raise MyccError("--vmap needs the size of the batch: --axis-size=N, at least 1")
    axes = _numbers(text, "--vmap", len(specs)) if text else [0]
    if len(axes) == 1:
        axes *= len(specs)
    if len(axes) != len(specs):
        raise MyccError(f"--vmap: {len(axes)} axes for {len(specs)} arguments")
    batched = []
    for spec, axis in zip(specs, axes, strict=True):
        shape = list(spec.shape)
        if axis is not None:
            if not -len(shape) - 1 <= axis <= len(shape):
                raise MyccError(
                    f"--vmap: an array of shape {tuple(shape)} has no place for a batch axis {axis}"
                )
            shape.insert(axis if axis >= 0 else len(shape) + 1 + axis, size)
        batched.append(ShapeDtypeStruct(shape, spec.dtype))
    return vmap(fun, in_axes=tuple(axes), axis_size=size), batched


_APPLY = {"grad": _grad, "jvp": _jvp, "vmap": _vmap}
