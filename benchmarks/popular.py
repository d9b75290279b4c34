"""Freeze well-known applications from the index, each with nothing but its name and entry point, and run them.

    python benchmarks/popular.py [--python PATH] [--only NAME ...] [--keep FOLDER] [-- OPTION ...]

Every application is built by ``freezer build --with NAME -e MODULE:FUNCTION`` and then does something real in an empty
root, without network: more than printing its version where that is possible. Each OPTION is one of ``freezer build``,
such as ``--linker native``. Prints a table; the exit status is the number of applications that failed. It takes half an
hour and several GB of cache, and so is not part of the tests.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Application:
    """One application of the index; ``arguments`` are what it is run with, ``status`` what that must end with."""

    requirement: str
    function: str
    arguments: str
    status: int = 0


APPLICATIONS = (
    Application("ansible-core", "ansible.cli.doc:main", "-t module ping"),
    Application("awscli", "awscli.clidriver:main", "s3 ls", status=255),
    Application("black", "black:patched_main", "-c 'x  =  1'"),
    Application("borgmatic", "borgmatic.commands.borgmatic:main", "--version"),
    Application("celery", "celery.__main__:main", "report"),
    Application("certbot", "certbot.main:main", "--version"),
    Application("conan", "conans.conan:run", "profile detect", status=0),
    Application("cookiecutter", "cookiecutter.__main__:main", "--version"),
    Application("csvkit", "csvkit.utilities.csvstat:launch_new_instance", "--version"),
    Application("datasette", "datasette.cli:cli", "--memory --get /-/versions.json"),
    Application("django", "django.core.management:execute_from_command_line", "startproject shop /tmp"),
    Application("flask", "flask.cli:main", "--version"),
    Application("gunicorn", "gunicorn.app.wsgiapp:run", "--version"),
    Application("harlequin", "harlequin.cli:harlequin", "--help"),
    Application("hatch", "hatch.cli:main", "--version"),
    Application("httpie", "httpie.__main__:main", "--offline https://example.org/ a==b"),
    Application("ipython", "IPython:start_ipython", "-c 'print(6 * 7)'"),
    Application("isort", "isort.main:main", "--version"),
    Application("jupyterlab", "jupyterlab.labapp:main", "--version"),
    Application("litecli", "litecli.main:cli", "/tmp/x.db -e 'select 42'"),
    Application("locust", "locust.main:main", "--version"),
    Application("magic-wormhole", "wormhole.cli.cli:wormhole", "--version"),
    Application("mitmproxy", "mitmproxy.tools.main:mitmdump", "--version"),
    Application("mkdocs", "mkdocs.__main__:cli", "new /tmp/site"),
    Application("mypy", "mypy.__main__:console_entry", "--cache-dir=/tmp/m -c 'x: int = 1'"),
    Application("nox", "nox.__main__:main", "--version"),
    Application("pgcli[keyring] psycopg[binary]", "pgcli.main:cli", "--version"),
    Application("poetry", "poetry.console.application:main", "new /tmp/package"),
    Application("pre-commit", "pre_commit.main:main", "sample-config"),
    Application("pylint", "pylint:run_pylint", "--list-msgs-enabled"),
    Application("rich-cli", "rich_cli.__main__:run", "--print '[b]bold[/b]'"),
    Application("scrapy", "scrapy.cmdline:execute", "startproject spider /tmp/spider"),
    Application("sphinx", "sphinx.cmd.quickstart:main", "-q -p P -a A -v 1 /tmp/doc"),
    Application("sqlfluff", "sqlfluff.cli.commands:cli", "dialects"),
    Application("streamlit", "streamlit.web.cli:main", "--version"),
    Application("supervisor", "supervisor.supervisord:main", "--version"),
    Application("thefuck", "thefuck.entrypoints.main:main", "--version"),
    Application("tox", "tox.run:run", "--version"),
    Application("uvicorn", "uvicorn.main:main", "--version"),
    Application("visidata", "visidata.main:vd_cli", "--version"),
    Application("yt-dlp", "yt_dlp:main", "--list-extractors"),
)


def build(application: Application, folder: Path, options: list[str]) -> tuple[int, float, str]:
    """Build and run one application; (exit status, seconds, the last lines of what freezer said)."""
    name = application.requirement.split("[")[0].split()[0]
    command = [sys.executable, "-m", "freezer", "build", "-e", application.function, "--name", name]
    for requirement in application.requirement.split():
        command += ["--with", requirement]
    command += ["-o", str(folder / name), "--smoke", application.arguments, "--smoke-timeout", "60"]
    command += ["--smoke-status", str(application.status), *options]
    started = time.monotonic()
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)
    return done.returncode, time.monotonic() - started, done.stderr


def main() -> int:
    """Build all, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python")
    parser.add_argument("--only", nargs="*", default=[])
    parser.add_argument("--keep", type=Path, help="leave the executables in this folder")
    parser.add_argument("options", nargs="*", help="options of freezer build", metavar="OPTION")
    options = parser.parse_args()
    if options.python:
        options.options += ["--python", options.python]
    failed = 0
    print("| application | run with | result | MB | build s |\n|---|---|---|---|---|")
    with tempfile.TemporaryDirectory(prefix="freezer-popular-") as temporary:
        folder = options.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        for application in APPLICATIONS:
            name = application.requirement.split("[")[0].split()[0]
            if options.only and name not in options.only:
                continue
            status, seconds, said = build(application, folder, options.options)
            size = f"{(folder / name).stat().st_size / 1e6:.1f}" if status == 0 else ""
            result = "runs" if status == 0 else f"status {status}"
            print(f"| {name} | `{application.arguments}` | {result} | {size} | {seconds:.0f} |", flush=True)
            if status:
                failed += 1
                print(said, file=sys.stderr)
            elif options.keep is None:
                (folder / name).unlink()
    return failed


if __name__ == "__main__":
    sys.exit(main())
