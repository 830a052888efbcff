"""`export` with symbolic sizes: one module, run, differentiated and batched at many, by mycc and by XLA alone."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import pytest
from jax._src.interpreters.mlir import make_ir_context
from jax._src.lib import _jax
from jax._src.lib.mlir import ir

import mycc
import mycc.numpy as mnp
from mycc.lowering.dimensions import Dim, sizes_of
from mycc.lowering.fitting import fit_real, fit_size

F32 = "float32"
RNG = np.random.default_rng(0)


def mlp(x: Any, w1: Any, b1: Any, w2: Any) -> Any:
    hidden = mycc.nn.gelu(x @ w1 + b1)
    hidden = hidden / mnp.sqrt(mnp.var(hidden, -1, keepdims=True) + 1e-5)
    return mnp.mean(mycc.nn.log_softmax(hidden @ w2)[:, 0])


def attention(x: Any) -> Any:
    scores = x @ x.T / mnp.sqrt(x.shape[0] * 1.0)
    causal = mnp.tril(mnp.ones(scores.shape, bool))
    return mycc.nn.softmax(mnp.where(causal, scores, -mnp.inf)) @ x


def heads(x: Any, w: Any) -> Any:
    parts = (x @ w).reshape(*x.shape[:2], 2, 4)
    weights = mycc.nn.softmax(mnp.einsum("bshd,bthd->bhst", parts, parts))
    return mnp.einsum("bhst,bthd->bshd", weights, parts).reshape(x.shape)


def shapes(x: Any) -> Any:
    joined = mnp.concatenate([x, x * 2, mnp.ones((x.shape[0], 1))], 1)
    return (
        mnp.sum(x.reshape(-1) * mnp.arange(x.size))
        + mnp.sum(mnp.pad(joined, ((1, 2), (0, 0))) ** 3)
        + mnp.sum(x[1:] * x[:-1])
        + mnp.sum(x[::2])
        + mnp.sum(x[-1])
        + mnp.sum(mnp.cumsum(x, 0) ** 2)
    )


def cnn(x: Any, w: Any) -> Any:
    y = mycc.lax.conv_general_dilated(x, w, (1, 1), "SAME")
    pooled = mycc.lax.reduce_window(y, -mnp.inf, mycc.lax.max, (1, 1, 2, 2), (1, 1, 2, 2), "VALID")
    return mnp.sum(pooled**2)


def loops(x: Any) -> Any:
    carry, rows = mycc.lax.scan(lambda c, row: (mnp.sin(c + row), c * row), mnp.zeros(3), x)
    total = mycc.lax.fori_loop(0, x.shape[0], lambda i, c: mnp.sin(c) + mnp.asarray(x)[i], carry)
    return mnp.sum(total) + mnp.sum(rows**2)


def noisy(x: Any) -> Any:
    return x**2 * mycc.random.normal(mycc.random.key(0), x.shape)


def ordered(x: Any) -> Any:
    return mnp.sum(mnp.sort(x, 0)[0]) + mycc.lax.top_k(x, 2)[0].sum()


MODELS: dict[str, tuple[Callable[..., Any], list[tuple[Any, ...]]]] = {
    "mlp": (mlp, [("b", 4), (4, 8), (8,), (8, 3)]),
    "gradient": (mycc.grad(mlp, argnums=1), [("b", 4), (4, 8), (8,), (8, 3)]),
    "softmax": (mycc.nn.softmax, [("b", "s")]),
    "softmax over the batch": (lambda x: mycc.nn.softmax(x, axis=0), [("b", 5)]),
    "mean": (lambda x: (x.mean(), x.mean(0), mnp.var(x, axis=0)), [("b", 5)]),
    "flat": (lambda x: x.reshape(-1), [("b", "s", 3)]),
    "attention": (attention, [("b", 4)]),
    "heads": (heads, [("b", "s", 8), (8, 8)]),
    "shapes": (shapes, [("b", 3)]),
    "gradient of shapes": (mycc.grad(shapes), [("b", 3)]),
    "cnn": (cnn, [("b", 2, 6, 6), (3, 2, 3, 3)]),
    "images of any even size": (cnn, [(2, 2, "2*b", "2*b"), (3, 2, 3, 3)]),
    "loops": (loops, [("b", 3)]),
    "gradient of loops": (mycc.grad(loops), [("b", 3)]),
    "noisy": (noisy, [("b", 3)]),
    "ordered": (ordered, [("b", 3)]),
    "batched": (mycc.vmap(lambda x, y: mycc.nn.relu(x @ y), in_axes=(0, None)), [("b", "s", 3), (3, 2)]),
}


def arguments(specs: list[tuple[Any, ...]], sizes: dict[str, int]) -> list[Any]:
    def size(n: Any) -> int:
        found = n if isinstance(n, int) else sizes_of(n)[0]
        return found if isinstance(found, int) else found.at(sizes)

    return [np.asarray(RNG.standard_normal([size(n) for n in spec]), np.float32) for spec in specs]


def total(f: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *args: sum(mnp.sum(leaf**2) for leaf in mycc.tree.leaves(f(*args)))


@pytest.mark.parametrize("name", MODELS)
def test_one_module_for_all_sizes(name: str) -> None:
    fun, specs = MODELS[name]
    exported = mycc.export(fun)(*(mycc.ShapeDtypeStruct(s, F32) for s in specs))
    again = mycc.from_stablehlo(exported.serialize())
    for b in (1, 2, 7):
        args = arguments(specs, {"b": b, "s": b + 1})
        wanted = mycc.tree.leaves(fun(*args))
        for f in (exported.call, again):
            for x, y in zip(mycc.tree.leaves(f(*args)), wanted, strict=True):
                np.testing.assert_allclose(x, y, rtol=1e-4, atol=1e-4)
    args = arguments(specs, {"b": 5, "s": 3})
    expected = mycc.grad(total(fun))(*args)
    np.testing.assert_allclose(mycc.jit(mycc.grad(total(again)))(*args), expected, rtol=2e-3, atol=2e-3)


@pytest.mark.parametrize("name", ["mlp", "heads", "shapes", "loops"])
def test_xla_alone_refines_it(name: str) -> None:
    """As `jax.export` does with the modules that it has written."""
    fun, specs = MODELS[name]
    exported = mycc.export(fun)(*(mycc.ShapeDtypeStruct(s, F32) for s in specs))
    args = arguments(specs, {"b": 5, "s": 3})
    with make_ir_context(), ir.Location.unknown():
        module = ir.Module.parse(exported.as_text())
        entry = next(f for f in module.body.operations if f.name.value == "main")
        types = [ir.RankedTensorType.get(a.shape, ir.F32Type.get()) for a in args]
        for argument, type_ in zip(entry.arguments, types, strict=True):
            argument.set_type(type_)
        entry.attributes["function_type"] = ir.TypeAttr.get(ir.FunctionType.get(types, entry.type.results))
        text = _jax.mlir.refine_polymorphic_shapes(
            _bytecode(module), enable_shape_assertions=True, validate_static_shapes=True
        )
        assert "?" not in str(ir.Module.parse(text))


def _bytecode(module: Any) -> bytes:
    import io

    buffer = io.BytesIO()
    module.operation.write_bytecode(buffer)
    return buffer.getvalue()


def test_what_is_told_of_it() -> None:
    b, n = mycc.symbolic_shape("b, 3")
    exported = mycc.export(lambda x, y: {"flat": x.reshape(-1), "y": y})(
        mycc.ShapeDtypeStruct((b, n), F32), mycc.ShapeDtypeStruct((2 * b + 1,), F32)
    )
    assert repr(exported) == "<exported lambda: (f32[b,3], f32[2*b + 1]) -> (f32[3*b], f32[2*b + 1])>"
    assert exported.in_avals[1].shape == (2 * b + 1,)
    assert "tensor<?x3xf32>" in exported.as_text() and ".py" not in exported.as_text()
    got = exported.call(np.ones((2, 3), np.float32), np.ones(5, np.float32))
    assert got["flat"].shape == (6,) and got["y"].shape == (5,)
    with pytest.raises(
        mycc.ModuleError, match=r"dimension 0 of argument 1 is 2\*b \+ 1, that is 5, and not 6"
    ):
        exported.call(np.ones((2, 3), np.float32), np.ones(6, np.float32))


def test_symbols_of_jax() -> None:
    (b,) = jax.export.symbolic_shape("b")
    exported = mycc.export(lambda x: x.sum(0))(jax.ShapeDtypeStruct((2 * b, 3), np.float32))
    assert repr(exported) == "<exported lambda: (f32[2*b,3]) -> f32[3]>"
    np.testing.assert_allclose(exported.call(np.ones((4, 3), np.float32)), [4, 4, 4])


def test_rules_are_left_out_loudly() -> None:
    @mycc.custom_jvp
    def tripled(x: Any) -> Any:
        return mnp.sin(x)

    @tripled.defjvp
    def _(primals: Any, tangents: Any) -> Any:
        return tripled(primals[0]), 3.0 * tangents[0]

    with pytest.warns(
        UserWarning, match=r"test_symbolic_sizes\.py:\d+: .* are left out of a module with symbolic sizes"
    ):
        exported = mycc.export(tripled)(mycc.ShapeDtypeStruct(("b",), F32))
    again = mycc.from_stablehlo(exported.serialize())
    x = np.ones(3, np.float32)
    np.testing.assert_allclose(mycc.grad(lambda x: again(x).sum())(x), np.cos(x), rtol=1e-6)


def test_smallest_sizes() -> None:
    exported = mycc.export(lambda x: mycc.lax.top_k(x, 4)[0])(mycc.ShapeDtypeStruct(("b",), F32))
    np.testing.assert_allclose(exported.call(np.arange(5, dtype=np.float32)), [4, 3, 2, 1])
    with pytest.raises(mycc.ModuleError, match="was exported for b of at least 4, got 3 for b"):
        exported.call(np.ones(3, np.float32))


BRANCHES: dict[str, tuple[Callable[[Any], Any], str]] = {
    "at a large size": (
        lambda x: mnp.sin(x) if x.shape[0] < 50 else mnp.cos(x),
        "another one where b is 11 than",
    ),
    "at one": (lambda x: x * 2 if x.shape[0] > 1 else x * 3, "where b is 1"),
    "by parity": (lambda x: mnp.sin(x) if x.shape[0] % 2 else mnp.cos(x), "is another one where"),
    "no formula": (lambda x: x * 1.1 ** x.shape[0], "follows no known formula"),
    "unrolled": (lambda x: sum(x[i] for i in range(x.shape[0])), "is another one where"),
    "inverse": (lambda x: mnp.linalg.inv(mnp.eye(3) + x[:, None, None]), "cannot be exported"),
}


@pytest.mark.parametrize("name", BRANCHES)
def test_other_programs_at_other_sizes_are_refused(name: str) -> None:
    fun, message = BRANCHES[name]
    with pytest.raises(mycc.ModuleError, match=rf"test_symbolic_sizes\.py:\d+: .*{message}"):
        mycc.export(fun)(mycc.ShapeDtypeStruct(("b",), F32))


@pytest.mark.parametrize("size", [2.5, None, "2*", "f(b)", "b, c", "b.c"])
def test_bad_sizes(size: Any) -> None:
    with pytest.raises(
        TypeError, match=r"test_symbolic_sizes\.py:\d+: sizes of shapes are whole numbers, or"
    ):
        mycc.ShapeDtypeStruct((size,), F32)


def test_symbols_elsewhere() -> None:
    spec = mycc.ShapeDtypeStruct(("b",), F32)
    assert pickle.loads(pickle.dumps(spec)) == spec and spec.shape == mycc.symbolic_shape("b")
    with pytest.raises(TypeError, match=r"got b; symbolic dimensions are for mycc\.export"):
        mycc.eval_shape(mnp.sin, spec)
    with pytest.raises(ValueError, match="is no list of sizes"):
        mycc.symbolic_shape("b +")
    with pytest.raises(mycc.ModuleError, match="no argument's shape tells the size b"):
        mycc.export(mnp.sin)(mycc.ShapeDtypeStruct(("b*s", "s"), F32))


POINTS = [{"b": n} for n in (11, 12, 13, 14, 15, 17, 18, 19, 20, 21)]


@pytest.mark.parametrize(
    "formula", [lambda b: 7, lambda b: 3 * b - 2, lambda b: b * b + b, lambda b: 2 * ((b + 1) // 2) - 1,
                lambda b: (b - 1) % 2, lambda b: (b + 2) // 5, lambda b: b**3],
)  # fmt: skip
def test_formulas_hold_elsewhere(formula: Callable[[int], int]) -> None:
    found = fit_size([formula(p["b"]) for p in POINTS], POINTS)
    assert found is not None
    for b in range(1, 100):
        assert (found if isinstance(found, int) else found.at({"b": b})) == formula(b)


def test_numbers_without_formula() -> None:
    assert fit_size([hash(str(p)) % 1000 for p in POINTS], POINTS) is None
    b = Dim.symbol("b")
    assert fit_real([1.1 ** p["b"] for p in POINTS], POINTS, [b, b - 1], 3e-7) is None
    found = fit_real([0.5 / (p["b"] - 1) for p in POINTS], POINTS, [b, b - 1], 3e-7)
    assert found is not None and (found.factor, found.form, found.of) == (0.5, "1/x", b - 1)


def test_expressions() -> None:
    a, b = mycc.symbolic_shape("a, b")
    assert str((a + b) * (a - b)) == "a*a - b*b"
    assert str(2 * ((b + 1) // 2) - b % 3) == str(mycc.symbolic_shape("2*((b + 1)//2) - b%3")[0])
    assert (4 * b) // 2 == 2 * b and (4 * b) % 2 == 0 and b - b == 0
    assert mycc.symbolic_shape("") == () and mycc.symbolic_shape("(b, 4)") == (b, 4)
