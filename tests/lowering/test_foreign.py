"""What is refused of a module from elsewhere, with its line and never by a crash."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest

import mycc
from mycc.dialects.mlir import context, ir


def main(body: str, type_: str = "tensor<f32>", before: str = "") -> str:
    return f"{before}func.func @main(%x: {type_}) -> {type_} {{\n{body}\nreturn %x : {type_}\n}}"


IDENTITY = main("")
CALL = "%0 = func.call @{} (%x) : (tensor<f32>) -> tensor<f32>"
PRIVATE = "func.func private @{}(%x: tensor<f32>) -> tensor<f32> {{\n{}\nreturn %0 : tensor<f32>\n}}\n"


def custom_call(target: str, attributes: str = "") -> str:
    return f"%0 = stablehlo.custom_call @{target}(%x) {{{attributes}}} : (tensor<f32>) -> tensor<f32>"


def nested(depth: int) -> str:
    opening = "".join(f'%r{i} = "stablehlo.case"(%c) ({{\n' for i in range(depth))
    closing = [
        f"}},{{stablehlo.return %x : tensor<f32>}}) : (tensor<i32>) -> tensor<f32>\nstablehlo.return %r{i} : tensor<f32>\n"
        for i in reversed(range(1, depth))
    ]
    last = "},{stablehlo.return %x : tensor<f32>}) : (tensor<i32>) -> tensor<f32>"
    inner = "%s = stablehlo.sine %x : tensor<f32>\nstablehlo.return %s : tensor<f32>\n"
    return main(f"%c = stablehlo.constant dense<0> : tensor<i32>\n{opening}{inner}{''.join(closing)}{last}")


def chain(length: int) -> str:
    functions = "".join(PRIVATE.format(f"f{i}", CALL.format(f"f{i - 1}")) for i in range(1, length))
    first = "func.func private @f0(%x: tensor<f32>) -> tensor<f32> { return %x : tensor<f32> }\n"
    return first + functions + main(CALL.format(f"f{length - 1}"))


def doubling(length: int) -> str:
    """Functions that each call the next one twice."""
    twice = (
        "func.func private @f{0}(%x: tensor<f32>) -> tensor<f32> {{\n"
        "%0 = func.call @f{1}(%x) : (tensor<f32>) -> tensor<f32>\n"
        "%1 = func.call @f{1}(%0) : (tensor<f32>) -> tensor<f32>\n"
        "%2 = stablehlo.sine %1 : tensor<f32>\n"
        "return %2 : tensor<f32>\n}}\n"
    )
    functions = "".join(twice.format(i, i - 1) for i in range(1, length))
    first = "func.func private @f0(%x: tensor<f32>) -> tensor<f32> { return %x : tensor<f32> }\n"
    return first + functions + main(CALL.format(f"f{length - 1}"))


HUGE = "tensor<9223372036854775807x9223372036854775807xf32>"
CASES = {
    "empty": ("", "no function @main; there are none"),
    "no name": ("func.func @other() { return }", "no function @main; there are @other"),
    "syntax": ("func.func @main( {", r"text:1:17: error: "),
    "unverified": (main("%0 = stablehlo.add %x, %y : tensor<f32>"), r"text:2:24: error: use of undeclared"),
    "declared": ("func.func private @main(tensor<f32>) -> tensor<f32>", "declared and not defined"),
    "calls what is declared": (
        main(CALL.format("g"), before="func.func private @g(tensor<f32>) -> tensor<f32>\n"),
        "text:1: error: the function @g, which text:@main calls, is declared",
    ),
    "calls itself": (main(CALL.format("main")), r"text:2: error: .*circle \(@main -> @main\)"),
    "through a composite": (
        PRIVATE.format("g", CALL.format("main"))
        + main('%0 = stablehlo.composite "a.b" %x {decomposition = @g} : (tensor<f32>) -> tensor<f32>'),
        "circle",
    ),
    "deep brackets": ("module {" * 20_000, "text:1:8008: error: brackets nested"),
    "deep attributes": ("module attributes {a = " + "[" * 20_000 + "]" * 20_000 + "} {}", "brackets nested"),
    "signs": ("#m = affine_map<(d0) -> (" + "-" * 50_000 + "d0)>\nmodule {}", "signs in a row"),
    "deep regions": (nested(100), "regions and calls are nested more than 64 deep"),
    "calls too many to take in": (doubling(40), "regions and calls are nested more than 64 deep"),
    "overflowing size": (main("", HUGE), "which no memory holds"),
    "huge constant": (
        main("%0 = stablehlo.constant dense<0.0> : tensor<1000000000000000xf32>"),
        r"text:2: error: 'stablehlo.constant' .* no memory holds",
    ),
    "token": (
        main(
            "%t = stablehlo.create_token : !stablehlo.token\n"
            '%u = "stablehlo.outfeed"(%x, %t) : (tensor<f32>, !stablehlo.token) -> !stablehlo.token'
        ),
        r"text:3: error: 'stablehlo.outfeed' orders side effects by a token",
    ),
    "token of a custom call": (
        main(
            "%t = stablehlo.after_all : !stablehlo.token\n"
            "%u = stablehlo.custom_call @f(%t) : (!stablehlo.token) -> !stablehlo.token"
        ),
        r"text:3: error: 'stablehlo.custom_call' orders side effects by a token",
    ),
    "unranked": (main("", "tensor<*xf32>"), "not a ranked tensor"),
    "memref": (main("", "memref<2xf32>"), "not a ranked tensor"),
    "element type": (main("", "tensor<2xi7>"), "elements of type i7"),
    "other dialect": (main("%0 = math.sin %x : tensor<f32>"), "'math.sin' .* is no part of StableHLO"),
    "blocks": (main("cf.br ^b\n^b:"), "branches between blocks"),
    "unknown custom call": (
        main(custom_call("nosuch")),
        "text:2: error: the custom call 'nosuch' is unknown",
    ),
    "callback": (main(custom_call("xla_ffi_python_cpu_callback")), "calls a Python function"),
    "communication": (
        "module attributes {mhlo.num_partitions = 2 : i32} {\n"
        + main("%0 = stablehlo.partition_id : tensor<ui32>")
        + "}",
        "communicates between devices",
    ),
    "groups of two": (
        main(
            '%0 = "stablehlo.all_gather"(%s) {all_gather_dim = 0 : i64, '
            "replica_groups = dense<[[0, 1]]> : tensor<1x2xi64>} : (tensor<1xf32>) -> tensor<2xf32>",
            "tensor<f32>",
        ).replace("%0 =", "%s = stablehlo.reshape %x : (tensor<f32>) -> tensor<1xf32>\n%0 ="),
        "communicates between devices",
    ),
    "transform without attributes": (
        main(custom_call("mycc.vjp", "called_computations = [@main]")),
        "circle",
    ),
    "transform of nothing": (
        main(custom_call("mycc.vjp", "called_computations = [@nosuch]")),
        "function @nosuch that is not there",
    ),
    "transform's types": (
        PRIVATE.format("g", "%0 = stablehlo.sine %x : tensor<f32>")
        + main(
            custom_call(
                "mycc.vjp",
                "called_computations = [@g], mycc.active = array<i1: true>, mycc.seeded = array<i1: true>",
            )
        ),
        r"'mycc.vjp' takes \(tensor<f32>\) where its function asks for \(tensor<f32>, tensor<f32>\)",
    ),
    "NUL": ("module {\0}", "text:1:9: error: a NUL"),
    "surrogate": ("module {\ud800}", "neither UTF-8 text"),
    "not UTF-8": (b"module {\xff}", "bytes:1:9: error: neither UTF-8 text"),
    "string not UTF-8": (main(custom_call('"a\\FF"')), "text:2:31: error: a string that is not UTF-8"),
    "no file": ("/no/such/file.mlir", "/no/such/file.mlir: error: No such file"),
    "folder": ("/", "/: error: "),
    "no bytecode": (b"ML\xefR" + bytes(100), "bytes:0:0: error: "),
    "no artifact": (b"ML\xefR\rStableHLO_v1.0.0\0" + b"x" * 50, "not a portable artifact"),
}


@pytest.mark.parametrize("case", CASES)
def test_refused(case: str) -> None:
    source, message = CASES[case]
    with pytest.raises(mycc.ModuleError, match=message):
        mycc.from_stablehlo(source)


def test_other_types_are_refused() -> None:
    with pytest.raises(TypeError, match="takes a path, text or bytes, got int"):
        mycc.from_stablehlo(3)  # type: ignore[arg-type]


def bytecode() -> bytes:
    import io

    buffer = io.BytesIO()
    module = ir.Module.parse(main(custom_call("nosuch", 'backend_config = "a"')), context=context)
    module.operation.write_bytecode(buffer)
    return buffer.getvalue()


def damaged() -> Iterator[bytes]:
    whole = bytecode()
    yield whole.replace(b"nosuch", b"nosu\xff\xfe")  # The bindings abort on strings that are not UTF-8.
    yield whole[: len(whole) // 2]
    # Sizes of sections and strings, which lead the reader out of the file.
    for position in range(20, len(whole), len(whole) // 3):
        yield whole[:position] + b"\xff\xff\xff\xff" + whole[position + 4 :]


def test_damaged_bytecode_does_not_crash() -> None:
    """In one process: were it to crash, the test run would."""
    for data in damaged():
        with pytest.raises(mycc.ModuleError, match=r"^bytes:"):
            mycc.from_stablehlo(data)


def test_whole_bytecode_is_tried_once(monkeypatch: pytest.MonkeyPatch) -> None:
    buffer = mycc.export(lambda x: x + 1)(mycc.ShapeDtypeStruct((2,), "float32")).as_bytecode()
    started = []
    run = subprocess.run
    monkeypatch.setattr(subprocess, "run", lambda *a, **k: started.append(a[0][0]) or run(*a, **k))
    for _ in range(2):
        mycc.from_stablehlo(buffer)
    assert started == [sys.executable]
