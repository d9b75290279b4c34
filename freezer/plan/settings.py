"""The settings of a build: one table for the command line and for the project's file.

``[tool.freezer]`` of pyproject.toml and ``[freezer]`` of setup.cfg take the long options' names as keys. A setting
given on the command line replaces the file's, whole: a list is not merged, so that what will happen can be read off
one place. Paths are relative to the file that names them, on the command line to the current directory.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Optional


class ValueKind(enum.Enum):
    """How a setting's value is written."""

    TEXT = "a string"
    PATH = "a path"
    NUMBER = "a whole number"
    FLAG = "true or false"
    SWITCH = "true or false (default: if the application uses it)"
    VERIFICATION = "require, auto or no; true is require, false is no"
    LIST = "a list of strings"
    PATHS = "a list of paths"
    PAIRS = "a list of SOURCE:DESTINATION strings"
    TEXTS = "a string, or a list of strings"
    RUNS = "a string, or tables"


@dataclass(frozen=True)
class Setting:
    """One setting. ``name`` is the long option without dashes, and the key in files if ``key`` is not another."""

    name: str
    kind: ValueKind
    help: str
    group: str
    flags: tuple[str, ...] = ()
    metavar: Optional[str] = None
    key: Optional[str] = None

    @property
    def key_in_files(self) -> str:
        """The key in files."""
        return self.key or self.name

    @property
    def attribute(self) -> str:
        """The name of the value in Python."""
        return self.name.replace("-", "_")


ENTRY, CONTENT, RESULT, PROOF = "what to freeze", "what goes in", "the result", "verification"
IMAGE = "the image"

SIGNING = (
    Setting(
        "provenance",
        ValueKind.PATH,
        "also write what the result was built from, as SLSA provenance (-: standard output)",
        RESULT,
        (),
        "FILE",
    ),
    Setting(
        "sign-key",
        ValueKind.PATH,
        "sign the provenance, and the image, with this private key: Ed25519 or ECDSA P-256, in PEM or OpenSSH's format",
        RESULT,
        (),
        "FILE",
    ),
    Setting("sign-passphrase", ValueKind.PATH, "the file with the passphrase of that key", RESULT, (), "FILE"),
)
"""What is said of a result, and by whom; an image of an existing executable has these settings, too."""

SETTINGS = (
    Setting("entry-point", ValueKind.TEXT, "start with FUNCTION of MODULE", ENTRY, ("-e",), "MODULE:FUNCTION"),
    Setting("console-script", ValueKind.TEXT, "start with this console script", ENTRY, ("-c",), "NAME"),
    Setting("requirement", ValueKind.PATHS, "install from this requirements file (repeat)", ENTRY, ("-r",), "FILE"),
    Setting(
        "with", ValueKind.LIST, "also install this requirement, in pip's syntax (repeat)", ENTRY, (), "REQUIREMENT"
    ),
    Setting("constraint", ValueKind.PATHS, "constrain versions by this file (repeat)", ENTRY, (), "FILE"),
    Setting("require-hashes", ValueKind.FLAG, "accept only requirements pinned by hash", ENTRY),
    Setting(
        "python",
        ValueKind.TEXT,
        "the Python to build with: a path, or a version such as 3.12 (default: freezer's own)",
        ENTRY,
        (),
        "PATH|VERSION",
    ),
    Setting(
        "chroot",
        ValueKind.TEXT,
        "build in this system: a directory, the tar of a root file system or image, an OCI layout, or debian:SUITE",
        ENTRY,
        (),
        "ROOT",
    ),
    Setting(
        "chroot-package", ValueKind.LIST, "add a package of the distribution to that system (repeat)", ENTRY, (), "NAME"
    ),
    Setting("refresh", ValueKind.FLAG, "make the build environment anew, and build even if nothing changed", ENTRY),
    Setting(
        "own",
        ValueKind.TEXT,
        "what comes along of the application's own files: all (default), code (modules), or none (what it imports)",
        CONTENT,
        (),
        "WHAT",
    ),
    Setting(
        "exclude-data",
        ValueKind.LIST,
        "leave out files and directories of the application's own by this pattern (repeat)",
        CONTENT,
        (),
        "PATTERN",
    ),
    Setting("add-data", ValueKind.PAIRS, "add a file or directory to the bundle (repeat)", CONTENT, (), "SOURCE:DEST"),
    Setting("add-binary", ValueKind.PAIRS, "add a binary to the bundle (repeat)", CONTENT, (), "SOURCE:DEST"),
    Setting(
        "library", ValueKind.PATHS, "add a shared library that is opened at run time (repeat)", CONTENT, (), "FILE"
    ),
    Setting(
        "hidden-import",
        ValueKind.LIST,
        "add a module whose import freezer cannot detect (repeat)",
        CONTENT,
        (),
        "MODULE",
    ),
    Setting("learned", ValueKind.PATH, "freezer learn's file (default: beside the entry)", CONTENT, (), "FILE"),
    Setting("collect-all", ValueKind.LIST, "add everything of a package (repeat)", CONTENT, (), "PACKAGE"),
    Setting("copy-metadata", ValueKind.LIST, "add a distribution's metadata (repeat)", CONTENT, (), "DISTRIBUTION"),
    Setting("exclude", ValueKind.LIST, "leave a module out (repeat)", CONTENT, (), "MODULE"),
    Setting(
        "source",
        ValueKind.TEXT,
        "include source text: own (default: of the application, and what code reads), all, or none",
        CONTENT,
        (),
        "WHICH",
    ),
    Setting(
        "python-option",
        ValueKind.LIST,
        "run the application with this option of Python, such as -u, -O or '-X utf8' (repeat)",
        CONTENT,
        (),
        "OPTION",
        "python-options",
    ),
    Setting("locale", ValueKind.SWITCH, "include the C.UTF-8 locale", CONTENT),
    Setting(
        "charset",
        ValueKind.LIST,
        "have C code convert this charset, such as ISO-8859-1; all; or none, also if code names one (repeat)",
        CONTENT,
        (),
        "NAME",
        "charsets",
    ),
    Setting("tzdata", ValueKind.SWITCH, "include time zones", CONTENT),
    Setting("ca-certs", ValueKind.SWITCH, "include CA certificates", CONTENT),
    Setting("terminfo", ValueKind.SWITCH, "include terminal descriptions", CONTENT),
    Setting("services", ValueKind.SWITCH, "include names of network services and protocols", CONTENT),
    Setting("output", ValueKind.PATH, "the file to write (default: dist/NAME)", RESULT, ("-o",), "FILE"),
    Setting("name", ValueKind.TEXT, "the application's name (default: from the entry)", RESULT, (), "NAME"),
    Setting(
        "linker",
        ValueKind.TEXT,
        "staticx (default: unpacks at every start) or native (unpacks once)",
        RESULT,
        (),
        "LINKER",
    ),
    Setting(
        "compress",
        ValueKind.TEXT,
        "how to pack the executable: none (staticx's default), fast (native's default), or small",
        RESULT,
        (),
        "HOW",
    ),
    Setting("strip", ValueKind.FLAG, "strip symbols from all binaries", RESULT),
    Setting(
        "init",
        ValueKind.FLAG,
        "become an init as process 1, and start the application as its child (default: yes)",
        RESULT,
    ),
    Setting(
        "start",
        ValueKind.TEXT,
        "plain (default), or snapshot: from a snapshot of memory behind the imports (experimental; --linker native)",
        RESULT,
        (),
        "HOW",
    ),
    Setting(
        "leave",
        ValueKind.TEXT,
        "with --start snapshot: plain (default), or early: the end does not take apart what was imported",
        RESULT,
        (),
        "HOW",
    ),
    Setting(
        "sbom",
        ValueKind.PATH,
        "also write the bill of materials: CycloneDX, or SPDX to a FILE.spdx.json (-: standard output)",
        RESULT,
        (),
        "FILE",
    ),
    Setting("notices", ValueKind.FLAG, "include the licences of all components, as NOTICES.txt", RESULT),
    *SIGNING,
    Setting(
        "verify",
        ValueKind.VERIFICATION,
        "proof in an empty root: require (default with a --smoke option), auto (if possible; default otherwise), or no",
        PROOF,
        (),
        "HOW",
    ),
    Setting(
        "smoke",
        ValueKind.RUNS,
        "run the application with these arguments during verification (repeat: one run each)",
        PROOF,
        (),
        "ARGS",
    ),
    Setting("smoke-status", ValueKind.NUMBER, "the exit status expected of a run (default: 0)", PROOF, (), "N"),
    Setting(
        "smoke-stdin",
        ValueKind.TEXT,
        "the standard input of a run: this text, or the content of a file (default: empty)",
        PROOF,
        (),
        "TEXT|@FILE",
    ),
    Setting(
        "smoke-expect",
        ValueKind.TEXTS,
        "a text that must be in the output of a run, or in an answer of a server (repeat)",
        PROOF,
        (),
        "TEXT",
    ),
    Setting(
        "smoke-http",
        ValueKind.TEXTS,
        "the run is a server: ask it for this path, and expect this status (repeat; default: 200 to 399)",
        PROOF,
        (),
        "PATH[=STATUS]",
    ),
    Setting(
        "smoke-timeout", ValueKind.NUMBER, "the time limit of a run in seconds (default: 10)", PROOF, (), "SECONDS"
    ),
    Setting(
        "jobs",
        ValueKind.NUMBER,
        "the number of concurrent checks (default: the number of processors)",
        PROOF,
        ("-j",),
        "N",
    ),
)

FILE_ONLY = (
    Setting("entry", ValueKind.PATH, "the script to freeze", ENTRY),
    Setting("pyinstaller-args", ValueKind.LIST, "arguments for PyInstaller", CONTENT),
)

SNAPSHOT_SETTINGS = (
    Setting(
        "before", ValueKind.LIST, "modules that each start imports anew: the snapshot is taken before them", RESULT
    ),
    Setting(
        "imports", ValueKind.LIST, "modules that the snapshot has, too, though the script imports them later", RESULT
    ),
    Setting("ignore-env", ValueKind.LIST, "patterns of variables that a snapshot does not depend on", RESULT),
)
"""The keys of the table ``snapshot``, for starts from snapshots."""

SMOKE = "smoke"
RUN_SETTINGS = {
    "args": next(setting for setting in SETTINGS if setting.name == SMOKE),
    **{setting.name[len(SMOKE) + 1 :]: setting for setting in SETTINGS if setting.name.startswith(f"{SMOKE}-")},
}
"""The settings of one run of the proof, by their keys in the table of a run."""
