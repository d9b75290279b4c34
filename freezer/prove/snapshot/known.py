"""What imports are known to do without harm: what is set right after a restore, or does not matter.

Each line was looked up in the sources of the module or library that it names. Whatever is not here is a reason against
a snapshot.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Sequence
from typing import NamedTuple

from freezer.prove.snapshot.stack_frames import Frame

WHOLE = "<module>"
"""What the frame of a module's own code is called."""


class Known(NamedTuple):
    """Events of a kind that do no harm if they come from a module's own code, or a function of it."""

    kind: str
    module: str
    function: str
    why: str


REPAIRED = (
    Known("random", "random", WHOLE, "its generator is seeded anew in every child, and so after a restore"),
    Known("random", "numpy.random", "", "its generator is seeded anew after a restore"),
    Known("random", "multiprocessing.process", WHOLE, "the key of its connections is made anew"),
    Known("identity", "threading", "", "the id of the main thread is set again"),
    Known("clock", "logging", WHOLE, "the time of its start is set again"),
    Known("clock", "random", WHOLE, "its generator is seeded anew"),
    Known("socket", "urllib3.util.connection", "_has_ipv6", "whether there is IPv6 is found out again"),
    Known("call", "urllib3.util.connection", "_has_ipv6", "whether there is IPv6 is found out again"),
    Known("rolled", "rich.style", WHOLE, "ids of links, which tell apart the links of one output"),
    Known("stat", "sysconfig", "", "it looks whether it is in the sources of Python itself"),
    Known("random", "opentelemetry.context", "create_key", "names of variables, which only their own process sees"),
)

INSIDE = (
    Known("clock", "_strptime", "__calc_timezone", "the time zone is set again"),
    Known("clock", "_freezer_provisions", "tzset", "the time zone is set again"),
)
"""The same for functions, whoever calls them."""
AS_ASKED = {("clock", "dateutil.parser._parser", "__init__"): "year"}
"""What is asked so becomes part of the key: the parser completes years of two digits by the present one."""

LIBRARIES = {
    "random": {
        "libcrypto": "it is given new random numbers after a restore",
    },
    "drawn": {"libssl": "the keys of a context's session tickets"},
    "clock": {
        "libcrypto": "it is mixed into random numbers, which are renewed",
        "libscipy_openblas": "how long its threads wait for work",
        "libopenblas": "how long its threads wait for work",
    },
    "stream": {"libgfortran": "it finds out how to write Fortran's output, and does it as well in another way"},
    "identity": {"libcrypto": "it notices a fork by it; the maker's process is never the restored one"},
}
"""Libraries, by the beginnings of their files' names, whose events of a kind do no harm."""

HASH_SEEDS = ("0", "16", "64")
"""How many random bytes a library in Rust draws for its hash tables: whether there are any, std, ahash."""
OTHER_SEEDS = {"etree": "8"}
"""The same for other libraries: libxml2, which lxml contains."""
RUST_THREAD = ("identity", "thread")
"""The id that such a library keeps of each thread, for messages about panics alone."""
IN_RUST = ("_rust", "_pydantic_core", "rpds", "orjson", "jiter", "_bcrypt", "watchfiles", "_rust_notify")
"""Libraries that draw these when they are imported; as for Python's own, the seed is the snapshot's."""

WHOLE_ENVIRONMENT = {"tqdm.utils": "TQDM_", "dask.config": "DASK_"}
"""Modules that look through the whole environment, and the beginning of the names that they mean."""

FROM_ANYWHERE = frozenset(
    (
        *("HOME", "USER", "LOGNAME", "USERNAME", "SHELL", "PATH", "LANG", "LANGUAGE", "TZ", "TERM", "COLORTERM"),
        *("TERM_PROGRAM", "NO_COLOR", "FORCE_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "COLUMNS", "LINES", "PWD"),
    )
)
"""Variables that may have any value: it is not a path that the imports follow unnoticed."""
ANY_VALUE = re.compile(r"LC_[A-Z]+|PYTHON[A-Z0-9_]*")
SECRET = re.compile(r"(?i).*(KEY|TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIALS?)$")
"""Variables that have no value in a snapshot, as that would be on a disk."""
STARTS_OWN = frozenset(("PATH", "__PYVENV_LAUNCHER__"))
"""Variables that the interpreter's start asks for, without a consequence in a tree."""

STANDARD = frozenset(getattr(sys, "stdlib_module_names", ()))
MACHINERY = ("importlib", "_freezer_", "<probe>", "<string>", "probe_", "zipimport", "runpy", "pyimod", "pyi_rth")


def is_machinery(frame: Frame) -> bool:
    """Return whether a frame is of what imports modules, Python's or freezer's."""
    return frame.module.startswith(MACHINERY) or frame.module.startswith("_frozen_importlib")


def place_of(frames: Sequence[Frame]) -> Frame:
    """Return the place that a person looks for: the first, from the inside, that is a module's own code, or is not in
    the standard library."""
    for frame in frames:
        if is_machinery(frame):
            continue
        if frame.function == WHOLE or frame.module.split(".")[0] not in STANDARD:
            return frame
    return frames[0] if frames else Frame("?", 0, "")


def asked_instead(kind: str, frames: Sequence[Frame]) -> str:
    """Return what of the key an event is, though it looks like another; "" if it is not."""
    inside = next((frame for frame in frames if not is_machinery(frame)), None)
    return AS_ASKED.get((kind, inside.module, inside.function), "") if inside is not None else ""


def is_repaired(kind: str, value: str, library: str, frames: Sequence[Frame]) -> bool:
    """Return whether an event does no harm."""
    name = os.path.basename(library)
    if name.startswith(IN_RUST) and ((kind == "random" and value in HASH_SEEDS) or (kind, value) == RUST_THREAD):
        return True
    if kind == "random" and any(name.startswith(start) and value == size for start, size in OTHER_SEEDS.items()):
        return True
    if any(name.startswith(start) for start in LIBRARIES.get(kind, ())):
        return True
    if any(frame[::2] == known[1:3] and kind == known.kind for frame in frames[:1] for known in INSIDE):
        return True
    place = place_of(frames)
    return any(
        known.kind == kind
        and (place.module == known.module or (not known.function and place.module.startswith(known.module + ".")))
        and known.function in ("", place.function)
        for known in REPAIRED
    )
