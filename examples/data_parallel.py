"""Train a classifier of handwritten digits on eight devices, each with an eighth of every batch.

    pip install '.[examples]'
    MYCC_NUM_CPU_DEVICES=8 python examples/data_parallel.py
    MYCC_NUM_CPU_DEVICES=4 mycc run-distributed -n 2 examples/data_parallel.py

The training step is the one of a single device: what is different is where its arrays are.
"""

from __future__ import annotations

import os
from itertools import pairwise

os.environ.setdefault("MYCC_NUM_CPU_DEVICES", "8")

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import mycc
import mycc.numpy as mnp
from mycc import nn, tree
from mycc.sharding import NamedSharding
from mycc.sharding import PartitionSpec as P

if "MYCC_COORDINATOR" in os.environ:
    mycc.distributed.initialize()

SIZES = (64, 128, 10)
BATCH = 256


def loss(params: list[dict[str, mycc.Array]], images: mycc.Array, labels: mycc.Array) -> mycc.Array:
    """Cross entropy."""
    *hidden, last = params
    for layer in hidden:
        images = nn.relu(images @ layer["w"] + layer["b"])
    scores = nn.log_softmax(images @ last["w"] + last["b"])
    return -mnp.mean(mnp.sum(nn.one_hot(labels, 10) * scores, axis=-1))


@mycc.jit
def step(params: list[dict[str, mycc.Array]], images: mycc.Array, labels: mycc.Array) -> tuple:
    """One step of gradient descent."""
    value, gradient = mycc.value_and_grad(loss)(params, images, labels)
    return tree.map(lambda p, g: p - 0.3 * g, params, gradient), value


def main() -> None:
    mesh = mycc.make_mesh((mycc.device_count(),), ("data",))
    rows, everywhere = NamedSharding(mesh, P("data")), NamedSharding(mesh, P())
    digits = load_digits()
    train_x, test_x, train_y, test_y = train_test_split(
        (digits.data / 16).astype(np.float32), digits.target.astype(np.int32), test_size=0.2, random_state=0
    )
    rng = np.random.default_rng(0)
    params = mycc.device_put(
        [
            {"w": rng.normal(size=(n, m)).astype(np.float32) * (2 / n) ** 0.5, "b": np.zeros(m, np.float32)}
            for n, m in pairwise(SIZES)
        ],
        everywhere,
    )
    for epoch in range(40):
        order = rng.permutation(len(train_x))[: len(train_x) // BATCH * BATCH].reshape(-1, BATCH)
        for chosen in order:
            images, labels = mycc.device_put((train_x[chosen], train_y[chosen]), rows)
            params, value = step(params, images, labels)
        if epoch % 10 == 9 and mycc.process_index() == 0:
            print(f"epoch {epoch + 1:2}: loss {float(value):.4f}")
    *hidden, last = (tree.map(np.asarray, layer) for layer in params)
    scores = test_x
    for layer in hidden:
        scores = np.maximum(scores @ layer["w"] + layer["b"], 0)
    accuracy = np.mean((scores @ last["w"] + last["b"]).argmax(1) == test_y)
    if mycc.process_index() == 0:
        print(f"test accuracy {accuracy:.1%} on {mesh}")
        print(f"a batch of images: {images.sharding}")
        mycc.debug.visualize_array_sharding(images)
        print(f"the first layer: {params[0]['w'].sharding}")
        compiled = step.lower(params, images, labels).compile().as_text()
        print(f"all-reduces in a step: {compiled.count(' all-reduce(')}")
    mycc.distributed.shutdown()


if __name__ == "__main__":
    main()
