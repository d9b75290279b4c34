"""From an image's settings to its plan: what is malformed or does not exist is refused here."""

from __future__ import annotations

import os
import re
import shlex
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Optional

from freezer.base.errors import InputError
from freezer.base.oci.model import OWN
from freezer.base.oci.reference import parse_reference
from freezer.base.places import exists, is_file, is_folder
from freezer.plan.choices import ImageFormat, ImageLayout, LayerCompression, choice
from freezer.plan.image import AddedFile, AddedFolder, ImagePlan
from freezer.plan.resolve_healthcheck import resolve_healthcheck

DEFAULT_USER = 65535
"""The last of 16 bits: no user of any distribution, so that nothing on a host belongs to it by chance."""


MAX_ID = (1 << 31) - 1
"""The highest user that docker accepts."""


MOUNTED = ("proc", "sys", "dev")
"""What every container has a file system of its own at."""


def resolve_image(values: Mapping[str, Any], *, output: Path, created: Optional[int], epoch: int) -> ImagePlan:
    """Make an image's plan of its settings. Raises InputError for what is malformed or does not exist."""
    uid, gid = _user(str(values.get("user", DEFAULT_USER)))
    form = choice(values.get("image_format", ImageFormat.OCI.value), ImageFormat, "--image-format")
    workdir = _place(values.get("workdir", "/"), "--workdir")
    volumes = tuple(_place(item, "--volume") for item in values.get("volume", ()))
    folders = [_folder(item) for item in values.get("add_dir", ())]
    known = {item.path for item in folders} | {"/", "/tmp", "/app", "/etc"}
    folders += [AddedFolder(item, 0o755) for item in dict.fromkeys((*volumes, workdir)) if item not in known]
    return ImagePlan(
        output=output,
        layout=choice(values.get("image_layout", ImageLayout.BINARY.value), ImageLayout, "--image-layout"),
        names=tuple(dict.fromkeys(parse_reference(item) for item in values.get("tag", ()))),
        uid=uid,
        gid=gid,
        entrypoint=values.get("entrypoint", False),
        arguments=_words(values.get("cmd", ""), "--cmd"),
        environment=_assignments(values.get("env", ()), "--env"),
        labels=_assignments(values.get("label", ()), "--label"),
        annotations=_annotations(values, form),
        workdir=workdir,
        ports=tuple(_port(item) for item in values.get("port", ())),
        volumes=volumes,
        stop_signal=_signal(values["stop_signal"]) if "stop_signal" in values else None,
        healthcheck=resolve_healthcheck(values, _words(values.get("healthcheck", ""), "--healthcheck")),
        ca_certs=values.get("ca_certs") or False,
        tzdata=values.get("tzdata") or False,
        locale=values.get("locale") or False,
        tmp=values.get("tmp", True),
        files=tuple(_file(item) for item in values.get("add_file", ())),
        folders=tuple(folders),
        compression=_compression(values.get("layer_compression", "gzip")),
        format=form,
        variant=values.get("platform_variant"),
        created=created,
        epoch=epoch,
    )


def check_program_name(name: str) -> None:
    """Raise InputError for the name of an executable that an image's configuration cannot state."""
    try:
        name.encode("utf-8")
    except UnicodeEncodeError as error:
        raise InputError(
            f"no image can contain a program called {name!r}", why="it is not UTF-8", hint="give it another name"
        ) from error


def _user(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"([0-9]{1,10})(?::([0-9]{1,10}))?", text)
    if match is None:
        raise InputError(
            f"--user {text!r} is not UID or UID:GID",
            why="only a number shows a cluster that the user is not root (Kubernetes' runAsNonRoot)",
            hint=f"leave it out for {DEFAULT_USER}, or give numbers: --user 1000:1000",
        )
    uid = int(match[1])
    gid = int(match[2]) if match[2] else uid
    if max(uid, gid) > MAX_ID:
        raise InputError(f"--user {text} is out of range", why=f"the highest user and group is {MAX_ID}")
    return uid, gid


def _place(text: str, option: str) -> str:
    """Return an absolute, normalised path in the image."""
    if not text.startswith("/") or ".." in text.split("/") or not text.isprintable():
        raise InputError(f"{option} {text!r} is not an absolute path in the image", hint="for example: /data")
    return "/" + os.path.normpath(text).strip("/")


def _mode(text: str, option: str) -> int:
    if not re.fullmatch("[0-7]{3,4}", text):
        raise InputError(f"{option}: {text!r} is not a mode", hint="give it in octal, such as 0644 or 755")
    return int(text, 8)


def _folder(text: str) -> AddedFolder:
    path, colon, mode = text.partition(":")
    return AddedFolder(_place(path, "--add-dir"), _mode(mode, f"--add-dir {text}") if colon else 0o755)


def _file(text: str) -> AddedFile:
    """Parse SRC:DEST[:MODE[:UID[:GID]]] from the right, since a source may have any name."""
    match = re.fullmatch(r"(.+):(/[^:]*)(?::([^:/]*)(?::([0-9]{1,10})(?::([0-9]{1,10}))?)?)?", text, re.DOTALL)
    if match is None:
        raise InputError(
            f"--add-file {text!r} is not SRC:DEST[:MODE[:UID[:GID]]]",
            why="DEST is a path in the image; UID and GID are numbers; an empty MODE keeps 0755 or 0644",
            hint="for example: config.toml:/etc/app/config.toml, run:/run:0755, app.db:/data/app.db::65535",
        )
    source, destination = Path(match[1]), match[2]
    if not exists(source):
        raise InputError(f"--add-file {text}: {source} does not exist")
    if not is_file(source) and not is_folder(source):
        raise InputError(f"--add-file {text}: {source} is neither a file nor a directory")
    if not os.access(source, os.R_OK):
        raise InputError(f"--add-file {text}: {source} cannot be read")
    if destination.endswith("/") and is_file(source):
        destination += source.name
    place = _place(destination, "--add-file")
    if place == "/" and is_file(source):
        raise InputError(f"--add-file {text}: the destination is the root", hint=f"name the file: /{source.name}")
    if place.split("/")[1] in MOUNTED:
        raise InputError(
            f"--add-file {text}: nothing in /{place.split('/')[1]} would be seen",
            why="every container has a file system of its own there",
            hint="choose another destination",
        )
    uid = int(match[4] or 0)
    gid = int(match[5]) if match[5] else uid
    if max(uid, gid) > MAX_ID:
        raise InputError(f"--add-file {text}: the owner is out of range", why=f"the highest user and group is {MAX_ID}")
    return AddedFile(source, place, _mode(match[3], f"--add-file {text}") if match[3] else None, uid, gid)


def _words(text: str, option: str) -> tuple[str, ...]:
    try:
        words = tuple(shlex.split(text))
    except ValueError as error:
        raise InputError(f"{option} {text!r} cannot be split into words", why=str(error)) from error
    return tuple(_text(word, option) for word in words)


def _assignments(items: Any, option: str) -> dict[str, str]:
    found = {}
    for item in items:
        key, equals, value = item.partition("=")
        if not equals or not key or "\0" in item:
            raise InputError(f"{option} {item!r} is not KEY=VALUE", hint=f"for example: {option} KEY=VALUE")
        found[_text(key, option)] = _text(value, option)
    return found


def _annotations(values: Mapping[str, Any], form: ImageFormat) -> dict[str, str]:
    found = _assignments(values.get("annotation", ()), "--annotation")
    if found and form is ImageFormat.DOCKER:
        raise InputError(
            "--annotation cannot be combined with --image-format docker",
            why="docker's manifests have no annotations",
            hint="use --label, or leave --image-format out",
        )
    for key in found:
        if key.startswith(OWN):
            raise InputError(f"--annotation {key}: names that start with {OWN} are freezer's own")
    return found


def _text(text: str, option: str) -> str:
    """Return a text that JSON can represent."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise InputError(f"{option}: {text!r} is not UTF-8") from error
    return text


def _port(text: str) -> str:
    match = re.fullmatch(r"([0-9]{1,5})(?:/(tcp|udp|sctp))?", text)
    if match is None or not 1 <= int(match[1]) <= 65535:
        raise InputError(f"--port {text!r} is not a port", hint="for example: --port 8080, --port 53/udp")
    return f"{int(match[1])}/{match[2] or 'tcp'}"


def _signal(text: str) -> str:
    name = text.upper()
    if name.isdecimal() and 1 <= int(name) <= 64:
        return str(int(name))
    name = name if name.startswith("SIG") else "SIG" + name
    if name not in signal.Signals.__members__ and not re.fullmatch(r"SIGRTM(IN\+|AX-)[0-9]{1,2}", name):
        raise InputError(f"--stop-signal {text!r} is not a signal", hint="for example: SIGINT, QUIT, 15, RTMIN+3")
    return name


def _compression(text: str) -> LayerCompression:
    try:
        return LayerCompression[text.upper()]
    except KeyError as error:
        known = ", ".join(item.name.lower() for item in LayerCompression)
        raise InputError(f"--layer-compression {text!r} is unknown", hint=f"it is one of: {known}") from error
