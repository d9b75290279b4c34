"""Build cext_origin without setuptools: `python build.py DEST`.

DEST becomes a directory to import from, holding the package and its extension for the
Python that runs this.  libtally.so goes to libs/ in the package, and the
extension's RUNPATH is $ORIGIN/libs.
The compiler is $CC, or cc.
"""

import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

SOURCE = Path(__file__).resolve().parent / "src"


def build(destination):
    package = destination / "cext_origin"
    libdir = package / "libs"
    package.mkdir(parents=True, exist_ok=True)
    libdir.mkdir(exist_ok=True)
    shutil.copy(SOURCE / "cext_origin" / "__init__.py", package)

    compiler = [*shlex.split(os.environ.get("CC", "cc")), "-O2", "-shared", "-fPIC"]
    subprocess.run(
        [
            *compiler,
            *("-o", libdir / "libtally.so", SOURCE / "tally.c"),
            "-Wl,-soname,libtally.so",
        ],
        check=True,
    )
    subprocess.run(
        [
            *compiler,
            *("-I", sysconfig.get_path("include")),
            *("-o", package / f"native{sysconfig.get_config_var('EXT_SUFFIX')}"),
            SOURCE / "native.c",
            *("-L", libdir, "-ltally", "-Wl,--enable-new-dtags"),
            *("-Xlinker", "-rpath", "-Xlinker", "$ORIGIN/libs"),
        ],
        check=True,
    )


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: build.py DEST")
    build(Path(sys.argv[1]).resolve())
