"""What every test relies on: processes that tests start import the same mycc as the tests do."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

ROOT = Path(__file__).parent.parent

# Helpers beside the tests check, too.
pytest.register_assert_rewrite("harness", "emission", "nestings")

os.environ["PYTHONPATH"] = os.pathsep.join([str(ROOT / "src"), *filter(None, [os.environ.get("PYTHONPATH")])])

# What an earlier run compiled must not stand in for what this one compiles. Tests of the cache switch it on.
os.environ["MYCC_COMPILATION_CACHE"] = "0"

# What passes once passes everywhere. To look for new examples: pytest --hypothesis-profile=search.
settings.register_profile("same", derandomize=True)
settings.register_profile("search", derandomize=False)
settings.load_profile("same")


@pytest.fixture(autouse=True, scope="module")
def widths_of_jax() -> Iterator[None]:
    """What a file's tests set stays with them: which files a worker has run before must not matter."""
    before = "jax" in sys.modules and sys.modules["jax"].config.jax_enable_x64
    yield
    if "jax" in sys.modules:
        sys.modules["jax"].config.update("jax_enable_x64", before)
