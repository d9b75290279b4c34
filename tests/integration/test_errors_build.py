"""Errors that show only while building: each has its status and one message that names the cause, the previous output
stays, and nothing is left (``Freezer.fails`` checks all three)."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from support import Freezer, compile_c, need_program

INPUT, ENVIRONMENT, TOOL, VERIFICATION = 3, 4, 5, 6


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """A directory with an application and an earlier output of it."""
    (tmp_path / "app.py").write_text("print('app')\n")
    (tmp_path / "dist").mkdir()
    (tmp_path / "dist" / "app").write_text("\x7fELF, the previous output")
    return tmp_path


def test_syntax_error(freezer: Freezer, here: Path) -> None:
    (here / "app.py").write_text("import os\n\ndef f(:\n    pass\n")
    message = freezer.fails("build", "app.py", cwd=here, status=INPUT)
    assert f"syntax error in {here}/app.py, line 3" in message


def test_syntax_error_in_a_module_of_the_application(freezer: Freezer, here: Path) -> None:
    (here / "app.py").write_text("from package import part\n")
    (here / "package").mkdir()
    (here / "package" / "__init__.py").write_text("")
    (here / "package" / "part.py").write_text("x = 1\ny = (\n")
    message = freezer.fails("build", "app.py", cwd=here, status=INPUT)
    assert f"syntax error in {here}/package/part.py, line 2" in message


def test_not_python_at_all(freezer: Freezer, here: Path) -> None:
    (here / "app.py").write_bytes(b"\x7fELF\0\0\0")
    assert f"{here}/app.py" in freezer.fails("build", "app.py", cwd=here, status=INPUT)


def test_missing_module(freezer: Freezer, here: Path) -> None:
    (here / "app.py").write_text("import os\nimport helper\n")
    (here / "helper.py").write_text("'''Helps.'''\n\nimport nowhere_to_be_found.part\n")
    message = freezer.fails("build", "app.py", cwd=here, status=INPUT)
    assert "'nowhere_to_be_found.part'" in message
    assert f"{here}/helper.py, line 3" in message
    assert "--with" in message


def test_a_module_that_may_be_missing(freezer: Freezer, here: Path) -> None:
    (here / "app.py").write_text(
        "try:\n    import nowhere_to_be_found\nexcept ImportError:\n    pass\n"
        "def never():\n    import nowhere_else\nprint('fine')\n"
    )
    freezer("build", "app.py", cwd=here)


def test_unresolvable_requirement(freezer: Freezer, here: Path) -> None:
    message = freezer.fails("build", "app.py", "--with", "altgraph==0.0.999", cwd=here, status=ENVIRONMENT)
    assert "altgraph==0.0.999" in message
    assert "install the requirements" in message


def test_malformed_requirement(freezer: Freezer, here: Path) -> None:
    message = freezer.fails("build", "app.py", "--with", "=1", cwd=here, status=ENVIRONMENT)
    assert "'=1'" in message


def test_conflicting_requirements(freezer: Freezer, here: Path) -> None:
    (here / "constraints.txt").write_text("altgraph<0.17\n")
    arguments = ("--with", "altgraph>=0.17", "--constraint", "constraints.txt")
    message = freezer.fails("build", "app.py", *arguments, cwd=here, status=ENVIRONMENT)
    assert "altgraph" in message


def test_wrong_hash(freezer: Freezer, here: Path) -> None:
    (here / "requirements.txt").write_text(f"altgraph==0.17.4 --hash=sha256:{'0' * 64}\n")
    arguments = ("-r", "requirements.txt", "--require-hashes")
    message = freezer.fails("build", "app.py", *arguments, cwd=here, status=ENVIRONMENT)
    assert "HASH" in message and "altgraph" in message


def test_requirement_without_hash(freezer: Freezer, here: Path) -> None:
    arguments = ("--with", "altgraph==0.17.4", "--require-hashes")
    message = freezer.fails("build", "app.py", *arguments, cwd=here, status=ENVIRONMENT)
    assert "hash" in message.lower() and "altgraph" in message


def test_failing_build_backend(freezer: Freezer, here: Path) -> None:
    project = here / "project"
    project.mkdir()
    (project / "setup.py").write_text("raise SystemExit('the backend gave up')\n")
    message = freezer.fails("build", "project", cwd=here, status=ENVIRONMENT)
    assert f"cannot build {project}" in message


@pytest.fixture
def project(here: Path) -> Path:
    """A project with two console scripts."""
    folder = here / "project"
    folder.mkdir()
    (folder / "pyproject.toml").write_text(
        "[build-system]\nrequires = ['setuptools>=61']\nbuild-backend = 'setuptools.build_meta'\n"
        "[project]\nname = 'pair'\nversion = '1'\n"
        "[project.scripts]\nfirst = 'pair:main'\nsecond = 'pair:main'\nbroken = 'pair.gone:main'\n"
    )
    (folder / "pair.py").write_text("def main():\n    print('pair')\n")
    return folder


def test_several_console_scripts(freezer: Freezer, here: Path, project: Path) -> None:
    message = freezer.fails("build", project.name, cwd=here, status=INPUT)
    assert "several console scripts" in message
    assert "-c first" in message and "-c second" in message


def test_unknown_console_script(freezer: Freezer, here: Path, project: Path) -> None:
    message = freezer.fails("build", project.name, "-c", "third", cwd=here, status=INPUT)
    assert "'third'" in message and "first, second" in message


def test_console_script_of_a_missing_module(freezer: Freezer, here: Path, project: Path) -> None:
    message = freezer.fails("build", project.name, "-c", "broken", cwd=here, status=INPUT)
    assert "'pair.gone'" in message


def test_console_script_that_nothing_offers(freezer: Freezer, here: Path) -> None:
    message = freezer.fails("build", "--with", "altgraph", "-c", "nobody-has-it", cwd=here, status=INPUT)
    assert "'nobody-has-it'" in message


def test_function_of_a_missing_module(freezer: Freezer, here: Path) -> None:
    message = freezer.fails("build", "-e", "nowhere.to:go", cwd=here, status=INPUT)
    assert "'nowhere.to'" in message


def test_wrong_hidden_import(freezer: Freezer, here: Path) -> None:
    message = freezer.fails("build", "app.py", "--hidden-import", "no.such", cwd=here, status=INPUT)
    assert "--hidden-import no.such" in message


def test_wrong_collect_all(freezer: Freezer, here: Path) -> None:
    message = freezer.fails("build", "app.py", "--collect-all", "no_such", cwd=here, status=INPUT)
    assert "--collect-all no_such" in message


def test_wrong_copy_metadata(freezer: Freezer, here: Path) -> None:
    message = freezer.fails("build", "app.py", "--copy-metadata", "no-such", cwd=here, status=INPUT)
    assert "--copy-metadata no-such" in message


def test_spec_that_makes_two(freezer: Freezer, here: Path) -> None:
    (here / "both.spec").write_text(
        "a = Analysis(['app.py'])\npyz = PYZ(a.pure)\n"
        "EXE(pyz, a.scripts, a.binaries, a.datas, name='one')\nEXE(pyz, a.scripts, a.binaries, a.datas, name='two')\n"
    )
    message = freezer.fails("build", "both.spec", cwd=here, status=INPUT)
    assert "the spec file makes one, two: say by --name which to freeze" in message


def test_spec_that_ends_the_build(freezer: Freezer, here: Path) -> None:
    (here / "ends.spec").write_text("print('that is all')\nraise SystemExit(0)\n")
    message = freezer.fails("build", "ends.spec", cwd=here, status=INPUT)
    assert "ended the build before it made an executable" in message and "that is all" in message
    # Its help is no failure, if somebody has asked for it.
    assert freezer("build", "ends.spec", "--", "--", "--help", cwd=here).stdout == "that is all\n"


def test_spec_that_fails(freezer: Freezer, here: Path) -> None:
    (here / "bad.spec").write_text("raise RuntimeError('no luck with the spec')\n")
    message = freezer.fails("build", "bad.spec", cwd=here, status=TOOL)
    assert "no luck with the spec" in message


@pytest.mark.parametrize("option", ["--library", "--add-binary"])
def test_library_for_another_machine(freezer: Freezer, here: Path, option: str) -> None:
    need_program("cc")
    library = compile_c("int f(void) { return 1; }", here / "libforeign.so", "-shared", "-fPIC")
    image = bytearray(library.read_bytes())
    image[18:20] = (183 if image[18] != 183 else 62).to_bytes(2, "little")  # e_machine: AArch64, else x86-64
    library.write_bytes(image)
    value = library.name if option == "--library" else f"{library.name}:."
    message = freezer.fails("build", "app.py", option, value, cwd=here, status=INPUT)
    assert f"{library} is made for another machine" in message


def test_library_that_is_none(freezer: Freezer, here: Path) -> None:
    message = freezer.fails("build", "app.py", "--library", "app.py", cwd=here, status=INPUT)
    assert f"{here}/app.py" in message


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("open(__file__[:-3] + '.txt')\n", ("FileNotFoundError", "--add-data")),
        ("import importlib\nimportlib.import_module('nowhere' + '_at_all')\n", ("nowhere_at_all", "--hidden-import")),
        ("import importlib.metadata as m\nm.version('no' + 'body')\n", ("PackageNotFoundError", "--copy-metadata")),
        ("import os\nos.abort()\n", ("SIGABRT",)),
        ("import ctypes\nctypes.CDLL('libnowhere.so.1')\n", ("libnowhere.so.1",)),
    ],
    ids=["data", "import", "metadata", "crash", "library"],
)
def test_application_that_does_not_run(freezer: Freezer, here: Path, source: str, words: tuple[str, ...]) -> None:
    (here / "app.py").write_text(source)
    message = freezer.fails("build", "app.py", cwd=here, status=VERIFICATION)
    assert "does not run in an empty root" in message
    assert all(word in message for word in words), message


def test_missing_binutils(freezer: Freezer, here: Path) -> None:
    """A PATH that has everything but them."""
    programs = here.parent / f"{here.name}-bin"
    programs.mkdir()
    for name in ("python3", "sh", "env"):
        (programs / name).symlink_to(shutil.which(name) or "/nothing")
    message = freezer.fails("build", "app.py", cwd=here, status=ENVIRONMENT, env={"PATH": str(programs)})
    assert "objcopy" in message and "binutils" in message


def test_failures_do_not_spoil_the_next_build(apart_freezer: Freezer, tmp_path: Path) -> None:
    here = tmp_path / "here"
    here.mkdir()
    (here / "app.py").write_text("import cowsay\nprint(cowsay.char_names)\n")
    arguments = ("build", "app.py", "--with", "cowsay==0.0.999")
    apart_freezer.fails(*arguments, cwd=here, status=ENVIRONMENT)
    apart_freezer.fails("build", "app.py", cwd=here, status=INPUT)
    assert apart_freezer("build", "app.py", "--with", "cowsay", cwd=here).output.is_file()


def test_the_log_is_named_and_there(freezer: Freezer, here: Path) -> None:
    message = freezer.fails("build", "app.py", "--with", "altgraph==0.0.999", cwd=here, status=ENVIRONMENT)
    path = Path(message.rpartition("the full log is ")[2].split()[0])
    assert "altgraph==0.0.999" in path.read_text()
    assert path.parent == freezer.cache / "log"
