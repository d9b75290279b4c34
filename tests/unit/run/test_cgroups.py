"""Groups with limits: which tree, which group, which files. What the kernel makes of them is in test_run.py."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from freezer.base.errors import EnvironmentFailure
from freezer.run import cgroups as module
from freezer.run.cgroups import Group, Hierarchy, hierarchies, limited, settings_of
from freezer.run.wanted import Limits

LIMITS = Limits(64 << 20, 10, 0.5)
MOUNTS = """22 1 0:20 / /proc rw - proc proc rw
30 22 0:25 / /sys/fs/cgroup/memory rw shared:1 - cgroup cgroup rw,memory
31 22 0:26 /outer /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu,cpuacct
32 22 0:27 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,name=systemd
33 22 0:28 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw
"""
OWN = "4:memory:/user/1\n3:cpu,cpuacct:/outer/inner\n2:name=systemd:/\n0::/slice/scope\n"


def test_trees() -> None:
    top = Path("/sys/fs/cgroup")
    assert hierarchies(MOUNTS, OWN) == [
        Hierarchy(top / "memory", top / "memory/user/1", False, frozenset(["memory"])),
        Hierarchy(top / "cpu", top / "cpu/inner", False, frozenset(["cpu", "cpuacct"])),
        Hierarchy(top / "systemd", top / "systemd", False, frozenset(["name=systemd"])),
        Hierarchy(top / "unified", top / "unified/slice/scope", True, frozenset([""])),
    ]
    assert hierarchies("", OWN) == hierarchies(MOUNTS, "") == []


def test_a_group_that_is_hidden() -> None:
    """In a namespace of groups, the own one may be outside of what is mounted."""
    (tree,) = hierarchies("31 22 0:26 /outer /cg rw - cgroup2 cgroup2 rw\n", "0::/../other\n")
    assert tree.own == Path("/cg")


def test_files() -> None:
    assert settings_of(LIMITS, unified=True) == {
        "memory": [("memory.max", "67108864", False), ("memory.swap.max", "0", True)],
        "pids": [("pids.max", "12", False)],
        "cpu": [("cpu.max", "50000 100000", False)],
    }
    assert settings_of(LIMITS, unified=False)["cpu"] == [
        ("cpu.cfs_period_us", "100000", False),
        ("cpu.cfs_quota_us", "50000", False),
    ]
    assert settings_of(Limits(processes=1), unified=True).keys() == {"pids"}


class Tree:
    """A tree of version 2 in a directory."""

    def __init__(self, top: Path, patch: pytest.MonkeyPatch) -> None:
        self.top, self.own = top, top / "slice/scope"
        self.own.mkdir(parents=True)
        for place in (self.top, top / "slice", self.own):
            (place / "cgroup.procs").touch()
            (place / "cgroup.controllers").write_text("cpu memory pids\n")
            (place / "cgroup.subtree_control").touch()
        self.tree = Hierarchy(top, self.own, True, frozenset([""]))
        patch.setattr(module, "hierarchies", lambda _mounts, _own: [self.tree])


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tree:
    return Tree(tmp_path / "cgroup", monkeypatch)


def written(group: Group) -> dict[str, str]:
    (place,) = group.places
    return {path.name: path.read_text() for path in place.iterdir()}


def emptied(group: Group) -> None:
    for path in group.places[0].iterdir():
        path.unlink()


def test_below_the_own_one(tree: Tree) -> None:
    with limited(LIMITS) as group:
        assert group.places[0].parent == tree.own
        assert (tree.own / "cgroup.subtree_control").read_text() == "+cpu +memory +pids"
        assert written(group) == {"memory.max": "67108864", "pids.max": "12", "cpu.max": "50000 100000"}
        assert not group.killed_for_memory()
        (group.places[0] / "memory.events").write_text("low 0\noom 3\noom_kill 1\n")
        assert group.killed_for_memory()
        emptied(group)
    assert sorted(path.name for path in tree.own.iterdir()) == ["cgroup.controllers", "cgroup.procs"] + [
        "cgroup.subtree_control"
    ]


def test_below_one_further_up(tree: Tree) -> None:
    """Where the own one has not these controllers, or cannot have groups below it."""
    (tree.own / "cgroup.controllers").write_text("cpu\n")
    (tree.top / "slice/cgroup.subtree_control").write_text("memory pids cpu\n")
    with limited(LIMITS) as group:
        assert group.places[0].parent == tree.top / "slice"
        assert (tree.top / "slice/cgroup.subtree_control").read_text() == "memory pids cpu\n"
        emptied(group)


def test_none_is_needed(tree: Tree) -> None:
    with limited(Limits()) as group:
        assert group.places == ()


def test_where_it_is_not_permitted(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda _path, _mode: False)
    with pytest.raises(EnvironmentFailure, match="limits cannot be set") as caught, limited(LIMITS):
        pass
    hint = str(caught.value.hint)
    assert "systemd-run --user --scope -p MemoryMax=67108864 -p TasksMax=10 -p CPUQuota=50% freezer run" in hint


def test_groups_of_the_dead_go(tree: Tree) -> None:
    dead, alive = tree.own / "freezer-run-4194999-00000000", tree.own / f"freezer-run-{os.getpid()}-00000000"
    for place in (dead, alive):
        place.mkdir()
    with limited(Limits(processes=5)) as group:
        emptied(group)
    assert (dead.exists(), alive.exists()) == (False, True)
