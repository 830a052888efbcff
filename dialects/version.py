"""The version of mycc, here and nowhere else: to ask the installed package's metadata takes longer than a small program."""

__all__ = ["VERSION"]

VERSION = "0.1.0"
