"""Every operation has a record, or is outside with a reason, and the page in ``docs`` says so."""

from __future__ import annotations

import importlib.util
import pathlib
from typing import Any

from mycc.dialects.mlir import chlo, hlo
from mycc.dialects.rules import RECORDS
from mycc.dialects.rules.outside import OUTSIDE

ROOT = pathlib.Path(__file__).parents[2]


def registered() -> set[str]:
    """The operations of StableHLO and CHLO that the bindings have."""
    classes = [each for dialect in (hlo, chlo) for each in vars(dialect).values()]
    names = {each.OPERATION_NAME for each in classes if hasattr(each, "OPERATION_NAME")}
    return {name for name in names if name.partition(".")[0] in ("stablehlo", "chlo")}


def script() -> Any:
    spec = importlib.util.spec_from_file_location("make_operations", ROOT / "docs" / "make_operations.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_operation_is_known() -> None:
    names = registered()
    assert len(names) > 150
    assert sorted(names - RECORDS.keys() - OUTSIDE.keys()) == []


def test_no_operation_is_both_inside_and_outside() -> None:
    assert sorted(RECORDS.keys() & OUTSIDE.keys()) == []


def test_the_page_is_up_to_date() -> None:
    page = (ROOT / "docs" / "operations.md").read_text()
    assert page == script().text(), "run python docs/make_operations.py"


def test_what_the_page_names_is_there() -> None:
    made = script()
    assert made.NOTES.keys() | made.DIFFERENT.keys() <= RECORDS.keys()
    for places in made.TESTS.values():
        for place in places.split(", "):
            path = ROOT / "tests" / (place if "/" in place else f"dialects/{place}.py")
            assert path.exists(), path
