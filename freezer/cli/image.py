"""``freezer image``: an image of a static executable that exists."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from freezer.base.errors import ExitStatus
from freezer.cli.options import add_output_options, add_setting, log_of, print_paths, readable, refuse_two_results
from freezer.plan.image_settings import IMAGE_DATA, IMAGE_OUTPUT, IMAGE_SETTINGS

if TYPE_CHECKING:
    from freezer.image.write import ImageFile

DESCRIPTION = """\
Make an image of a static executable: one file for docker load, podman, containerd, skopeo and registries, written
without any of them. The executable becomes /app/NAME, and the image's command.
"""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser."""
    image = commands.add_parser("image", help="make an image of a static executable", description=DESCRIPTION)
    image.add_argument("binary", metavar="FILE", help="the executable")
    for setting in (IMAGE_OUTPUT, *IMAGE_SETTINGS, *IMAGE_DATA):
        add_setting(image, setting)
    add_output_options(image)


def run(arguments: argparse.Namespace, _rest: list[str]) -> int:
    """Make the image."""
    from freezer.image.make import image_of_existing
    from freezer.inspect.read_papers import papers_in_program
    from freezer.plan.resolve import resolve_for_image
    from freezer.store.workspace import cache_root

    plan = resolve_for_image(vars(arguments), folder=Path.cwd(), environ=os.environ)
    refuse_two_results(plan.output, as_json=arguments.json)
    program, log = readable(arguments.binary), log_of(arguments)
    image = image_of_existing(plan, program, papers_in_program, cache=cache_root(), log=log)
    if arguments.json:
        print(json.dumps(image_facts(image)))
    else:
        print_paths(image.path)
    sys.stdout.flush()
    return ExitStatus.DONE


def image_facts(image: ImageFile) -> dict[str, Any]:
    """Return an image as JSON. Sizes are in bytes."""
    return {
        "path": str(image.path),
        "size": image.size,
        "image_id": image.image_id,
        "manifest_digest": image.manifest_digest,
        "names": list(image.names),
        "platform": image.platform,
        "layers": [{**layer.descriptor.fields(), "diff_id": layer.diff_id} for layer in image.layers],
    }
