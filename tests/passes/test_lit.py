"""Runs lit once over this folder and reports each file's outcome as a test of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent
FILES = sorted(
    str(p.relative_to(FOLDER)) for p in FOLDER.rglob("*.mlir") if not {"Output", "Inputs"} & set(p.parts)
)


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, str]]:
    folder = tmp_path_factory.mktemp("lit")
    report = folder / "report.json"
    command = [sys.executable, "-c", "from lit.main import main; main()", "-j2", "-q", "-o", str(report)]
    environment = {**os.environ, "LIT_OPTS": ""}
    done = subprocess.run(
        [*command, str(FOLDER)], capture_output=True, text=True, env=environment, check=False
    )
    assert report.exists(), done.stdout + done.stderr
    tests = json.loads(report.read_text())["tests"]
    return {test["name"].split(" :: ")[1]: test for test in tests}


@pytest.mark.parametrize("name", FILES)
def test_file(name: str, outcomes: dict[str, dict[str, str]]) -> None:
    """The RUN lines of one .mlir file."""
    outcome = outcomes[name]
    assert outcome["code"] in ("PASS", "XFAIL", "UNSUPPORTED"), outcome["output"]
