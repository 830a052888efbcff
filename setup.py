"""Finds the packages: ``mycc`` is the folder frontend, ``mycc.passes`` the folder passes, and so on.

The symbolic links (src/mycc, frontend/passes, ...) serve type checkers and uninstalled runs only; nothing
here follows them, so that a source distribution and systems without symbolic links build the same wheel.
"""

from setuptools import find_packages, setup

FOLDERS = ("dialects", "passes", "lowering", "tools")
LINKS = [pattern for folder in FOLDERS for pattern in (folder, f"{folder}.*")]

setup(
    package_dir={"mycc": "frontend", **{f"mycc.{folder}": folder for folder in FOLDERS}},
    packages=[
        "mycc",
        *(f"mycc.{package}" for package in find_packages("frontend", exclude=LINKS)),
        *(f"mycc.{package}" for package in find_packages(".", include=LINKS)),
    ],
    package_data={"mycc": ["py.typed"]},
)
