"""What every test relies on: processes that tests start import the same mycc as the tests do."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

# Helpers beside the tests check, too.
pytest.register_assert_rewrite("harness", "emission", "nestings")

os.environ["PYTHONPATH"] = os.pathsep.join([str(ROOT / "src"), *filter(None, [os.environ.get("PYTHONPATH")])])
