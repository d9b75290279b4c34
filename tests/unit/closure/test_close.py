"""What a frozen application needs of the system comes along, and what cannot be found is named."""

from __future__ import annotations

import io
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from plans import plan
from support import compile_c, shared_library

from freezer.base.elf import read_elf
from freezer.base.errors import EnvironmentFailure
from freezer.base.job import Job
from freezer.closure.close import ClosedApp, close_bundle
from freezer.closure.provisions import Provided
from freezer.environment.interpreter import Interpreter
from freezer.environment.venv import Environment
from freezer.freeze.pyinstaller import FrozenApp
from freezer.plan.choices import CONTENTS
from freezer.system.host import Host

NOTHING = {"locale": False, "tzdata": False, "ca_certs": False, "terminfo": False}


class Frozen:
    """A frozen application, made by the compiler, and the Python that it was frozen from."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.contents = folder / "tree" / CONTENTS
        self.contents.mkdir(parents=True)
        self.python = compile_c("int main(void) { return 0; }", folder / "python3")
        # PyInstaller's bootloader, which nothing starts.
        (folder / "tree" / "app").write_bytes(b"\x7fELF")
        (folder / "app.py").touch()
        self.origins: dict[Path, Path] = {}

    def close(
        self,
        job: Job,
        *,
        opened: tuple[str, ...] = (),
        charsets: tuple[str, ...] = (),
        strip: bool = False,
        **arguments: Any,
    ) -> ClosedApp:
        interpreter = Interpreter(self.python, (3, 11, 2), self.folder, self.folder / "libpython.so")
        toolchain, analysis = self.folder / "toolchain", self.folder / "analysis"
        environment = Environment(
            self.folder / "env/bin/python", interpreter, "key", False, Host(), toolchain, analysis
        )
        frozen = FrozenApp(
            *(self.folder / "tree", "app", self.folder / "pkg", frozenset(), self.origins, (), (), opened, strip),
            charsets=charsets,
        )
        values = {"entry": "app.py", **NOTHING, **arguments}
        return close_bundle(plan(self.folder, **values), environment, frozen, job)


@pytest.fixture
def frozen(tmp_path: Path) -> Frozen:
    return Frozen(tmp_path)


def shown(job: Job) -> str:
    assert isinstance(job.log.stream, io.StringIO)
    return job.log.stream.getvalue()


def test_the_loader_and_the_c_library_come_along(frozen: Frozen, job: Job) -> None:
    closed = frozen.close(job)
    loader = read_elf(frozen.python).interpreter
    assert loader is not None
    assert closed.interpreter == os.path.basename(loader)
    assert {closed.interpreter, "libc.so.6", "libgcc_s.so.1", "libnss_dns.so.2"} <= set(closed.libraries)
    assert closed.libraries == tuple(sorted(closed.libraries))
    for name in closed.libraries:
        assert (frozen.folder / "tree" / name).stat().st_mode & 0o777 == 0o755
    assert closed.python == frozen.python
    assert closed.missing == ()
    assert f"{len(closed.libraries)} system libraries" in shown(job)


def test_libraries_in_the_bundle_are_not_copied(frozen: Frozen, job: Job) -> None:
    own = shared_library(frozen.contents / "libown.so.1")
    shared_library(frozen.contents / "module.so", needs=(own,))
    assert "libown.so.1" not in frozen.close(job).libraries


def test_libraries_beside_the_place_a_file_came_from(frozen: Frozen, job: Job) -> None:
    beside = shared_library(frozen.folder / "site" / "libbeside.so.1")
    module = shared_library(frozen.contents / "module.so", "-Wl,-rpath,$ORIGIN", needs=(beside,))
    frozen.origins[module] = frozen.folder / "site"
    closed = frozen.close(job)
    assert "libbeside.so.1" in closed.libraries
    assert (frozen.folder / "tree" / "libbeside.so.1").is_file()


def test_a_library_that_is_nowhere_is_named_with_who_needs_it(frozen: Frozen, job: Job) -> None:
    gone = shared_library(frozen.folder / "libgone.so.1")
    module = shared_library(frozen.contents / "module.so", needs=(gone,))
    gone.unlink()
    closed = frozen.close(job)
    assert [(item.soname, item.needed_by) for item in closed.missing] == [("libgone.so.1", module)]
    assert f"libgone.so.1, needed by {CONTENTS}/module.so, is not on this system" in shown(job)


def test_nothing_of_the_build_machine_is_left_in_it(frozen: Frozen, job: Job) -> None:
    module = shared_library(frozen.contents / "module.so", "-Wl,-rpath,/opt/lib:$ORIGIN")
    frozen.close(job)
    elf = read_elf(module)
    assert (elf.rpath, elf.runpath) == (("$ORIGIN",), ())
    assert b"/etc/ld.so.cache" not in (frozen.folder / "tree" / "libc.so.6").read_bytes()


def test_files_for_other_machines_are_left_alone(frozen: Frozen, job: Job) -> None:
    module = shared_library(frozen.contents / "module.so", "-Wl,-rpath,/opt/lib")
    content = bytearray(module.read_bytes())
    content[18:20] = (2).to_bytes(2, "little")  # EM_SPARC
    module.write_bytes(content)
    before = module.read_bytes()
    assert frozen.close(job).missing == ()
    assert read_elf(module).rpath + read_elf(module).runpath == ("/opt/lib",)
    assert len(module.read_bytes()) == len(before)


def test_libraries_that_code_looks_up_by_name(frozen: Frozen, job: Job) -> None:
    assert "libm.so.6" not in frozen.close(job).libraries
    shutil.rmtree(frozen.folder / "tree")
    again = Frozen(frozen.folder)
    assert "libm.so.6" in again.close(job, opened=("m", "no-such-library")).libraries


def test_charsets_that_code_names(frozen: Frozen, job: Job) -> None:
    """The system's own modules, which find each other in the bundle, and nothing elsewhere."""
    closed = frozen.close(job, charsets=("EUC-JP", "no-such-charset"))
    assert closed.has_charsets and ", charsets " in shown(job)
    folder = frozen.contents / "_freezer/charsets"
    assert {path.name for path in folder.iterdir()} == {"EUC-JP.so", "libJIS.so", "gconv-modules"}
    elf = read_elf(folder / "EUC-JP.so")
    assert (elf.rpath, elf.runpath) == (("$ORIGIN",), ()) and "libJIS.so" in elf.needed
    assert closed.missing == () and not set(closed.libraries) & {"libJIS.so", "EUC-JP.so"}
    assert f"{CONTENTS}/_freezer/charsets/libJIS.so" in closed.sources
    shutil.rmtree(frozen.folder / "tree")
    assert not Frozen(frozen.folder).close(job).has_charsets


def test_learned_libraries_come_along(frozen: Frozen, job: Job) -> None:
    (frozen.folder / "freezer.learned.toml").write_text('[libraries]\n"libm.so.6" = "x"\n"libgone.so.1" = "x"\n')
    assert "libm.so.6" in frozen.close(job).libraries
    assert "libgone.so.1, which freezer learn has noted, is not on this system" in shown(job)
    assert "libm.so.6, which" not in shown(job)


def test_symbols_go_if_asked(frozen: Frozen, job: Job) -> None:
    module = shared_library(frozen.contents / "module.so", "-g")
    assert read_elf(module).debug_information
    frozen.close(job, strip=True)
    assert not read_elf(module).debug_information


def test_data_of_the_system(frozen: Frozen, job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    from freezer.closure import close as module

    monkeypatch.setattr(module, "provide", lambda *_: ([Provided("tzdata", 2_000_000)], ["C.UTF-8 locale"]))
    closed = frozen.close(job)
    assert [item.name for item in closed.provided] == ["tzdata"]
    assert "tzdata 2.0 MB" in shown(job)
    assert "not found on this system: C.UTF-8 locale" in shown(job)


def test_a_python_that_is_a_script(frozen: Frozen, job: Job) -> None:
    frozen.python.write_text("#!/bin/sh\n")
    with pytest.raises(EnvironmentFailure, match="is not a program") as caught:
        frozen.close(job)
    assert "--python" in (caught.value.hint or "")
