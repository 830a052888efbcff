"""What every test relies on: processes that tests start import the same mycc as the tests do."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

ROOT = Path(__file__).parent.parent

# Helpers beside the tests check, too.
pytest.register_assert_rewrite("harness", "emission", "nestings")

os.environ["PYTHONPATH"] = os.pathsep.join([str(ROOT / "src"), *filter(None, [os.environ.get("PYTHONPATH")])])

# What passes once passes everywhere. To look for new examples: pytest --hypothesis-profile=search.
settings.register_profile("same", derandomize=True)
settings.register_profile("search", derandomize=False)
settings.load_profile("same")
