"""Closing: the frozen files get all that they need of the system, and lose what points into it."""
