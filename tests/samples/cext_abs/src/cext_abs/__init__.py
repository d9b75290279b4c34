"""Adds numbers, in C, in a shared library."""

from cext_abs.native import total

__all__ = ["total"]
