"""`export`: a function as a StableHLO module that needs no mycc to be read and run."""

from __future__ import annotations

import functools
import os
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from mycc.dialects import ops
from mycc.dialects.composites import CUSTOM_JVP, CUSTOM_VJP
from mycc.dialects.errors import ModuleError, TreeError
from mycc.dialects.mlir import context, hlo, ir
from mycc.foreign import ForeignFunction
from mycc.function import name_of
from mycc.jit import jit
from mycc.lowering import pjrt, pytrees
from mycc.lowering.abstract import AbstractValue
from mycc.lowering.dimensions import Dim, Size
from mycc.lowering.foreign import take_in
from mycc.lowering.pipelines import check_expanded, default_pipeline
from mycc.passes.pipeline import Pipeline
from mycc.passes.symbols import Symbols, copy_module
from mycc.source import user_line
from mycc.stages import Lowered, ShapeDtypeStruct
from mycc.symbolic import Program, fixed, generalize, known_sizes, symbols_of
from mycc.trace import for_all_sizes, tracing_for_all_sizes
from mycc.types import abstractify

__all__ = ["Exported", "export"]

# Other tools need not know CHLO, and nobody needs the lines of our user's files.
_PLAIN = "builtin.module(func.func(chlo-legalize-to-stablehlo),canonicalize,cse,symbol-dce)"
_WITHOUT_LINES = "builtin.module(cse,strip-debuginfo)"


def export(fun: Callable[..., Any]) -> Callable[..., Exported]:
    """Make a StableHLO module of a function, with its transforms expanded.

    Args:
        fun: a function of arrays, or pytrees of them; jitted or not, and composed with any transforms.

    Returns:
        A function that takes the arguments of ``fun``, as arrays or `ShapeDtypeStruct` (of ``fun``'s static
        arguments, their values), and returns the `Exported` module for arguments of these shapes and dtypes.
        Arrays that ``fun`` refers to become constants of the module.

        A size may be a symbol, ``ShapeDtypeStruct(("b", 4), "float32")``, or an expression of symbols (`symbolic_shape`).
        The module then is one for all sizes, in StableHLO's dynamic operations. It is made of the programs for a
        dozen sizes, so that Python code and passes meet whole numbers; see `mycc.symbolic` for what this asks of
        ``fun``. Rules of `custom_jvp` and `custom_vjp` are left out of it, with a warning.

        Shardings stand in the module (``sdy.sharding``); called, or taken in by `from_stablehlo`, it spreads
        arguments and results so. One with a `shard_map` or `pmap` in it is for other tools: neither of the two
        takes it in.

    Raises:
        MyccError: (the returned function) the function cannot be traced, or its transforms not be expanded; or it
            is another program at some sizes than at others, or has an operation without a dynamic form.

    Example:
        >>> import mycc, mycc.numpy as mnp
        >>> exported = mycc.export(mycc.grad(mnp.sin))(mycc.ShapeDtypeStruct((), "float32"))
        >>> exported
        <exported sin: (f32[]) -> f32[]>
        >>> "stablehlo.cosine" in exported.as_text()
        True
        >>> exported.call(0.0)
        Array(1., dtype=float32)
    """
    if not callable(fun):
        raise TypeError(f"{user_line()}: export takes a function, got {type(fun).__name__}")
    jitted = fun if hasattr(fun, "trace") and hasattr(fun, "lower") else jit(fun)

    @functools.wraps(fun)
    def exporter(*specs: Any, **named: Any) -> Exported:
        rules: set[str] = set()

        def at(*specs: Any, **named: Any) -> Exported:
            traced = jitted.trace(*specs, **named)
            rules.update(_rules(traced.module))
            open_sizes = for_all_sizes()
            pipeline = default_pipeline(traced.module, decompose=open_sizes, fuse=not open_sizes)
            return _exported(name_of(fun), traced.lower(pipeline))

        leaves, tree = pytrees.flatten((specs, named))
        if not symbols_of(leaves):
            exported = at(*specs, **named)
        else:
            with tracing_for_all_sizes():
                exported = _generalized(at, leaves, tree)
            if rules:
                warnings.warn(
                    f"{user_line()}: {exported.name} has custom_jvp or custom_vjp rules, which are left out of a module with "
                    "symbolic sizes: what is read back is differentiated as it is computed",
                    stacklevel=2,
                )
        Pipeline.parse(_WITHOUT_LINES).run(exported.module)
        return exported

    return exporter


def _rules(module: ir.Module) -> Iterator[str]:
    """The composites of a module that have derivative rules of the user's."""
    symbols = Symbols(module)
    for op in (op for symbol in symbols.functions for op in symbols.referring(symbol)):
        if op.name == "stablehlo.composite" and op.attributes["name"].value in (CUSTOM_JVP, CUSTOM_VJP):
            yield op.attributes["name"].value


def _generalized(at: Callable[..., Exported], leaves: Sequence[Any], tree: Any) -> Exported:
    """The one module for all sizes."""
    programs: dict[tuple[int, ...], Exported] = {}

    def program(sizes: Mapping[str, int]) -> Program:
        key = tuple(sizes.values())
        if key not in programs:
            specs, named = tree.unflatten([fixed(leaf, sizes) for leaf in leaves])
            programs[key] = at(*specs, **named)
        found = programs[key]
        return Program(found.module, [aval.shape for aval in (*found.in_avals, *found.out_avals)])

    module, shapes, least = generalize(program, symbols_of(leaves), known_sizes(leaves))
    some = next(iter(programs.values()))
    avals = [
        ShapeDtypeStruct(shape, aval.dtype, aval.weak_type)
        for shape, aval in zip(shapes, (*some.in_avals, *some.out_avals), strict=True)
    ]
    count = len(some.in_avals)
    return replace(
        some, module=module, in_avals=tuple(avals[:count]), out_avals=tuple(avals[count:]), least=least
    )


def _exported(name: str, lowered: Lowered) -> Exported:
    check_expanded(lowered.module, decomposed=False)
    module = copy_module(lowered.module)
    _embed(module, [x._numpy() for x in lowered.traced.hidden])
    Pipeline.parse(_PLAIN).run(module)
    for function in Symbols(module).functions.values():
        # Portable artifacts have no word for what the pass `keep` has marked.
        if "no_inline" in function.attributes:
            del function.attributes["no_inline"]
    traced = lowered.traced
    return Exported(name, module, traced.in_avals, lowered.out_avals, traced.in_tree, lowered.out_tree)


def _embed(module: ir.Module, arrays: list[np.ndarray[Any, Any]]) -> None:
    """Make constants of the arrays that the main function takes after its arguments."""
    if not arrays:
        return
    symbols = Symbols(module)
    entry, block = symbols["main"], symbols.block("main")
    first = len(block.arguments) - len(arrays)
    with context, entry.location, ir.InsertionPoint.at_block_begin(block):
        for i, array in enumerate(arrays, first):
            block.arguments[i].replace_all_uses_with(ops.constant(array))
    for i in reversed(range(first, len(block.arguments))):
        block.erase_argument(i)
    if "arg_attrs" in entry.attributes:
        with context:
            kept = list(entry.attributes["arg_attrs"])[:first]
            entry.attributes["arg_attrs"] = ir.ArrayAttr.get(kept)
    symbols.retype("main")


@dataclass(frozen=True)
class Exported:
    """A function as a StableHLO module; see `export`.

    Args:
        name: of the function.
        module: the module; its function ``main`` takes the leaves of the arguments and returns those of the
            result.
        in_avals: shape and dtype of each leaf of the arguments.
        out_avals: shape and dtype of each leaf of the result.
        in_tree: the structure of ``(args, kwargs)``.
        out_tree: the structure of the result.
        least: the smallest size that a symbol may stand for.
    """

    name: str
    module: ir.Module
    in_avals: tuple[AbstractValue | ShapeDtypeStruct, ...]
    out_avals: tuple[AbstractValue | ShapeDtypeStruct, ...]
    in_tree: Any
    out_tree: Any
    least: int = 1

    def as_text(self) -> str:
        """The module as MLIR text."""
        return str(self.module)

    def as_bytecode(self) -> bytes:
        """The module as MLIR bytecode, for tools of about the same version."""
        import io

        buffer = io.BytesIO()
        self.module.operation.write_bytecode(buffer)
        return buffer.getvalue()

    def serialize(self, version: str | None = None) -> bytes:
        """The module as a portable artifact, which StableHLO keeps readable over years.

        Args:
            version: the version of StableHLO to write for, as ``"1.9.0"``; by default one that tools have
                been able to read for twelve weeks.

        Raises:
            ModuleError: the module cannot be written for that version.
        """
        if version is None:
            requirement = hlo.StablehloCompatibilityRequirement.WEEK_12
            version = hlo.get_version_from_compatibility_requirement(requirement)
        try:
            # What is written is made of the module in place.
            if any(op.operation.name == "sdy.mesh" for op in self.module.body.operations):
                return pjrt.serialize_mixed(self.as_bytecode(), version)
            return bytes(hlo.serialize_portable_artifact(copy_module(self.module), version))
        except (ValueError, RuntimeError) as error:
            raise ModuleError(f"{self.name} cannot be written for StableHLO {version}: {error}") from None

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the module to a file: as text for ``.mlir``, as bytecode for ``.mlirbc``, else as a portable artifact.

        Raises:
            OSError: the file cannot be written.
        """
        target = Path(path)
        if target.suffix == ".mlir":
            target.write_text(self.as_text(), encoding="utf-8")
        else:
            target.write_bytes(self.as_bytecode() if target.suffix == ".mlirbc" else self.serialize())

    @functools.cached_property
    def _function(self) -> ForeignFunction:
        return ForeignFunction(take_in(copy_module(self.module)))

    def call(self, *args: Any, **kwargs: Any) -> Any:
        """Call the exported function, inside transforms as well.

        Args:
            args, kwargs: as ``fun`` takes them, of the shapes and dtypes that it was exported for.

        Raises:
            TreeError, TypeError: they are of another structure, shape or dtype.
        """
        leaves, tree = pytrees.flatten((args, kwargs))
        if tree != self.in_tree:
            raise TreeError(
                f"{user_line()}: {self.name} was exported for arguments {self.in_tree}, got {tree}"
            )
        for leaf, aval in zip(leaves, self.in_avals, strict=True):
            self._check_least(abstractify(leaf).shape, aval.shape)
        results = self._function(*leaves)
        return self.out_tree.unflatten(results if isinstance(results, tuple) else [results])

    def _check_least(self, shape: Sequence[int], wanted: Sequence[Size]) -> None:
        for got, size in zip(shape, wanted, strict=False):
            affine = size.affine if isinstance(size, Dim) else None
            if affine is not None and got < affine[1] * self.least + affine[2]:
                raise ModuleError(
                    f"{user_line()}: {self.name} was exported for {affine[0]} of at least {self.least}, got {got} for {size}"
                )

    def __repr__(self) -> str:
        arguments = ", ".join(map(str, self.in_avals))
        results = ", ".join(map(str, self.out_avals))
        single = len(self.out_avals) == 1
        return f"<exported {self.name}: ({arguments}) -> {results if single else f'({results})'}>"
