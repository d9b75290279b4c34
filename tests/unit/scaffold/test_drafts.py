"""The files of a project: found, given, and kept. The build environment is not made: what a survey would tell is."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import images
import pytest
import yaml

from freezer.application.never_taken import is_for_tools
from freezer.application.own import OwnFile, OwnFound
from freezer.base.errors import FreezerError, InputError, UsageError
from freezer.base.log import Log
from freezer.plan.build import Plan
from freezer.plan.choices import EntryKind
from freezer.plan.resolve import resolve
from freezer.scaffold.ci_jobs import CiService
from freezer.scaffold.described import Workload
from freezer.scaffold.drafts import Command, Wish, drafts_for_image, drafts_for_project, folder_for
from freezer.scaffold.placing import place

NONE = Wish()
ALL = Wish(ci=CiService.GITHUB, kubernetes=True, compose=True)


class Project:
    """A directory in which freezer init is called. ``surveyed`` counts how often the application was looked at."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.surveyed = 0
        self.log = Log(stream=io.StringIO())
        self.requirements: tuple[Path, ...] = ()
        self.own_data: tuple[str, ...] = ()
        self.imports: tuple[tuple[str, Path, int], ...] = ()

    def write(self, **files: str) -> None:
        for name, text in files.items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    def survey(self, plan: Plan) -> Any:
        self.surveyed += 1
        self.requirements = plan.requirements
        files = tuple(OwnFile(self.folder / name, ".", 1, "beside") for name in self.own_data)
        sources = (plan.entry.path,) if plan.entry.kind is EntryKind.SCRIPT else ()
        own = OwnFound(top=self.folder, files=files)
        return SimpleNamespace(name=plan.name or "found", own=own, own_files=sources, own_imports=self.imports)

    def init(self, wish: Wish = NONE, *, force: bool = False, cwd: Path | None = None, **given: Any) -> list[str]:
        """The names of the files that are written."""
        cwd = cwd or self.folder
        folder = folder_for(given.get("entry"), cwd)
        drafts = drafts_for_project(Command(given, wish, force, cwd, {}), folder, self.survey, self.log)
        placed = place(drafts, cwd, force=force, dry_run=False)
        return [os.path.relpath(path, self.folder) for path in placed.written]

    def plan(self) -> Plan:
        """The plan of a build without options."""
        return resolve({}, folder=self.folder, environ={})

    @property
    def settings(self) -> str:
        return (self.folder / "pyproject.toml").read_text()


@pytest.fixture
def project(tmp_path: Path) -> Project:
    folder = tmp_path / "project"
    folder.mkdir()
    return Project(folder)


def test_a_script_with_requirements(project: Project) -> None:
    project.write(**{"app.py": "", "requirements.txt": "", ".dockerignore": "docs\n*.md\n"})
    project.own_data = ("docs/a", "b.txt")
    assert project.init() == ["pyproject.toml"]
    # Without them, it cannot be looked at.
    assert project.requirements == (project.folder / "requirements.txt",)
    assert project.settings == (
        '[tool.freezer]\nentry = "app.py"\nname = "app"\nexclude-data = ["docs", "*.md"]\n'
        'requirement = ["requirements.txt"]\n'
    )
    plan = project.plan()
    assert (plan.entry.path, plan.name) == (project.folder / "app.py", "app")
    assert plan.requirements == (project.folder / "requirements.txt",)
    assert plan.exclude_data == ("docs", "*.md")
    # Again, and nothing changes, nor is the application looked at.
    assert project.init() == []
    assert project.surveyed == 1
    assert project.init(force=True) == []


def test_options_are_written(project: Project) -> None:
    project.write(**{"app.py": "", "requirements.txt": "", "other.txt": "", ".dockerignore": "docs"})
    options: dict[str, Any] = {"requirement": ["other.txt"], "exclude_data": ["x"], "name": "shop", "linker": "native"}
    assert project.init(entry="app.py", **options) == ["pyproject.toml"]
    plan = project.plan()
    assert plan.requirements == (project.folder / "other.txt",)
    assert (plan.exclude_data, plan.name, plan.linker.value) == (("x",), "shop", "native")
    assert project.init(entry="app.py", **options) == []
    assert project.init(name="shop") == []
    assert project.init(entry=".") == []
    project.write(**{"b.py": ""})
    changes: list[dict[str, Any]] = [{"name": "other"}, {"console_script": "x"}, {"entry": "b.py"}, {"entry": "a:b"}]
    for change in changes:
        before = project.settings
        with pytest.raises(InputError, match="would change"):
            project.init(**change)
        assert project.settings == before
    # What is not there yet is added, and an image has a file.
    before = project.settings
    assert project.init(tzdata=True, port=["80"], name="shop") == ["pyproject.toml"]
    added = '\n[tool.freezer.image]\noutput = "dist/shop.tar"\nport = ["80"]\n'
    assert project.settings == before + "tzdata = true\n" + added
    assert project.surveyed == 1
    assert project.init(name="other", force=True) == ["pyproject.toml"]
    assert (project.plan().name, project.plan().linker.value) == ("other", "native")


def test_inline_metadata_has_the_requirements(project: Project) -> None:
    project.write(**{"app.py": '# /// script\n# dependencies = ["rich"]\n# ///\n', "requirements.txt": "x"})
    project.init()
    assert "requirement" not in project.settings


PROJECT = '# theirs\n[project]\nname = "shop"  # kept\nscripts.serve = "shop:main"\n'


def test_a_project(project: Project) -> None:
    project.write(**{"pyproject.toml": PROJECT, "requirements.txt": "pytest"})
    assert project.init() == ["pyproject.toml"]
    assert project.settings == PROJECT + '\n[tool.freezer]\nconsole-script = "found"\nname = "found"\n'
    plan = project.plan()
    assert (plan.entry.kind, plan.entry.console_script, plan.name) == (EntryKind.PROJECT, "found", "found")
    assert project.init(force=True) == []


@pytest.mark.parametrize("given", [{"entry": ".", "entry_point": "shop:main"}, {"console_script": "serve"}])
def test_a_project_by_a_function_or_script(project: Project, given: dict[str, Any]) -> None:
    project.write(**{"pyproject.toml": PROJECT})
    project.init(**given)
    plan = project.plan()
    assert plan.entry.kind is EntryKind.PROJECT
    assert (plan.entry.function, plan.entry.console_script) == (given.get("entry_point"), given.get("console_script"))
    assert project.init(force=True) == []


@pytest.mark.parametrize("given", [{}, {"entry": "."}])
def test_a_project_without_console_scripts(project: Project, given: dict[str, Any]) -> None:
    """As uv begins one."""
    text = '[project]\nname = "shop"\n'
    project.write(**{"pyproject.toml": text, "main.py": "def main():\n    pass\n"})
    assert project.init(**given) == ["pyproject.toml"]
    new = '\n[tool.freezer]\nentry = "."\nentry-point = "main:main"\nname = "shop"\n'
    assert project.settings == text + new
    plan = project.plan()
    assert (plan.entry.kind, plan.entry.function, plan.name) == (EntryKind.PROJECT, "main:main", "shop")
    assert project.init(**given) == project.init(force=True) == []


def test_a_project_elsewhere(project: Project) -> None:
    project.write(**{"sub/pyproject.toml": PROJECT, "r.txt": ""})
    assert project.init(entry="sub", requirement=["r.txt"]) == ["sub/pyproject.toml"]
    assert 'requirement = ["../r.txt"]' in (project.folder / "sub" / "pyproject.toml").read_text()


@pytest.mark.parametrize(
    ("files", "given", "kind", "name"),
    [
        ({"bin/tool.py": ""}, {"entry": "bin/tool.py"}, EntryKind.SCRIPT, "tool"),
        ({"pkg/__init__.py": "", "pkg/__main__.py": ""}, {}, EntryKind.PACKAGE, "pkg"),
        ({"__main__.py": ""}, {}, EntryKind.SCRIPT, "project"),
        ({"mod.py": ""}, {"entry": "mod:main"}, EntryKind.MODULE, "mod"),
        ({"src/mod.py": ""}, {"entry_point": "mod:main"}, EntryKind.MODULE, "mod"),
        ({}, {"with": ["glances"]}, EntryKind.INSTALLED, "glances"),
        ({}, {"with": ["a", "b"], "console_script": "c"}, EntryKind.INSTALLED, "c"),
        ({"pyproject.toml": "[tool.ruff]\n", "app.py": ""}, {}, EntryKind.SCRIPT, "app"),
    ],
)
def test_every_kind_of_entry_is_read_back(
    project: Project, files: dict[str, str], given: dict[str, Any], kind: EntryKind, name: str
) -> None:
    project.write(**files)
    assert project.init(**given) == ["pyproject.toml"]
    plan = project.plan()
    assert (plan.entry.kind, plan.name) == (kind, name)
    first = resolve(given, folder=project.folder, environ={}).entry if given else plan.entry
    assert plan.entry == first
    assert project.init(**given) == []


def test_nothing_to_freeze(project: Project) -> None:
    with pytest.raises(UsageError, match="nothing to freeze"):
        project.init()
    assert os.listdir(project.folder) == []


def test_the_python_of_the_project(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    version = ".".join(map(str, sys.version_info[:2]))
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    project.write(**{"app.py": "", ".python-version": f"{version}.99\n"})
    project.init()
    assert f'python = "{version}"' in project.settings
    (project.folder / "pyproject.toml").unlink()
    project.write(**{".python-version": "2.5.1\n"})
    project.init()
    assert "python" not in project.settings.replace("pyproject", "")
    assert any("names Python 2.5" in warning for warning in project.log.warnings)


def test_settings_in_setup_cfg_stay_there(project: Project) -> None:
    project.write(**{"app.py": "", "setup.cfg": "[freezer]\nentry = app.py\nname = shop\n"})
    assert project.init() == []
    assert project.init(Wish(kubernetes=True)) == ["k8s.yaml"]
    changes: tuple[dict[str, Any], ...] = ({"force": True}, {"tzdata": True})
    for change in changes:
        with pytest.raises(InputError, match=r"setup\.cfg"):
            project.init(**change)


def test_what_runs_the_image(project: Project) -> None:
    project.write(**{"app.py": ""})
    given: dict[str, Any] = {"port": ["8080"], "tag": ["registry.example/team/shop:1"], "linker": "native"}
    written = project.init(ALL, **given)
    assert written == ["pyproject.toml", ".github/workflows/image.yml", "k8s.yaml", "compose.yaml"]
    plan = project.plan()
    assert plan.image is not None
    assert plan.image.output == project.folder / "dist" / "app.tar"
    workflow = (project.folder / ".github/workflows/image.yml").read_text()
    assert "run: freezer build\n" in workflow
    assert "freezer check dist/app.tar" in workflow
    assert "gcc" in workflow
    assert "registry.example/team/shop" in workflow
    kinds = [item["kind"] for item in yaml.safe_load_all((project.folder / "k8s.yaml").read_text())]
    assert kinds == ["Deployment", "Service"]
    assert project.log.warnings == []
    assert project.init(ALL, **given) == project.init(ALL) == []
    assert project.surveyed == 1


def test_what_is_written_is_no_data_of_the_application(project: Project) -> None:
    """Data beside a script comes along if the script asks for its place."""
    project.write(**{"app.py": ""})
    for wish in (ALL, Wish(ci=CiService.GITLAB)):
        for name in project.init(wish, tag=["a/b:1"]):
            assert is_for_tools(name) or name.startswith("."), name


def test_an_image_that_settings_do_not_speak_of(project: Project) -> None:
    """Settings that are there stay as they are; the job says what to write."""
    project.write(**{"app.py": "", "pyproject.toml": "[tool.freezer]\nentry = 'app.py'\n"})
    project.imports = (("flask", project.folder / "app.py", 1),)
    assert project.init(Wish(ci=CiService.GITLAB, kubernetes=True)) == [".gitlab-ci.yml", "k8s.yaml"]
    assert "freezer build --image dist/app.tar --verify=auto" in (project.folder / ".gitlab-ci.yml").read_text()
    assert any("docker.io/library/app:latest" in warning for warning in project.log.warnings)
    assert yaml.safe_load((project.folder / "k8s.yaml").read_text())["kind"] == "Job"


def test_a_server_without_a_port(project: Project) -> None:
    project.write(**{"app.py": ""})
    project.imports = (("json", project.folder / "app.py", 1), ("flask", project.folder / "app.py", 2))
    project.init(Wish(kubernetes=True), tag=["a/b:1"])
    assert project.log.warnings == ["no port is exposed, though flask is imported; to expose one: --port PORT"]


def test_a_project_below_a_repository(project: Project) -> None:
    """CI is the repository's."""
    project.write(**{"sub/app.py": ""})
    subprocess.run(["git", "init", "-q", project.folder], check=True)
    sub = project.folder / "sub"
    assert project.init(Wish(ci=CiService.GITHUB), cwd=sub) == ["sub/pyproject.toml", ".github/workflows/image.yml"]
    workflow = yaml.safe_load((project.folder / ".github/workflows/image.yml").read_text())
    assert workflow["jobs"]["image"]["defaults"]["run"]["working-directory"] == "sub"


def test_files_of_others_stay(project: Project) -> None:
    project.write(**{"app.py": "", "k8s.yaml": "theirs\n"})
    with pytest.raises(FreezerError, match=r"k8s\.yaml exists already"):
        project.init(ALL, tag=["a/b:1"])
    assert sorted(os.listdir(project.folder)) == ["app.py", "k8s.yaml"]


def test_root_is_refused_before_anything_is_written(project: Project) -> None:
    project.write(**{"app.py": ""})
    with pytest.raises(InputError, match="runs as root"):
        project.init(ALL, user="0")
    assert os.listdir(project.folder) == ["app.py"]


def test_a_malformed_file_of_settings(project: Project) -> None:
    project.write(**{"app.py": "", "pyproject.toml": "[tool"})
    with pytest.raises(InputError, match="cannot read"):
        project.init()
    assert project.surveyed == 0


@pytest.mark.parametrize(
    ("place", "wanted"), [("app.py", "."), ("a/app.py", "."), (".", "."), ("p", "p"), ("d", "."), ("../x/y.py", "../x")]
)
def test_whose_settings_are_meant(tmp_path: Path, place: str, wanted: str) -> None:
    cwd = tmp_path / "cwd"
    for name in ("cwd/a", "cwd/p", "cwd/d", "x"):
        (tmp_path / name).mkdir(parents=True)
    for name in ("cwd/app.py", "cwd/a/app.py", "cwd/p/setup.py", "cwd/d/__main__.py", "x/y.py"):
        (tmp_path / name).write_text("")
    assert folder_for(place, cwd) == Path(os.path.normpath(cwd / wanted))
    assert folder_for(None, cwd) == folder_for("a.b:c", cwd) == cwd


def test_an_image_in_a_file(tmp_path: Path) -> None:
    image = images.Made(images.archive(), settings={"User": "1000", "ExposedPorts": {"80/tcp": {}}})
    drafts = drafts_for_image(image.write(tmp_path / "i.tar"), Wish(kubernetes=True, compose=True), None, tmp_path)
    assert [draft.path.name for draft in drafts] == ["k8s.yaml", "compose.yaml"]
    assert "docker.io/library/a:1" in drafts[0].text
    wish = Wish(kubernetes=True, workload=Workload.JOB)
    (draft,) = drafts_for_image(tmp_path / "i.tar", wish, "other/name:2", tmp_path)
    assert "kind: Job" in draft.text
    assert "docker.io/other/name:2" in draft.text
