"""`mycc.ad_checkpoint`: `checkpoint`, its policies, and names for what they save."""

from __future__ import annotations

from mycc import checkpoint_policies
from mycc.remat import checkpoint, checkpoint_name, remat

__all__ = ["checkpoint", "checkpoint_name", "checkpoint_policies", "remat"]
