"""`mycc.checkpoint_policies`: what `mycc.checkpoint` saves instead of computing it again.

A policy is a value that is passed as ``policy``; unlike JAX's it cannot be a function of the user's, since the
program is divided by a pass that runs after Python has returned.
"""

from __future__ import annotations

from dataclasses import dataclass

from mycc.source import user_line

__all__ = [
    "Policy",
    "checkpoint_dots",
    "checkpoint_dots_with_no_batch_dims",
    "dots_saveable",
    "dots_with_no_batch_dims_saveable",
    "everything_saveable",
    "nothing_saveable",
    "save_any_names_but_these",
    "save_from_both_policies",
    "save_only_these_names",
]


@dataclass(frozen=True)
class Policy:
    """What is saved.

    Args:
        entries: as the IR writes them; see `mycc.passes.checkpoint`.
    """

    entries: tuple[str, ...]


nothing_saveable = Policy(())
"""Only the arguments are saved."""
everything_saveable = Policy(("everything",))
"""Nothing is computed again: as without `checkpoint`."""
dots_saveable = checkpoint_dots = Policy(("dots",))
"""The results of matrix products and other contractions are saved."""
dots_with_no_batch_dims_saveable = checkpoint_dots_with_no_batch_dims = Policy(("dots_with_no_batch_dims",))
"""The results of contractions without batch dimensions are saved."""


def save_only_these_names(*names_which_can_be_saved: str) -> Policy:
    """Save what `mycc.ad_checkpoint.checkpoint_name` gave one of these names.

    Example:
        >>> save_only_these_names("scores")
        Policy(entries=('name:scores',))
    """
    return Policy(tuple(f"name:{name}" for name in _checked(names_which_can_be_saved)))


def save_any_names_but_these(*names_not_to_save: str) -> Policy:
    """Save what has a name, unless it is one of these.

    Example:
        >>> save_any_names_but_these("scores", "weights")
        Policy(entries=('names_except:scores,weights',))
    """
    return Policy((f"names_except:{','.join(_checked(names_not_to_save))}",))


def save_from_both_policies(policy_1: Policy, policy_2: Policy) -> Policy:
    """Save what either of two policies saves."""
    return Policy(tuple(dict.fromkeys((*policy_1.entries, *policy_2.entries))))


def _checked(names: tuple[str, ...]) -> tuple[str, ...]:
    for name in names:
        if "," in str(name) or type(name) is not str:
            raise ValueError(f"{user_line()}: names in policies are strings without commas, got {name!r}")
    return names
