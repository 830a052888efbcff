"""lit's configuration: ``lit tests/passes`` runs each .mlir file through ``mycc opt`` and ``filecheck``."""

# ruff: noqa: F821 - lit defines `config`

import os
import sys

import lit.formats

config.name = "mycc"
config.test_format = lit.formats.ShTest(execute_external=False)
config.suffixes = [".mlir"]
config.test_source_root = os.path.dirname(__file__)
config.test_exec_root = os.path.join(config.test_source_root, "Output")
# The interpreter that runs lit is the one under test, installed or not.
root = os.path.dirname(os.path.dirname(config.test_source_root))
config.environment["PYTHONPATH"] = os.pathsep.join(
    [os.path.join(root, "src"), *filter(None, [os.environ.get("PYTHONPATH")])]
)
config.substitutions += [
    (r"\bmycc (?=opt|passes|run|trace|devices)", f"{sys.executable} -m mycc.tools.cli "),
    (r"\bfilecheck\b", f"{sys.executable} -m filecheck"),
    ("%root", root),
]
