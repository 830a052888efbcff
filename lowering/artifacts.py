"""What XLA makes of a module on the way to machine code: LLVM IR and assembly, as text.

PJRT does not hand them out, so the module is compiled once more with XLA's dump options into a temporary
folder.
"""

from __future__ import annotations

import dataclasses
import pathlib
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from mycc.dialects.errors import MyccError
from mycc.dialects.mlir import ir
from mycc.lowering.compile import compile_module
from mycc.lowering.settings import CompileSettings

__all__ = ["assembly", "llvm_ir"]


def llvm_ir(module: ir.Module, devices: Sequence[Any], options: CompileSettings) -> str:
    """The optimized LLVM IR of each kernel, one after the other.

    Raises:
        MyccError: no kernel was generated: every operation runs in a library (dots on the CPU do).
    """
    with _dumped(module, devices, options) as folder:
        found = _sorted(folder, "*ir-with-opt.ll")
        if not found:
            raise MyccError(_NOTHING.format("LLVM IR"))
        return "\n".join(f"; kernel: {_kernel(path)}\n{path.read_text()}" for path in found)


def assembly(module: ir.Module, devices: Sequence[Any], options: CompileSettings) -> str:
    """The machine code of each kernel: PTX on CUDA, a disassembly of the object files on the CPU.

    Raises:
        MyccError: no kernel was generated, or there is no disassembler on the path.
    """
    with _dumped(module, devices, options) as folder:
        texts = _sorted(folder, "*.ptx")
        if texts:
            return "\n".join(path.read_text() for path in texts)
        objects = _sorted(folder, "*.o")
        if not objects:
            raise MyccError(_NOTHING.format("machine code"))
        return "\n".join(f"# kernel: {_kernel(path)}\n{_disassembled(path)}" for path in objects)


_NOTHING = "XLA generated no {} for this module: its operations all run in a library, or do nothing"


@contextmanager
def _dumped(module: ir.Module, devices: Sequence[Any], options: CompileSettings) -> Iterator[pathlib.Path]:
    with tempfile.TemporaryDirectory(prefix="mycc-dump-") as folder:
        # Since jaxlib 0.12 the LLVM IR is dumped only for the emitters named by xla_dump_emitter_re.
        flags = (("xla_dump_to", folder), ("xla_dump_hlo_as_text", True), ("xla_dump_emitter_re", ".*"))
        overrides = (*options.env_option_overrides, *flags)
        dumping = dataclasses.replace(options, env_option_overrides=overrides, keep_module=False)
        compile_module(module, devices=devices, options=dumping)
        yield pathlib.Path(folder)


def _sorted(folder: pathlib.Path, pattern: str) -> list[pathlib.Path]:
    return sorted(path for path in folder.glob(pattern) if path.stat().st_size)


def _kernel(path: pathlib.Path) -> str:
    """`module_0001.main.obj-file.__compute_module_add_fusion.o` holds the kernel `add_fusion`."""
    name = re.search(r"__compute_module_(.*?)(?:\.ir-with-opt\.ll|\.o)$", path.name)
    return name.group(1) if name else path.name


def _disassembled(path: pathlib.Path) -> str:
    for tool in ("llvm-objdump", "objdump"):
        program = shutil.which(tool)
        if program is None:
            continue
        command = [program, "--disassemble", "--no-show-raw-insn", str(path)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode == 0:
            return done.stdout.partition("Disassembly of section")[2].partition("\n")[2] or done.stdout
    raise MyccError(
        "showing assembly takes llvm-objdump or objdump on the PATH, and neither works here; install LLVM or "
        "binutils, or ask for the LLVM IR (--emit=llvm)"
    )
