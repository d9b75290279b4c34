"""Of all that was asked for, what the application needs and a build does not bring."""

from __future__ import annotations

from typing import Any

import pytest
from support import compile_c


def tables(needs: Any) -> dict[str, dict[str, str]]:
    return {name: table for name, table in needs.tables.items() if table}


def test_modules_by_whose_they_are(ground: Any) -> None:
    ground.modules = {"known"}
    facts = [
        ground.fact("module", name, ground.entry, more=place)
        for name, place in (
            ("own", ground.write(ground.app / "own.py")),
            ("pkg.sub", ground.packages / "pkg/sub.py"),
            ("graphlib", ground.standard / "graphlib.py"),
            ("known", ground.packages / "known.py"),
            ("tool", ground.tools / "tool.py"),
            ("system", "/usr/lib/python3/dist-packages/system.py"),
            ("itertools", "built-in"),
            ("os", "frozen"),
            ("namespace", ""),
            ("sitecustomize", ground.packages / "sitecustomize.py"),
            ("tests.test_a", ground.write(ground.app / "tests/test_a.py")),
            ("left.out", ground.packages / "left/out.py"),
        )
    ]
    needs = ground.needs(*facts, excluded=("left",))
    places = dict.fromkeys(("own", "pkg.sub", "graphlib"), "app.py:1")
    assert tables(needs) == {"modules": places}


def test_an_own_module_of_a_directory_that_the_code_finds_itself_is_a_file(ground: Any) -> None:
    place = ground.write(ground.app / "addons" / "late.py")
    needs = ground.needs(ground.fact("module", "late", ground.entry, more=place, line=4))
    assert tables(needs) == {"files": {"addons/late.py": "app.py:4"}}


def test_what_import_statements_of_a_learned_module_say_is_seen_by_a_build(ground: Any) -> None:
    plugin = ground.write(ground.app / "plugin.py", "import wave\n__import__('sched')\n")
    facts = [
        ground.fact("module", "plugin", ground.entry, more=plugin),
        ground.fact("module", "wave", plugin, more=ground.standard / "wave.py", line=1),
        ground.fact("module", "sched", plugin, more=ground.standard / "sched.py", line=2),
    ]
    assert tables(ground.needs(*facts)) == {"modules": {"plugin": "app.py:1", "sched": "plugin.py:2"}}
    ground.sources.add(plugin)
    assert "wave" in tables(ground.needs(*facts))["modules"]  # a build has not seen it


def test_names_that_are_called_after_the_machine(ground: Any) -> None:
    facts = [
        ground.fact("module", name, ground.entry, more=ground.standard / "x.py")
        for name in ("_sysconfigdata__linux_x86_64-linux-gnu", "_sysconfigdata_x", "odd-name")
    ]
    assert tables(ground.needs(*facts)) == {}


def test_files(ground: Any) -> None:
    write, packages = ground.write, ground.packages
    write(ground.contents / "there.txt")
    write(ground.contents / "pkg/there.bin")
    names = {
        "data/a.txt": write(ground.app / "data/a.txt"),
        "there.txt": write(ground.app / "there.txt"),
        "written.txt": write(ground.app / "written.txt"),
        "gone.txt": ground.app / "gone.txt",
        "tests/x.json": write(ground.app / "tests/x.json"),
        "app.log": write(ground.app / "app.log"),
        "pkg/there.bin": write(packages / "pkg/there.bin"),
        "pkg/a.bin": write(packages / "pkg/a.bin"),
        "pkg/code.py": write(packages / "pkg/code.py"),
        "x.pth": write(packages / "x.pth"),
        "os.py": write(ground.standard / "os.py"),
        "hosts": "/etc/hosts",
    }
    write(ground.app / "tests/test_x.py")
    facts = [ground.fact("read", path, ground.entry, line=7) for path in names.values()]
    facts.append(ground.fact("write", names["written.txt"]))
    facts.append(ground.fact("read", write(packages / "pkg/read.py"), ground.entry, more="source", line=8))
    assert tables(ground.needs(*facts)) == {
        "files": {"data/a.txt": "app.py:7"},
        "package_files": {"pkg/a.bin": "app.py:7", "pkg/read.py": "app.py:8"},
    }


def test_a_file_that_is_written_meanwhile_is_not_needed(ground: Any) -> None:
    path = ground.write(ground.app / "cache.db")
    ground.began = path.stat().st_mtime_ns
    assert tables(ground.needs(ground.fact("read", path, ground.entry))) == {}
    ground.began += 1
    assert "files" in tables(ground.needs(ground.fact("read", path, ground.entry)))


def test_a_module_that_a_test_has_written_is_not_needed(ground: Any) -> None:
    """Whether it is still there or not."""
    for place in ("made.py", "temporary/deeper/made.py"):
        path = ground.write(ground.app / place)
        fact = ground.fact("module", "made", ground.entry, more=path)
        assert tables(ground.needs(fact)) != {}
        assert tables(ground.needs(fact, ground.fact("write", path))) == {}
        ground.began, before = path.stat().st_mtime_ns, ground.began
        assert tables(ground.needs(fact)) == {}
        ground.began = before
        path.unlink()
        assert tables(ground.needs(fact)) == {}


def test_a_source_that_is_loaded_by_its_path_is_a_file(ground: Any) -> None:
    """What it imports counts, and no build sees that; a module that is known by its name is none."""
    plugin, module = ground.write(ground.app / "plugs/one.py", "import wave\n"), ground.write(ground.app / "module.py")
    facts = [
        ground.fact("loaded", plugin, ground.entry, more="source"),
        ground.fact("loaded", module, ground.entry, more="source"),
        ground.fact("swept", "module", more=module),
        ground.fact("module", "wave", plugin, more=ground.standard / "wave.py"),
    ]
    assert tables(ground.needs(*facts)) == {
        "files": {"plugs/one.py": "app.py:1"},
        "modules": {"module": "another way of importing", "wave": "plugs/one.py:1"},
    }


def test_a_source_that_python_reads_to_run_it_is_no_data(ground: Any) -> None:
    worker = ground.write(ground.app / "worker.py")
    facts = [ground.fact("read", path, "", child=True) for path in (ground.entry, worker)]
    assert tables(ground.needs(*facts)) == {"files": {"worker.py": "a process that it started"}}


def test_secrets_stay_out_and_are_named(ground: Any) -> None:
    path = ground.write(ground.app / ".env", "PASSWORD=x")
    needs = ground.needs(ground.fact("read", path, ground.entry, line=9))
    assert tables(needs) == {}
    assert needs.left_out == {".env": "a secret; asked for at app.py:9"}


def test_metadata(ground: Any) -> None:
    ground.write(ground.contents / "there-1.dist-info/METADATA")
    facts = []
    for name in ("some_thing-1.2.dist-info/METADATA", "there-1.dist-info/METADATA", "any-1.dist-info/entry_points.txt"):
        facts.append(ground.fact("read", ground.write(ground.packages / name), ground.entry))
    assert tables(ground.needs(*facts)) == {"metadata": {"some_thing": "app.py:1"}}


def test_groups_of_entry_points_that_are_not_all_there(ground: Any) -> None:
    for name, group in (("one", "a"), ("two", "b")):
        ground.write(ground.packages / f"{name}-1.dist-info/METADATA", f"Name: {name}\nVersion: 1\n")
        ground.write(ground.packages / f"{name}-1.dist-info/entry_points.txt", f"[{group}]\nx = {name}.plugin:run\n")
    ground.modules = {"one.plugin", "two.plugin"}
    ground.write(ground.contents / "one-1.dist-info/METADATA")
    facts = [ground.fact("group", group, ground.entry) for group in ("a", "b", "pytest11")]
    assert tables(ground.needs(*facts)) == {"entry_points": {"b": "app.py:1"}}


def test_a_directory_that_is_listed(ground: Any) -> None:
    for name in ("a.txt", "sub/b.txt", ".env"):
        ground.write(ground.app / "plugins" / name)
    needs = ground.needs(ground.fact("list", ground.app / "plugins", ground.entry, line=2))
    assert tables(needs) == {"files": {"plugins/": "app.py:2"}}
    ground.write(ground.contents / "plugins" / "a.txt")
    assert tables(ground.needs(ground.fact("list", ground.app / "plugins", ground.entry, line=2))) == {}


def test_the_applications_own_directory_is_listed(ground: Any) -> None:
    for name in ("a.txt", ".hidden", "app.log"):
        ground.write(ground.app / name)
    ground.write(ground.contents / "app.py")
    needs = ground.needs(ground.fact("list", ground.app, ground.entry, line=2))
    assert tables(needs) == {"files": {"a.txt": "app.py:2"}}


def test_a_package_lists_its_own_directories_alone(ground: Any) -> None:
    """A server that watches for changes looks into all packages."""
    core = ground.write(ground.packages / "pkg/core.py")
    ground.write(ground.packages / "pkg/themes/dark.css")
    other = ground.write(ground.packages / "watcher/core.py")
    ground.sources |= {core, other}
    folder = ground.packages / "pkg/themes"
    assert tables(ground.needs(ground.fact("list", folder, other))) == {}
    assert tables(ground.needs(ground.fact("list", ground.packages, core))) == {}
    assert tables(ground.needs(ground.fact("list", folder, core))) == {
        "package_files": {"pkg/themes/": "pkg/core.py:1"}
    }


@pytest.mark.parametrize("name", ["libthere.so.1", "libc.so.6", "libGL.so.1", "libnss_files.so.2", "odd"])
def test_libraries_that_need_not_come(ground: Any, name: str) -> None:
    ground.libraries = {"libthere.so.1"}
    assert tables(ground.needs(ground.fact("library", name, ground.entry))) == {}


def test_libraries(ground: Any) -> None:
    own = ground.write(ground.app / "native" / "libown.so")
    package = ground.write(ground.packages / "pkg.libs" / "libdep.so.2")
    facts = [ground.fact("library", name, ground.entry) for name in ("libpq.so.5", "/usr/lib/libx.so.1", own, package)]
    assert tables(ground.needs(*facts)) == {
        "libraries": {"libpq.so.5": "app.py:1", "libx.so.1": "app.py:1"},
        "files": {"native/libown.so": "app.py:1"},
        "package_files": {"pkg.libs/libdep.so.2": "app.py:1"},
    }


def test_files_that_c_code_has_opened(ground: Any) -> None:
    ground.modules = {"pkg.core"}
    paths = (ground.app / "model.bin", ground.app / "test_a.py", ground.packages / "pkg/x.bin",
             ground.packages / "stranger/x.bin", ground.folder / "else.bin")  # fmt: skip
    facts = [ground.fact("native", ground.write(path)) for path in paths]
    place = "code that is not Python's"
    assert tables(ground.needs(*facts)) == {"files": {"model.bin": place}, "package_files": {"pkg/x.bin": place}}


def test_libraries_that_c_code_has_opened(ground: Any) -> None:
    """What is mapped, but linked to nothing that is."""
    ground.modules = {"pkg"}
    needed = compile_c("int a;", ground.packages / "pkg/libneeded.so", "-shared", "-fPIC", "-Wl,-soname,libneeded.so")
    module = compile_c(
        "extern int a; int *b(void) { return &a; }", ground.packages / "pkg/core.so", "-shared", "-fPIC",
        libraries=[needed],
    )  # fmt: skip
    opened = compile_c("int c;", ground.packages / "pkg/libopened.so", "-shared", "-fPIC")
    foreign = compile_c("int c;", ground.packages / "other/libopened2.so", "-shared", "-fPIC")
    facts = [ground.fact("mapped", path) for path in (needed, module, opened, foreign)]
    facts.append(ground.fact("module", "pkg.core", ground.entry, more=module))
    needs = ground.needs(*facts)
    assert tables(needs) == {
        "modules": {"pkg.core": "app.py:1"},
        "package_files": {"pkg/libopened.so": "mapped into memory"},
    }


def test_what_people_are_told(ground: Any) -> None:
    """Of programs, variables and processes, what the application's own code asks for."""
    core = ground.write(ground.packages / "pkg/core.py")
    ground.sources.add(core)
    facts = [
        ground.fact(kind, name, asker)
        for asker in (ground.entry, core)
        for kind, name in (
            ("program", f"git{asker.stem}"),
            ("program", "/tmp/no-longer-there.sh"),
            ("program", "/x/bin/python3"),
            ("variable", f"DEBUG_{asker.stem}"),
            ("unseen", f"python-{asker.stem}"),
        )
    ]
    needs = ground.needs(*facts)
    assert (needs.programs, needs.variables) == ({"gitapp": "app.py:1"}, {"DEBUG_app": "app.py:1"})
    assert needs.unseen == {"python-app": "app.py:1"}
    assert tables(needs) == {}


def test_a_project_whose_tests_import_its_sources(ground: Any) -> None:
    """The sources are not what is frozen: that is the wheel, which has the same files."""
    for name in ("pyproject.toml", "src/pkg/__init__.py", "src/pkg/core.py", "src/pkg/not-in-wheel.txt"):
        ground.write(ground.app / name)
    wheel = ground.cache / "work" / "job" / "application"
    for name in ("pkg/__init__.py", "pkg/core.py"):
        ground.write(wheel / name)
        ground.write(ground.contents / name)
    ground.sources = {wheel / "pkg/__init__.py", wheel / "pkg/core.py"}
    ground.modules = {"pkg", "pkg.core"}
    grounds = ground.grounds(ground.application(search=(wheel,)), entry=".")
    core = ground.app / "src/pkg/core.py"
    needs = ground.needs(
        ground.fact("module", "graphlib", core, more=ground.standard / "graphlib.py", line=3),
        ground.fact("read", ground.app / "src/pkg/not-in-wheel.txt", core, line=4),
        ground.fact("read", core, core),
        ground.fact("module", "sched", ground.app / "other.py", more=ground.standard / "sched.py"),
        grounds=grounds,
    )
    assert tables(needs) == {
        "modules": {"graphlib": "src/pkg/core.py:3"},
        "files": {"src/pkg/not-in-wheel.txt": "src/pkg/core.py:4"},
    }
