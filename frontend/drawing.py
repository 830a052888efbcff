"""Shardings as text: which devices hold which part of an array."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mycc.array import Array
from mycc.lowering.shardings import Sharding, index_map
from mycc.source import user_line

__all__ = ["drawn", "visualize_array_sharding", "visualize_sharding"]


def visualize_sharding(shape: Sequence[int], sharding: Sharding) -> None:
    """Print which devices hold which part of an array, as a picture of it.

    Args:
        shape: of the array, with one or two dimensions.
        sharding: how it is spread.

    Raises:
        ValueError: the array has no dimension, or more than two.
        ShardingError: a dimension does not divide.

    Example:
        >>> import mycc
        >>> from mycc.sharding import NamedSharding, PartitionSpec as P
        >>> mycc.debug.visualize_sharding((4, 4), NamedSharding(mycc.make_mesh((1,), ("x",)), P("x")))
        ┌───────┐
        │ CPU 0 │
        └───────┘
    """
    print(drawn(tuple(shape), sharding))


def visualize_array_sharding(x: Array) -> None:
    """Print which devices hold which part of an array; see `visualize_sharding`."""
    print(drawn(x.shape, x.sharding))


def drawn(shape: tuple[int, ...], sharding: Any) -> str:
    """The picture."""
    if len(shape) not in (1, 2):
        raise ValueError(
            f"{user_line()}: arrays of one or two dimensions can be drawn, not of {len(shape)}; draw x[0], or look at "
            "sharding.devices_indices_map(shape)"
        )
    holders: dict[tuple[int, ...], list[Any]] = {}
    for device, index in index_map(sharding, shape).items():
        place = tuple(0 if s.start is None else s.start for s in index)
        holders.setdefault(place if len(place) == 2 else (0, *place), []).append(device)
    rows = sorted({row for row, _ in holders})
    columns = sorted({column for _, column in holders})
    labels = [[_label(holders[row, column]) for column in columns] for row in rows]
    width = max(len(label) for row in labels for label in row) + 2

    def line(left: str, middle: str, right: str) -> str:
        return left + middle.join("─" * width for _ in columns) + right

    lines = [line("┌", "┬", "┐")]
    for i, row in enumerate(labels):
        if i:
            lines.append(line("├", "┼", "┤"))
        lines.append("│" + "│".join(label.center(width) for label in row) + "│")
    return "\n".join([*lines, line("└", "┴", "┘")])


def _label(devices: Sequence[Any]) -> str:
    return f"{devices[0].platform.upper()} {','.join(str(device.id) for device in devices)}"
