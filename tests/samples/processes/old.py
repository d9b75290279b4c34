"""Warns whoever imports it."""

import warnings

warnings.warn("it is old", DeprecationWarning, stacklevel=2)
