"""``mycc devices``: the devices that programs can run on."""

from __future__ import annotations

import argparse

from mycc.tools.files import write_output

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    parser.add_argument("--platform", help="of this platform only: cpu, cuda, tpu")


def run(args: argparse.Namespace) -> int:
    """Runs the command and returns its exit status."""
    from mycc.lowering.devices import devices, platforms

    lines = []
    for platform in (args.platform,) if args.platform else platforms():
        lines += [f"{platform}:{device.id}  {device.device_kind}" for device in devices(platform)]
    write_output(None, "\n".join(lines) + "\n")
    return 0
