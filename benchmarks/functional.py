"""PyInstaller's own functional tests, with freezer in PyInstaller's place.

    python benchmarks/functional.py [--linker native|staticx] [--start plain|snapshot] [--keep FOLDER] [--python PATH]
                                    [TEST-FILE ...] [-k WORDS]

The tests are in PyInstaller's source distribution, which pip downloads, of the version that freezer builds with. Each
builds a small program and runs it; ``functional_builder`` is the plugin for pytest that has ``freezer build`` do the
building. Without TEST-FILE, the files of FILES are run: those about what an application is to its Python, not those
about libraries, windows, or other systems.

With ``--start snapshot`` each program is started three times, and must end the same each time: the first start unpacks
it, the second waits for a snapshot of its memory, and the third is from that. Those that cannot be saved start plainly.
How many were saved is printed.

A table of what did not pass is printed, with the reasons; the exit status is 1 if a test failed that is not in
DIFFERENT. It takes half an hour, and so is not part of freezer's tests. Run it where processes are limited in number
(a pids cgroup): programs of these tests start themselves.
"""

from __future__ import annotations

import argparse
import json
import marshal
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any
from zlib import decompress

from freezer.link.start import MODULES, STARTER
from freezer.prove.unpack import unpack_bundle

PINS = Path(__file__).parents[1] / "freezer" / "environment" / "toolchain.txt"
PACKAGES = ("psutil", "setuptools<81", "importlib_resources", "pytest-timeout")
"""What the tests' programs import; tests of other packages skip themselves."""

FILES = (
    *("basic", "code_object_anonymization", "hook_utilities", "import", "import_lazy_loader", "import_pep302"),
    *("importlib_resources", "inspect", "misc", "module_exclusion", "multipackage", "multiprocessing"),
    *("path_encodings", "pkgutil", "signals", "unbuffered_stdio"),
)

LOCALES = {
    "en_US.utf8": ("en_US", "UTF-8"),
    "en_US.iso88591": ("en_US", "ISO-8859-1"),
    "sl_SI.utf8": ("sl_SI", "UTF-8"),
    "sl_SI.iso88592": ("sl_SI", "ISO-8859-2"),
}
"""What one of the tests needs, which few systems have: locales of the distribution's package ``locales``."""

OTHER_CONTAINER = "is about PyInstaller's containers; freezer refuses the option"
NO_BASE_LIBRARY = "there is no base_library.zip; the source that it asks for is found"
DIFFERENT = {
    "test_absolute_ld_library_path": "the application's children would inherit LD_LIBRARY_PATH; Python sets none",
    "test_symlink_basename_is_kept[onefile-splash]": "freezer refuses --splash",
    "test_compiled_filenames": "code names its file by an absolute path, as under Python",
    "test_site_module_disabled": "the module site is imported, as by Python without -S",
    "test_arbitrary_entry_point_script_suffix": "__file__ has the script's own suffix, as under Python",
    "test_no_entry_point_script_suffix": "__file__ has no suffix, as under Python",
    "test_option_runtime_tmpdir": OTHER_CONTAINER,
    "test_contents_directory": OTHER_CONTAINER,
    "test_legacy_onedir_layout": OTHER_CONTAINER,
    "test_app_has_moved_error": "modules are found after the executable was moved, as under Python",
    "test_inspect_getsource_class_from_base_library_module": NO_BASE_LIBRARY,
    "test_inspect_getsource_class_method_from_base_library_module": NO_BASE_LIBRARY,
    "test_spec_with_multipackage": "each program has all it needs, and no references to files of another one",
    "test_subprocess_environment_inheritance": "all starts of an executable share what it has unpacked",
}
"""Tests that freezer's executables fail on purpose, by their names, with or without parameters, and why."""

NO_SNAPSHOT = {"test_bundled_shell_script": "there is no snapshot without a proof, and no shell in the proof's root"}
"""The same, for programs that may start from a snapshot."""


def pinned_version() -> str:
    """Return the version of PyInstaller that freezer builds with."""
    found = re.search(r"^pyinstaller==(\S+)", PINS.read_text(encoding="utf-8"), re.MULTILINE)
    assert found, PINS
    return found.group(1)


def prepare(folder: Path, python: str) -> tuple[Path, Path]:
    """Make what the tests need, where it is not there yet; return the Python that runs them, and their directory."""
    version = pinned_version()
    source = folder / f"pyinstaller-{version}"
    if not source.is_dir():
        # Of PyInstaller alone: pip would build from its source each distribution that it needs to read that.
        pip = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--no-binary", "pyinstaller"]
        subprocess.run([*pip, "-d", str(folder), f"pyinstaller=={version}"], check=True)
        with tarfile.open(source.with_name(source.name + ".tar.gz")) as archive:
            archive.extractall(folder, filter="data")
    venv = folder / "venv"
    if not (venv / "complete").is_file():
        subprocess.run([python, "-m", "venv", "--clear", str(venv)], check=True)
        install = [
            str(venv / "bin/python"),
            "-m",
            "pip",
            "install",
            "-q",
            "pytest",
            f"pyinstaller=={version}",
            *PACKAGES,
        ]
        subprocess.run(install, check=True)
        (venv / "complete").touch()
    return venv / "bin/python", source / "tests" / "functional"


def make_locales(folder: Path) -> Path:
    """Make the locales that the tests need, and return their directory."""
    folder.mkdir(exist_ok=True)
    for name, (source, charset) in LOCALES.items():
        if not (folder / name).is_dir():
            command = ["localedef", "--no-archive", "-i", source, "-f", charset, str(folder / name)]
            subprocess.run(command, check=True)
    return folder


def run_tests(folder: Path, options: argparse.Namespace) -> list[dict[str, str]]:
    """Run the tests, and return the outcome of each: its test, what came of it, and why."""
    python, tests = prepare(folder, options.python)
    files = [tests / f"test_{name}.py" for name in options.files or FILES]
    outcomes = folder / "outcomes.json"
    outcomes.unlink(missing_ok=True)
    build = [sys.executable, "-m", "freezer", "build", "--linker", options.linker]
    # There is no snapshot without a proof, which finds out whether there can be one.
    build += ["--start", "snapshot"] if options.start == "snapshot" else ["--no-verify"]
    # The tests say which modules there are; what else lies in the directory of a script is other tests'.
    build += ["--own", "none", "--python", str(python)]
    variables = {
        **os.environ,
        "PYTHONPATH": str(Path(__file__).parent),
        "FUNCTIONAL_BUILD": json.dumps(build + [word for package in PACKAGES for word in ("--with", package)]),
        "FUNCTIONAL_READER": json.dumps([sys.executable, __file__]),
        "FUNCTIONAL_OUTCOMES": str(outcomes),
        "FUNCTIONAL_LOCALES": str(make_locales(folder / "locales")),
        "FREEZER_CACHE": str(folder / "apps"),
        **({"FREEZER_START": options.start} if options.start == "snapshot" else {}),
    }
    command = [str(python), "-m", "pytest", "-p", "functional_builder", "-q", "--basetemp", str(folder / "tests")]
    command += ["-k", options.words] if options.words else []
    subprocess.run([*command, *map(str, files)], check=False, env=variables, cwd=tests.parents[1])
    found: list[dict[str, str]] = json.loads(outcomes.read_text(encoding="utf-8"))
    return found


def contents(executable: Path) -> list[str]:
    """Return the names of what is in an executable: modules, files, and options of its Python, as "v"."""
    with tempfile.TemporaryDirectory() as temporary:
        folder, files = unpacked(executable, Path(temporary))
        table, _ = modules_of(folder, files)
        (start,) = [name for name in files if name.rpartition("/")[2] == STARTER]
        options = re.search(rb"((?:-[^\0]+\0)+)/modules\0", (folder / start).read_bytes())
    found = options.group(1).decode().split("\0") if options else []
    return [*files, *table["modules"], *table["extensions"], *(item[1:] for item in found)]


def code(executable: Path) -> dict[str, tuple[int, bytes]]:
    """Return the modules in an executable: the kind of each, as in PyInstaller's archives, and its marshalled code."""
    with tempfile.TemporaryDirectory() as temporary:
        table, data = modules_of(*unpacked(executable, Path(temporary)))
    packed = table.get("packed", ())
    found = {name: (kind, data[at : at + size]) for name, (at, size, kind) in table["modules"].items()}
    return {name: (kind, decompress(text) if name in packed else text) for name, (kind, text) in found.items()}


def unpacked(executable: Path, folder: Path) -> tuple[Path, list[str]]:
    """Unpack an executable below a directory; return where it is, and the names of its files."""
    bundle = unpack_bundle(executable, folder / "bundle")
    assert bundle is not None, executable
    return bundle.folder, list(bundle.files())


def modules_of(folder: Path, files: list[str]) -> tuple[dict[str, Any], bytes]:
    """Return the table of an archive of modules (see freezer/freeze/runtime/_freezer_archive.py), and the code."""
    (archive,) = [name for name in files if name.rpartition("/")[2] == MODULES]
    data = (folder / archive).read_bytes()
    start = 16 + int.from_bytes(data[8:16], "little")
    return marshal.loads(data[16:start]), data[start:]


def main() -> int:
    """Run the tests, and print the table."""
    if sys.argv[1:2] == ["--contents"]:
        print(*contents(Path(sys.argv[2])), sep="\n")
        return 0
    if sys.argv[1:2] == ["--code"]:
        sys.stdout.buffer.write(marshal.dumps(code(Path(sys.argv[2]))))
        return 0
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", metavar="TEST-FILE", help="such as basic, for test_basic.py")
    parser.add_argument("-k", dest="words", metavar="WORDS", help="only tests whose names have these, as for pytest")
    parser.add_argument("--linker", default="native")
    parser.add_argument("--start", default="plain", choices=("plain", "snapshot"))
    parser.add_argument("--python", default=sys.executable, metavar="PATH", help="the Python to build with")
    parser.add_argument(
        "--keep", type=Path, metavar="FOLDER", help="keep the tests, their Python and the programs here"
    )
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="freezer-functional-") as temporary:
        folder = (options.keep or Path(temporary)).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(folder / "apps", ignore_errors=True)
        (folder / "apps").mkdir()
        outcomes = run_tests(folder, options)
        saved = len(list(folder.glob("apps/*/snapshots/*.seal")))
    failed = 0
    different = {**DIFFERENT, **(NO_SNAPSHOT if options.start == "snapshot" else {})}
    print("| test | outcome | why |\n|---|---|---|")
    for one in outcomes:
        name = one["test"].rpartition("::")[2]
        why = different.get(name, different.get(name.partition("[")[0]))
        if one["outcome"] == "failed" and why is not None:
            one.update(outcome="different", why=why)
        failed += one["outcome"] == "failed"
        if one["outcome"] != "passed":
            print(f"| {one['test']} | {one['outcome']} | {one['why']} |")
    if options.start == "snapshot":
        print(f"\n{saved} programs started from a snapshot")
    print("\n" + ", ".join(f"{count} {what}" for what, count in Counter(one["outcome"] for one in outcomes).items()))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
