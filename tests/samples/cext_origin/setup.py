"""cext_origin: an extension that finds its library by RUNPATH $ORIGIN/libs.

libtally.so is installed inside the package, in libs/ beside the extension, as
auditwheel lays out a repaired wheel; the package can be moved.
"""

from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext


class BuildLibraryFirst(build_ext):
    def build_extension(self, ext):
        libdir = Path(self.get_ext_fullpath(ext.name)).parent / "libs"
        objects = self.compiler.compile(["src/tally.c"], output_dir=self.build_temp)
        self.compiler.link_shared_object(
            objects,
            str(libdir / "libtally.so"),
            extra_preargs=["-Wl,-soname,libtally.so"],
        )
        ext.library_dirs.append(str(libdir))
        super().build_extension(ext)


setup(
    cmdclass={"build_ext": BuildLibraryFirst},
    ext_modules=[
        Extension(
            "cext_origin.native",
            ["src/native.c"],
            depends=["src/tally.h"],
            libraries=["tally"],
            extra_link_args=["-Wl,--enable-new-dtags,-rpath,$ORIGIN/libs"],
        )
    ],
)
