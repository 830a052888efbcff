"""What control flow must not do with effects."""

from __future__ import annotations

from collections.abc import Sequence

from mycc.dialects.errors import TransformError
from mycc.dialects.locations import describe
from mycc.dialects.record import Batched

__all__ = ["refuse_effects"]


def refuse_effects(site: Batched, what: str, functions: Sequence[str]) -> None:
    """Refuse an `io_callback` where the batched form runs for examples that do not ask for it."""
    for symbol in functions:
        name = site.functions.lasting_effect(symbol)
        if name is not None:
            raise TransformError(
                f"{describe(site.op.location)}: vmap of a {what} would run the io_callback of '{name}' in it for every "
                "example; take the call out of it, or loop over the examples with mycc.lax.map"
            )
