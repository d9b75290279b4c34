"""``freezer push``: an image in a registry."""

from __future__ import annotations

import argparse
import json
import os
import sys
from typing import TYPE_CHECKING, Any

from freezer.base.errors import ExitStatus
from freezer.cli.options import add_output_options, log_of, readable, readable_or_layout

if TYPE_CHECKING:
    from freezer.push.send import Pushed

DESCRIPTION = """\
Copy an image to a registry, without a container engine: an image file, whoever made it, or an OCI layout; of an index,
all images. What freezer's file says of the image - signature, provenance, bill of materials - goes with it. What the
registry has already is not sent. The credentials are those of docker login or podman login. Print the image's name with
its digest.
"""
JOBS = 4


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser."""
    push = commands.add_parser("push", help="copy an image to a registry", description=DESCRIPTION)
    push.add_argument("image", metavar="IMAGE", help="the image file or OCI layout")
    push.add_argument("name", metavar="NAME[:TAG]", help="the name to give it, with the registry (default tag: latest)")
    push.add_argument(
        "--mount-from",
        action="append",
        metavar="REPOSITORY",
        help="take layers from this repository of the registry if it has them (repeat)",
    )
    push.add_argument(
        "--ca-cert", action="append", metavar="FILE", help="also trust the certificates in this file, in PEM (repeat)"
    )
    push.add_argument(
        "--plain-http",
        nargs="?",
        const="",
        metavar="REGISTRY",
        help="do without TLS: for a registry on this machine, or for the one that is named (--plain-http=HOST:PORT)",
    )
    push.add_argument("--sbom", action="store_true", help="also attach the bill of materials that is in the image")
    push.add_argument(
        "--no-referrers",
        action="store_true",
        help="leave out what the file says of the image: signature, provenance, bill of materials",
    )
    push.add_argument(
        "-j",
        "--jobs",
        type=_jobs,
        default=JOBS,
        metavar="N",
        help=f"the number of concurrent uploads (default: {JOBS})",
    )
    add_output_options(push)


def run(arguments: argparse.Namespace, _rest: list[str]) -> int:
    """Push the image."""
    from freezer.base.errors import UsageError
    from freezer.push.send import push_image
    from freezer.push.target import resolve_repository, resolve_target

    if arguments.sbom and arguments.no_referrers:
        raise UsageError("--sbom and --no-referrers contradict each other", hint="leave out one of them")
    target = resolve_target(arguments.name, arguments.plain_http)
    pushed = push_image(
        readable_or_layout(arguments.image),
        target,
        mounts=[resolve_repository(item, target) for item in arguments.mount_from or ()],
        certificates=[readable(item) for item in arguments.ca_cert or ()],
        jobs=arguments.jobs,
        environ=os.environ,
        log=log_of(arguments),
        referrers=not arguments.no_referrers,
        sbom=arguments.sbom,
    )
    print(json.dumps(push_facts(pushed)) if arguments.json else pushed.reference)
    sys.stdout.flush()
    return ExitStatus.DONE


def push_facts(pushed: Pushed) -> dict[str, Any]:
    """Return a push as JSON. Sizes are in bytes."""
    from freezer.push.blobs import Way

    return {
        "name": str(pushed.target.reference),
        "digest": pushed.digest,
        "reference": pushed.reference,
        "images": pushed.images,
        "size": pushed.size,
        "sent": pushed.sent,
        "blobs": {way.value: pushed.ways.get(way, 0) for way in Way},
        "referrers": [
            {
                "subject": item.subject,
                "artifact_type": item.referrer.artifact_type,
                "digest": item.referrer.descriptor.digest,
            }
            for item in pushed.said
        ],
    }


def _jobs(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= 64):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 to 64")
    return int(text)
