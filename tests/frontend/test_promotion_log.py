"""``MYCC_LOG=promotion`` names each line where 64-bit data widens 32-bit operands, and no other line."""

import os
import subprocess
import sys
from pathlib import Path

SCRIPT = """\
import numpy as np, mycc, mycc.numpy as mnp
w, wide = mnp.ones(3), mnp.asarray(np.ones(3))

@mycc.jit
def f(w, wide):
    doubled = w * 2.0 + np.float64(3)
    return doubled @ wide

f(w, wide)
for _ in range(3):
    w + wide
mnp.arange(3) + np.int64(2)
mnp.arange(3) + np.arange(3)
mnp.arange(3) * np.ones(3)
w + 1j
w + np.ones(3, np.complex64)
w + np.ones(3, np.complex128)
wide + np.ones(3, np.complex128)
mnp.concatenate([w, wide])
mnp.where(w > 0, w, wide)
"""


def _stderr(path: Path, **environment: str) -> str:
    return subprocess.run(
        [sys.executable, path], env={**os.environ, **environment}, capture_output=True, text=True, check=True
    ).stderr


def test_each_line_once(tmp_path: Path) -> None:
    path = tmp_path / "mixed.py"
    path.write_text(SCRIPT)
    assert _stderr(path) == ""
    assert _stderr(path, MYCC_LOG="recompiles") == ""
    lines = _stderr(path, MYCC_LOG="recompiles, promotion").splitlines()
    assert [line.split(":")[2] for line in lines] == ["7", "11", "13", "17", "19", "20"]
    assert lines[0] == (
        f"mycc: {path}:7: f32[3] becomes float64 beside f64[3]; convert with .astype(...) where that is not meant"
    )
    assert "i32[3] becomes int64 beside i64[3]" in lines[2]
