"""Packaging. The metadata is in setup.cfg; here the manual page and the completions are made while building."""

from __future__ import annotations

import sys
from pathlib import Path

from setuptools import Command, setup
from setuptools.command.build import build

SOURCE = Path(__file__).resolve().parent


class BuildDocuments(Command):
    """Makes the manual page and the completions from the parser, and has them installed below share/."""

    description = "make the manual page and the completions"
    user_options: list[tuple[str, str, str]] = []
    editable_mode = False

    def initialize_options(self) -> None:
        self.build_base = ""
        self.build_lib = ""

    def finalize_options(self) -> None:
        self.set_undefined_options("build", ("build_base", "build_base"), ("build_lib", "build_lib"))

    def run(self) -> None:
        sys.path[:0] = [str(SOURCE), str(SOURCE / "man")]
        import documents

        prefix = Path(self.build_base) / "documents"
        # In place: the command that installs data has this list already.
        self.distribution.data_files[:] = [
            (str(path.parent), [str(prefix / path)]) for path in documents.write(prefix)
        ]

    def get_source_files(self) -> list[str]:
        return ["man/documents.py", "man/freezer.1.in"]

    def get_outputs(self) -> list[str]:
        return []

    def get_output_mapping(self) -> dict[str, str]:
        return {}


class Build(build):
    """The build, with the documents."""

    sub_commands = [*build.sub_commands, ("build_documents", None)]


# data_files must not be empty, or nothing is ever asked for them.
setup(cmdclass={"build": Build, "build_documents": BuildDocuments}, data_files=[("share", [])])
