"""Packaging. The metadata is in setup.cfg; here the documents and what starts applications are made on building."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any, ClassVar

from setuptools import Command, setup
from setuptools.command.build import build

try:
    from setuptools.command.bdist_wheel import bdist_wheel
except ImportError:  # before setuptools 70.1 it is a package of its own, and only there for a wheel
    try:
        from wheel.bdist_wheel import bdist_wheel
    except ImportError:
        bdist_wheel = None

SOURCE = Path(__file__).resolve().parent


class BuildDocuments(Command):
    """Makes the manual page and the completions from the parser, and has them installed below share/."""

    description = "make the manual page and the completions"
    user_options: ClassVar[Any] = []
    editable_mode = False
    build_base: Any
    build_lib: Any

    def initialize_options(self) -> None:
        """Start without any."""
        self.build_base = self.build_lib = None

    def finalize_options(self) -> None:
        """Take the places from the build."""
        self.set_undefined_options("build", ("build_base", "build_base"), ("build_lib", "build_lib"))

    def run(self) -> None:
        """Make them."""
        sys.path[:0] = [str(SOURCE), str(SOURCE / "man")]
        import documents

        prefix = Path(self.build_base) / "documents"
        files = [(str(path.parent), [str(prefix / path)]) for path in documents.write(prefix)]
        assert self.distribution.data_files is not None
        # In place: the command that installs data has this list already.
        self.distribution.data_files[:] = files

    def get_source_files(self) -> list[str]:
        """What they are made of, for an sdist."""
        return ["man/documents.py", "man/freezer.1.in"]

    def get_outputs(self) -> list[str]:
        """Nothing in the packages' own directory."""
        return []

    def get_output_mapping(self) -> dict[str, str]:
        """Nothing that an editable installation would link to."""
        return {}


class BuildLauncher(Command):
    """Compiles what starts applications, and the native linker's launcher, if there is a libzstd to link with it."""

    description = "compile the launcher and what it starts"
    user_options: ClassVar[Any] = []
    editable_mode = False
    build_lib: Any
    built: Any

    def initialize_options(self) -> None:
        """Start without any."""
        self.build_lib = None
        self.built = []

    def finalize_options(self) -> None:
        """Take the place from the build."""
        self.set_undefined_options("build", ("build_lib", "build_lib"))

    def run(self) -> None:
        """Compile them: into the source tree, if that is what will be imported."""
        sys.path.insert(0, str(SOURCE))
        from freezer.link.launcher import build as launcher

        folder = (SOURCE if self.editable_mode else Path(self.build_lib)) / "freezer" / "link" / "launcher" / "bin"
        try:
            launcher.build_libraries(folder, os.environ)
        except launcher.Unbuildable as error:
            raise SystemExit(f"error: installing freezer takes a C compiler, and none works here:\n{error}") from None
        try:
            launcher.build_init(folder, os.environ)
        except launcher.Unbuildable as error:
            self.warn(f"freezer's executables will lack an init for process 1:\n{error}")
        try:
            launcher.build_launcher(folder, os.environ)
        except launcher.Unbuildable as error:
            self.warn(f"freezer will lack its native linker:\n{error}")
        self.built = sorted(folder.glob("[!.]*"))

    def get_source_files(self) -> list[str]:
        """What they are made of, for an sdist."""
        return [
            str(path.relative_to(SOURCE)) for path in sorted((SOURCE / "freezer" / "link" / "launcher").glob("*.[ch]"))
        ]

    def get_outputs(self) -> list[str]:
        """What was built into the packages' directory."""
        return [] if self.editable_mode else [str(path) for path in self.built]

    def get_output_mapping(self) -> dict[str, str]:
        """Nothing that an editable installation would link to: it has them in their place."""
        return {}


class Build(build):
    """The build, with the documents and the programs."""

    sub_commands = [*build.sub_commands, ("build_documents", None), ("build_launcher", None)]


commands: dict[str, Any] = {"build": Build, "build_documents": BuildDocuments, "build_launcher": BuildLauncher}

if bdist_wheel is not None:

    class Wheel(bdist_wheel):  # type: ignore[misc,valid-type,unused-ignore]
        """A wheel for this platform if it has programs, but for every Python."""

        def run(self) -> None:
            """Build the programs first: whether there are any decides the wheel's name."""
            self.run_command("build_launcher")
            self.root_is_pure = not self.get_finalized_command("build_launcher").built
            super().run()

        def get_tag(self) -> tuple[str, str, str]:
            """The programs depend on the platform, nothing on Python's version."""
            python, abi, platform = super().get_tag()
            return (python, abi, platform) if self.root_is_pure else ("py3", "none", platform)

    commands["bdist_wheel"] = Wheel

# data_files must not be empty, or nothing is ever asked for them.
setup(cmdclass=commands, data_files=[("share", [])])
