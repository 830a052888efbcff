"""A network whose matrices are too large for one device: each has a part of them, and of each batch.

    pip install .
    MYCC_NUM_CPU_DEVICES=8 python examples/tensor_parallel.py

The first matrix is split by columns and the second by rows, so that one sum over the devices is all that a layer
needs ("Megatron-LM", Shoeybi et al. 2019). Once written by hand with `shard_map`, once left to the partitioner.
"""

from __future__ import annotations

import os

os.environ.setdefault("MYCC_NUM_CPU_DEVICES", "8")

import re

import numpy as np

import mycc
import mycc.numpy as mnp
from mycc import lax, nn
from mycc.sharding import NamedSharding
from mycc.sharding import PartitionSpec as P


def layer(x: mycc.Array, up: mycc.Array, down: mycc.Array) -> mycc.Array:
    """The layer on one device, or left to the partitioner."""
    return nn.gelu(x @ up) @ down


def part(x: mycc.Array, up: mycc.Array, down: mycc.Array) -> mycc.Array:
    """What each device computes with its parts of the matrices."""
    return lax.psum(nn.gelu(x @ up) @ down, "model")


def main() -> None:
    mesh = mycc.make_mesh((2, 4), ("data", "model"))
    rng = np.random.default_rng(0)
    x, up, down = (rng.normal(size=s).astype(np.float32) for s in ((32, 64), (64, 256), (256, 64)))
    specs = P("data"), P(None, "model"), P("model")
    spread = [mycc.device_put(a, NamedSharding(mesh, s)) for a, s in zip((x, up, down), specs, strict=True)]
    for name, array in zip(("x", "up", "down"), spread, strict=True):
        print(
            f"{name:4} {array.shape}: {array.sharding.spec}, parts {array.addressable_shards[0].data.shape}"
        )

    def loss(function: object) -> object:
        return lambda x, up, down: mnp.mean(function(x, up, down) ** 2)

    by_hand = mycc.shard_map(part, mesh=mesh, in_specs=specs, out_specs=P("data"))
    expected = mycc.jit(mycc.grad(loss(layer), argnums=(1, 2)))(x, up, down)
    for name, function in (("by hand", by_hand), ("partitioned", layer)):
        gradient = mycc.jit(mycc.grad(loss(function), argnums=(1, 2)))
        found = gradient(*spread)
        error = max(
            float(mnp.max(mnp.abs(a - b)))
            for a, b in zip(map(np.asarray, found), map(np.asarray, expected), strict=True)
        )
        text = mycc.jit(function).lower(*spread).compile().as_text()
        count = len(re.findall(r" all-reduce\(", text))
        print(f"{name}: gradients differ from one device's by {error:.1e}; all-reduces in the layer: {count}")
        print(f"  gradient of up: {found[0].sharding.spec}, of down: {found[1].sharding.spec}")
    print("up, as it lies on the devices:")
    mycc.debug.visualize_array_sharding(spread[1])


if __name__ == "__main__":
    main()
