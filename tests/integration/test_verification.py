"""What a build proves before it publishes, and what each option puts into the bundle."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from support import Freezer, Outcome, Run, compile_c, need_program, sha256

from freezer.base.elf import read_elf
from freezer.prove.unpack import unpack_bundle

VERIFICATION = 6


@pytest.fixture
def site(tmp_path: Path) -> Path:
    folder = tmp_path / "site"
    folder.mkdir()
    return folder


def script(site: Path, text: str, name: str = "app") -> Path:
    path = site / f"{name}.py"
    path.write_text(text)
    return path


def shown(outcome: Outcome, *arguments: str) -> str:
    return subprocess.check_output([outcome.output, *arguments], text=True)


# Verification


def test_a_missing_data_file(freezer: Freezer, site: Path) -> None:
    """It is there on the build machine, beside the script; only the empty root tells."""
    script(site, "from pathlib import Path\nprint(Path(__file__).with_name('data.txt').read_text())\n")
    (site / "data.txt").write_text("data")
    message = freezer.fails("build", "app.py", "--own", "none", cwd=site, status=VERIFICATION)
    assert "app does not run in an empty root: it exited with status 1" in message
    assert "data.txt" in message and "--add-data data.txt:." in message
    assert shown(freezer("build", "app.py", "--own", "none", "--add-data", "data.txt", cwd=site)) == "data\n"


def test_a_status_of_its_own_is_reported(freezer: Freezer, site: Path) -> None:
    script(site, "import sys\nsys.exit(3 if len(sys.argv) < 2 else int(sys.argv[1]))\n")
    done = freezer("build", "app.py", cwd=site)
    assert "ran in an empty root: exited with status 3" in done.stderr
    freezer("build", "app.py", "--smoke-status", "3", cwd=site)
    freezer("build", "app.py", "--smoke", "5", "--smoke-status", "5", cwd=site)
    message = freezer.fails("build", "app.py", "--smoke", "5", cwd=site, status=VERIFICATION)
    assert "exited with status 5" in message and "expected status was 0" in message


def test_last_words_are_a_warning(freezer: Freezer, site: Path) -> None:
    """An application that ends with a message of its own may lack something, or only want arguments."""
    script(site, "import sys\nif not sys.argv[1:]:\n    sys.exit('PyYAML is needed')\n")
    done = freezer("build", "app.py", "--json", cwd=site)
    (warning,) = json.loads(done.stdout)["warnings"]
    assert "app exited with status 1 in an empty root, without arguments" in warning
    assert warning.splitlines()[-1].strip() == "PyYAML is needed"
    assert warning in done.stderr
    message = freezer.fails("build", "app.py", "--smoke-timeout", "60", cwd=site, status=VERIFICATION)
    assert "the expected status was 0" in message and "PyYAML is needed" in message
    assert json.loads(freezer("build", "app.py", "--smoke", "x", "--json", cwd=site).stdout)["warnings"] == []


def test_a_thread_without_its_module(freezer: Freezer, site: Path) -> None:
    """The application itself ends well."""
    script(
        site,
        "import importlib, sys, threading\n"
        "def work():\n    importlib.import_module('no_such' + '_module')\n"
        "if sys.argv[1:] == ['purpose']:\n    import traceback\n    try:\n        work()\n"
        "    except ImportError:\n        traceback.print_exc()\nelse:\n"
        "    t = threading.Thread(target=work)\n    t.start()\n    t.join()\n",
    )
    message = freezer.fails("build", "app.py", cwd=site, status=VERIFICATION)
    assert "app does not run in an empty root" in message and "--hidden-import no_such_module" in message
    done = freezer("build", "app.py", "--smoke", "purpose", cwd=site)
    assert "but printed: ModuleNotFoundError: No module named 'no_such_module'" in done.stderr


def test_a_server_passes_after_the_time(freezer: Freezer, site: Path) -> None:
    script(site, "import time\nprint('serving', flush=True)\ntime.sleep(600)\n")
    done = freezer("build", "app.py", "--smoke-timeout", "2", cwd=site)
    assert "is still running after 2 s" in done.stderr


def test_no_verify_is_said_aloud(freezer: Freezer, site: Path) -> None:
    script(site, "import os\nos.abort()\n")
    done = freezer("build", "app.py", "--no-verify", "-q", cwd=site)
    assert "warning: not verified" in done.stderr
    reply = json.loads(freezer("build", "app.py", "--no-verify", "--json", "-o", "b", cwd=site).stdout)
    assert reply["verified"] is None
    assert any("not verified" in warning for warning in reply["warnings"])


def test_what_is_imported_only_later_is_proven_too(freezer: Freezer, site: Path) -> None:
    """A library that is loaded only later needs one that is found where the tests run and is left out of the bundle.

    The run of the application sees nothing of it. freezer's closure would bring the library along, so that it is
    taken out between the two by what a spec file may do.
    """
    need_program("cc")
    inner = compile_c(
        "int inner(void) { return 1; }", site / "libinner.so.1", "-shared", "-fPIC", "-Wl,-soname,libinner.so.1"
    )
    compile_c(
        "int inner(void); int outer(void) { return inner(); }",
        site / "libouter.so.1", "-shared", "-fPIC", f"-Wl,-rpath,{site}", libraries=[inner],
    )  # fmt: skip
    script(site, "import ctypes, sys\nif len(sys.argv) > 1:\n    print(ctypes.CDLL('libouter.so.1').outer())\n")
    done = freezer("build", "app.py", "--library", "libouter.so.1", cwd=site)
    assert shown(done, "later") == "1\n"  # the closure found it by the RUNPATH
    inner.unlink()
    # Now the build machine lacks it as well: a warning that names both, and no failure.
    done = freezer("build", "app.py", "--library", "libouter.so.1", cwd=site)
    assert re.search(r"warning: libinner\.so\.1, needed by .*libouter\.so\.1", done.stderr)


def test_json(freezer: Freezer, site: Path) -> None:
    script(site, "print('x')\n")
    done = freezer("build", "app.py", "--json", cwd=site)
    reply = json.loads(done.stdout)
    output = site / "dist" / "app"
    assert reply["path"] == str(output)
    assert (reply["size"], reply["sha256"]) == (output.stat().st_size, sha256(output))
    assert reply["unchanged"] is False and reply["warnings"] == []
    assert re.fullmatch(r"3\.\d+\.\d+", reply["python"])
    assert reply["verified"]["isolation"] in ("root", "user namespace")
    assert reply["verified"]["strength"] == "empty root, own namespaces"
    assert "; proven: empty root, own namespaces\n" in done.stderr
    assert {"python", "environment", "freeze", "close", "link", "verify", "publish"} <= set(reply["seconds"])


def test_quiet_and_verbose(freezer: Freezer, site: Path) -> None:
    script(site, "print('x')\n")
    assert freezer("build", "app.py", "-q", cwd=site).stderr == ""
    said = freezer("build", "app.py", "-v", "--refresh", cwd=site).stderr
    assert "PyInstaller" in said


# What goes in


def bundle_of(output: Path, tmp_path: Path) -> Path:
    """The bundle of an executable, unpacked."""
    folder = tmp_path / "bundle"
    assert unpack_bundle(output, folder)
    return folder


def test_content_options(freezer: Freezer, site: Path, run_in_empty_root: Callable[..., Run]) -> None:
    """Each option has an effect that the application sees."""
    need_program("cc")
    compile_c(
        "int answer(void) { return 42; }", site / "libanswer.so.1", "-shared", "-fPIC", "-Wl,-soname,libanswer.so.1"
    )
    compile_c("int main(void) { return 7; }", site / "tool", "-static").chmod(0o755)
    (site / "templates").mkdir()
    (site / "templates" / "a.txt").write_text("template")
    script(site, "print('hidden')\n", "hiddenone")
    script(
        site,
        """
import ctypes, importlib, importlib.metadata, os, subprocess, sys
here = os.path.dirname(__file__)
print(open(os.path.join(here, "texts", "a.txt")).read())
print(subprocess.call([os.path.join(here, "bin", "tool")]))
print(ctypes.CDLL("libanswer.so.1").answer())
importlib.import_module("hidden" + "one")
print(importlib.import_module("alt" + "graph.Dot").__name__)
print(importlib.metadata.version("packag" + "ing") > "0")
try:
    import sqlite3
except ImportError:
    print("no sqlite3")
""",
    )
    done = freezer(
        "build", "app.py", "--smoke", "", "--with", "altgraph", "--with", "packaging",
        "--add-data", "templates:texts", "--add-binary", "tool:bin", "--library", "libanswer.so.1",
        "--hidden-import", "hiddenone", "--collect-all", "altgraph", "--copy-metadata", "packaging",
        "--exclude", "sqlite3", cwd=site,
    )  # fmt: skip
    run = run_in_empty_root(done.output)
    assert run.stdout.splitlines() == ["template", "7", "42", "hidden", "altgraph.Dot", "True", "no sqlite3"], run


def test_strip_and_compress(freezer: Freezer, site: Path, tmp_path: Path) -> None:
    need_program("cc")
    compile_c("int answer(void) { return 42; }", site / "libanswer.so.1", "-shared", "-fPIC", "-g")
    script(site, "print('x')\n")
    plain, small = (
        freezer("build", "app.py", "--library", "libanswer.so.1", "-o", name, *options, cwd=site).output
        for name, options in (("plain", ()), ("small", ("--strip", "--compress", "small")))
    )
    assert small.stat().st_size < 0.6 * plain.stat().st_size
    assert subprocess.check_output([small], text=True) == "x\n"
    assert subprocess.check_output([plain], text=True) == "x\n"
    (tmp_path / "small").mkdir()
    for output, place, kept in ((plain, tmp_path, True), (small, tmp_path / "small", False)):
        library = next(bundle_of(output, place).rglob("libanswer.so.1"))
        assert read_elf(library).debug_information is kept


def test_provisions(freezer: Freezer, site: Path, tmp_path: Path) -> None:
    script(site, "import ssl, zoneinfo, locale\n")
    everything = bundle_of(freezer("build", "app.py", "--no-verify", cwd=site).output, tmp_path)
    assert {path.name for path in (everything / "_internal" / "_freezer").iterdir()} >= {"cacert.pem", "zoneinfo"}
    options = ("--no-ca-certs", "--no-tzdata", "--no-locale", "--no-terminfo", "--no-services")
    (tmp_path / "none").mkdir()
    nothing = bundle_of(freezer("build", "app.py", "--no-verify", *options, cwd=site).output, tmp_path / "none")
    assert not (nothing / "_internal" / "_freezer").exists()


def test_pyinstaller_arguments(freezer: Freezer, site: Path) -> None:
    script(site, "import sys\nprint(sys.flags.optimize, sys.flags.utf8_mode)\n")
    done = freezer("build", "app.py", "--", "--optimize", "2", "--python-option", "X utf8", cwd=site)
    assert shown(done) == "2 1\n"


@pytest.mark.parametrize("form", ["one file", "one directory"])
def test_spec_file(freezer: Freezer, site: Path, form: str) -> None:
    script(site, "import os\nprint(open(os.path.join(os.path.dirname(__file__), 'data', 'x')).read())\n", "start")
    (site / "x").write_text("from the spec")
    (site / "my.spec").write_text(
        "a = Analysis(['start.py'], datas=[('x', 'data')])\npyz = PYZ(a.pure)\n"
        + (
            "exe = EXE(pyz, a.scripts, a.binaries, a.datas, name='mine')\n"
            if form == "one file"
            else "exe = EXE(pyz, a.scripts, exclude_binaries=True, name='mine')\n"
            "COLLECT(exe, a.binaries, a.datas, name='mine')\n"
        )
    )
    done = freezer("build", "my.spec", cwd=site)
    assert done.output == site / "dist" / "my"
    assert shown(done) == "from the spec\n"
    assert sorted(path.name for path in site.iterdir()) == ["dist", "my.spec", "start.py", "x"]


# What to freeze


def test_console_script_of_the_index(freezer: Freezer, site: Path, run_in_empty_root: Callable[..., Run]) -> None:
    done = freezer("build", "--with", "cowsay", "-c", "cowsay", "--smoke", "-t hello", cwd=site)
    assert done.output == site / "dist" / "cowsay"
    assert "hello" in run_in_empty_root(done.output, "-t", "hello").stdout
    assert list(site.iterdir()) == [site / "dist"]


def test_function_of_the_index(freezer: Freezer, site: Path, run_in_empty_root: Callable[..., Run]) -> None:
    done = freezer("build", "--with", "cowsay", "-e", "cowsay.__main__:cli", "--name", "moo", cwd=site)
    assert done.output == site / "dist" / "moo"
    assert "hello" in run_in_empty_root(done.output, "-t", "hello").stdout


def test_package_directory(freezer: Freezer, site: Path) -> None:
    (site / "tool").mkdir()
    (site / "tool" / "__main__.py").write_text("import sys\nprint('main of', len(sys.argv))\n")
    done = freezer("build", "tool", cwd=site)
    assert done.output.name == "tool"
    assert shown(done, "a", "b") == "main of 3\n"


def test_function_of_local_code(freezer: Freezer, site: Path) -> None:
    (site / "src" / "package").mkdir(parents=True)
    (site / "src" / "package" / "__init__.py").write_text("")
    (site / "src" / "package" / "cli.py").write_text(
        "class App:\n    @staticmethod\n    def run():\n        print('ran')\n        return 4\n"
    )
    done = freezer("build", "package.cli:App.run", "--smoke-status", "4", cwd=site)
    assert subprocess.run([done.output], capture_output=True, text=True, check=False).stdout == "ran\n"


def test_require_hashes(freezer: Freezer, site: Path, tmp_path: Path) -> None:
    script(site, "import cowsay\nprint('hashed')\n")
    command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", str(tmp_path / "w"), "cowsay"]
    subprocess.run(command, check=True, capture_output=True)
    (archive,) = (tmp_path / "w").iterdir()
    version = re.split("[-]|[.]tar", archive.name)[1]
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    (site / "requirements.txt").write_text(f"cowsay=={version} --hash=sha256:{digest}\n")
    done = freezer("build", "app.py", "-r", "requirements.txt", "--require-hashes", cwd=site)
    assert shown(done) == "hashed\n"


SETTINGS = {
    "pyproject.toml": "[tool.freezer]\nentry = 'start.py'\nname = 'named'\nadd-data = ['x:data']\nsmoke = '--fine'\n"
    "smoke-status = 5\nwith = ['altgraph']\npyinstaller-args = ['--optimize', '1']\n",
    "setup.cfg": "[freezer]\nentry = start.py\nname = named\nadd-data =\n    x:data\nsmoke = --fine\n"
    "smoke-status = 5\nwith =\n    altgraph\npyinstaller-args =\n    --optimize\n    1\n",
}


@pytest.mark.parametrize("name", SETTINGS)
def test_settings_files(freezer: Freezer, site: Path, name: str) -> None:
    script(
        site,
        "import altgraph, os, sys\nopen(os.path.join(os.path.dirname(__file__), 'data', 'x'))\n"
        "print(sys.flags.optimize)\nsys.exit(5 if sys.argv[1:] == ['--fine'] else 1)\n",
        "start",
    )
    (site / "x").write_text("")
    (site / name).write_text(SETTINGS[name])
    done = freezer("build", cwd=site)
    assert done.output == site / "dist" / "named"
    assert subprocess.run([done.output, "--fine"], capture_output=True, text=True, check=False).stdout == "1\n"


def test_python_by_path_and_by_version(freezer: Freezer, site: Path, runpath_python: Path) -> None:
    script(site, "import sys\nprint('%d.%d.%d' % sys.version_info[:3])\n")
    version = subprocess.check_output(
        [runpath_python, "-c", "import platform as p; print(p.python_version())"], text=True
    )
    assert shown(freezer("build", "app.py", "--python", runpath_python, "-o", "a", cwd=site)) == version
    relative = subprocess.check_output(["realpath", "--relative-to", site, runpath_python], text=True).strip()
    assert shown(freezer("build", "app.py", "--python", relative, "-o", "b", cwd=site)) == version
    short = version.rpartition(".")[0]
    done = freezer("build", "app.py", "--python", short, "-o", "c", cwd=site, check=False, env={
        "PATH": f"{runpath_python.parent}:/usr/local/bin:/usr/bin:/bin"
    })  # fmt: skip
    assert done.status == 0, done.stderr
    assert shown(done).startswith(short)
