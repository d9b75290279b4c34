"""What is put into every application: the start script, and what it defers. Never imported by freezer.

Annotations are left out of the code (freezer/freeze/drivers/bare_code.py), but must not fail where they are not: what
only type checkers know is quoted, and nothing is imported for it, not even from ``__future__``.
"""
