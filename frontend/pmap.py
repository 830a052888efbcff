"""`pmap`: a function once on each of several devices, over a dimension of its arguments."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from mycc.dialects.errors import DeviceError, TransformError
from mycc.dialects.manual import Spec
from mycc.dialects.transform import NO_AXIS
from mycc.function import Callee, name_of
from mycc.jit import jit
from mycc.lowering import pytrees
from mycc.lowering.devices import devices as all_devices
from mycc.lowering.shardings import Mesh
from mycc.shard_map import Region, check_nesting, over_mesh, placed
from mycc.source import user_line
from mycc.trace import current
from mycc.types import abstractify
from mycc.vmap import flat_axes

__all__ = ["pmap"]


def pmap(
    fun: Callable[..., Any] | None = None,
    axis_name: str | None = None,
    *,
    in_axes: Any = 0,
    out_axes: Any = 0,
    static_broadcasted_argnums: int | Sequence[int] = (),
    donate_argnums: int | Sequence[int] = (),
    devices: Sequence[Any] | None = None,
) -> Callable[..., Any]:
    """Run a function on several devices at once, each with its part along a dimension of the arguments.

    Change `vmap` into `pmap`, and the work is spread. It is `shard_map` over a mesh of one axis.

    Args:
        fun: a function of pytrees of arrays, of one example.
        axis_name: for `mycc.lax.psum` and its kin inside of ``fun``.
        in_axes: the mapped dimension of each argument, as for `vmap`; None gives it to every device. Keyword arguments
            are mapped along their first.
        out_axes: where the mapped dimension is in the results; None where all devices return the same.
        static_broadcasted_argnums: positions of arguments that are constants, hashable.
        donate_argnums: positions of arguments whose memory the results may take over.
        devices: the devices to use, as many as the mapped dimension has elements; default: the first of this process.

    Returns:
        A compiled function of the same arguments with one more dimension, which can be differentiated and nested in
        `jit`, `vmap` and other transforms. Without ``fun``, a decorator.

    Raises:
        DeviceError: (the returned function) the mapped dimension has more elements than there are devices.
        TransformError: (the returned function) mapped dimensions have different sizes.

    Example:
        >>> import mycc, mycc.numpy as mnp
        >>> mycc.pmap(lambda x: x / mycc.lax.psum(x, "i"), axis_name="i")(mnp.array([[4.0, 2.0]]))
        Array([[1., 1.]], dtype=float32)
    """
    if fun is None:
        return functools.partial(
            pmap,
            axis_name=axis_name,
            in_axes=in_axes,
            out_axes=out_axes,
            static_broadcasted_argnums=static_broadcasted_argnums,
            donate_argnums=donate_argnums,
            devices=devices,
        )
    if not callable(fun):
        raise TypeError(f"{user_line()}: pmap takes a function, got {type(fun).__name__}")
    name, axis = name_of(fun), axis_name or "_pmap"
    nums = static_broadcasted_argnums
    static = (nums,) if isinstance(nums, int) else tuple(nums)

    def mapped(*args: Any, **kwargs: Any) -> Any:
        apart = {i % len(args) for i in static if args}
        given = tuple(x for i, x in enumerate(args) if i not in apart)
        axes = tuple(in_axes) if isinstance(in_axes, (tuple, list)) else in_axes
        if isinstance(axes, tuple) and len(axes) == len(args):
            axes = tuple(a for i, a in enumerate(axes) if i not in apart)
        leaves, tree = pytrees.flatten((given, kwargs))
        flat = flat_axes(name, "in_axes", (axes, 0), (given, kwargs), 0)
        mesh = _mesh(name, axis, leaves, flat, devices)
        ins = [_spec(axis, abstractify(x).ndim, a) for x, a in zip(leaves, flat, strict=True)]
        frame = current()
        check_nesting(name, frame, mesh, (axis,))
        if frame is None:
            placed_args, placed_kwargs = tree.unflatten(placed(mesh, leaves, ins))
            rest = iter(placed_args)
            return compiled(*(x if i in apart else next(rest) for i, x in enumerate(args)), **placed_kwargs)
        found: list[list[int]] = []

        def function(parts: list[Any]) -> Any:
            own = [x if a == NO_AXIS else x.squeeze(a) for x, a in zip(parts, flat, strict=True)]
            inner, named = tree.unflatten(own)
            rest = iter(inner)
            results = fun(*(x if i in apart else next(rest) for i, x in enumerate(args)), **named)
            outs, out_tree = pytrees.flatten(results)
            found.append(flat_axes(name, "out_axes", out_axes, results, 1))
            return out_tree.unflatten([_widened(x, a) for x, a in zip(outs, found[-1], strict=True)])

        def outs(callee: Callee) -> list[Spec]:
            return [_spec(axis, aval.ndim, a) for aval, a in zip(callee.out_avals, found[-1], strict=True)]

        return over_mesh(frame, name, function, Region(mesh, mesh.shape), leaves, ins, outs, check=False)

    functools.update_wrapper(mapped, fun)
    compiled = jit(mapped, static_argnums=static, donate_argnums=donate_argnums)
    return mapped


def _spec(axis: str, rank: int, dimension: int) -> Spec:
    return tuple((axis,) if d == dimension else () for d in range(rank))


def _widened(x: Any, axis: int) -> Any:
    from mycc import numpy as mnp

    return x if axis == NO_AXIS else mnp.expand_dims(x, axis)


def _mesh(
    name: str, axis: str, leaves: Sequence[Any], axes: Sequence[int], devices: Sequence[Any] | None
) -> Mesh:
    sizes = {abstractify(x).shape[a] for x, a in zip(leaves, axes, strict=True) if a != NO_AXIS}
    if len(sizes) != 1:
        what = f"different sizes {sorted(sizes)}" if sizes else "no mapped argument"
        raise TransformError(f"{user_line()}: pmap of {name} got {what} along the mapped dimension")
    (size,) = sizes
    known = (
        list(devices)
        if devices is not None
        else [d for d in all_devices() if d.process_index == d.client.process_index()]
    )
    if size > len(known) or (devices is not None and size != len(known)):
        raise DeviceError(
            f"{user_line()}: pmap of {name} maps a dimension of size {size} over {len(known)} devices; split the rest with "
            f"vmap inside, or on the host set MYCC_NUM_CPU_DEVICES={size}"
        )
    chosen = np.empty(size, object)
    chosen[:] = known[:size]
    return Mesh(chosen, axis)
