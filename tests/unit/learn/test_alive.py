"""What code of the application asks for counts, and nothing else."""

from __future__ import annotations

from typing import Any


def test_only_what_the_application_asks_for_counts(ground: Any) -> None:
    """What a kept module asks for does; what tests, tools and the command itself ask for does not."""
    test = ground.write(ground.app / "tests" / "test_a.py")
    plugin = ground.write(ground.app / "plugin.py")
    core = ground.packages / "pkg/core.py"
    needs = ground.needs(
        ground.fact("module", "wave", core, more=ground.standard / "wave.py", line=3),
        ground.fact("module", "pkg.core", plugin, more=core, line=2),
        ground.fact("module", "plugin", ground.entry, more=plugin),
        ground.fact("module", "sched", test, more=ground.standard / "sched.py"),
        ground.fact("module", "fake", test, more=ground.packages / "fake.py"),
        ground.fact("module", "shelve", ground.packages / "fake.py", more=ground.standard / "shelve.py"),
        ground.fact("module", "pdb", ground.tools / "pytest.py", more=ground.standard / "pdb.py"),
        ground.fact("module", "flask.__main__", "", more=ground.packages / "flask/__main__.py"),
        ground.fact("module", "worker.run", "", more=ground.packages / "worker/run.py", child=True),
    )
    assert {name: table for name, table in needs.tables.items() if table} == {
        "modules": {
            "plugin": "app.py:1",
            "pkg.core": "plugin.py:2",
            "wave": "pkg/core.py:3",
            "worker.run": "a process that it started",
        }
    }


def test_what_other_code_asks_for_does_not_count(ground: Any) -> None:
    from freezer.learn.alive import counted, is_alive

    grounds = ground.grounds()
    facts = [
        ground.fact("read", ground.app / "a.txt", ground.entry),
        ground.fact("read", "/x", ground.app / "other.py"),
    ]
    assert counted(facts, ground.brought().sources, grounds) == facts[:1]
    assert is_alive(str(ground.entry), ground.brought().sources, grounds)
    assert not is_alive(str(ground.app / "other.py"), ground.brought().sources, grounds)
