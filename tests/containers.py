"""Makes every container of one application, frozen once: an executable of each linker, and an unpacked image.

A program, run as freezer is: ``python containers.py FOLDER ARGUMENTS...``, with the arguments of ``freezer build``.
What ``freezer build`` does for one container is done here for all; the files are FOLDER/LINKER/NAME, and the image is
FOLDER/native/unpacked.tar.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from freezer.application.origin import origin_of
from freezer.application.prepare import prepare
from freezer.base.errors import FreezerError
from freezer.base.log import Log
from freezer.base.publish import publish_executable
from freezer.bill.owners import with_bill
from freezer.cli.main import build_parser
from freezer.closure.close import close_bundle
from freezer.environment.interpreter import probe_interpreter
from freezer.freeze.pyinstaller import freeze
from freezer.image.make import image_of_linked
from freezer.link.linkers import link
from freezer.link.modules import read_package
from freezer.link.other_size import Other
from freezer.plan.build import Plan
from freezer.plan.choices import Linker
from freezer.plan.resolve import resolve
from freezer.prove.verify import prove
from freezer.store.home import cache_root
from freezer.store.workspace import workspace
from freezer.system.chroot.roots import open_root

IMAGE = "unpacked.tar"


def image_name(folder: Path) -> str:
    """What the unpacked image in a folder is called."""
    return f"unpacked-{folder.name}"


def plans(folder: Path, arguments: list[str]) -> list[Plan]:
    """The plan for each linker."""
    found = []
    for linker in Linker:
        words = ["build", *arguments, "--linker", linker.value, "--compress", "none"]
        if linker is Linker.NATIVE:
            words += ["--image", str(folder / linker.value / IMAGE), "--tag", image_name(folder)]
            words += ["--image-layout", "unpacked", "--entrypoint"]
        given = vars(build_parser().parse_args(words))
        found.append(resolve(given, folder=Path.cwd(), environ=os.environ))
    return found


def main(folder: Path, arguments: list[str]) -> None:
    """Make them. Raises FreezerError."""
    first, *others = plans(folder, arguments)
    with workspace(cache_root(), first.name or "build", keep=False, log=Log()) as job:
        root = open_root(first, job)
        interpreter = probe_interpreter(first, root, job)
        environment, application = prepare(first, root, interpreter, job)
        closed = close_bundle(first, environment, freeze(first, environment, application, job), job)
        closed = with_bill(first, environment, application, closed)
        for plan in (first, *others):
            own = job.inside(plan.linker.value)
            # Both linkers are used, so that the hint of a build, what the other one would give, is not measured.
            linked = link(plan, closed, read_package(closed.frozen, own), own, other=Other(plan.linker, 0))
            prove(plan, linked, own)
            target = folder / plan.linker.value / application.name
            publish_executable(linked.path, target, job.log)
            if plan.image is not None:
                image_of_linked(plan.image, linked, application.name, origin_of(plan, application, own), own)


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]), sys.argv[2:])
    except FreezerError as error:
        sys.exit(error.render())
