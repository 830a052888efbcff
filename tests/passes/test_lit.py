"""Runs lit once over this folder and reports each file's outcome as a test of its own."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).parent
FILES = sorted(
    str(p.relative_to(FOLDER)) for p in FOLDER.rglob("*.mlir") if not {"Output", "Inputs"} & set(p.parts)
)


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    # Under pytest-xdist the workers' folders have one parent: the first worker here runs lit for all.
    folder = tmp_path_factory.getbasetemp()
    shared = folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder
    report = shared / "lit.json"
    with (shared / "lit.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not report.exists():
            command = [
                sys.executable,
                "-c",
                "from lit.main import main; main()",
                "-j2",
                "-q",
                "-o",
                report,
                FOLDER,
            ]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            assert report.exists(), done.stdout + done.stderr
    return {test["name"].split(" :: ")[1]: test for test in json.loads(report.read_text())["tests"]}


@pytest.mark.parametrize("name", FILES)
def test_file(name: str, outcomes: dict[str, Any]) -> None:
    """The RUN lines of one .mlir file."""
    outcome = outcomes[name]
    assert outcome["code"] in ("PASS", "XFAIL", "UNSUPPORTED"), outcome["output"]
