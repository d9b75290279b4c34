"""Real projects, as others have published them with their templates, migrations and tests: each is built with no option
but its entry, its requirements and the linker, and then used in an empty root.

Their source distributions come from the package index, pinned by version and hash. What they require is not pinned.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import tarfile
import termios
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import websocket
from support import NOBODY, PATIENCE, Freezer, free_port, need_program, need_root

VARIABLES = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/tmp", "TERM": "xterm-256color"}
BACKENDS = ("setuptools>=77", "hatchling", "flit_core<4")
"""What pip needs to read the metadata of the distributions."""


@dataclass(frozen=True)
class Project:
    """A source distribution, the words for ``freezer build`` in a directory of it, the runs of the proof, and the
    oldest Python that it is for."""

    version: str
    sha256: str
    build: tuple[str, ...]
    runs: tuple[str, ...] = ()
    folder: str = "."
    python: tuple[int, int] = (3, 9)


PROJECTS = {
    # Flask: templates, static files, and highlighting by modules that are imported by computed names.
    "sqlite-web": Project(
        "0.8.2",
        "ef4348978c16f81e809f2bfc1905cbfad2b381ad4f532e30c27afd702ffc6283",
        (".", "-c", "sqlite_web"),
        ("--smoke", "--no-browser /tmp/notes.db", "--smoke-http", "/", "--smoke-http", "/static/js/app.js",
         "--smoke-http", "/query/?sql=select+6*7", "--smoke-expect", "<title>SQLite Web"),
    ),
    # Django: a project in a package, with its admin, static files, and templates of two kinds. Its server is started by
    # the reloader.
    "django-debug-toolbar": Project(
        "8.0.0",
        "cae32d3e441e608f39f3f1ca6b3f028c38d5d04d74c98d8ab96d46022dee3163",
        ("manage.py", "--with", "django", "--with", "sqlparse", "--with", "whitenoise", "--with", "jinja2"),
        ("--smoke", "runserver 8000", "--smoke-http", "/", "--smoke-http", "/admin/login/",
         "--smoke-http", "/static/test.css", "--smoke-http", "/static/admin/css/base.css", "--smoke-http", "/jinja/",
         "--smoke-expect", "djdt", "--smoke-expect", "csrfmiddlewaretoken"),
        "example",
        (3, 10),
    ),
    # FastAPI: its database is made by alembic's migrations at the start.
    "labtasker-server": Project(
        "2.8.0",
        "e93d310a2f383034252decf80f460c333d1096d237e3a8dda192f6943db53cda",
        (".",),
        ("--smoke", "serve --connection http --database /tmp/tasks.db --port 8765", "--smoke-http", "/openapi.json",
         "--smoke-http", "/health", "--smoke-expect", "Labtasker", "--smoke", "status --labtasker-root /tmp/no"),
        ".",
        (3, 10),
    ),
    # click: templates of its package.
    "towncrier": Project("26.9.0", "ace9031631c718cc0709107b8755e6e31350eb8acdc877af43df3177addb9a55", (".",)),
    # Streamlit: a script that is run for each browser, with pictures, examples and the scripts of components.
    "orionbelt-ontology-builder": Project(
        "1.22.0",
        "67f15cb28889c0a49cf9ea341223368d83d11fd790b91cf40f4747454b83de44",
        (".", "-c", "orionbelt-ontology-builder"),
        python=(3, 10),
    ),
    # Flask's own example, which has tests.
    "flask": Project(
        "3.1.3",
        "0ef0e52b8a9cd932855379197dd8f94047b359ca0a78695144304cb45f87c9eb",
        ("-e", "flask.cli:main", "--with", "flask"),
        folder="examples/tutorial",
    ),
    # click: modules that its user names, for code that he gives it.
    "sqlite-utils": Project(
        "4.2.1",
        "76114b6a5414714e6c70e5fa5c4781b301b590f6951b5da39c8cc60c21382ba1",
        ("-e", "sqlite_utils.cli:cli", "--with", "click", "--with", "click-default-group", "--with", "pluggy",
         "--with", "python-dateutil", "--with", "sqlite-fts4", "--with", "tabulate"),
        python=(3, 10),
    ),
    # Textual: style sheets, used at a terminal.
    "recoverpy": Project("2.3.0", "86244abf9db5eee5c002d603a8f88e30b162ac377130738393c18ed0a3991cc5", (".",)),
}  # fmt: skip
OF_THIS_PYTHON = {name: project for name, project in PROJECTS.items() if sys.version_info >= project.python}


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of the unpacked distributions. pip downloads them all at once, with the programs to read them
    installed once, too."""
    folder = tmp_path_factory.mktemp("projects")
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "install", "--target", folder / "backends", *BACKENDS], check=True)
    lines = [f"{name}=={item.version} --hash=sha256:{item.sha256}\n" for name, item in OF_THIS_PYTHON.items()]
    (folder / "wanted.txt").write_text("".join(lines))
    subprocess.run(
        [*pip, "download", "--no-deps", "--no-binary=:all:", "--no-build-isolation", "--require-hashes",
         "--dest", folder, "--requirement", folder / "wanted.txt"],
        env={**os.environ, "PYTHONPATH": str(folder / "backends")},
        check=True,
    )  # fmt: skip
    for path in folder.glob("*.tar.gz"):
        with tarfile.open(path) as archive:
            # As in tests/consumers.py: Python 3.12 asks for this, and some of 3.9 to 3.11 know no filters.
            archive.extraction_filter = staticmethod(lambda member, _path: member)
            archive.extractall(folder)
    return folder


def place_of(name: str, sources: Path) -> Path:
    """The directory to build a project in."""
    project = OF_THIS_PYTHON[name]
    return sources / f"{name.replace('-', '_')}-{project.version}" / project.folder


class Root:
    """A directory with an executable, /tmp, /proc and /dev/null, to run it in as nobody."""

    def __init__(self, folder: Path, executable: Path) -> None:
        need_root()
        self.folder = folder
        for name in ("app", "tmp", "proc", "dev"):
            (folder / name).mkdir(parents=True)
        (folder / "tmp").chmod(0o1777)
        (folder / "dev" / "null").touch()
        executable.rename(folder / "app" / "it")

    def words(self, *arguments: str) -> list[str]:
        """The command that runs it; all that is mounted and started ends with it."""
        script = 'mount --bind /dev/null dev/null && mount -t proc proc proc && exec "$@"'
        inside = [need_program("chroot"), f"--userspec={NOBODY}:{NOBODY}", ".", "/app/it", *arguments]
        return [
            need_program("unshare"),
            "--mount",
            "--pid",
            "--fork",
            "--kill-child",
            "sh",
            "-c",
            script,
            "sh",
            *inside,
        ]

    def run(self, *arguments: str) -> str:
        """What it prints; it must succeed."""
        done = subprocess.run(
            self.words(*arguments), cwd=self.folder, env=VARIABLES, stdin=subprocess.DEVNULL, capture_output=True,
            text=True, timeout=PATIENCE, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout


def typed(root: Root, *steps: tuple[str, bytes]) -> int:
    """Run it at a terminal: wait for each text on the screen, then type what is behind it. Returns its status."""
    process, terminal = pty.fork()
    if process == 0:
        os.chdir(root.folder)
        words = root.words()
        os.execve(words[0], words, VARIABLES)
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
    shown, waiting, deadline = "", list(steps), time.monotonic() + PATIENCE
    try:
        while True:
            assert time.monotonic() < deadline, shown
            if not select.select([terminal], [], [], 1)[0]:
                continue
            try:
                text = os.read(terminal, 1 << 16).decode("utf-8", "replace")
            except OSError:
                text = ""
            if not text:
                break
            # What moves the cursor or sets colours is between the words.
            shown += re.sub(r"\x1b(\[[0-9;?<>=]*[A-Za-z~]|[()=>].?|\][^\x07\x1b]*(\x07|\x1b\\\\))", "", text)
            if waiting and waiting[0][0] in shown:
                os.write(terminal, waiting.pop(0)[1])
    finally:
        os.close(terminal)
        status = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    assert not waiting, shown[-2000:]
    return status


@pytest.mark.parametrize("name", [name for name, project in OF_THIS_PYTHON.items() if project.runs])
def test_it_works_in_an_empty_root(freezer: Freezer, sources: Path, tmp_path: Path, name: str) -> None:
    place, project = place_of(name, sources), PROJECTS[name]
    words = ("--linker", "native", "--smoke-timeout", "300", "-o", tmp_path / "app")
    built = freezer("build", *project.build, *words, *project.runs, cwd=place)
    assert "proven: empty root, own namespaces" in built.stderr
    # The rules have brought everything: no run has lacked a thing that was then added.
    assert "lacked" not in built.stderr


@pytest.fixture
def root(freezer: Freezer, sources: Path, tmp_path: Path, request: pytest.FixtureRequest) -> Root:
    """An empty root with the project that the test is given."""
    place, project = place_of(request.param, sources), PROJECTS[request.param]
    freezer("build", *project.build, "--linker", "native", "-o", tmp_path / "app", cwd=place)
    return Root(tmp_path / "root", tmp_path / "app")


NEWS = ("build", "--draft", "--version", "1.0", "--date", "2026-01-02", "--dir", "/tmp/project")
FLOATS = "# It 1.0 (2026-01-02)\n\n## Features\n\n- It floats. (#12)\n"


def with_news(root: Root) -> Root:
    """The root with a project that has news."""
    project = root.folder / "tmp" / "project"
    (project / "newsfragments").mkdir(parents=True)
    (project / "pyproject.toml").write_text('[tool.towncrier]\nname = "It"\nfilename = "NEWS.md"\n')
    (project / "newsfragments" / "12.feature").write_text("It floats.\n")
    return root


@pytest.mark.parametrize("root", ["towncrier"], indirect=True)
def test_a_tool_with_templates(root: Root) -> None:
    assert FLOATS in with_news(root).run(*NEWS)


def test_what_the_rules_are_kept_from_is_learnt_from_the_tests(freezer: Freezer, sources: Path, tmp_path: Path) -> None:
    """The project's own tests use its templates, which nothing brings with --own none. Two tests ask for the version of
    the installed distribution, which is not installed here."""
    place, learned = place_of("towncrier", sources) / "src", tmp_path / "learned.toml"
    entry = ("-e", "towncrier._shell:cli", "--with", "click", "--with", "jinja2", "--own", "none")
    tests = ("python", "-m", "pytest", "-q", "-k", "not test_version", "towncrier")
    freezer("learn", *entry, "--learned", learned, "--tool", "pytest", "--tool", "twisted", "--", *tests, cwd=place)
    assert '"towncrier/templates/default.md" = "towncrier/' in learned.read_text()
    build = ("build", *entry, "--linker", "native", "--no-verify", "-o", tmp_path / "app")
    freezer(*build, cwd=place)
    without = with_news(Root(tmp_path / "without", tmp_path / "app"))
    with pytest.raises(AssertionError, match="templates"):
        without.run(*NEWS)
    freezer(*build, "--learned", learned, cwd=place)
    assert FLOATS in with_news(Root(tmp_path / "with", tmp_path / "app")).run(*NEWS)


def test_what_a_server_imports_by_name_is_learnt(freezer: Freezer, sources: Path, tmp_path: Path) -> None:
    """A server that is told what to serve, and the tests of that."""
    place, words = place_of("flask", sources), PROJECTS["flask"].build
    learned, output = ("--learned", str(tmp_path / "learned.toml")), str(tmp_path / "app")
    build = ("build", *words, "--linker", "native", "-o", output, "--smoke", "--app flaskr init-db")
    lacks = freezer(*build, cwd=place, check=False)
    assert (lacks.status, "Could not import 'flaskr'" in lacks.stderr) == (6, True)
    command = "python -m flask --app flaskr routes && python -m pytest -q"
    freezer("learn", *words, *learned, "--tool", "pytest", "--", "sh", "-c", command, cwd=place)
    serves = ("--smoke", "--app flaskr run --port 8791", "--smoke-http", "/auth/login", "--smoke-expect", "Log In")
    freezer(*build, *serves, *learned, cwd=place)


if "sqlite-utils" in OF_THIS_PYTHON:

    def test_what_a_user_names_is_learnt(freezer: Freezer, sources: Path, tmp_path: Path) -> None:
        """A command that imports what its arguments name, and the tests of that: they name a module of Python that the
        application has no other use for. pytest has imported it before, for reports in XML."""
        place, words = place_of("sqlite-utils", sources), PROJECTS["sqlite-utils"].build
        learned, output = tmp_path / "learned.toml", str(tmp_path / "app")
        build = ("build", *words, "--linker", "native", "-o", output)
        code = "{'name': xml.etree.ElementTree.fromstring(text).get('name')}"
        convert = f'insert /tmp/it.db items - --text --import xml.etree.ElementTree --convert "{code}"'
        smoke = ("--smoke", convert, "--smoke-stdin", '<item name="Cleo"/>')
        # A build with this run would add what the run lacks.
        freezer(*build, "--no-verify", cwd=place)
        lacks = freezer("check", output, *smoke, cwd=place, check=False)
        assert (lacks.status, "No module named 'xml.etree'" in lacks.stderr) == (6, True)
        tests = ("python", "-m", "pytest", "-q", "tests/test_cli_convert.py")
        freezer("learn", *words, "--learned", learned, "--tool", "pytest", "--", *tests, cwd=place)
        assert '"xml.etree.ElementTree" = "sqlite_utils/utils.py:' in learned.read_text()
        built = freezer(*build, *smoke, "--learned", learned, cwd=place)
        assert "proven: empty root" in built.stderr and "lacked" not in built.stderr


@contextlib.contextmanager
def serving(root: Root, *arguments: str, log: Path) -> Iterator[None]:
    """The server, as soon as it says its address."""
    with (
        log.open("w") as output,
        subprocess.Popen(
            root.words(*arguments),
            cwd=root.folder,
            env=VARIABLES,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        ) as process,
    ):
        deadline = time.monotonic() + PATIENCE
        try:
            while "URL: http" not in log.read_text():
                assert process.poll() is None and time.monotonic() < deadline, log.read_text()
                time.sleep(0.1)
            yield
        finally:
            # unshare asks the kernel to end its child with it, which is forgotten when the child becomes another user.
            # As the first process of its namespace it takes all others with it.
            for child in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split():
                os.kill(int(child), signal.SIGKILL)
            process.kill()


def shown_by_streamlit(port: int) -> bytes:
    """What a browser is sent for the first page, up to the end of the script's run."""
    rerun, finished = b"\x5a\x00", b"\x30\x00"  # BackMsg.rerun_script, and ForwardMsg.script_finished in its protocol
    page = b""
    with contextlib.closing(websocket.create_connection(f"ws://127.0.0.1:{port}/_stcore/stream", PATIENCE)) as browser:
        browser.send_binary(rerun)
        while (message := browser.recv()) != finished:
            assert isinstance(message, bytes) and message, page
            page += message
    return page


if "orionbelt-ontology-builder" in OF_THIS_PYTHON:

    @pytest.mark.parametrize("root", ["orionbelt-ontology-builder"], indirect=True)
    def test_a_page_of_streamlit(root: Root, tmp_path: Path) -> None:
        port = free_port()
        words = ("--server.headless", "true", "--server.address", "127.0.0.1", "--server.port", str(port))
        with serving(root, *words, log=tmp_path / "log"):
            page = shown_by_streamlit(port)
            assert b"Build and explore OWL ontologies" in page and b"Quick Stats" in page and b"exception" not in page
            pictures = set(re.findall(rb"/media/[0-9a-f]+\.png", page))
            assert len(pictures) == 2
            for name in pictures:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}{name.decode()}", timeout=PATIENCE) as answer:
                    assert answer.read(8) == b"\x89PNG\r\n\x1a\n"


@pytest.mark.parametrize("root", ["recoverpy"], indirect=True)
def test_an_application_at_a_terminal(root: Root) -> None:
    assert typed(root, ("The current user is not root", b"\r"), ("Start search", b"\x11")) == 0
