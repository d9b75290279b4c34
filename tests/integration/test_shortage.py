"""freezer where the system fails it: each call of reading, unpacking and copying fails once, and the end at each.

Whatever fails, the command does all that it should, or ends with one message that names the failure; nothing is in
part where it belongs, nothing is left in the work directory, and the previous output is as it was. What is read is
small, for there are a thousand runs.
"""

from __future__ import annotations

import os
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hostile import make_program
from images import Made, archive, file, folder, link
from injecting import compile_failing, inject
from support import need_program

from freezer.link.drivers.staticx_internals import SECTION

WORDS = {"EMFILE": "Too many open files", "ENOMEM": "Cannot allocate memory", "EIO": "Input/output error"}
FULL = "no space left"
ROOT = (
    folder("usr"),
    file("usr/sh", b"#!", mode=0o755),
    link("bin", "usr"),
    link("usr/same", "usr/sh", tarfile.LNKTYPE),
)
BUNDLE = (
    file("app", mode=0o755),
    file("d/ld.so.2"),
    link("ld.so", "d/ld.so.2"),
    link(".staticx.prog", "app"),
    link(".staticx.interp", "ld.so"),
)


@pytest.fixture(scope="module")
def top() -> Iterator[Path]:
    """What is read; in memory, if possible, as there are many runs."""
    with TemporaryDirectory(dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None) as name:
        given = Path(name, "input")
        (given / "site/local/pkg").mkdir(parents=True)
        for place, text in (("app.py", ""), ("r.txt", "./local\n"), ("local/setup.py", ""), ("local/pkg/m.py", "1")):
            (given / "site" / place).write_text(text)
        (given / "root.tar").write_bytes(archive(*ROOT))
        made = Made(archive(*ROOT))
        made.write(given / "image.tar")
        for place, content in made.contents().items():
            (given / "layout" / place).parent.mkdir(parents=True, exist_ok=True)
            (given / "layout" / place).write_bytes(content)
        (given / "root/usr").mkdir(parents=True)
        (given / "root/usr/sh").write_text("x")
        (given / "root/bin").symlink_to("usr")
        os.link(given / "root/usr/sh", given / "root/usr/same")
        program = given / "program"
        make_program(program)
        (given / "bundle.tar").write_bytes(archive(*BUNDLE))
        section = f"{SECTION}={given / 'bundle.tar'}"
        subprocess.run([need_program("objcopy"), "--add-section", section, program, given / "linked"], check=True)
        yield Path(name)


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compile_failing(tmp_path_factory.mktemp("failing"))


LASTING = "ENOSPC for good"
MOST = ("EMFILE", "EIO", LASTING)
SCENARIOS = [
    # A root from a tar, and the copy of a project that a requirement names.
    ("root root.tar", MOST),
    ("root image.tar", ("EIO",)),
    ("root layout", ("EMFILE",)),
    ("copy", ("EMFILE", "ENOMEM", "EIO", "ENOSPC", LASTING)),
    ("unpack", MOST),
    ("inspect @/input/image.tar --json", ("EMFILE",)),
    ("at once: image @/input/program -o @/out/result", MOST),
    ("at once: cache list --json", ("EMFILE",)),
]


@pytest.mark.parametrize(("scenario", "ways"), SCENARIOS, ids=[name for name, _ in SCENARIOS])
def test_any_call_may_fail(library: Path, top: Path, scenario: str, ways: tuple[str, ...]) -> None:
    ends = inject(library, top, scenario, ways)
    good = ends[-1]
    assert (good.call, good.status, good.whole) == ("", 0, True), good
    assert len(ends) > 5 * len(ways)
    for ended in ends:
        assert "Traceback" not in ended.stderr, ended
        # What cannot be removed beside an output is removed by the next command that writes it.
        litter = [name for name in ended.partial if not (ended.call == "unlink" and name.endswith(".tmp"))]
        assert not litter, ended
        if ended.status == 0:
            assert ended.whole and ended.stdout == good.stdout, ended
        else:
            assert ended.status in (3, 4, 7), ended
            assert ended.stderr.count("freezer: error: ") == 1, ended
            message = ended.stderr[ended.stderr.index("freezer: error: ") :]
            assert WORDS.get(ended.way, FULL).lower() in message.lower(), ended
            assert "damaged" not in message and " is not a" not in message, ended
            assert " /" in message, ended
