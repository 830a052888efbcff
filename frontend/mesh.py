"""`set_mesh`: the mesh that shardings and `shard_map` mean where they name none."""

from __future__ import annotations

import threading

from mycc.dialects.errors import TransformError
from mycc.lowering.dispatch import swap_context
from mycc.lowering.shardings import Mesh
from mycc.source import user_line
from mycc.trace import current

__all__ = ["get_mesh", "set_mesh"]


class _State(threading.local):
    mesh: Mesh | None = None


_state = _State()


class set_mesh:
    """Let this thread's `PartitionSpec`s and `shard_map`s mean a mesh where they name none.

    From the call on, or as the context of a ``with`` block, ``device_put``, ``with_sharding_constraint``, and the
    ``in_shardings`` and ``out_shardings`` of `jit` take a `PartitionSpec` in place of a `NamedSharding`, and `shard_map`
    and its specs need no ``mesh``. Compiled functions are compiled once for each mesh that they are called under.

    Args:
        mesh: the mesh; None for none.

    Raises:
        TransformError: a function is being traced, which has the mesh that it was called under.
        TypeError: it is no mesh.

    Example:
        >>> import mycc, mycc.numpy as mnp
        >>> with mycc.set_mesh(mycc.make_mesh((1,), ("x",))):
        ...     x = mycc.device_put(mnp.arange(4.0), mycc.P("x"))
        >>> x.sharding
        NamedSharding(Mesh('x': 1), PartitionSpec('x'))
    """

    def __init__(self, mesh: Mesh | None) -> None:
        if mesh is not None and not isinstance(mesh, Mesh):
            raise TypeError(f"{user_line()}: set_mesh takes a Mesh, got {mesh!r}")
        frame = current()
        if frame is not None:
            raise TransformError(
                f"{user_line()}: set_mesh is called while {frame.name} (begun at {frame.line}) is traced; call it around the "
                "function"
            )
        self._old = _state.mesh
        _set(mesh)

    def __enter__(self) -> Mesh | None:
        return _state.mesh

    def __exit__(self, *error: object) -> None:
        _set(self._old)


def _set(mesh: Mesh | None) -> None:
    _state.mesh = mesh
    swap_context(mesh)


def get_mesh() -> Mesh | None:
    """The mesh that `set_mesh` has set in this thread; None if there is none."""
    return _state.mesh
