"""What runs inside every frozen application, with fakes for what only an empty root lacks."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, Optional

import pytest

import freezer.freeze.runtime

RUNTIME = Path(freezer.freeze.runtime.__file__).parent


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, RUNTIME / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def provisions(tmp_path: Path) -> Any:
    """The module, with a bundle that has nothing."""
    module = load("_freezer_provisions")
    module.bundle = str(tmp_path / "_internal")  # type: ignore[attr-defined]
    (tmp_path / "_internal" / "_freezer").mkdir(parents=True)
    return module


def have(provisions: Any, name: str, content: Optional[str] = None) -> Path:
    path = Path(provisions.bundle, "_freezer", name)
    if content is None:
        path.mkdir(parents=True)
    else:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return path


def c_variable(name: str) -> str:
    """What C code would read; os.environ is not asked."""
    import ctypes

    function = ctypes.CDLL(None).getenv
    function.restype = ctypes.c_char_p
    value = function(name.encode())
    return "" if value is None else value.decode()


@pytest.mark.parametrize("before", [None, "mine"])
def test_a_variable_is_set_for_c_code_and_put_back(
    provisions: Any, before: Optional[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("FREEZER_TEST_X", raising=False)
    if before is not None:
        monkeypatch.setenv("FREEZER_TEST_X", before)
    with pytest.raises(KeyError), provisions._variable("FREEZER_TEST_X", "ours"):
        assert c_variable("FREEZER_TEST_X") == "ours"
        assert os.environ.get("FREEZER_TEST_X") == before
        raise KeyError
    assert c_variable("FREEZER_TEST_X") == (before or "")


def test_only_what_is_there_is_mended(provisions: Any) -> None:
    assert set(provisions.hooks()) == {"ctypes.util"}
    have(provisions, "cacert.pem", "")
    have(provisions, "zoneinfo")
    have(provisions, "terminfo")
    assert set(provisions.hooks()) == {"ctypes.util", "ssl", "zoneinfo", "readline", "_curses"}


class Context:
    """Stands in for ssl.SSLContext."""

    def __init__(self) -> None:
        self.loaded: list[str] = []

    def set_default_verify_paths(self) -> None:
        self.loaded.append("default")

    def load_verify_locations(self, cafile: str) -> None:
        self.loaded.append(cafile)


def fake_ssl(cafile: Optional[str], capath: Optional[str]) -> Any:
    class Fresh(Context):
        pass

    paths = SimpleNamespace(cafile=cafile, capath=capath)
    return SimpleNamespace(SSLContext=Fresh, get_default_verify_paths=lambda: paths)


def loaded(provisions: Any, ssl: Any) -> list[str]:
    provisions._mend_ssl(ssl)
    context = ssl.SSLContext()
    context.set_default_verify_paths()
    return list(context.loaded)


@pytest.fixture
def no_certificates_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.usefixtures("no_certificates_named")
def test_certificates_of_the_host_win(provisions: Any, tmp_path: Path) -> None:
    bundled = str(have(provisions, "cacert.pem", ""))
    full, empty = tmp_path / "full", tmp_path / "empty"
    for folder in (full, empty):
        folder.mkdir()
    (full / "x.pem").write_text("")
    elsewhere = tmp_path / "elsewhere.pem"
    provisions.CERTIFICATES_ELSEWHERE = (str(tmp_path / "no.pem"), str(elsewhere))
    assert loaded(provisions, fake_ssl("/etc/cert.pem", None)) == ["default"]
    assert loaded(provisions, fake_ssl(None, str(full))) == ["default"]
    assert loaded(provisions, fake_ssl(None, str(empty))) == ["default", bundled]
    assert loaded(provisions, fake_ssl(None, None)) == ["default", bundled]
    elsewhere.write_text("")
    assert loaded(provisions, fake_ssl(None, None)) == ["default", str(elsewhere)]


@pytest.mark.usefixtures("no_certificates_named")
def test_a_directory_of_certificates_that_cannot_be_read(provisions: Any, tmp_path: Path) -> None:
    """It is the host's, and Python starts without a word, too."""
    have(provisions, "cacert.pem", "")
    (tmp_path / "file").write_text("")
    provisions.CERTIFICATES_ELSEWHERE = ()
    assert loaded(provisions, fake_ssl(None, str(tmp_path / "file"))) == ["default"]


@pytest.mark.usefixtures("no_certificates_named")
@pytest.mark.parametrize("name", ["SSL_CERT_FILE", "SSL_CERT_DIR"])
@pytest.mark.parametrize("value", ["/nosuch", "", "/"])
def test_certificates_that_the_user_names_decide(
    provisions: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    """Whatever is there: a private CA that was not mounted is not replaced by the public ones."""
    have(provisions, "cacert.pem", "")
    elsewhere = tmp_path / "elsewhere.pem"
    elsewhere.write_text("")
    provisions.CERTIFICATES_ELSEWHERE = (str(elsewhere),)
    monkeypatch.setenv(name, value)
    assert loaded(provisions, fake_ssl(None, None)) == ["default"]


@pytest.mark.parametrize("value", ["/nosuch", ""])
def test_time_zones_that_the_user_names_decide(provisions: Any, monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    have(provisions, "zoneinfo")
    monkeypatch.setenv("PYTHONTZPATH", value)
    calls: list[tuple[str, ...]] = []
    provisions._mend_zoneinfo(SimpleNamespace(TZPATH=(), reset_tzpath=calls.append))
    assert calls == []


def test_time_zones_come_last(provisions: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYTHONTZPATH", raising=False)
    place = str(have(provisions, "zoneinfo"))
    calls: list[tuple[str, ...]] = []
    fake = SimpleNamespace(TZPATH=("/usr/share/zoneinfo",), reset_tzpath=lambda to: calls.extend([to]))
    provisions._mend_zoneinfo(fake)
    assert calls == [("/usr/share/zoneinfo", place)]


@pytest.fixture
def tz(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    import time

    original = time.tzset
    monkeypatch.delenv("TZDIR", raising=False)
    yield monkeypatch
    monkeypatch.undo()
    time.tzset = original
    time.tzset()


@pytest.mark.parametrize(
    ("value", "bundled"),
    [
        ("Odd/Zone", True),
        (":Odd/Zone", True),
        ("Unknown/Zone", False),
        ("", False),
        ("/abs/zone", False),
        ("UTC", False),
    ],
)
def test_tz(provisions: Any, tz: pytest.MonkeyPatch, tmp_path: Path, value: str, bundled: bool) -> None:
    import time

    place = have(provisions, "zoneinfo")
    (place / "Odd").mkdir()
    for name in ("Odd/Zone", "UTC"):
        (place / name).write_text("")
    (tmp_path / "host").mkdir()
    (tmp_path / "host" / "UTC").write_text("")
    provisions.ZONEINFO_PLACES = (str(tmp_path / "host"),)
    seen: list[tuple[str, str]] = []
    tz.setattr(time, "tzset", lambda: seen.append((c_variable("TZ"), c_variable("TZDIR"))))
    tz.setenv("TZ", value)
    provisions._mend_tzset()
    assert seen == ([("UTC0", str(place)), (value, str(place))] if bundled else [(value, "")])
    assert (c_variable("TZ"), c_variable("TZDIR")) == (value, "")
    tz.setenv("TZDIR", "/callers")
    seen.clear()
    time.tzset()
    assert seen == [(value, "/callers")]


def test_locale(provisions: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A locale that the host lacks comes from the bundle; one that it has does not."""
    import _locale
    import locale

    place = str(have(provisions, "locale"))
    calls: list[tuple[int, Any, str]] = []

    def setlocale(category: int, name: Optional[str] = None) -> str:
        calls.append((category, name, c_variable("LOCPATH")))
        if name == "C.UTF-8" and not c_variable("LOCPATH"):
            raise locale.Error("unsupported locale setting")
        return name or "C"

    for name in ("LC_ALL", "LC_CTYPE", "LANG", "LOCPATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(_locale, "setlocale", setlocale)
    monkeypatch.setattr(locale, "_setlocale", setlocale)
    provisions._mend_locale()
    mended = _locale.setlocale
    assert locale._setlocale is mended  # type: ignore[attr-defined]
    assert calls[-1] != (_locale.LC_CTYPE, "C.UTF-8", "")
    calls.clear()
    assert mended(_locale.LC_ALL, "C") == "C"
    assert calls == [(_locale.LC_ALL, "C", "")]
    assert mended(_locale.LC_ALL, "C.UTF-8") == "C.UTF-8"
    assert calls[-1] == (_locale.LC_ALL, "C.UTF-8", place)
    monkeypatch.setenv("LOCPATH", "")
    with pytest.raises(locale.Error):
        mended(_locale.LC_ALL, "C.UTF-8")


def test_find_library(provisions: Any, tmp_path: Path) -> None:
    for place in ("_internal/libown.so.3", "libtop.so.1", "_internal/libownother.so"):
        (tmp_path / place).write_text("")
    util = SimpleNamespace(find_library=lambda name: f"host {name}")
    provisions._mend_find_library(util)
    assert util.find_library("own") == "libown.so.3"
    assert util.find_library("top") == "libtop.so.1"
    assert util.find_library("else") == "host else"
    assert util.find_library("ow") == "host ow"


def test_terminfo(provisions: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    place = have(provisions, "terminfo")
    for name in ("TERMINFO", "TERMINFO_DIRS"):
        monkeypatch.delenv(name, raising=False)
    curses = SimpleNamespace(
        setupterm=lambda *a, **k: (c_variable("TERMINFO_DIRS"), a, k), initscr=lambda: c_variable("TERMINFO_DIRS")
    )
    provisions._mend_curses(curses)
    directories, arguments, keywords = curses.setupterm("xterm", fd=1)
    assert directories.endswith(f":{place}") and directories.startswith("/etc/terminfo:")
    assert (arguments, keywords) == (("xterm",), {"fd": 1})
    assert c_variable("TERMINFO_DIRS") == ""
    monkeypatch.setenv("TERMINFO_DIRS", "/callers")
    assert curses.initscr() == "/callers"


# The finder


@pytest.fixture
def deferred(provisions: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setitem(sys.modules, "_freezer_provisions", provisions)
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    return load("_freezer_deferred")


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    name = "freezer_test_module"
    (tmp_path / f"{name}.py").write_text("import freezer_test_log\nfreezer_test_log.log.append('code')\n")
    log = ModuleType("freezer_test_log")
    log.log = []  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "freezer_test_log", log)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield name
    sys.modules.pop(name, None)


def test_work_is_done_around_the_import(deferred: Any, provisions: Any, module: str) -> None:
    import contextlib

    log = sys.modules["freezer_test_log"].log

    @contextlib.contextmanager
    def around() -> Iterator[None]:
        log.append("before")
        yield

    work = {module: (around, lambda made: log.append(made.__name__))}
    sys.meta_path.insert(0, deferred._Finder(work))
    made = importlib.import_module(module)
    assert log[-2:] == ["code", module]
    assert log[0] == "before"
    assert made.__spec__ is not None
    assert type(made.__loader__) is type(made.__spec__.loader) is not deferred._Loader
    assert made.__file__ and work == {}
    log.clear()
    importlib.reload(made)
    assert log == ["code"]


def test_a_module_that_is_missing_stays_missing(deferred: Any, provisions: Any) -> None:
    sys.meta_path.insert(0, deferred._Finder({"no_such_module_x": (provisions.nothing, lambda made: None)}))
    with pytest.raises(ModuleNotFoundError, match="no_such_module_x"):
        importlib.import_module("no_such_module_x")


def test_an_archive_takes_no_standard_streams_number(tmp_path: Path) -> None:
    (tmp_path / "some").write_bytes(b"")
    code = f"""
        import os, sys
        sys.path.insert(0, {str(RUNTIME)!r})
        import _freezer_archive
        for closed in ((0,), (1,), (0, 1, 2), ()):
            for number in closed:
                os.close(number)
            number = _freezer_archive._open({str(tmp_path / "some")!r})
            if number <= 2:
                os._exit(1)
            os.close(number)
            for number in closed:
                try:
                    os.fstat(number)
                    os._exit(2)
                except OSError:
                    os.open("/dev/null", os.O_RDWR)
        os._exit(0)
    """
    assert subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=False).returncode == 0


def test_the_start_imports_nothing_slow() -> None:
    """It runs at every start of every application."""
    text = "".join(path.read_text() for path in RUNTIME.glob("_freezer_*.py"))
    for slow in (
        "import re\n",
        "import json\n",
        "import pathlib",
        "import typing",
        "import inspect",
        "import subprocess",
    ):
        assert slow not in text
