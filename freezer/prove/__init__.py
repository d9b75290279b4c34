"""Proving: an executable or image runs in an empty root, and uses nothing outside itself."""
