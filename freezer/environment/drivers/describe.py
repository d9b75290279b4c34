"""Runs under the interpreter to build with; prints what it is as one JSON object. Standard library only.

The interpreter may be of any version of Python 3: one that is too old has to be told so.
"""

import json
import os
import platform
import sys
import sysconfig

# Not of typing, which the oldest do not have; type checkers take it for true.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from environment_messages import Description


def describe() -> "Description":
    major, minor = sys.version_info[:2]
    suffix = getattr(sys, "abiflags", "")
    library = sysconfig.get_config_var("INSTSONAME") or ""
    if not (library.startswith("libpython") and ".so" in library):
        # Debian's python3 is linked statically and says so here; the shared library is a package beside it.
        library = "libpython%d.%d%s.so.1.0" % (major, minor, suffix)
    base = os.path.realpath(getattr(sys, "_base_executable", None) or sys.executable)
    places = [sysconfig.get_config_var("LIBDIR"), os.path.join(sys.base_prefix, "lib")]
    places.append(os.path.join(os.path.dirname(os.path.dirname(base)), "lib"))
    multiarch = sysconfig.get_config_var("MULTIARCH")
    if multiarch:
        places.append("/usr/lib/" + multiarch)
    return {
        "version": list(sys.version_info[:3]),
        "implementation": sys.implementation.name,
        "executable": getattr(sys, "_base_executable", None) or sys.executable,
        "prefix": sys.base_prefix,
        "libc": platform.libc_ver()[0] or "another C library than glibc",
        "library": library,
        "directories": list(dict.fromkeys(place for place in places if place)),
    }


json.dump(describe(), sys.stdout)
