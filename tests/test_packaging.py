"""The wheel holds every module of the tree, under the name that it is imported by."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FOLDERS = ("dialects", "passes", "lowering", "tools", "frontend")


def test_wheel_holds_the_tree(tmp_path: Path) -> None:
    pytest.importorskip("setuptools", minversion="77", reason="older ones do not read the licence's field")
    checkout = tmp_path / "checkout"
    checkout.mkdir()
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, checkout)
    for folder in FOLDERS:
        # Symbolic links are left out, as on systems that have none.
        shutil.copytree(
            ROOT / folder,
            checkout / folder,
            ignore=lambda at, names: {n for n in names if n == "__pycache__" or (Path(at) / n).is_symlink()},
        )
    build = "import sys; from setuptools.build_meta import build_wheel; build_wheel(sys.argv[1])"
    done = subprocess.run(
        [sys.executable, "-c", build, str(tmp_path)],
        cwd=checkout,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (wheel,) = tmp_path.glob("*.whl")
    packed = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    expected = {
        "/".join(("mycc", *(path.parts[1:] if path.parts[0] == "frontend" else path.parts)))
        for path in (p.relative_to(checkout) for folder in FOLDERS for p in (checkout / folder).rglob("*.py"))
    }
    assert packed == expected | {"mycc/py.typed"}
