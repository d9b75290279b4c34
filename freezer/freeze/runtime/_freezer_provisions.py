"""What an empty root lacks - locale, time zones, certificates, terminal descriptions, ldconfig - taken from the bundle.

The host's own always wins where it has it, and so does what the caller's variables name, even if nothing is there: a
private CA that was not mounted must not be replaced by all the public ones. The C libraries take such places from
environment variables only; each is set just around the call that reads it and then put back, so that children never see
one of them.
"""

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Optional

    # The modules that are mended have attributes that are set.
    Before = Callable[[], "nothing"]
    After = Callable[[Any], None]

bundle = ""
"""The directory that the application was unpacked to; set by the first script."""

CERTIFICATE_VARIABLES = ("SSL_CERT_FILE", "SSL_CERT_DIR")
CERTIFICATES_ELSEWHERE = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
)
"""Where distributions other than the one OpenSSL was built for keep their certificates."""

TERMINFO_PLACES = "/etc/terminfo:/lib/terminfo:/usr/share/terminfo:/usr/lib/terminfo"
ZONEINFO_PLACES = ("/usr/share/zoneinfo", "/usr/lib/zoneinfo", "/usr/share/lib/zoneinfo", "/etc/zoneinfo")


def _place(name: str) -> str:
    return os.path.join(bundle, "_freezer", name)


def _has(name: str) -> bool:
    return os.path.exists(_place(name))


class nothing:
    """A context that changes nothing, and has a value."""

    # Not of contextlib, here and below: that takes longer to import than many an application to run.
    def __init__(self, value: "Any" = None) -> None:
        self._value = value

    def __enter__(self) -> "Any":
        return self._value

    def __exit__(self, *_exception: object) -> None:
        return None


class _variable(nothing):
    def __init__(self, name: str, value: str) -> None:
        self._name, self._value = name, value

    def __enter__(self) -> None:
        # os.putenv changes what C code reads and leaves os.environ alone.
        os.putenv(self._name, self._value)

    def __exit__(self, *_exception: object) -> None:
        if self._name in os.environ:
            os.putenv(self._name, os.environ[self._name])
        else:
            os.unsetenv(self._name)


def hooks() -> "dict[str, tuple[Before, After]]":
    """{module: (context manager around its import, function called with it afterwards)} for what the bundle has."""
    found: dict[str, tuple[Before, After]] = {"ctypes.util": (nothing, _mend_find_library)}
    if _has("cacert.pem"):
        found["ssl"] = (nothing, _mend_ssl)
    if _has("zoneinfo"):
        found["zoneinfo"] = (nothing, _mend_zoneinfo)
    if _has("etc"):
        found["socket"] = (nothing, _mend_socket)
    if _has("terminfo"):
        found["readline"] = (_terminfo, lambda module: None)
        found["_curses"] = (nothing, _mend_curses)
    return found


def at_start() -> None:
    """What cannot wait for an import: the C library's locale and its TZ."""
    if _has("locale"):
        _mend_locale()
    if _has("zoneinfo") or _has("zones"):
        _mend_tzset()


# Certificates


def _mend_ssl(ssl: "Any") -> None:
    original = ssl.SSLContext.set_default_verify_paths

    def set_default_verify_paths(self: "Any") -> None:
        original(self)
        if any(name in os.environ for name in CERTIFICATE_VARIABLES):
            return
        paths = ssl.get_default_verify_paths()
        if paths.cafile or (paths.capath and not _is_empty(paths.capath)):
            return
        for path in CERTIFICATES_ELSEWHERE:
            if os.access(path, os.R_OK):
                self.load_verify_locations(cafile=path)
                return
        self.load_verify_locations(cafile=_place("cacert.pem"))

    ssl.SSLContext.set_default_verify_paths = set_default_verify_paths


def _is_empty(folder: str) -> bool:
    """Whether there is nothing in a directory; one that cannot be read is the host's own all the same."""
    try:
        return not os.listdir(folder)
    except OSError:
        return False


# Time zones


def _mend_zoneinfo(zoneinfo: "Any") -> None:
    if "PYTHONTZPATH" in os.environ:
        return
    zoneinfo.reset_tzpath(to=(*zoneinfo.TZPATH, _place("zoneinfo")))


def _mend_tzset() -> None:
    import time

    original = time.tzset

    def tzset() -> None:
        name = os.environ.get("TZ", "").lstrip(":")
        known = not name or name.startswith("/") or any(os.path.exists(os.path.join(p, name)) for p in ZONEINFO_PLACES)
        if known or "TZDIR" in os.environ:
            original()
            return
        with _zone(name) as folder:
            if folder is None:
                original()
                return
            with _variable("TZDIR", folder):
                # The C library reads a zone's file again only when TZ has changed.
                with _variable("TZ", "UTC0"):
                    original()
                original()

    time.tzset = tzset
    if "TZ" in os.environ:
        tzset()


def _zone(name: str) -> "Any":
    """A context: the directory that has a zone's file, None if there is none."""
    if not _has("zoneinfo"):
        import _freezer_zones

        return _freezer_zones.Unpacked(_place("zones"), name)
    return nothing(_place("zoneinfo") if os.path.isfile(os.path.join(_place("zoneinfo"), name)) else None)


# Names of network services


def _mend_socket(socket: "Any") -> None:
    import _socket

    def mended(original: "Any") -> "Any":
        def function(*arguments: "Any", **keywords: "Any") -> "Any":
            try:
                return original(*arguments, **keywords)
            except OSError:
                import _freezer_services

                # ``socket`` itself names no arguments.
                found = None if keywords else _freezer_services.answer(_place("etc"), original, arguments)
                if found is None:
                    raise
                return found

        function.__name__ = function.__qualname__ = original.__name__
        return function

    # getaddrinfo() of ``socket`` calls that of ``_socket``.
    _socket.getaddrinfo = mended(_socket.getaddrinfo)
    for name in ("getservbyname", "getservbyport", "getprotobyname"):
        setattr(socket, name, mended(getattr(socket, name)))


# Locale


def _mend_locale() -> None:
    import _locale

    original, failure = _locale.setlocale, _locale.Error  # type: ignore[attr-defined]
    folder = _place("locale")

    def bundled(category: int, name: "Any") -> str:
        with _variable("LOCPATH", folder):
            return original(category, name)

    def setlocale(category: int, locale: "Any" = None) -> str:
        try:
            result = original(category, locale)
        except failure:
            if "LOCPATH" in os.environ:
                raise
            return bundled(category, locale)
        if locale == "" and category in (_locale.LC_ALL, _locale.LC_CTYPE) and _unset():
            # Python coerces the C locale to C.UTF-8 (PEP 538); an application that asks for the default gets it.
            try:
                setlocale(_locale.LC_CTYPE, "C.UTF-8")
                result = original(category)
            except failure:
                pass
        return result

    def _unset() -> bool:
        if os.environ.get("PYTHONCOERCECLOCALE") == "0":
            return False
        names = ("LC_ALL", "LC_CTYPE", "LANG")
        return next((os.environ[name] for name in names if os.environ.get(name)), "C") in ("C", "POSIX")

    _locale.setlocale = setlocale
    # As the interpreter does at its start; code in C (readline) goes by what is set then.
    try:
        setlocale(_locale.LC_CTYPE, "")
    except failure:
        pass
    if "locale" in sys.modules:
        sys.modules["locale"]._setlocale = setlocale  # type: ignore[attr-defined]


# Shared libraries opened by name


def _mend_find_library(util: "Any") -> None:
    original = util.find_library

    def find_library(name: str) -> "Optional[str]":
        # An empty root has no ldconfig or compiler to ask; and what was bundled is what was proven.
        for folder in (bundle, os.path.dirname(bundle)):
            start = "lib%s.so" % name
            for entry in sorted(os.listdir(folder)):
                if entry == start or entry.startswith(start + "."):
                    return entry
        found: Optional[str] = original(name)
        return found

    util.find_library = find_library


# Terminal descriptions


def _terminfo() -> "nothing":
    if "TERMINFO" in os.environ or "TERMINFO_DIRS" in os.environ:
        return nothing()
    return _variable("TERMINFO_DIRS", TERMINFO_PLACES + ":" + _place("terminfo"))


def _mend_curses(_curses: "Any") -> None:
    def wrapped(function: "Any") -> "Any":
        def call(*arguments: "Any", **keywords: "Any") -> "Any":
            with _terminfo():
                return function(*arguments, **keywords)

        return call

    _curses.setupterm = wrapped(_curses.setupterm)
    _curses.initscr = wrapped(_curses.initscr)
