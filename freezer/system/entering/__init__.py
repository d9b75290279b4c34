"""The program that runs one command of a build in the root of another system; see ``program``."""

ENTERING = "freezer.system.entering.program"
"""The program, for ``command_of``, with the descriptors REQUEST and REPORT."""
