"""The library that starts an application, with a C program for the interpreter, as each container uses it."""

from __future__ import annotations

import fcntl
import io
import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Optional, Union

import pytest
from support import ORDINARY, compile_c, need_program, need_root

from freezer.base.log import Log
from freezer.link import launcher
from freezer.link.layers import at
from freezer.link.modules import Package
from freezer.link.payload.pack import Record, Type
from freezer.link.start import STARTER, Container, can_have_init, python_arguments, search_links, starter
from freezer.store.workspace import workspace

ARGUMENTS = ("-S", "-W/x")
ARCHIVE = "/modules"
INTERPRETER = """
#include <stdio.h>
#include <stdlib.h>
int main(int count, char **words, char **environment)
{
    for (int i = 0; i < count; i++)
        printf("%s%c", words[i], 0);
    putchar(1);
    for (; *environment != NULL; environment++)
        printf("%s%c", *environment, 0);
    return getenv("PYTHONEXECUTABLE") != NULL;
}
"""
WAITING = """
#include <unistd.h>
int main(void)
{
    char got;
    for (int file = 3; file < 20; file++)
        close(file);
    (void)!write(1, "x", 1);
    return (int)read(0, &got, 1);
}
"""
# What staticx's start-up code does, once it has unpacked: it says where, and runs the program under its own path.
START_UP = """
#define _GNU_SOURCE
#include <limits.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
int main(int count, char **words)
{
    char *program = getenv("PROGRAM"), *own = realpath("/proc/self/exe", NULL);
    int status = 0;
    setenv("STATICX_BUNDLE_DIR", "/nowhere", 1);
    setenv("STATICX_PROG_PATH", own, 1);
    if (getenv("UNSAFE"))
        setenv("TMPDIR", getenv("UNSAFE"), 1);
    if (fork() == 0) {
        words[0] = program;
        execv(program, words);
        _exit(99);
    }
    wait(&status);
    return WEXITSTATUS(status) + 0 * count;
}
"""


@dataclass(frozen=True)
class Started:
    """What the interpreter got: its own name and arguments, those for the application, and the environment."""

    python: str
    arguments: tuple[str, ...]
    executable: str
    argv: tuple[str, ...]
    environ: dict[str, str]


def run(
    words: Sequence[str],
    env: Mapping[str, str],
    *,
    executable: Union[str, Path, None] = None,
    cwd: Optional[Path] = None,
) -> Started:
    done = subprocess.run(words, executable=executable, env=env, cwd=cwd, capture_output=True, check=True)
    said, _, environment = done.stdout.decode().partition("\1")
    python, *rest = said.split("\0")[:-1]
    own = len(ARGUMENTS) + 1
    assert rest[own - 1] == python[: -len("/bin/python3")] + ARCHIVE
    pairs = (item.partition("=") for item in environment.split("\0")[:-1])
    return Started(
        python,
        tuple(rest[: own - 1]),
        rest[own],
        tuple(rest[own + 2 :]),
        {key: value for key, _, value in pairs},
    )


def tree(folder: Path, container: Container, source: str = INTERPRETER, *, charsets: bool = False) -> Path:
    """A tree with a program and the library; returns the program."""
    folder.mkdir()
    record = at(str(folder), starter(container, (*ARGUMENTS, "PYTHONHASHSEED=7", ARCHIVE), charsets=charsets))
    library = folder / STARTER
    library.write_bytes(record.data)
    library.chmod(0o755)
    search = "$ORIGIN" if ":" in folder.name else folder
    options = ("-rdynamic", "-Wl,--no-as-needed", f"-Wl,-rpath,{search}")
    return compile_c(source, folder / "program", *options, libraries=[library])


@pytest.fixture
def program(tmp_path: Path) -> Path:
    return tree(tmp_path / "tree", Container.STATICX)


@pytest.fixture
def executable(tmp_path: Path, program: Path) -> Path:
    """Stands for what staticx makes."""
    return compile_c(START_UP, tmp_path / "bin" / "app")


@pytest.mark.parametrize("way", ["absolute", "relative", "path", "name of one's own"])
def test_what_staticx_unpacked(program: Path, executable: Path, way: str) -> None:
    called = {"absolute": str(executable), "relative": "./app", "path": "app"}.get(way, "own")
    env = {"PROGRAM": str(program), "PATH": str(executable.parent), "A": "a=b"}
    found = run([called, "x y", ""], env, executable=executable, cwd=executable.parent)
    assert found.python == f"{program.parent}/bin/python3"
    assert found.arguments == ARGUMENTS
    assert found.executable == str(executable)
    assert found.argv == (called, "x y", "")
    assert found.environ == env


READING = (
    INTERPRETER
    + """
extern char **environ;
void *iconv_open(const char *to, const char *from)
{
    printf("%s %s %s%c", to, from, environ[0], 0);
    return NULL;
}
"""
)


@pytest.mark.parametrize("container", list(Container))
@pytest.mark.parametrize("name", ["tree", "a:b"])
def test_charsets_of_the_tree(tmp_path: Path, container: Container, name: str) -> None:
    """The C library, for which a function of the program stands here, is asked for a charset; it finds the tree's in a
    variable that nobody sees afterwards. A path with a colon in it would be two."""
    program = tree(tmp_path / name, container, READING, charsets=True)
    (program.parent / "bin").mkdir()
    (program.parent / "bin" / "python3").symlink_to("../program")
    for path in (program, program.parent / "bin" / "python3"):
        done = subprocess.run([path, "x"], env={"A": "b"}, capture_output=True, text=True, check=True)
        read = f"NONE NONE =CONV_PATH={program.parent}/_internal/_freezer/charsets\0" if name == "tree" else ""
        assert done.stdout.startswith(f"{read}{program.parent}/bin/python3\0")
        assert done.stdout.endswith("\1A=b\0")


@pytest.mark.parametrize("container", list(Container))
@pytest.mark.parametrize("called", ["/usr/bin/app", "app", ""])
def test_an_interpreter(tmp_path: Path, container: Container, called: str) -> None:
    """By its name in the tree; it gets the arguments as they are, and the executable's path by an option. Variables of
    the dynamic loader have come under other names, and what a container would say is the caller's."""
    program = tree(tmp_path / "tree", container)
    name = program.parent / "bin" / "python3"
    name.parent.mkdir()
    name.symlink_to("../program")
    env = {"\1D_PRELOAD": "x", "_FREEZER_START": "7:/other", "STATICX_PROG_PATH": "/other", "A": "b"}
    done = subprocess.run(
        [called, "-c", "x y", ""], executable=name, env=env, cwd=tmp_path, capture_output=True, check=True
    )
    said, _, environment = done.stdout.decode().partition("\1")
    path = called if called.startswith("/") else str(name)
    assert said.split("\0")[:-1] == [str(name), "-X", f"freezer_executable={path}", "-c", "x y", ""]
    found = dict(item.split("=", 1) for item in environment.split("\0")[:-1])
    assert found == {"LD_PRELOAD": "x", "_FREEZER_START": "7:/other", "STATICX_PROG_PATH": "/other", "A": "b"}


def test_an_interpreter_locks_its_entry(tmp_path: Path) -> None:
    """So that the entry is not removed when the application has ended and this has not."""
    program = tree(tmp_path / "tree", Container.LAUNCHER, WAITING)
    (tmp_path / "used").touch()
    (program.parent / "bin").mkdir()
    (program.parent / "bin" / "python3").symlink_to("../program")
    for name, locked in (("bin/python3", True), ("program", False)):
        with subprocess.Popen([program.parent / name], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None and process.stdout.read(1) == b"x"
            with open(tmp_path / "used", "rb") as file:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    assert not locked
                except BlockingIOError:
                    assert locked
            process.communicate()


def test_the_program_by_the_kernels_name_for_it(program: Path, tmp_path: Path) -> None:
    """An application that starts /proc/self/exe starts itself; the tree is not beside that."""
    link = tmp_path / "link"
    link.symlink_to(program)
    found = run([str(link)], {}, cwd=tmp_path)
    assert found.python == f"{program.parent}/bin/python3"
    assert found.executable == str(link)
    assert run(["link"], {}, executable="../link", cwd=program.parent).python == found.python


def test_whose_parent_is_another(program: Path) -> None:
    """The name that somebody else was started by is not the application's."""
    found = run([str(program)], {"STATICX_PROG_PATH": "/usr/bin/other"})
    assert found.argv == ("/usr/bin/other",)


@pytest.mark.parametrize("container", [Container.LAYERS, Container.LAUNCHER])
def test_the_other_containers_believe_nothing_of_staticxs(tmp_path: Path, container: Container) -> None:
    program = tree(tmp_path / "tree", container)
    said = {"STATICX_PROG_PATH": "/usr/bin/other", "STATICX_BUNDLE_DIR": "/nowhere"}
    found = run([str(program)], said)
    assert found.python == f"{program.parent}/bin/python3"
    assert (found.executable, found.argv) == (str(program), (str(program),))
    assert found.environ == said


@pytest.mark.parametrize("container", [Container.STATICX, Container.LAYERS])
def test_the_launcher_is_believed_by_its_own_alone(tmp_path: Path, container: Container) -> None:
    program = tree(tmp_path / "tree", container)
    said = {"_FREEZER_START": "7:/usr/bin/other", "LD_ORIGIN_PATH": "/nowhere", "\1D_PRELOAD": "x"}
    found = run([str(program)], said)
    assert (found.executable, found.argv) == (str(program), (str(program),))
    assert found.environ == said


@pytest.mark.parametrize("container", list(Container))
@pytest.mark.parametrize("name", ["PYTHONEXECUTABLE", "__PYVENV_LAUNCHER__"])
def test_no_variable_says_where_python_is(tmp_path: Path, container: Container, name: str) -> None:
    program = tree(tmp_path / "tree", container)
    found = run([str(program)], {name: "/nowhere/bin/python3"})
    assert found.environ == {name: "/nowhere/bin/python3"}  # the application may look at it


@pytest.mark.parametrize(
    ("options", "arguments"),
    [
        ((), ()),
        (("u", "W error", "X utf8=1", "O", "O"), ("-u", "-Werror", "-Xutf8=1", "-O", "-O")),
        (("unbuffered", "verbose", "optimize", "W  ignore::a.B"), ("-u", "-v", "-O", "-Wignore::a.B")),
        (("B", "b", "d", "pyi-contents-directory _internal", "I", "E"), ("-B", "-b", "-d")),
        (("u", "hash_seed=7"), ("-u", "PYTHONHASHSEED=7")),
    ],
)
def test_arguments_of_python(options: tuple[str, ...], arguments: tuple[str, ...]) -> None:
    """Options as spec files have them, and as PyInstaller's archive has its own."""
    package = Package(Path(), [], {}, options, b"", (3, 13), "")
    assert python_arguments(package) == [*arguments, "/modules"]


def test_an_installation_without_the_init(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no C library can be linked statically, applications are built without it, and the build says so."""
    monkeypatch.setattr(launcher, "BIN", tmp_path)
    said = io.StringIO()
    with workspace(tmp_path / "cache", "app", keep=True, log=Log(stream=said)) as job:
        assert not can_have_init(False, job) and said.getvalue() == ""
        assert not can_have_init(True, job)
        assert "the application will have no init as process 1" in said.getvalue()
        assert f"{tmp_path}/freezer-init does not exist" in said.getvalue()
        (tmp_path / "freezer-init").touch()
        assert can_have_init(True, job) and not can_have_init(False, job)


def test_it_needs_no_library(tmp_path: Path) -> None:
    """One file does for every C library."""
    library = tmp_path / STARTER
    library.write_bytes(starter(Container.STATICX, ARGUMENTS).data)
    dynamic = subprocess.check_output([need_program("readelf"), "-dV", str(library)], text=True)
    assert "NEEDED" not in dynamic and "Version needs" not in dynamic
    assert os.path.getsize(library) < 32_000


def test_more_rights_than_the_callers(executable: Path, program: Path) -> None:
    """As one that is setgid has; a process that the application starts may have given up rights."""
    need_root()

    def prepare() -> None:
        os.setegid(ORDINARY)

    # The C library takes the variable out of the environment, which the kernel's own words come after.
    env = {"PROGRAM": str(program), "UNSAFE": "/tmp"}
    done = subprocess.run([executable], env=env, preexec_fn=prepare, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (126, "")
    assert done.stderr.startswith("error: it would run with more rights") and done.stderr.count("\n") == 3
    own = subprocess.run([program], env=env, preexec_fn=prepare, capture_output=True, check=False)
    assert (own.returncode, own.stderr) == (0, b"")


# Python's variables

HEARING = """
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
int main(int count, char **words, char **environment)
{
    char *name = getenv("NAME"), *own = getenv("OWN"), *value;
    if (own != NULL)
        putenv(strdup(own));
    value = getenv(name);
    printf("%s\\n", value != NULL ? value : "(nothing)");
    value = getenv(name);
    printf("%s\\n", value != NULL ? value : "(nothing)");
    for (; *environment != NULL; environment++)
        if (strncmp(*environment, name, strlen(name)) == 0)
            puts(*environment);
    return count > 999 || words == NULL;
}
"""


@pytest.fixture(scope="module")
def hearing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tree(tmp_path_factory.mktemp("hearing") / "tree", Container.LAYERS, HEARING)


def heard(program: Path, name: str, value: str, **more: str) -> str:
    env = {"NAME": name, name: value, **more}
    done = subprocess.run([program], env=env, capture_output=True, text=True, check=True)
    first, second, *environment = done.stdout.splitlines()
    assert first == second
    assert more or environment == [f"{name}={value}"]
    return first


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("PYTHONUNBUFFERED", "1"),
        ("PYTHON_GIL", "1"),
        ("PYTHONX", "(nothing)"),
        ("PYTHON", "(nothing)"),
        ("PYTHONUNBUFFERED_", "(nothing)"),
        ("PYTHONPATH", "(nothing)"),
        ("PYTHONBREAKPOINT", "(nothing)"),
        ("__PYVENV_LAUNCHER__", "(nothing)"),
        ("PYTHO", "1"),
        ("TZ", "1"),
    ],
)
def test_what_python_hears(hearing: Path, name: str, expected: str) -> None:
    assert heard(hearing, name, "1") == expected


def test_a_variable_that_the_application_was_built_with(hearing: Path) -> None:
    """The caller's wins; what no variable of Python's begins with is nobody's."""
    for name, expected in (("PYTHONHASHSEED", "7"), ("PYTHONHASH", "(nothing)"), ("HASHSEED", "(nothing)")):
        done = subprocess.run([hearing], env={"NAME": name}, capture_output=True, text=True, check=True)
        assert done.stdout.splitlines() == [expected] * 2
    assert heard(hearing, "PYTHONHASHSEED", "9") == "9"


def test_what_the_application_sets_is_heard(hearing: Path) -> None:
    """It lets itself be debugged, for example."""
    assert heard(hearing, "PYTHONBREAKPOINT", "callers", OWN="PYTHONBREAKPOINT=own") == "own"
    assert heard(hearing, "PYTHONINSPECT", "", OWN="PYTHONINSPECT=1") == "1"
    assert heard(hearing, "PYTHONBREAKPOINT", "0") == "0"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("error", "error"),
        ("", ""),
        ("error,ignore::DeprecationWarning", "error,ignore::DeprecationWarning"),
        ("error::a.B", ""),
        ("error::a.B,default", "default"),
        ("default,error::a.B", "default"),
        ("default,error:message:a.B:module:3,always", "default,always"),
        ("ignore:a. message:UserWarning:a.module:0", "ignore:a. message:UserWarning:a.module:0"),
        ("a.b", "a.b"),
        (",,once,,", ",,once,"),
        ("x::. ,y:: a.b:", ""),
    ],
)
def test_warnings_of_modules(hearing: Path, value: str, expected: str) -> None:
    """Python would import them."""
    assert heard(hearing, "PYTHONWARNINGS", value) == expected


def test_libraries_are_found_at_the_top() -> None:
    """Where the search path is only the top; not twice, and not what is none."""
    names = ("libc.so.6", "_internal/libx.so.1", "_internal/libc.so.6", "_internal/pkg/liby.so", "_internal/data.txt")
    made = search_links(
        [*(Record(Type.FILE, name) for name in names), Record(Type.LINK, "_internal/libz.so", data=b"q")]
    )
    assert [(item.type, item.name, item.data) for item in made] == [
        (Type.LINK, "libx.so.1", b"_internal/libx.so.1"),
        (Type.LINK, "libz.so", b"_internal/libz.so"),
    ]
