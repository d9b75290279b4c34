"""cext_abs: an extension that finds its library by an absolute RUNPATH.

libtally.so is not part of the wheel.  It is built into the directory named by the
environment variable CEXT_LIBDIR, or into build/native beside this file, and the
extension's RUNPATH is the absolute path of that directory.  As with every library
linked this way, the extension works on this machine for as long as it stays there;
pip must therefore build in place, as it does since 21.3, or be given CEXT_LIBDIR.
"""

import os
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

LIBDIR = Path(os.environ.get("CEXT_LIBDIR", "build/native")).resolve()


class BuildLibraryFirst(build_ext):
    def build_extension(self, ext):
        objects = self.compiler.compile(["src/tally.c"], output_dir=self.build_temp)
        self.compiler.link_shared_object(
            objects,
            str(LIBDIR / "libtally.so"),
            extra_preargs=["-Wl,-soname,libtally.so"],
        )
        super().build_extension(ext)


setup(
    cmdclass={"build_ext": BuildLibraryFirst},
    ext_modules=[
        Extension(
            "cext_abs.native",
            ["src/native.c"],
            depends=["src/tally.h"],
            libraries=["tally"],
            library_dirs=[str(LIBDIR)],
            extra_link_args=[
                "-Wl,--enable-new-dtags",
                *("-Xlinker", "-rpath", "-Xlinker", str(LIBDIR)),
            ],
        )
    ],
)
