"""What to build from each sample, how to run it, and what it must then print.

The expectations hold for plain Python too: freezing must change nothing.
"""

import enum
import re
from dataclasses import dataclass
from pathlib import Path

SAMPLES_DIRECTORY = Path(__file__).resolve().parent


class Need(enum.Enum):
    """What a sample needs beyond freezer, and a root with /tmp and /proc."""

    INDEX = "a package index at build time"
    COMPILER = "a C compiler and Python's headers at build time"
    LOOPBACK = "a loopback interface that is up"
    SHARED_MEMORY = "/dev/shm"
    HOST_TOOLS = "env(1) on PATH, with the option -0"
    SYSTEM_DATA = "a UTF-8 locale chosen by the caller; time zones, CAs, terminfo"


@dataclass(frozen=True)
class Sample:
    """One executable and one run of it; samples with equal `build` can share it."""

    name: str
    build: tuple[str, ...]
    """Arguments of `freezer build`; {samples} stands for this directory or its copy."""
    run: tuple[str, ...]
    """Arguments of the executable."""
    stdout: str
    """Regular expression for the whole standard output."""
    status: int = 0
    needs: frozenset[Need] = frozenset()

    def build_arguments(self, samples: Path = SAMPLES_DIRECTORY) -> list[str]:
        """`build` for the samples in that directory.

        Give a copy for anything that pip builds (cli, cext_*): setuptools writes
        beside the sources.
        """
        return [word.replace("{samples}", str(samples)) for word in self.build]

    def accepts(self, stdout: str, status: int) -> bool:
        """Whether a run with this output and exit status was right."""
        matched = re.fullmatch(self.stdout, stdout) is not None
        return matched and status == self.status


def _lines(*patterns: str) -> str:
    return "".join(pattern + r"\n" for pattern in patterns)


def _text(*lines: str) -> str:
    return _lines(*map(re.escape, lines))


_CLI = ("{samples}/cli", "-c", "greeter")
_SQUARES = "[0, 1, 4, 9, 16]"

SAMPLES: tuple[Sample, ...] = (
    Sample(
        name="hello",
        build=("{samples}/hello/hello.py",),
        run=("--flag", "two words", ""),
        stdout=_lines(
            re.escape('{"argv": ["--flag", "two words", ""], "ipv6": ') + r'(true|false), "openssl": "[^"]+"\}'
        ),
    ),
    Sample(
        name="cli",
        build=_CLI,
        run=(
            *("--language", "fr", "--style", "framed"),
            *("--plugin", "shout", "Ada"),
        ),
        stdout=_text(
            "╭───────────────╮",
            "│ BONJOUR, ADA! │",
            "╰───────────────╯",
        ),
        needs=frozenset({Need.INDEX}),
    ),
    Sample(
        name="cli-version",
        build=_CLI,
        run=("--version",),
        stdout=r".*, version 1\.2\.3\n",
        needs=frozenset({Need.INDEX}),
    ),
    Sample(
        name="cli-usage-error",
        build=_CLI,
        run=("--language", "xx", "Ada"),
        stdout="",
        status=2,
        needs=frozenset({Need.INDEX}),
    ),
    Sample(
        name="cli-function",
        build=("{samples}/cli", "-e", "greeter.cli:main"),
        run=("Ada",),
        stdout=_text("Hello, Ada"),
        needs=frozenset({Need.INDEX}),
    ),
    Sample(
        name="tls",
        build=(
            "{samples}/tls/tls.py",
            *("-r", "{samples}/tls/requirements.txt"),
            *("--add-data", "{samples}/tls/ca.pem:."),
            *("--add-data", "{samples}/tls/cert.pem:."),
            *("--add-data", "{samples}/tls/key.pem:."),
        ),
        run=(),
        stdout=_text("200 ok"),
        needs=frozenset({Need.INDEX, Need.LOOPBACK}),
    ),
    Sample(
        name="numeric",
        build=(
            "{samples}/numeric/numeric.py",
            *("-r", "{samples}/numeric/requirements.txt"),
        ),
        run=(),
        stdout=_text("means blue=4.0 red=2.0", "solution 2.000 3.000"),
        needs=frozenset({Need.INDEX}),
    ),
    Sample(
        name="compiled",
        build=(
            "{samples}/numeric/compiled.py",
            *("-r", "{samples}/numeric/compiled.txt"),
            *("--smoke", "sum", "--smoke-timeout", "300"),
        ),
        run=(),
        stdout=_text("45.0 compiled", "45.0 cached", "45.0 compiled", "45.0 cached"),
        needs=frozenset({Need.INDEX}),
    ),
    Sample(
        name="flask_app",
        build=(
            "{samples}/flask_app/flask_app.py",
            *("-r", "{samples}/flask_app/requirements.txt"),
        ),
        run=("--self-test",),
        stdout=_text('flask 200 {"service":"flask"}'),
        needs=frozenset({Need.INDEX, Need.LOOPBACK}),
    ),
    Sample(
        name="fastapi_app",
        build=(
            "{samples}/fastapi_app/fastapi_app.py",
            *("-r", "{samples}/fastapi_app/requirements.txt"),
        ),
        run=("--self-test",),
        stdout=_text('fastapi 200 {"left":6,"right":7,"value":42}'),
        needs=frozenset({Need.INDEX, Need.LOOPBACK}),
    ),
    Sample(
        name="mp",
        build=("{samples}/mp/mp.py",),
        run=(),
        stdout=_text(
            *(
                f"{method}: pool {_SQUARES} queue [1, 2] value 3 nested [0, 1, 2] threads [0, 1, 2]"
                for method in ("fork", "spawn", "forkserver")
            ),
            f"executor: map {_SQUARES}",
        ),
        needs=frozenset({Need.SHARED_MEMORY}),
    ),
    Sample(
        name="db",
        build=("{samples}/db/db.py",),
        run=(),
        stdout=_lines("memory Berlin", "fts5 (1|absent)", "file Berlin"),
    ),
    Sample(
        name="formats",
        build=(
            "{samples}/formats/formats.py",
            *("-r", "{samples}/formats/requirements.txt"),
        ),
        run=(),
        stdout=_text(
            "ed25519 verified, forgery refused",
            "xslt a;b;",
            "png PNG (32, 16) same",
        ),
        needs=frozenset({Need.INDEX}),
    ),
    Sample(
        name="processes",
        build=("{samples}/processes/processes.py", "-r", "{samples}/processes/requirements.txt", "--smoke", "again"),
        run=(),
        stdout=_text(
            *(f"futures {method} [0, 3, 6]" for method in ("fork", "spawn", "forkserver")),
            "joblib [0, 3, 6]",
            "joblib's memory 12 12",
            "multiprocess [3, 4, 5]",
            "pathos [3, 4, 5]",
            *(f"billiard {method} [0, 3, 6]" for method in ("fork", "spawn")),
            "celery [0, 3, 6]",
            "execnet 6",
            "execnet 6",
            '-c ["-c", "x"]',
            '-m {"a":1}',
            "- ['-', 'x'] __main__",
            "nothing __main__",
            "script 5 True",
            "runpy 5",
            "itself again",
            "typeguard's hook",
            "typeguard",
            "beartype",
            "ic| FACTOR + 1: 4",
            "# This comment is part of the source.",
            "return FACTOR * number 3",
            "TestResults(failed=0, attempted=1)",
            '"""Libraries that st <module> None',
            "pdb True",
            "stack ['frames', 'main', '<module>'] ['<module>', 'main', 'frames']",
            "thread _bootstrap ['module', None]",
            "warned of old [True]",
            "failed ['frames', '<module>', 'refuse']",
        ),
        needs=frozenset({Need.INDEX, Need.SHARED_MEMORY}),
    ),
    Sample(
        name="cext_abs",
        build=("{samples}/cext_abs/app.py", "--with", "{samples}/cext_abs"),
        run=(),
        stdout=_text("total 42"),
        needs=frozenset({Need.INDEX, Need.COMPILER}),
    ),
    Sample(
        name="cext_origin",
        build=("{samples}/cext_origin/app.py", "--with", "{samples}/cext_origin"),
        run=(),
        stdout=_text("total 42"),
        needs=frozenset({Need.INDEX, Need.COMPILER}),
    ),
    Sample(
        name="tools",
        build=("{samples}/tools/tools.py",),
        run=(),
        stdout=_lines(
            r'\{"child_environ": (\{.*\}), "environ": \1, '
            r'"status": \{("\w+": (0|null)(, )?)+\}\}'
        ),
        needs=frozenset({Need.HOST_TOOLS}),
    ),
    Sample(
        name="daemon",
        build=("{samples}/daemon/daemon.py",),
        run=(),
        stdout=_text("daemon threads alive: 3"),
    ),
    Sample(
        name="empty_root",
        build=("{samples}/empty_root/empty_root.py",),
        run=(),
        stdout=_lines(
            r'\{"environ": \{"self": \[\], "child": \[\]\}, '
            r'"locale": "UTF-8", "zoneinfo": "\+0200 CEST", '
            r'"ssl": \{"x509": [1-9]\d*, "crl": \d+, "x509_ca": [1-9]\d*\}, '
            r'"curses": 256, "readline": 1\}'
        ),
        needs=frozenset({Need.SYSTEM_DATA}),
    ),
)
