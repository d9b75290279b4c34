"""Which part of an application a file or a module belongs to."""

from __future__ import annotations

import pytest

from freezer.link.parts import APPLICATION, DATA, LIBRARY, PACKAGE, RUNTIME, STANDARD, Names, standard_modules

NAMES = Names("my-app", {"numpy": "numpy", "markdown-it": "markdown_it", "pil": "PIL"}, standard_modules())


@pytest.mark.parametrize(
    ("path", "group", "kind"),
    [
        ("base_library.zip", "pure modules", STANDARD),
        ("python3.11/lib-dynload/_ssl.cpython-311-x86_64-linux-gnu.so", "extension modules", STANDARD),
        ("lib-dynload/_ssl.so", "extension modules", STANDARD),
        ("_ssl.cpython-313-x86_64-linux-gnu.so", "extension modules", STANDARD),
        ("pydoc_data/topics.txt", "pure modules", STANDARD),
        ("_tcl_data/init.tcl", "tkinter", STANDARD),
        ("libssl.so.3", "libssl", LIBRARY),
        ("libpython3.11.so.1.0", "libpython3.11", LIBRARY),
        ("libstdc++.so.6", "libstdc++", LIBRARY),
        ("ld-linux-x86-64.so.2", "dynamic loader", RUNTIME),
        ("ld-musl-x86_64.so.1", "dynamic loader", RUNTIME),
        ("numpy/core/_x.so", "numpy", PACKAGE),
        ("numpy.libs/libopenblas.so.0", "numpy", PACKAGE),
        ("NumPy-1.0.dist-info/METADATA", "numpy", PACKAGE),
        ("markdown_it_py-4.3.0.dist-info/METADATA", "markdown_it_py", PACKAGE),
        ("markdown.it-4.egg-info", "markdown_it", PACKAGE),
        ("_cffi_backend.cpython-311-x86_64-linux-gnu.so", "_cffi_backend", PACKAGE),
        ("my_app-1.dist-info/METADATA", "my_app", APPLICATION),
        ("my_app/data.txt", "my_app", APPLICATION),
        ("templates/index.html", "templates", APPLICATION),
        ("locale/de/LC_MESSAGES/app.mo", "locale", APPLICATION),
        ("notes.txt", "my-app", APPLICATION),
        ("_freezer/cacert.pem", "CA certificates", DATA),
        ("_freezer/zoneinfo/Europe/Paris", "time zones", DATA),
        ("_freezer/locale/C.utf8/LC_CTYPE", "locale C.UTF-8", DATA),
        ("_freezer/zones", "time zones", DATA),
        ("_freezer/etc/services", "network names", DATA),
        ("_freezer/other", "other", DATA),
    ],
)
def test_files(path: str, group: str, kind: str) -> None:
    names = Names("my-app", {**NAMES.packages, "my-app": "my_app"}, NAMES.standard)
    assert names.file(path) == (group, kind)


@pytest.mark.parametrize(
    ("module", "group", "kind"),
    [
        ("email.message", "pure modules", STANDARD),
        ("distutils", "pure modules", STANDARD),
        ("tomllib", "pure modules", STANDARD),
        ("_sysconfigdata__linux_x86_64-linux-gnu", "pure modules", STANDARD),
        ("numpy.core", "numpy", PACKAGE),
        ("my_app.cli", "my_app", APPLICATION),
        ("_freezer_main_script", "my-app", APPLICATION),
        ("_freezer_provisions", "freezer", RUNTIME),
        ("_freezer_pyi_rth_inspect", "PyInstaller", RUNTIME),
        ("pyi_rth_inspect", "PyInstaller", RUNTIME),
    ],
)
def test_modules(module: str, group: str, kind: str) -> None:
    assert NAMES.module(module) == (group, kind)


def test_standard_modules_of_an_old_python(monkeypatch: pytest.MonkeyPatch) -> None:
    names = standard_modules()
    monkeypatch.delattr("sys.stdlib_module_names", raising=False)
    assert {"json", "sys", "_ssl", "encodings"} <= standard_modules() & names
    assert "site-packages" not in standard_modules()
