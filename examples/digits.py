"""Train a classifier of handwritten digits to 97 % test accuracy, on scikit-learn's 1,797 scans of real ones.

    pip install '.[examples]'
    python examples/digits.py

Shows a progress bar and writes the loss curve and some of the test digits to digits.png.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from tqdm import tqdm

import mycc
import mycc.numpy as mnp
from mycc import lax, nn, random, tree

Params = list[dict[str, mycc.Array]]
SIZES = (64, 128, 128, 10)


class State(NamedTuple):
    """What a step of Adam updates."""

    params: Params
    mean: Params
    square: Params
    steps: mycc.Array


def initial_params(key: random.KeyArray) -> Params:
    """He initialisation."""
    keys = random.split(key, len(SIZES) - 1)
    return [
        {"w": random.normal(k, (n, m)) * np.sqrt(2 / n), "b": mnp.zeros(m)}
        for k, n, m in zip(keys, SIZES[:-1], SIZES[1:], strict=True)
    ]


def logits(params: Params, images: mycc.Array) -> mycc.Array:
    """Scores of the ten classes, for images of shape (..., 64)."""
    *hidden, last = params
    x = images
    for layer in hidden:
        x = nn.relu(x @ layer["w"] + layer["b"])
    return x @ last["w"] + last["b"]


def loss(params: Params, images: mycc.Array, labels: mycc.Array) -> mycc.Array:
    """Cross entropy."""
    targets = nn.one_hot(labels, SIZES[-1])
    return -mnp.mean(mnp.sum(targets * nn.log_softmax(logits(params, images)), axis=-1))


def shifted(key: random.KeyArray, image: mycc.Array) -> mycc.Array:
    """One 8x8 image moved by at most a pixel in each direction: more data than there is."""
    corner = random.randint(key, (2,), 0, 3)
    padded = mnp.pad(image.reshape(8, 8), 1)
    return lax.dynamic_slice(padded, (corner[0], corner[1]), (8, 8)).reshape(64)


@mycc.jit
def step(
    state: State, key: random.KeyArray, images: mycc.Array, labels: mycc.Array, rate: float
) -> tuple[State, mycc.Array]:
    """One step of Adam on a batch."""
    images = mycc.vmap(shifted)(random.split(key, len(images)), images)
    value, gradient = mycc.value_and_grad(loss)(state.params, images, labels)
    steps = state.steps + 1
    mean = tree.map(lambda m, g: 0.9 * m + 0.1 * g, state.mean, gradient)
    square = tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, state.square, gradient)

    def move(p: mycc.Array, m: mycc.Array, v: mycc.Array) -> mycc.Array:
        return p - rate * (m / (1 - 0.9**steps)) / (mnp.sqrt(v / (1 - 0.999**steps)) + 1e-8)

    return State(tree.map(move, state.params, mean, square), mean, square, steps), value


@mycc.jit
def accuracy(params: Params, images: mycc.Array, labels: mycc.Array) -> mycc.Array:
    """Share of images whose best class is the right one."""
    return mnp.mean(mnp.argmax(logits(params, images), axis=-1) == labels)


def plot(
    path: Path, losses: list[float], accuracies: list[float], digits: Any, labels: Any, guesses: Any
) -> None:
    """The curves, and two rows of test digits, wrong ones first."""
    figure = plt.figure(figsize=(9, 6), layout="constrained")
    upper, lower = figure.subfigures(2, 1, height_ratios=[2, 1])
    axes = upper.subplots()
    epochs = np.linspace(0, len(accuracies), len(losses))
    axes.semilogy(epochs, losses, lw=0.5, alpha=0.4, color="C0")
    window = max(1, len(losses) // len(accuracies))
    axes.semilogy(epochs[window - 1 :], np.convolve(losses, np.ones(window) / window, "valid"), color="C0")
    axes.set(xlabel="epoch", ylabel="training loss")
    right = axes.twinx()
    right.plot(np.arange(1, len(accuracies) + 1), np.multiply(accuracies, 100), color="C1")
    right.set_ylabel("test accuracy (%)", color="C1")
    right.set_ylim(90, 100)
    upper.suptitle(f"Handwritten digits: {accuracies[-1]:.1%} of {len(labels)} test images right")
    wrong_first = np.argsort(guesses == labels, kind="stable")[:16]
    for cell, i in zip(lower.subplots(2, 8).flat, wrong_first, strict=True):
        cell.imshow(digits[i].reshape(8, 8), cmap="gray_r")
        wrong = guesses[i] != labels[i]
        cell.set_title(
            f"{guesses[i]}, is {labels[i]}" if wrong else guesses[i],
            color="red" if wrong else "black",
            fontsize=9,
        )
        cell.axis("off")
    figure.savefig(path, dpi=120)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=200)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--plot", type=Path, default=Path("digits.png"), help="where the picture goes")
    options = parser.parse_args()

    data = load_digits()
    train_x, test_x, train_y, test_y = train_test_split(
        (data.data / 16).astype(np.float32),
        data.target.astype(np.int32),
        test_size=0.2,
        stratify=data.target,
        random_state=0,
    )
    platform = mycc.devices()[0].platform
    print(f"{len(train_x)} training and {len(test_x)} test images of 8x8 pixels, on {platform}")

    key = random.key(options.seed)
    params = initial_params(key)
    zeros = tree.map(mnp.zeros_like, params)
    state = State(params, zeros, zeros, mnp.zeros(()))
    order = np.random.default_rng(options.seed)
    batches = len(train_x) // options.batch
    losses: list[mycc.Array] = []
    accuracies: list[float] = []
    start = time.perf_counter()
    with tqdm(total=options.epochs, unit="epoch") as bar:
        for epoch in range(options.epochs):
            rate = 2e-3 * 0.5 * (1 + np.cos(np.pi * epoch / options.epochs))
            shuffled = order.permutation(len(train_x))[: batches * options.batch].reshape(batches, -1)
            for number, chosen in enumerate(shuffled):
                here = random.fold_in(key, epoch * batches + number)
                state, value = step(state, here, train_x[chosen], train_y[chosen], rate)
                losses.append(value)
            accuracies.append(float(accuracy(state.params, test_x, test_y)))
            bar.set_postfix(loss=f"{float(value):.3f}", test=f"{accuracies[-1]:.2%}")
            bar.update()
    seconds = time.perf_counter() - start

    guesses = np.asarray(logits(state.params, test_x)).argmax(axis=-1)
    plot(options.plot, [float(x) for x in losses], accuracies, test_x, test_y, guesses)
    print(f"test accuracy {accuracies[-1]:.2%} after {options.epochs} epochs in {seconds:.1f} s")
    print(f"loss curve and some test images: {options.plot}")
    if accuracies[-1] < 0.97:
        raise SystemExit("the classifier stayed below 97 %")


if __name__ == "__main__":
    main()
