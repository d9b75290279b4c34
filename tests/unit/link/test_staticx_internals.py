"""staticx's internals, as the installed release has them. What fails here fails builds as each test says."""

from __future__ import annotations

import importlib.util
import inspect
import io
import tarfile
from pathlib import Path

import pytest
from staticx import api, constants, hooks
from staticx.hooks import glibc
from support import CHECKOUT

from freezer.link.drivers import staticx_internals as internals


def package() -> Path:
    found = importlib.util.find_spec("staticx")
    assert found is not None and found.origin is not None
    return Path(found.origin).parent


def bootloader() -> bytes:
    return (package() / internals.OWN_FILES / "bootloader").read_bytes()


def test_section_and_links_have_these_names() -> None:
    """Else freezer's check and inspect would find no archive in an executable, and no program in that."""
    assert internals.SECTION == constants.ARCHIVE_SECTION
    assert (internals.PROGRAM, internals.LOADER) == (constants.PROG_FILENAME, constants.INTERP_FILENAME)


@pytest.mark.parametrize("name", [internals.PROGRAM_PATH, internals.BUNDLE])
def test_the_start_up_program_sets_these_variables(name: str) -> None:
    """Else applications would not know by which path they were started, and their children see the variables."""
    assert name.encode() in bootloader()
    assert f'"{name}="' in (CHECKOUT / "freezer/link/launcher/start.c").read_text()


def test_the_start_up_program_has_no_other_variables_for_its_children() -> None:
    """Else children of applications would see them."""
    words = {word for word in bootloader().replace(b"\0", b" ").split() if word.startswith(b"STATICX_")}
    asked = {b"STATICX_BOOTLOADER_IDENTIFY", b"STATICX_KEEP_TEMPS"}
    assert words - asked == {internals.PROGRAM_PATH.encode(), internals.BUNDLE.encode()}


def test_the_archive_is_a_tar_that_takes_any_member() -> None:
    """Else the tree could not be put into it with fixed owners, modes and times."""
    archive = internals.archive_class()(fileobj=io.BytesIO(), mode="w", compress=False)
    assert isinstance(archive.tar, tarfile.TarFile)
    assert list(inspect.signature(archive.add_program).parameters) == ["path", "name"]
    assert list(inspect.signature(internals.archive_class()).parameters) == ["fileobj", "mode", "compress"]


def test_the_class_of_the_archive_is_looked_up_when_it_is_used() -> None:
    """Else staticx would write its own archive, with a program and nothing else."""
    assert "SxArchive(" in inspect.getsource(api.StaticxGenerator)
    assert {"prog", "output", "compress"} <= set(inspect.signature(api.generate).parameters)


def test_hooks_are_a_list_that_can_be_replaced() -> None:
    """Else staticx would look for an archive of PyInstaller's in the interpreter."""
    assert isinstance(hooks.hooks, list) and glibc.process_glibc_prog in hooks.hooks


@pytest.mark.parametrize("module", [api, glibc], ids=["api", "glibc"])
def test_libraries_are_looked_for_by_this_function(module: object) -> None:
    """Else libraries of the build host would be added."""
    assert callable(getattr(module, "get_shobj_deps"))  # noqa: B009


def test_the_library_for_name_services_is_there() -> None:
    """Else it would be taken for one of the application's, and the sizes said of the other linker be wrong."""
    assert {path.name for path in (package() / internals.OWN_FILES).iterdir()} == {
        "bootloader",
        internals.NAME_SERVICES,
    }
    assert glibc.LIBNSSFIX == internals.NAME_SERVICES
