"""Programs on eight devices, which a process has from its start."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def test_eight_devices() -> None:
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("PYTEST_")}
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:cacheprovider",
            "-n0",
            str(Path(__file__).parent / "devices"),
        ],
        env={**inherited, "MYCC_NUM_CPU_DEVICES": "8", "TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        text=True,
        check=False,
        timeout=900,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout and " skipped" not in done.stdout, done.stdout
