"""The talk's last line: change `vmap` into `pmap`, and the work spreads over the devices.

pip install .
MYCC_NUM_CPU_DEVICES=8 python examples/spread_the_work.py
"""

from __future__ import annotations

import os

os.environ.setdefault("MYCC_NUM_CPU_DEVICES", "8")

import mycc
import mycc.numpy as mnp
from mycc import lax, random


def main() -> None:
    count = mycc.local_device_count()
    keys = random.split(random.key(0), count)
    matrices = mycc.vmap(lambda key: random.normal(key, (200, 300)))(keys)
    spread = mycc.pmap(lambda key: random.normal(key, (200, 300)))(keys)
    print(f"{count} random matrices, the same as by vmap: {bool(mnp.array_equal(matrices, spread))}")
    print(spread.sharding)
    products = mycc.pmap(lambda m: m @ m.T)(spread)
    print(f"their products with themselves: {products.shape}")
    mycc.debug.visualize_sharding((count,), products.sharding)
    normalized = mycc.pmap(lambda x: x / lax.psum(x, "i"), axis_name="i")(mnp.arange(1.0, count + 1))
    print(f"shares of a sum over the devices: {normalized}")
    gradients = mycc.pmap(mycc.grad(lambda x: mnp.sum(mnp.tanh(x) ** 2)))(spread)
    print(f"gradients, one for each device: {gradients.shape}, on {len(gradients.devices())} devices")


if __name__ == "__main__":
    main()
