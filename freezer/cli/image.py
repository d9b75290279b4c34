"""``freezer image``: an image of a static executable that exists, or images of several architectures in one file."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from freezer.base.errors import ExitStatus
from freezer.cli.options import (
    add_output_options,
    add_setting,
    log_of,
    print_paths,
    readable,
    readable_or_layout,
    refuse_two_results,
)
from freezer.plan.image_settings import IMAGE_DATA, IMAGE_OUTPUT, IMAGE_SETTINGS
from freezer.plan.settings import SIGNING

if TYPE_CHECKING:
    from freezer.image.index import IndexFile
    from freezer.image.write import ImageFile

DESCRIPTION = """\
Make an image of a static executable: one file for docker load, podman, containerd, skopeo and registries, written
without any of them. The executable becomes /app/NAME, and the image's command. With --index, join the images of several
architectures to one file, from which each machine takes its own.
"""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser."""
    image = commands.add_parser("image", help="make an image of a static executable", description=DESCRIPTION)
    image.add_argument("files", nargs="+", metavar="FILE", help="the executable; with --index, the images to join")
    image.add_argument(
        "--index",
        action="store_true",
        help="join images of several architectures; of the other options, --output, --tag and those for signing apply",
    )
    for setting in (IMAGE_OUTPUT, *IMAGE_SETTINGS, *IMAGE_DATA, *SIGNING):
        add_setting(image, setting)
    add_output_options(image)


def run(arguments: argparse.Namespace, _rest: list[str]) -> int:
    """Make the image."""
    if arguments.index:
        return _join(arguments)
    from freezer.base.errors import UsageError
    from freezer.image.make import image_of_existing
    from freezer.inspect.read_papers import papers_in_program
    from freezer.plan.resolve import resolve_for_image, resolve_signing
    from freezer.sign.passphrase import find_signer
    from freezer.store.home import cache_root

    if len(arguments.files) > 1:
        raise UsageError(
            f"one executable makes an image, not {len(arguments.files)}",
            hint="to join images of several architectures: freezer image --index TAR... -o TAR",
        )
    plan = resolve_for_image(vars(arguments), folder=Path.cwd(), environ=os.environ)
    signing = resolve_signing(vars(arguments), folder=Path.cwd())
    refuse_two_results(plan.output, signing.provenance, as_json=arguments.json)
    program, log = readable(arguments.files[0]), log_of(arguments)
    signer = find_signer(signing, os.environ)
    image = image_of_existing(
        plan, program, papers_in_program, cache=cache_root(), log=log, signing=signing, signer=signer
    )
    if arguments.json:
        print(json.dumps(image_facts(image)))
    else:
        print_paths(image.path, signing.provenance)
    sys.stdout.flush()
    return ExitStatus.DONE


def _join(arguments: argparse.Namespace) -> int:
    from freezer.base.errors import UsageError
    from freezer.base.oci.reference import parse_reference
    from freezer.base.streams import output_path
    from freezer.image.index import join_images
    from freezer.plan.resolve import resolve_signing
    from freezer.sign.passphrase import find_signer

    own = ("output", "tag")
    for setting in (*IMAGE_SETTINGS, *IMAGE_DATA):
        if setting.name not in own and getattr(arguments, setting.attribute) is not None:
            raise UsageError(
                f"--{setting.name} does not apply to --index",
                why="the images are joined as they are",
                hint="give it to the command that makes the image of each architecture",
            )
    if arguments.output is None:
        raise UsageError("the output file of the image is missing", hint="name it: -o image.tar")
    output = output_path(arguments.output, Path.cwd())
    signing = resolve_signing(vars(arguments), folder=Path.cwd())
    refuse_two_results(output, signing.provenance, as_json=arguments.json)
    names = tuple(dict.fromkeys(parse_reference(item) for item in arguments.tag or ()))
    files, signer = [readable_or_layout(item) for item in arguments.files], find_signer(signing, os.environ)
    made = join_images(files, names, output, log_of(arguments), signing, signer)
    if arguments.json:
        print(json.dumps(index_facts(made)))
    else:
        print_paths(made.path, signing.provenance)
    sys.stdout.flush()
    return ExitStatus.DONE


def index_facts(made: IndexFile) -> dict[str, Any]:
    """Return a file of several images as JSON. The size is in bytes."""
    return {
        "path": str(made.path),
        "size": made.size,
        "index_digest": made.digest,
        "names": list(made.names),
        "images": [
            {"platform": platform, "image_id": image_id, "manifest_digest": manifest}
            for platform, image_id, manifest in made.platforms
        ],
    }


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
