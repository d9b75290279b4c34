"""What an image will be made of: all settings, resolved into absolute, validated, frozen values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

from freezer.base.oci.reference import Reference
from freezer.plan.choices import ImageFormat, ImageLayout, LayerCompression


@dataclass(frozen=True)
class AddedFile:
    """A file or directory of the host that goes into the image. ``mode`` None keeps 0755 for what is executable, and
    makes 0644 of the rest. All of it belongs to ``uid`` and ``gid``."""

    source: Path
    destination: str
    mode: Optional[int]
    uid: int = 0
    gid: int = 0


@dataclass(frozen=True)
class AddedFolder:
    """An empty directory that belongs to the image's user."""

    path: str
    mode: int


@dataclass(frozen=True)
class Healthcheck:
    """A command that tells whether the application is well. Times are in nanoseconds; None means the engine's
    default."""

    command: tuple[str, ...]
    interval: Optional[int] = None
    timeout: Optional[int] = None
    start_period: Optional[int] = None
    retries: Optional[int] = None


@dataclass(frozen=True)
class ImagePlan:
    """An image, fully decided but for what only the executable can tell.

    ``created`` is in seconds since 1970, None for the newest input's time; ``epoch`` is the time of all files in it.
    """

    output: Path
    layout: ImageLayout
    names: tuple[Reference, ...]
    uid: int
    gid: int
    entrypoint: bool
    arguments: tuple[str, ...]
    environment: Mapping[str, str]
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    workdir: str
    ports: tuple[str, ...]
    volumes: tuple[str, ...]
    stop_signal: Optional[str]
    healthcheck: Optional[Healthcheck]
    ca_certs: bool
    tzdata: bool
    locale: bool
    tmp: bool
    files: tuple[AddedFile, ...]
    folders: tuple[AddedFolder, ...]
    compression: LayerCompression
    format: ImageFormat
    variant: Optional[str]
    created: Optional[int]
    epoch: int
