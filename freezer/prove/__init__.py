"""Proving: what was made runs in an empty root, and uses nothing outside itself."""
