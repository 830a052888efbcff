"""The dispatcher: one compilation a signature, right results from every kind of argument."""

from __future__ import annotations

import threading
import time
from typing import Any

import numpy as np
import pytest

from mycc.dialects.errors import MyccError
from mycc.dialects.mlir import context as mlir_context
from mycc.dialects.mlir import ir
from mycc.lowering import buffers, dispatch
from mycc.lowering.compile import compile_module
from mycc.lowering.devices import default_device
from mycc.lowering.pytrees import dispatch_registry


class Handle:
    __slots__ = ("_data",)

    def __init__(self, data: Any) -> None:
        self._data = data


class Tracer(Handle):
    __slots__ = ()


def handle(x: Any) -> Handle:
    return Handle(buffers.put(x))


def value(x: Any) -> np.ndarray[Any, Any]:
    assert type(x) is Handle
    return buffers.to_numpy(x._data)


class Summing:
    """A stand-in for the frontend: a 'compiler' of functions that sum their leaves, times a static factor."""

    def __init__(self, *, donated: tuple[int, ...] = (), structured: bool = False, **options: Any) -> None:
        self.compiled = 0
        self.donated = donated
        self.structured = structured
        self.captured: list[Handle] = []
        self.kept: tuple[int, ...] | None = None
        self.call = dispatch.make_dispatcher("f", self.compile, self.inline, handle=Handle, **options)

    def inline(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        return ("inline", args, kwargs)

    def compile(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dispatch.Compiled:
        self.compiled += 1
        factor = kwargs.pop("factor", 1)
        found = [x for x in dispatch_registry.flatten((args, kwargs))[0] if not isinstance(x, str)]
        leaves = self.captured + [np.float32(x.text) if hasattr(x, "text") else x for x in found]
        avals = [
            buffers.abstract(x._data) if isinstance(x, Handle) else buffers.host_abstract(x) for x in leaves
        ]
        types = [f"tensor<{'x'.join([*map(str, aval.shape), 'f32'])}>" for aval in avals]
        kept = self.kept or tuple(range(len(types)))
        types = [types[i] for i in kept]
        names = [f"%a{i}" for i in range(len(types))]
        lines = [f"%s0 = stablehlo.constant dense<0.0> : {types[0]}"]
        for i, name in enumerate(names):
            lines.append(f"%s{i + 1} = stablehlo.add %s{i}, {name} : {types[0]}")
        lines.append(f"%c = stablehlo.constant dense<{float(factor)}> : {types[0]}")
        lines.append(f"%r = stablehlo.multiply %s{len(names)}, %c : {types[0]}")
        head = ", ".join(f"{n}: {t}" for n, t in zip(names, types, strict=True))
        text = (
            f"func.func @main({head}) -> {types[0]} {{\n" + "\n".join(lines) + f"\nreturn %r : {types[0]} }}"
        )
        with mlir_context:
            module = ir.Module.parse(text)
        executable = compile_module(module, devices=[default_device()], donated=self.donated)
        tree = dispatch_registry.flatten({"sum": 0} if self.structured else 0)[1]
        hidden = (lambda: [h._data for h in self.captured]) if self.captured else None
        return dispatch.Compiled(executable, tree, hidden, self.kept)


def test_one_compilation_a_signature() -> None:
    f = Summing()
    x, y = np.float32([1, 2]), np.float32([10, 20])
    for a, b in [(handle(x), handle(y)), (x, handle(y)), (handle(x), y), (x, y)]:
        for _ in range(2):
            np.testing.assert_array_equal(value(f.call(a, b)), x + y)
    assert f.compiled == 1 == f.call.cache_size()
    np.testing.assert_array_equal(value(f.call(handle(x[:1]), handle(y[:1]))), [11])
    assert f.compiled == 2
    f.call.cache_clear()
    f.call(x, y)
    assert f.compiled == 3


def test_scalars_are_signatures_of_their_own() -> None:
    f = Summing()
    for a in (1.5, 2.5, handle(1.5)):
        f.call(a, 2.0)
    assert f.compiled == 1
    assert value(f.call(1.5, 2.0)) == 3.5
    f.call(np.array(1.5, np.float32), 2.0)
    assert f.compiled == 2


def test_trees_and_keywords() -> None:
    f = Summing(structured=True)
    x = np.float32([1, 2])
    for leaf in (handle(x), x):
        out = f.call([leaf, (leaf, None)], k={"a": leaf})
        np.testing.assert_array_equal(value(out["sum"]), 3 * x)
    assert f.compiled == 1
    f.call([leaf, leaf, None], k={"a": leaf})
    assert f.compiled == 2


def test_static_arguments() -> None:
    f = Summing(static_argnums=(1,), static_argnames=("factor",))
    x = handle(np.float32(2))
    assert value(f.call(x, "static", factor=3)) == 6
    assert value(f.call(x, "static", factor=4)) == 8
    assert value(f.call(x, "static", factor=3)) == 6
    assert f.compiled == 2
    with pytest.raises(TypeError, match="not hashable"):
        f.call(x, [1], factor=3)
    last = Summing(static_argnums=(-1,))
    assert value(last.call(x, x, "static")) == 4


def test_hidden_and_dropped_arguments() -> None:
    f = Summing()
    f.captured = [handle(np.float32(100))]
    x = handle(np.float32(1))
    assert value(f.call(x)) == 101
    f.captured[0]._data = buffers.put(np.float32(200))
    assert value(f.call(x)) == 201 and f.compiled == 1
    g = Summing()
    g.kept = (1,)
    assert value(g.call(x, handle(np.float32(7)))) == 7


def test_tracing_goes_inline() -> None:
    f = Summing()
    x = handle(np.float32(1))
    assert f.call(Tracer(None))[0] == "inline"
    assert f.call([x, Tracer(None)])[0] == "inline"
    old = dispatch.swap_context(dispatch.TRACING)
    try:
        assert old is None and f.call(x)[0] == "inline"
        results: list[Any] = []
        thread = threading.Thread(target=lambda: results.append(f.call(x)))
        thread.start()
        thread.join()
        assert value(results[0]) == 1
    finally:
        dispatch.swap_context(old)
    assert dispatch.context() is None and value(f.call(x)) == 1
    assert f.compiled == 1


def test_context_is_part_of_the_signature() -> None:
    f = Summing()
    x = handle(np.float32(1))
    f.call(x)
    old = dispatch.swap_context(("precision", "highest"))
    f.call(x)
    f.call(x)
    dispatch.swap_context(old)
    f.call(x)
    assert f.compiled == 2


def test_what_is_no_array() -> None:
    with pytest.raises(TypeError, match="f was called with an argument of type str"):
        Summing().call("a")
    f = Summing(convert=lambda leaf: np.float32(leaf.text))

    class Text:
        text = "4"

    assert value(f.call(Text())) == 4


def test_donated_arguments_are_named() -> None:
    f = Summing(donated=(0,))
    x = handle(np.zeros(1000, np.float32))
    f.call(x)
    with pytest.raises(MyccError, match="donated"):
        f.call(x)


def test_threads_share_one_compilation() -> None:
    f = Summing()
    slowly = f.compile

    def compile(args: tuple[Any, ...], kwargs: dict[str, Any]) -> dispatch.Compiled:
        time.sleep(0.05)
        return slowly(args, kwargs)

    call = dispatch.make_dispatcher("f", compile, f.inline, handle=Handle)
    x = handle(np.float32(3))
    results: list[Any] = []
    threads = [threading.Thread(target=lambda: results.append(call(x, x))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [float(value(r)) for r in results] == [6.0] * 8 and f.compiled == 1


def test_a_failed_compilation_is_tried_again() -> None:
    f = Summing()
    attempts = []

    def compile(args: tuple[Any, ...], kwargs: dict[str, Any]) -> dispatch.Compiled:
        attempts.append(1)
        if len(attempts) == 1:
            raise RuntimeError("no")
        return f.compile(args, kwargs)

    call = dispatch.make_dispatcher("f", compile, f.inline, handle=Handle)
    with pytest.raises(RuntimeError):
        call(handle(np.float32(3)))
    assert value(call(handle(np.float32(3)))) == 3
