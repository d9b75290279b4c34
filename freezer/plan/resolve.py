"""From input to a plan: the command line, the settings file, the current directory and the environment.

Nothing after this reads any of them.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Optional

from freezer.base.errors import InputError, UsageError
from freezer.base.places import exists, is_file, is_folder
from freezer.base.streams import output_path
from freezer.plan.build import Entry, Plan
from freezer.plan.choices import CONTENTS, DEFAULT_EPOCH, EntryKind, Linker, Own, Packing, Sources, Verification, choice
from freezer.plan.image_settings import IMAGE_DATA, IMAGE_OUTPUT, IMAGE_SETTINGS
from freezer.plan.learned_file import read_learned
from freezer.plan.pyinstaller_args import check_use, passed_on
from freezer.plan.python_options import python_options
from freezer.plan.resolve_entry import default_name, resolve_entry
from freezer.plan.script_metadata import ScriptMetadata, read_script_metadata
from freezer.plan.settings import SETTINGS, SIGNING, Setting
from freezer.plan.settings_file import FileSettings, laid_over, read_settings
from freezer.plan.signing import Signing
from freezer.plan.smokes import merge_runs, resolve_smokes, resolve_verification
from freezer.plan.snapshot import resolve_snapshot
from freezer.plan.values import DISTRIBUTION, anchored, split_pair

# How images are described is imported where one is made: that takes as long as looking for changes does.
if TYPE_CHECKING:
    from freezer.plan.image import ImagePlan

MAX_EPOCH = 0o77777777777
"""The latest time that a tar header can state, in the year 2242."""


def resolve(arguments: Mapping[str, Any], *, folder: Path, environ: Mapping[str, str], learning: bool = False) -> Plan:
    """Make a plan of parsed arguments, the settings in the script and the file beside the entry, and the environment.
    ``arguments`` has an attribute name for each setting that was given, ``entry`` and ``rest``; ``learning`` is that of
    ``read_learned``. Raises UsageError for what cannot be combined, InputError for what does not exist or is malformed.
    """
    given = {key: value for key, value in arguments.items() if value is not None}
    base = settings_folder(given, folder)
    file, script, entry = _settings_of(given, base, folder)
    values = _merged(given, file, folder)
    name = _checked_name(values.get("name", default_name(entry)))
    created, epoch = times_of(environ)
    output = output_path(str(values["output"]), folder) if "output" in values else None
    program = output.name if output is not None else name or ""
    image = _image_beside(given, file, values, program, folder, created, epoch)
    linker, compress = _linking(values)
    return Plan(
        entry=entry,
        name=name,
        output=output,
        folder=folder,
        requirements=_existing(values, "requirement"),
        packages=(*values.get("with", ()), *script.dependencies),
        constraints=_existing(values, "constraint"),
        require_hashes=values.get("require_hashes", False),
        python=values.get("python"),
        chroot=_chroot(values),
        chroot_packages=tuple(values.get("chroot_package", ())),
        refresh=values.get("refresh", False),
        add_data=_pairs(values, "add_data"),
        add_binary=_pairs(values, "add_binary"),
        libraries=_existing(values, "library"),
        hidden_imports=_modules(values, "hidden_import"),
        collect_all=_modules(values, "collect_all"),
        copy_metadata=tuple(values.get("copy_metadata", ())),
        exclude=_modules(values, "exclude"),
        requires_python=script.requires_python,
        sources=choice(values.get("source", Sources.OWN.value), Sources, "--source"),
        python_options=python_options(values.get("python_option", ())),
        pyinstaller_args=_rest(given, values, file, folder, linker, entry),
        provisions={key: values.get(key) for key in ("locale", "tzdata", "ca_certs", "terminfo", "services")},
        linker=linker,
        compress=compress,
        strip=values.get("strip", False),
        sbom=output_path(str(values["sbom"]), folder) if "sbom" in values else None,
        notices=values.get("notices", False),
        signing=_signing(values, folder),
        init=values.get("init", True),
        verify=resolve_verification(values, Verification.AUTO),
        smokes=resolve_smokes(values),
        jobs=values.get("jobs") or os.cpu_count() or 1,
        epoch=epoch,
        image=image,
        own=choice(values["own"], Own, "--own") if "own" in values else None,
        exclude_data=tuple(values.get("exclude_data", ())),
        charsets=_charsets(values),
        learned=read_learned(values.get("learned"), base, learning=learning),
        snapshot=resolve_snapshot(values, file.snapshot, linker, resolve_verification(values, Verification.AUTO)),
    )


def _settings_of(given: Mapping[str, Any], base: Path, folder: Path) -> tuple[FileSettings, ScriptMetadata, Entry]:
    """Return the settings of files, with those in the script itself, and the entry that they are for."""
    file = read_settings(base)
    entry = resolve_entry(given, file, folder)
    script = read_script_metadata(entry.path) if entry.kind is EntryKind.SCRIPT and entry.path else ScriptMetadata()
    return laid_over(script.settings, file), script, entry


def _rest(
    given: Mapping[str, Any],
    values: Mapping[str, Any],
    file: FileSettings,
    folder: Path,
    linker: Linker,
    entry: Entry,
) -> tuple[str, ...]:
    """Return PyInstaller's arguments: those of the command line, else those of the settings file."""
    rest = passed_on(given.get("rest") or (), folder)
    if not rest and file.path is not None:
        rest = passed_on(values.get("pyinstaller_args") or (), file.path.parent)
    check_use(rest, linker, spec=entry.kind is EntryKind.SPEC)
    return rest


def _linking(values: Mapping[str, Any]) -> tuple[Linker, Packing]:
    """Return the linker and the packing. Raises InputError for unknown ones, and for combinations that do not exist."""
    linker = choice(values.get("linker", Linker.STATICX.value), Linker, "--linker")
    default = Packing.FAST if linker is Linker.NATIVE else Packing.NONE
    compress = choice(values.get("compress", default.value), Packing, "--compress")
    if linker is Linker.STATICX and compress is Packing.FAST:
        raise InputError(
            "staticx does not support --compress fast",
            why="staticx compresses with xz, which is slow, or not at all",
            hint="--compress small, --compress none, or --linker native",
        )
    return linker, compress


def times_of(environ: Mapping[str, str]) -> tuple[Optional[int], int]:
    """Return SOURCE_DATE_EPOCH if it is set, and the time for entries of archives, both in seconds since 1970."""
    text = environ.get("SOURCE_DATE_EPOCH", "")
    if text and not (text.isascii() and text.isdigit() and int(text) <= MAX_EPOCH):
        raise InputError(f"SOURCE_DATE_EPOCH must be seconds since 1970, not {text!r}")
    return (int(text) if text else None), max(int(text or 0), DEFAULT_EPOCH)


def _image_beside(
    given: Mapping[str, Any],
    file: FileSettings,
    values: Mapping[str, Any],
    program: str,
    folder: Path,
    created: Optional[int],
    epoch: int,
) -> Optional[ImagePlan]:
    """Return the plan of the image to make with the executable ``program``; None if the settings have no image."""
    output = given.get("image", file.image.get("output"))
    stray = [setting.name for setting in IMAGE_SETTINGS if setting.attribute in given]
    if output is None:
        if stray:
            raise UsageError(f"--{stray[0]} is about an image, but no image is made", hint="add --image TAR")
        return None
    from freezer.plan.resolve_image import check_program_name, resolve_image

    check_program_name(program)
    wanted = _image_values(given, file, folder, IMAGE_SETTINGS)
    for setting in IMAGE_DATA:
        if setting.attribute in given or setting.attribute not in wanted:
            wanted[setting.attribute] = values.get(setting.attribute)
    return resolve_image(wanted, output=output_path(str(output), folder), created=created, epoch=epoch)


def _image_values(
    given: Mapping[str, Any], file: FileSettings, folder: Path, settings: Iterable[Setting]
) -> dict[str, Any]:
    values = dict(file.image)
    for setting in settings:
        if setting.attribute in given:
            values[setting.attribute] = anchored(setting, given[setting.attribute], folder)
    return values


def resolve_for_image(arguments: Mapping[str, Any], *, folder: Path, environ: Mapping[str, str]) -> ImagePlan:
    """Return the plan of an image of an existing executable. Raises as ``resolve`` does."""
    from freezer.plan.resolve_image import resolve_image

    given = {key: value for key, value in arguments.items() if value is not None}
    values = _image_values(given, read_settings(folder), folder, (IMAGE_OUTPUT, *IMAGE_SETTINGS, *IMAGE_DATA))
    if "output" not in values:
        raise UsageError("the output file of the image is missing", hint="name it: -o image.tar")
    created, epoch = times_of(environ)
    return resolve_image(values, output=output_path(str(values["output"]), folder), created=created, epoch=epoch)


def resolve_signing(arguments: Mapping[str, Any], *, folder: Path) -> Signing:
    """Return what is to be said of an image of an existing executable, or of several images, and who signs it. Raises
    as ``resolve`` does."""
    given = {key: value for key, value in arguments.items() if value is not None}
    values = dict(read_settings(folder).values)
    for setting in SIGNING:
        if setting.attribute in given:
            values[setting.attribute] = anchored(setting, given[setting.attribute], folder)
    return _signing(values, folder)


def _signing(values: Mapping[str, Any], folder: Path) -> Signing:
    if "sign_passphrase" in values and "sign_key" not in values:
        raise UsageError("--sign-passphrase needs --sign-key", hint="name the private key: --sign-key FILE")
    return Signing(
        provenance=output_path(str(values["provenance"]), folder) if "provenance" in values else None,
        key=Path(os.path.abspath(values["sign_key"])) if "sign_key" in values else None,
        passphrase=Path(os.path.abspath(values["sign_passphrase"])) if "sign_passphrase" in values else None,
    )


def settings_folder(given: Mapping[str, Any], folder: Path) -> Path:
    """Return the directory that settings, and what was learned, are looked for in: the entry's."""
    if given.get("entry") is None:
        return folder
    path = Path(os.path.abspath(folder / str(given["entry"])))
    return path if is_folder(path) else path.parent


def _merged(given: Mapping[str, Any], file: FileSettings, folder: Path) -> dict[str, Any]:
    values = dict(file.values)
    merge_runs(values, given)
    for setting in SETTINGS:
        if setting.attribute not in given:
            continue
        values[setting.attribute] = anchored(setting, given[setting.attribute], folder)
    return values


def _checked_name(name: Optional[str]) -> Optional[str]:
    if name is None:
        return None
    if name in ("", CONTENTS) or name.startswith((".", "-")) or not re.fullmatch(r"[^\x00-\x1f/]{1,200}", name):
        raise InputError(
            f"an executable cannot have the name {name!r}",
            hint="choose a name of letters, digits, '.', '_' and '-': --name NAME",
        )
    return name


def _chroot(values: Mapping[str, Any]) -> Optional[str]:
    chroot, packages = values.get("chroot"), values.get("chroot_package", ())
    if packages and chroot is None:
        raise UsageError("--chroot-package needs --chroot", hint="add --chroot ROOT")
    for package in packages:
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9+._:~=@-]*", package):
            raise InputError(f"--chroot-package {package!r} is not a package name")
    if chroot is not None and not DISTRIBUTION.match(chroot):
        chroot = os.path.abspath(chroot)
        if not exists(chroot):
            raise InputError(
                f"--chroot {chroot}: there is no such file or directory",
                hint="give a directory, the tar of a root file system or image, or debian:SUITE",
            )
    return None if chroot is None else str(chroot)


def _existing(values: Mapping[str, Any], key: str) -> tuple[Path, ...]:
    paths = tuple(Path(os.path.abspath(item)) for item in values.get(key, ()))
    for path in paths:
        if not is_file(path) or not os.access(path, os.R_OK):
            raise InputError(f"--{key.replace('_', '-')} {path}: there is no such file, or it cannot be read")
    return paths


def _pairs(values: Mapping[str, Any], key: str) -> tuple[tuple[Path, str], ...]:
    pairs = []
    for text in values.get(key, ()):
        whole = Path(text)
        source, destination = (str(whole), ".") if exists(whole) else split_pair(text)
        path = Path(os.path.abspath(source))
        if not exists(path):
            raise InputError(f"--{key.replace('_', '-')} {text}: {path} does not exist")
        if not is_file(path) and not is_folder(path):
            raise InputError(f"--{key.replace('_', '-')} {text}: {path} is neither a file nor a directory")
        pairs.append((path, destination))
    return tuple(pairs)


def _charsets(values: Mapping[str, Any]) -> tuple[str, ...]:
    names = tuple(values.get("charset", ()))
    for name in names:
        if not re.fullmatch(r"[A-Za-z0-9][\w.:+()-]*", name):
            raise InputError(f"--charset {name!r} is not the name of a charset")
    return names


def _modules(values: Mapping[str, Any], key: str) -> tuple[str, ...]:
    names = tuple(values.get(key, ()))
    for name in names:
        if not re.fullmatch(r"\w+(\.\w+)*", name):
            raise InputError(f"--{key.replace('_', '-')} {name!r} is not a module name")
    return names
