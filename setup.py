"""Packaging. The metadata is in setup.cfg; here the manual page and the completions are made while building."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, ClassVar

from setuptools import Command, setup
from setuptools.command.build import build

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


class Build(build):
    """The build, with the documents."""

    sub_commands = [*build.sub_commands, ("build_documents", None)]


# data_files must not be empty, or nothing is ever asked for them.
setup(cmdclass={"build": Build, "build_documents": BuildDocuments}, data_files=[("share", [])])
