"""Tests of programs on eight devices: `tests/test_devices.py` runs them in a process that has them."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
import pytest

import mycc
from mycc.sharding import Mesh


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if mycc.device_count("cpu") >= 8:
        jax.config.update("jax_num_cpu_devices", 8)
        jax.config.update("jax_enable_x64", True)
    else:
        for item in items:
            if "tests/devices" in item.path.as_posix():
                item.add_marker(pytest.mark.skip(reason="for MYCC_NUM_CPU_DEVICES=8"))


@pytest.fixture
def mesh() -> Mesh:
    return mycc.make_mesh((4, 2), ("x", "y"))


@pytest.fixture
def x() -> np.ndarray[Any, Any]:
    return np.random.default_rng(0).normal(size=(8, 16))
