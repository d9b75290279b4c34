"""What takes notes in every process: what is seen, who asked, and that the application does not notice."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support import PATIENCE, attended, wait_until

from freezer.learn.command import PROGRAMS
from freezer.learn.drivers import DRIVERS
from freezer.learn.facts import Fact, read_facts


class Site:
    """An application whose processes take notes."""

    def __init__(self, folder: Path) -> None:
        self.app, self.notes, self.hook = folder / "app", folder / "learn/notes", folder / "learn/hook"
        for place in (self.app, self.notes, self.hook):
            place.mkdir(parents=True)
        for name in PROGRAMS:
            shutil.copyfile(DRIVERS / name, self.hook / name)
        (self.notes / "roots").write_text(f"{self.app}/")
        self.env = {**os.environ, "PYTHONPATH": str(self.hook), "MINE": "1"}
        self.env.pop("FREEZER_LEARNING", None)

    def write(self, text: str, name: str = "app.py") -> Path:
        path = self.app / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def run(self, text: str, *arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, self.write(text), *arguments], env=self.env, cwd=self.app, capture_output=True, text=True,
            timeout=PATIENCE, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    def facts(self, kind: str) -> list[Fact]:
        return [fact for fact in read_facts(self.notes).facts if fact.kind == kind]

    def asked(self, kind: str) -> set[tuple[str, str]]:
        """The names of a kind, with the places that asked, without the directory of the application."""
        start = f"{self.app}/"
        return {
            (fact.name.removeprefix(start), f"{fact.asker.removeprefix(start)}:{fact.line}")
            for fact in self.facts(kind)
        }


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def test_files_and_directories(site: Site) -> None:
    for name in ("a.txt", "b.txt", "sub/c.txt", "d.bin"):
        site.write("x", name)
    site.run(
        "import os, pathlib\n"
        "open('a.txt').close()\n"
        "pathlib.Path('sub/../b.txt').read_text()\n"
        "os.close(os.open(b'd.bin', os.O_RDONLY))\n"
        "list(os.scandir('sub'))\n"
        "os.listdir()\n"
        "open('/etc/hosts').close()\n"
        "open(os.devnull).close()\n"
    )
    assert site.asked("read") >= {("a.txt", "app.py:2"), ("b.txt", "app.py:3"), ("d.bin", "app.py:4")}
    assert not any(fact.name.startswith("/etc") for fact in site.facts("read"))
    assert {name for name, _ in site.asked("list")} == {"sub", str(site.app)}


def test_what_is_written_is_not_read(site: Site) -> None:
    site.write("x", "old.txt")
    site.run(
        "with open('new.txt', 'w') as f: f.write('x')\n"
        "open('new.txt').close()\n"
        "open('old.txt').close()\n"
        "open('old.txt', 'a').close()\n"
    )
    assert {name for name, _ in site.asked("write")} == {"new.txt", "old.txt"}
    assert {name for name, place in site.asked("read") if place != ":0"} == {"old.txt"}


def test_modules_with_who_imports_them(site: Site) -> None:
    site.write("import json.tool\n", "one.py")
    site.write("", "two.py")
    site.write("", "pkg/__init__.py")
    site.write("", "pkg/three.py")
    site.run(
        "import importlib\n"
        "import one\n"
        "importlib.import_module('two')\n"
        "importlib.import_module('.three', 'pkg')\n"
        "try: import missing\n"
        "except ImportError: pass\n"
    )
    modules = site.asked("module")
    assert modules >= {
        ("one", "app.py:2"),
        ("two", "app.py:3"),
        ("pkg.three", "app.py:4"),
        ("json.tool", "one.py:1"),
    }
    assert not any(name == "missing" for name, _ in modules)
    assert {fact.more for fact in site.facts("module") if fact.name == "two"} == {f"{site.app}/two.py"}


@pytest.mark.parametrize(
    "statement", ["import importlib; importlib.import_module('two')", "__import__('two')", "exec('import two')"]
)
def test_an_import_counts_for_everybody_who_asks(site: Site, statement: str) -> None:
    """As somebody else, such as a test, may have imported the module before."""
    site.write(f"{statement}\n", "one.py")
    site.write("", "two.py")
    site.run("import two\nimport one\n")
    assert site.asked("module") >= {("two", "app.py:1"), ("two", "one.py:1")}


def test_the_interpreter_itself_may_import_what_is_known(site: Site) -> None:
    """It imports runpy for ``-m``, with nobody who calls, and would end if it were asked who it is."""
    site.write("import two\n", "main.py")
    site.write("", "two.py")
    # What the first of these is told to import when it starts is known when the interpreter imports it.
    with (site.hook / "sitecustomize.py").open("a") as file:
        file.write("import runpy\n")
    site.run("import subprocess, sys\nsubprocess.run([sys.executable, '-m', 'main'], check=True)\n")
    assert ("two", "main.py:1") in site.asked("module")


def test_modules_of_other_finders_are_seen_at_the_end(site: Site) -> None:
    site.write("", "two.py")
    site.run(
        "import sys\n"
        "from importlib.machinery import PathFinder\n"
        "class Mine:\n"
        "    find_spec = staticmethod(lambda name, path=None, target=None: PathFinder.find_spec(name, path))\n"
        "sys.meta_path.insert(0, Mine)\n"
        "import two\n"
    )
    assert [(fact.name, fact.more) for fact in site.facts("swept")] == [("two", f"{site.app}/two.py")]


def test_the_nearest_code_that_is_not_the_standard_librarys_asks(site: Site) -> None:
    site.write("x", "a.txt")
    site.run(
        "import threading, shutil\n"
        "def work():\n"
        "    exec(\"shutil.copyfile('a.txt', '/dev/null')\")\n"
        "thread = threading.Thread(target=work)\n"
        "thread.start()\n"
        "thread.join()\n"
    )
    assert ("a.txt", "app.py:3") in site.asked("read")


def test_sources_are_read_by_inspect_but_not_by_tracebacks(site: Site) -> None:
    site.write("def f():\n    raise ValueError\n", "one.py")
    site.write("def g(): pass\n", "two.py")
    site.run(
        "import inspect, traceback, one, two\n"
        "try:\n    one.f()\nexcept ValueError:\n    traceback.format_exc()\n"
        "inspect.getsource(two.g)\n"
    )
    assert [(fact.name, fact.more) for fact in site.facts("read") if fact.name.endswith(("one.py", "two.py"))] == [
        (f"{site.app}/two.py", "source")
    ]


def test_children_take_notes_too(site: Site) -> None:
    site.write("open('a.txt').close()\n", "child.py")
    site.write("x", "a.txt")
    site.run(
        "import multiprocessing, os, subprocess, sys\n"
        "def work():\n    open('b.txt').close()\n"
        "if __name__ == '__main__':\n"
        "    open('b.txt', 'a').close()\n"
        "    subprocess.run(['sh', '-c', '\"$0\" child.py', sys.executable], check=True)\n"
        "    for way in ('fork', 'spawn'):\n"
        "        process = multiprocessing.get_context(way).Process(target=work)\n"
        "        process.start()\n"
        "        process.join()\n"
    )
    found = [fact for fact in site.facts("read") if fact.asker == f"{site.app}/child.py"]
    assert [(fact.name, fact.child) for fact in found] == [(f"{site.app}/a.txt", True)]
    assert {fact.child for fact in site.facts("read") if fact.name.endswith("/b.txt")} == {True}


def test_a_python_that_will_take_no_notes_is_noted(site: Site) -> None:
    site.run("import subprocess, sys\nsubprocess.run([sys.executable, '-c', ''])\nsubprocess.run(['true'], env={})\n")
    assert site.asked("unseen") == set()
    site.run("import subprocess, sys\nsubprocess.run([sys.executable, '-Ic', ''])\n")
    assert {place for _, place in site.asked("unseen")} == {"app.py:2"}
    site.run("import os, sys\n\nos.spawnve(os.P_WAIT, sys.executable, ['python', '-c', ''], {})\n")
    assert {place for _, place in site.asked("unseen")} == {"app.py:2", "app.py:3"}
    assert {os.path.basename(name) for name, _ in site.asked("program")} == {os.path.basename(sys.executable), "true"}


def test_libraries_and_variables(site: Site) -> None:
    site.run(
        "import ctypes, ctypes.util, os\n"
        "ctypes.CDLL('libc.so.6')\n"
        "ctypes.util.find_library('c')\n"
        "os.environ.get('MINE')\n"
        "os.getenv('THEIRS')\n"
        "for _ in range(100): os.environ.get('AGAIN')\n"
    )
    assert ("libc.so.6", "app.py:2") in site.asked("library")
    assert site.asked("variable") >= {("MINE", "app.py:4"), ("THEIRS", "app.py:5"), ("AGAIN", "app.py:6")}
    assert site.asked("program") == set()  # compilers of find_library
    assert any("libc.so" in fact.name or "libc-" in fact.name for fact in site.facts("mapped"))


def test_a_script_that_is_given_by_a_relative_path(site: Site) -> None:
    site.write("x", "a.txt")
    site.write("import os\nos.chdir('/')\nopen(os.path.join(os.path.dirname(__file__), 'a.txt')).close()\n", "s.py")
    site.run("import subprocess, sys\nsubprocess.run([sys.executable, 's.py'], check=True)\n")
    assert ("a.txt", "s.py:3") in site.asked("read")


def test_files_that_c_code_has_opened(site: Site) -> None:
    """If they are open at the end; the C library's fopen() announces nothing."""
    for name in ("a.txt", "b.txt"):
        site.write("x", name)
    site.run(
        "import ctypes\n"
        "libc = ctypes.CDLL(None)\n"
        "libc.fopen.restype = ctypes.c_void_p\n"
        "libc.fopen(b'a.txt', b'r')\n"
        "libc.fclose(ctypes.c_void_p(libc.fopen(b'b.txt', b'r')))\n"
    )
    assert {name for name, _ in site.asked("mapped") if name.endswith(".txt")} == {"a.txt"}


def test_groups_of_entry_points(site: Site) -> None:
    site.write("Name: thing\nVersion: 1\n", "thing-1.dist-info/METADATA")
    site.write("[some.group]\nx = plugin:run\n", "thing-1.dist-info/entry_points.txt")
    site.write("def run(): return 5\n", "plugin.py")
    printed = site.run(
        "from importlib.metadata import entry_points\n"
        "found = entry_points()\n"
        "group = found.select(group='some.group') if hasattr(found, 'select') else found['some.group']\n"
        "print([item.load()() for item in group])\n"
    )
    assert printed == "[5]\n"
    assert "some.group" in {name for name, _ in site.asked("group")}
    assert ("plugin", "app.py:4") in site.asked("module")


def test_nothing_is_lost_by_a_kill(site: Site) -> None:
    site.write("x", "a.txt")
    script = site.write("open('a.txt').close()\nimport time\ntime.sleep(600)\n")
    with attended([sys.executable, script], env=site.env, cwd=site.app):
        wait_until(lambda: ("a.txt", "app.py:1") in site.asked("read"), "the note")
    assert ("a.txt", "app.py:1") in site.asked("read")


def test_a_daemon_that_closes_all_files_keeps_its_own_clean(site: Site) -> None:
    site.write("x", "a.txt")
    site.run(
        "import os\n"
        "os.closerange(3, 100)\n"
        "with open('own.txt', 'w') as file:\n"
        "    import colorsys\n"
        "    open('a.txt').close()\n"
        "    file.write('mine')\n"
    )
    assert (site.app / "own.txt").read_text() == "mine"
    assert ("a.txt", "app.py:5") in site.asked("read")


def test_the_application_does_not_notice(site: Site) -> None:
    """The environment's own sitecustomize runs, the search path is as before, and failures of notes are silent."""
    site.write("import builtins\nbuiltins.CUSTOMISED = True\n", "more/sitecustomize.py")
    site.env["PYTHONPATH"] += f":{site.app}/more"
    printed = site.run(
        "import importlib, os, shutil, sys\n"
        "print(CUSTOMISED, sys.modules['sitecustomize'].__file__)\n"
        "print([path for path in sys.path if 'learn/hook' in path])\n"
        "try: importlib.import_module('missing')\n"
        "except ModuleNotFoundError as error: print(error.name)\n"
        # Some code tells by the depth whether it was this module that is missing.
        "try: __import__('missing')\n"
        "except ModuleNotFoundError as error: print(error.__traceback__.tb_next)\n"
        "try: os.environ['missing']\n"
        "except KeyError as error: print(error)\n"
        "shutil.rmtree(sys.argv[1])\n"
        "os.closerange(3, 100)\n"
        "import colorsys\n"
        "print(open('app.py').read(6))\n",
        str(site.notes),
    )
    assert printed.splitlines() == [
        f"True {site.app}/more/sitecustomize.py", "[]", "missing", "None", "'missing'", "import"
    ]  # fmt: skip


def test_sources_that_are_loaded_by_their_path(site: Site) -> None:
    """Also from their bytecode; what a finder has found is none."""
    site.write("X = 1\n", "plugs/one.py")
    site.env.pop("PYTHONDONTWRITEBYTECODE", None)
    site.write("", "known.py")
    code = (
        "import importlib.util, known\n"
        "for number in (1, 2):\n"
        "    spec = importlib.util.spec_from_file_location('one', 'plugs/one.py')\n"
        "    spec.loader.exec_module(importlib.util.module_from_spec(spec))\n"
    )
    for _ in range(2):
        site.run(code)
        assert site.asked("loaded") == {("plugs/one.py", "app.py:4")}
        assert (site.app / "plugs" / "__pycache__").is_dir()


def test_data_that_the_import_system_reads(site: Site) -> None:
    site.write("import pkgutil\ndef read(): return pkgutil.get_data('pkg', 'a.txt')\n", "pkg/__init__.py")
    site.write("x", "pkg/a.txt")
    site.run("import pkg; pkg.read()\n")
    assert ("pkg/a.txt", "pkg/__init__.py:2") in site.asked("read")
