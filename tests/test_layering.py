"""Imports go left only: ``dialects <- passes <- lowering <- frontend <- tools``."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
LAYERS = ("dialects", "passes", "lowering", "frontend", "tools")
MAY_IMPORT_JAXLIB = {"dialects/mlir.py", "lowering/pjrt.py"}
MODULES = sorted(
    path.relative_to(ROOT).as_posix()
    for layer in LAYERS
    for path in (ROOT / layer).rglob("*.py")
    # Below frontend the other layers show a second time, through symbolic links.
    if layer != "frontend" or path.relative_to(ROOT / layer).parts[0] not in LAYERS
)


def _imported(module: str) -> Iterator[tuple[str, int]]:
    """Full names of the modules that a file imports, wherever in the file, with the line."""
    for node in ast.walk(ast.parse((ROOT / module).read_text(), module)):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}:{node.lineno}: relative import"
            assert node.module is not None
            yield node.module, node.lineno
            # `from mycc import passes` names a layer, too.
            yield from ((f"{node.module}.{alias.name}", node.lineno) for alias in node.names)


def _layer(name: str) -> str | None:
    """The layer a module's full name belongs to; ``mycc`` alone is what `_imported` completes."""
    parts = name.split(".")
    if parts[0] != "mycc" or len(parts) == 1:
        return None
    return parts[1] if parts[1] in LAYERS else "frontend"


def test_every_layer_is_seen() -> None:
    assert {module.split("/")[0] for module in MODULES} == set(LAYERS)
    assert MAY_IMPORT_JAXLIB <= set(MODULES)


def test_imports_only_to_the_left() -> None:
    wrong = [
        f"{module}:{line} imports {name}, which stands right of it"
        for module in MODULES
        for name, line in _imported(module)
        if (layer := _layer(name)) and LAYERS.index(layer) > LAYERS.index(module.split("/")[0])
    ]
    assert wrong == []


def test_bindings_have_one_door_each() -> None:
    wrong = [
        f"{module}:{line} imports {name}"
        for module in MODULES
        for name, line in _imported(module)
        if (root := name.split(".")[0]) in ("jax", *LAYERS)
        or (root == "jaxlib" and module not in MAY_IMPORT_JAXLIB)
    ]
    assert wrong == [], (
        "jaxlib has two doors, mycc.dialects.mlir and mycc.lowering.pjrt; layers are named mycc.…"
    )


def test_import_loads_neither_jax_nor_the_tools() -> None:
    code = "import sys, mycc.numpy; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert [m for m in loaded if m.split(".")[0] == "jax" or m.startswith("mycc.tools")] == []
