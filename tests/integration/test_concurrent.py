"""Builds side by side, in one directory and with one cache, neither disturb nor wait for each other for ever."""

from __future__ import annotations

import contextlib
from pathlib import Path

from support import PATIENCE, Freezer, kill_group, sha256

BUILDS = 4


def test_concurrent_builds(fresh_freezer: Freezer, tmp_path: Path) -> None:
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / "app.py").write_text("import altgraph\nprint(altgraph.__version__)\n")
    outputs = ["same", "same", "other", "third"]
    assert len(outputs) == BUILDS
    words = ("build", "app.py", "--with", "altgraph", "-o")
    with contextlib.ExitStack() as stack:
        processes = []
        for name in outputs:
            processes.append(stack.enter_context(fresh_freezer.start(*words, name, cwd=folder)))
            stack.callback(kill_group, processes[-1])
        said = [process.communicate(timeout=PATIENCE) for process in processes]
    assert [process.returncode for process in processes] == [0] * BUILDS, said
    assert len({sha256(folder / name) for name in set(outputs)}) == 1
    assert sorted(path.name for path in folder.iterdir()) == ["app.py", "other", "same", "third"]
    made = [
        text
        for _, text in said
        if any(line.split()[:1] == ["environment"] and line.endswith("made") for line in text.splitlines())
    ]
    assert len(made) == 1  # the others waited for it, and shared it
    fresh_freezer.assert_tidy()
    assert len([path for path in (fresh_freezer.cache / "env").iterdir() if path.is_dir()]) == 1
