"""What runs inside every frozen application, with fakes for what only an empty root lacks."""

from __future__ import annotations

import importlib.util
import os
import socket
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, Optional

import pytest

import freezer.freeze.runtime
from freezer.closure.network_names import copy_network_names
from freezer.closure.zones import archive_of, copy_zones

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


@pytest.mark.parametrize("umask", [0o022, 0o777])
@pytest.mark.parametrize("name", ["Odd/Zone", "Odd/Other/Zone", "UTC"])
def test_a_zone_out_of_the_archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, umask: int) -> None:
    source, archive, place = tmp_path / "source", tmp_path / "zones", tmp_path / "place"
    (source / "Odd" / "Other").mkdir(parents=True)
    for number, each in enumerate(("Odd/Zone", "Odd/Other/Zone", "UTC", "Odd/Link")):
        (source / each).write_bytes(b"TZif%d" % (number % 3))
    (source / "zone.tab").write_text("no zone")
    archive.write_bytes(archive_of(source))
    assert archive.read_bytes().count(b"TZif") == 3
    zones: Any = load("_freezer_zones")
    assert zones.read(str(archive), "Odd/Link") == b"TZif0"
    assert zones.read(str(archive), "zone.tab") is zones.read(str(archive), "../UTC") is None
    place.mkdir()
    monkeypatch.setenv("TMPDIR", str(place))
    before = os.umask(umask)
    try:
        with zones.Unpacked(str(archive), name) as folder:
            assert Path(folder).parent == place and Path(folder).stat().st_mode & 0o777 == 0o700
            assert Path(folder, name).read_bytes() == (source / name).read_bytes()
    finally:
        os.umask(before)
    assert list(place.iterdir()) == []
    zones.PLACES = (str(tmp_path / "nowhere"),)
    for where in ("relative", str(tmp_path / "nowhere")):
        monkeypatch.setenv("TMPDIR", where)
        with zones.Unpacked(str(archive), name) as folder:
            assert folder is None
    with zones.Unpacked(str(archive), "Unknown/Zone") as folder:
        assert folder is None


def test_tz_of_the_archive(provisions: Any, tz: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The application may also set TZ itself, later."""
    import time

    copy_zones(tmp_path, Path(provisions.bundle, "_freezer", "zones"))
    provisions.ZONEINFO_PLACES = ()
    tz.setitem(sys.modules, "_freezer_zones", load("_freezer_zones"))
    tz.delenv("TZ", raising=False)
    provisions.at_start()
    for name, expected in (("Asia/Kolkata", ("IST", "IST")), ("Europe/Berlin", ("CET", "CEST"))):
        tz.setenv("TZ", name)
        time.tzset()
        assert time.tzname == expected
        assert (c_variable("TZ"), c_variable("TZDIR")) == (name, "")
    assert time.localtime(1750000000).tm_hour == 17


class Names:
    """The functions of ``socket`` where there are no files in /etc, and what they are asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[Any, ...]] = []

    def getaddrinfo(self, *arguments: Any) -> Any:
        self.asked.append(arguments)
        host, port, family, kind, proto, _flags = [*arguments, 0, 0, 0, 0][:6]
        if not str(port).isdigit():
            raise socket.gaierror(socket.EAI_SERVICE, "Servname not supported for ai_socktype")
        kinds = (kind,) if kind else (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_RAW)
        return [(family, each, proto, "", (host, int(port))) for each in kinds]

    def getservbyname(self, *arguments: Any) -> Any:
        raise OSError("service/proto not found")

    getservbyport = getprotobyname = getservbyname


def fake(name: str, names: Names) -> Any:
    def function(*arguments: Any) -> Any:
        return getattr(names, name)(*arguments)

    function.__name__ = name
    return function


@pytest.mark.parametrize(
    ("function", "arguments", "expected"),
    [
        ("getservbyname", ("https",), 443),
        ("getservbyname", ("www", "tcp"), 80),
        ("getservbyname", ("syslog", "udp"), 514),
        ("getservbyname", ("syslog", "sctp"), None),
        ("getservbyname", ("no-such",), None),
        ("getservbyport", (22,), "ssh"),
        ("getservbyport", (53, "udp"), "domain"),
        ("getservbyport", (22, "sctp"), None),
        ("getservbyport", (4,), None),
        ("getprotobyname", ("tcp",), 6),
        ("getprotobyname", ("ICMP",), 1),
        ("getprotobyname", ("no-such",), None),
    ],
)
def test_names_of_services(
    provisions: Any,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    function: str,
    arguments: tuple[Any, ...],
    expected: object,
) -> None:
    services: Any = load("_freezer_services")
    services.SYSTEM = str(tmp_path / "etc")
    monkeypatch.setitem(sys.modules, "_freezer_services", services)
    copy_network_names(tmp_path, Path(provisions.bundle, "_freezer", "etc"))
    fakes = {name: fake(name, Names()) for name in ("getaddrinfo", "getservbyname", "getservbyport", "getprotobyname")}
    module = SimpleNamespace(**fakes)
    monkeypatch.setattr("_socket.getaddrinfo", fakes["getaddrinfo"])
    provisions._mend_socket(module)
    call = getattr(module, function)
    assert call.__name__ == function
    if expected is None:
        with pytest.raises(OSError, match="not found"):
            call(*arguments)
    else:
        assert call(*arguments) == expected
    # What the host has is all there is.
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "services").write_text("")
    (tmp_path / "etc" / "protocols").write_text("")
    with pytest.raises(OSError, match="not found"):
        call(*arguments)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("h", "http"), [(0, socket.SOCK_STREAM, 0, "", ("h", 80))]),
        (("h", b"http", 10, 0, 6), [(10, socket.SOCK_STREAM, 6, "", ("h", 80))]),
        (("h", "domain"), [(0, kind, 0, "", ("h", 53)) for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM)]),
        (("h", "domain", 0, socket.SOCK_DGRAM), [(0, socket.SOCK_DGRAM, 0, "", ("h", 53))]),
        (("h", "ntp", 0, socket.SOCK_STREAM), None),
        (("h", "no-such"), None),
        (("h", 80, 0, socket.SOCK_STREAM), [(0, socket.SOCK_STREAM, 0, "", ("h", 80))]),
    ],
)
def test_addresses_of_services(
    provisions: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, arguments: tuple[Any, ...], expected: object
) -> None:
    import _socket

    services: Any = load("_freezer_services")
    services.SYSTEM = str(tmp_path / "etc")
    monkeypatch.setitem(sys.modules, "_freezer_services", services)
    copy_network_names(tmp_path, Path(provisions.bundle, "_freezer", "etc"))
    names = Names()
    monkeypatch.setattr(_socket, "getaddrinfo", fake("getaddrinfo", names))
    provisions._mend_socket(SimpleNamespace(getservbyname=len, getservbyport=len, getprotobyname=len))
    if expected is None:
        with pytest.raises(socket.gaierror, match="Servname not supported"):
            _socket.getaddrinfo(*arguments)
    else:
        assert _socket.getaddrinfo(*arguments) == expected


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


# Variables, and bytecode


def test_modules_that_read_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    unheard: Any = load("_freezer_unheard")
    monkeypatch.setenv("_PYTHON_SYSCONFIGDATA_NAME", "planted")
    monkeypatch.setenv("_PYTHON_OTHER", "planted")
    monkeypatch.setenv("PYTHON_DOM", "planted")
    monkeypatch.setenv("PY_SAX_PARSER", "planted")
    monkeypatch.setenv("FREEZER_TEST_X", "mine")
    own = SimpleNamespace(os=os)
    unheard.MENDS["sysconfig"](own)
    assert (own.os.path, own.os.environ.get("FREEZER_TEST_X")) == (os.path, "mine")
    assert own.os.environ.get("_PYTHON_SYSCONFIGDATA_NAME", "default") == "default"
    assert "_PYTHON_SYSCONFIGDATA_NAME" not in own.os.environ and "FREEZER_TEST_X" in own.os.environ
    with pytest.raises(KeyError):
        own.os.environ["_PYTHON_SYSCONFIGDATA_NAME"]
    assert own.os.environ.copy()["_PYTHON_OTHER"] == os.environ["_PYTHON_OTHER"] == "planted"
    dom = load_copy("xml.dom.domreg")
    with pytest.raises(KeyError, match="planted"):
        dom.getDOMImplementation()
    unheard.MENDS["xml.dom.domreg"](dom)
    assert type(dom.getDOMImplementation()).__module__ == "xml.dom.minidom"
    sax = load_copy("xml.sax")
    assert sax.default_parser_list == ["planted"]
    unheard.MENDS["xml.sax"](sax)
    assert sax.default_parser_list == load_copy("xml.sax", without="PY_SAX_PARSER").default_parser_list
    window = SimpleNamespace(Tk=type("Tk", (), {"readprofile": lambda self, base, name: 1 / 0}))
    unheard.MENDS["tkinter"](window)
    assert window.Tk().readprofile("app", "Tk") is None


def load_copy(name: str, without: str = "") -> Any:
    """A module of the standard library, apart from the one that others use."""
    given = os.environ.pop(without, None)
    spec = importlib.util.find_spec(name)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    if given is not None:
        os.environ[without] = given
    return module


def test_no_bytecode_in_the_tree(deferred: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from importlib.machinery import SourceFileLoader

    monkeypatch.setattr(SourceFileLoader, "set_data", SourceFileLoader.set_data)
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    monkeypatch.setattr(sys, "pycache_prefix", None)
    bundle = tmp_path / "tree" / "_internal"
    for folder in (bundle / "data", tmp_path / "tree2"):
        folder.mkdir(parents=True)
        (folder / "plugin.py").write_text("VALUE = 1\n")
    (tmp_path / "link").symlink_to("tree/_internal/data")
    deferred._keep_tree_as_it_is(str(bundle))
    for folder, written in ((bundle / "data", False), (tmp_path / "link", False), (tmp_path / "tree2", True)):
        spec = importlib.util.spec_from_file_location("plugin", folder / "plugin.py")
        assert spec is not None and spec.loader is not None
        module: Any = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        assert module.VALUE == 1
        assert (folder / "__pycache__").exists() is written


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
