"""Adds numbers, in C, in a shared library."""

from cext_origin.native import total

__all__ = ["total"]
