"""The settings of an image, for ``freezer image``, ``freezer build --image``, and the table for images in files."""

from __future__ import annotations

from freezer.plan.settings import IMAGE, Setting, ValueKind

IMAGE_SETTINGS = (
    Setting(
        "image-layout",
        ValueKind.TEXT,
        "image contents: binary (default: the executable) or unpacked (its files, in layers; only with freezer build)",
        IMAGE,
        (),
        "LAYOUT",
    ),
    Setting(
        "tag", ValueKind.LIST, "name the image (repeat; default: after the executable)", IMAGE, ("-t",), "NAME[:TAG]"
    ),
    Setting("user", ValueKind.TEXT, "the numeric user that the image runs as (default: 65535)", IMAGE, (), "UID[:GID]"),
    Setting(
        "entrypoint", ValueKind.FLAG, "make the executable the entrypoint: it gets the arguments of docker run", IMAGE
    ),
    Setting("cmd", ValueKind.TEXT, "the default arguments of the executable", IMAGE, (), "ARGS"),
    Setting("env", ValueKind.LIST, "set an environment variable (repeat)", IMAGE, (), "KEY=VALUE"),
    Setting("label", ValueKind.LIST, "label the image (repeat)", IMAGE, (), "KEY=VALUE"),
    Setting("annotation", ValueKind.LIST, "annotate the image's manifest (repeat)", IMAGE, (), "KEY=VALUE"),
    Setting("workdir", ValueKind.TEXT, "the working directory (default: /)", IMAGE, (), "DIR"),
    Setting("port", ValueKind.LIST, "a port that the application listens on (repeat)", IMAGE, (), "PORT[/PROTOCOL]"),
    Setting("volume", ValueKind.LIST, "a directory for persistent data, owned by the user (repeat)", IMAGE, (), "DIR"),
    Setting(
        "stop-signal", ValueKind.TEXT, "the signal that stops the application (default: SIGTERM)", IMAGE, (), "SIGNAL"
    ),
    Setting("healthcheck", ValueKind.TEXT, "the command of the health check", IMAGE, (), "COMMAND"),
    Setting(
        "healthcheck-interval", ValueKind.TEXT, "the time between health checks, such as 1m30s", IMAGE, (), "DURATION"
    ),
    Setting(
        "healthcheck-timeout", ValueKind.TEXT, "the time after which a health check has failed", IMAGE, (), "DURATION"
    ),
    Setting(
        "healthcheck-start-period",
        ValueKind.TEXT,
        "the time to start in, when failed health checks do not count",
        IMAGE,
        (),
        "DURATION",
    ),
    Setting(
        "healthcheck-retries",
        ValueKind.NUMBER,
        "the number of failed health checks in a row that make a container unhealthy",
        IMAGE,
        (),
        "N",
    ),
    Setting(
        "add-file",
        ValueKind.PAIRS,
        "add a file or directory to the image (repeat)",
        IMAGE,
        (),
        "SRC:DEST[:MODE[:UID[:GID]]]",
    ),
    Setting("add-dir", ValueKind.LIST, "add an empty directory, owned by the user (repeat)", IMAGE, (), "DIR[:MODE]"),
    Setting("tmp", ValueKind.FLAG, "include a world-writable /tmp (default: yes)", IMAGE),
    Setting(
        "image-format",
        ValueKind.TEXT,
        "media types: oci (default) or docker (podman keeps a health check only in this one)",
        IMAGE,
        (),
        "FORMAT",
    ),
    Setting(
        "platform-variant",
        ValueKind.TEXT,
        "the variant of the processor that the executable needs, such as v3 for amd64",
        IMAGE,
        (),
        "VARIANT",
    ),
    Setting(
        "layer-compression",
        ValueKind.TEXT,
        "compression of layers: none, gzip (default; stored) or zstd",
        IMAGE,
        (),
        "KIND",
    ),
)
IMAGE_DATA = (
    Setting("ca-certs", ValueKind.FLAG, "include CA certificates in /etc/ssl/certs", IMAGE),
    Setting("tzdata", ValueKind.FLAG, "include time zones in /usr/share/zoneinfo", IMAGE),
    Setting("locale", ValueKind.FLAG, "include the locale C.UTF-8, and set LANG to it", IMAGE),
)
"""What an image can have as files of the system. While building, the options of these names speak of the executable,
and say the same of an image made with it."""
IMAGE_OUTPUT = Setting("output", ValueKind.PATH, "the image file to write (-: standard output)", IMAGE, ("-o",), "TAR")
