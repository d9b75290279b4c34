"""The compiler's options for code that watches itself."""

from __future__ import annotations

SANITIZE = ("-g", "-O1", "-D_GNU_SOURCE", "-std=gnu11", "-fno-sanitize-recover=all")
ADDRESSES, THREADS = "-fsanitize=address,undefined", "-fsanitize=thread"
