"""``freezer run``: an image runs here, without a container engine."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

DESCRIPTION = """\
Run the command of an image without Docker, daemon or root: in namespaces of its own, as the image's user, without
capabilities, and with the host's network unless --network none is given. The root is read-only but for /tmp, /var/tmp,
/run and the image's volumes, which are in memory. ARGS replace the image's command, as with docker run. The exit status
is that of the command; 125 if freezer failed, 126 if the command cannot be executed, 127 if the image has no such
command.
"""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser."""
    run = commands.add_parser("run", help="run an image, without a container engine", description=DESCRIPTION)
    run.set_defaults(json=False)
    run.add_argument("image", metavar="IMAGE", help="the image file or OCI layout; - is standard input")
    rest = run.add_argument("arguments", nargs=argparse.REMAINDER, metavar="ARGS", help="what replaces the command")
    rest.required = False
    _add_application(run)
    _add_limits(run)
    messages = run.add_argument_group("messages")
    loudness = messages.add_mutually_exclusive_group()
    loudness.add_argument("--verbose", action="store_true", help="also say what is unpacked")
    loudness.add_argument("-q", "--quiet", action="store_true", help="print only warnings and errors")
    docker = run.add_argument_group("for the users of docker")
    for words in (("-i", "--interactive"), ("-t", "--tty"), ("--rm",), ("--init",)):
        docker.add_argument(*words, action="store_true", help="always so")
    docker.add_argument("--read-only", action="store_true", help="so unless --writable is given")
    docker.add_argument(
        "-p", "--publish", action="append", metavar="PORTS", help="refused: the host's network has no ports to publish"
    )
    docker.add_argument("-d", "--detach", action="store_true", help="refused: there is no daemon")


def _add_application(run: argparse.ArgumentParser) -> None:
    group = run.add_argument_group("the application")
    group.add_argument("--entrypoint", metavar="COMMAND", help="run this instead of the image's entrypoint and command")
    group.add_argument(
        "-e", "--env", action="append", metavar="NAME[=VALUE]", help="set a variable, or pass on your own (repeat)"
    )
    group.add_argument(
        "--env-file", action="append", metavar="FILE", help="set the variables in the lines of this file (repeat)"
    )
    group.add_argument("-w", "--workdir", metavar="DIRECTORY", help="the working directory (default: the image's)")
    group.add_argument(
        "-u", "--user", metavar="USER[:GROUP]", help="run it as this user, by name or number (default: the image's)"
    )
    group.add_argument(
        "-v",
        "--volume",
        action="append",
        metavar="SOURCE:DEST[:ro]",
        help="show a file or directory of the host at DEST in the image (repeat)",
    )
    group.add_argument(
        "--network", choices=("host", "none"), default="host", help="the host's network, or none (default: host)"
    )
    group.add_argument("--hostname", metavar="NAME", help="the host's name that it sees (default: the host's)")
    group.add_argument(
        "--writable", action="store_true", help="let it write to the whole root, which is removed at the end"
    )


def _add_limits(run: argparse.ArgumentParser) -> None:
    group = run.add_argument_group("limits, where root or systemd has delegated a cgroup")
    group.add_argument("--memory", "-m", metavar="SIZE", help="memory for all its processes: 512m, 2g")
    group.add_argument("--pids-limit", metavar="N", help="processes and threads at a time")
    group.add_argument("--cpus", metavar="N", help="processors: 0.5, 2")


def run(arguments: argparse.Namespace, _rest: list[str]) -> int:
    """Run the image."""
    from freezer.base.log import Log, Verbosity
    from freezer.run.image_run import run_image
    from freezer.store.home import cache_root

    verbosity = Verbosity.QUIET if arguments.quiet else Verbosity.VERBOSE if arguments.verbose else Verbosity.NORMAL
    return run_image(
        arguments.image,
        vars(arguments),
        folder=Path.cwd(),
        environ=os.environ,
        cache=cache_root(),
        log=Log(verbosity),
    )
