"""What an application on some ground is made of: the driver, asked about made-up applications."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

import pytest

from freezer.application.drivers import DRIVERS

sys.path.insert(0, str(DRIVERS))
own_parts: Any = importlib.import_module("own_parts")
del sys.path[0]


def parts(top: Path, files: dict[str, str], entry: str = "app.py", **changes: Any) -> Any:
    """The parts of the script ``entry`` in a directory with ``files``; ``only`` and ``refused`` have reasons."""
    for name, text in files.items():
        path = top / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    only, refused = changes.pop("only", {}), changes.pop("refused", {})
    roots = changes.pop("roots", [str(top)])
    paths = {name: str(top / name) for name in files if name not in refused}
    ground = {
        "own": "all", "top": str(top), "project": str(top), "limited": False,
        "code": [path for path in paths.values() if path.endswith(".py")],
        "data": [
            (path, len(files[name]), only.get(name, "")) for name, path in paths.items() if not path.endswith(".py")
        ],
        "refused": [(str(top / name), reason) for name, reason in refused.items()],
        **changes,
    }  # fmt: skip
    made = own_parts.OwnParts(ground, roots)
    made.visit(str(top / entry), "__main__")
    made.files.finish()
    return made


def places(made: Any) -> set[str]:
    """The files in the bundle."""
    found = [(Path(path).name, folder) for path, folder, _ in made.files.placed(made.packages)]
    return {name if folder == "." else f"{folder}/{name}" for name, folder in found}


PLUGINS = {"plugins/one.py": "", "plugins/two.py": "import helper\n", "helper.py": "", "stranger.py": ""}
PACKAGE = {"pkg/__init__.py": "", "pkg/sub/__init__.py": "", "pkg/sub/deep.py": "", "pkg/other.py": ""}


@pytest.mark.parametrize(
    "code",
    [
        "import_module('plugins.' + name)",
        "import_module(f'plugins.{name}')",
        "NAMES = ['plugins.one']",
        "import plugins",
        "from plugins import one",
        "for p in iter_modules(['plugins']): pass",
        "import_module('.one', package='plugins')",
    ],
)
def test_a_package_that_is_named_comes_whole(tmp_path: Path, code: str) -> None:
    made = parts(tmp_path, {"app.py": code + "\n", **PLUGINS})
    assert {"plugins.one", "plugins.two"} <= set(made.modules)
    assert "stranger" not in made.modules
    assert str(tmp_path / "helper.py") in made.visited


def test_all_submodules_of_a_package_that_is_imported(tmp_path: Path) -> None:
    made = parts(tmp_path, {"app.py": "import pkg\n", **PACKAGE})
    assert set(made.modules) == {"pkg", "pkg.sub", "pkg.sub.deep", "pkg.other"}
    assert made.modules["pkg.other"] == "part of the package pkg"
    assert made.packages == {"pkg": str(tmp_path / "pkg")}


def test_modules_and_those_that_they_name(tmp_path: Path) -> None:
    files = {
        "app.py": "import a\nx = 'b'\n",
        "a.py": "run('c:main')\n",
        "b.py": "f'd_{x}'\n",
        "c.py": "",
        "d_1.py": "",
        "e.py": "",
    }
    made = parts(tmp_path, files)
    assert made.modules == {
        "b": "named at app.py:2",
        "c": "named at a.py:1",
        "d_1": "its name may be computed at b.py:1",
    }


def test_the_script_itself_is_a_module_only_where_an_object_of_it_is_named(tmp_path: Path) -> None:
    assert parts(tmp_path, {"app.py": "x = 'app'\n"}).modules == {}
    assert set(parts(tmp_path, {"app.py": "uvicorn.run('app:app')\n"}).modules) == {"app"}


def test_a_mere_directory_is_not_a_package_of_the_environment(tmp_path: Path) -> None:
    """A checkout beside the script, called as the distribution that it makes."""
    made = parts(
        tmp_path, {"app.py": "import json, pytest\n", "json/x.py": "", "pytest/setup.py": "", "pytest/x.txt": ""}
    )
    assert (made.modules, places(made)) == ({}, set())


def test_modules_of_others(tmp_path: Path) -> None:
    code = (
        "CONFIG = {'class': 'logging.handlers.RotatingFileHandler'}\n__import__('colorsys')\nx = 'pytest'\ny = 'a.b'\n"
    )
    made = parts(tmp_path, {"app.py": code})
    assert made.foreign.modules == {"logging.handlers", "colorsys"}


def test_packages_of_others_that_are_installed_apps(tmp_path: Path) -> None:
    made = parts(
        tmp_path, {"app.py": "INSTALLED_APPS = ['xml.sax', 'email.apps.MailConfig', 'own']\n", "own/__init__.py": ""}
    )
    assert made.foreign.whole == {"xml.sax", "email"}
    assert set(made.modules) == {"own"}


def test_a_directory_that_is_searched(tmp_path: Path) -> None:
    code = "import sys, os\nsys.path.insert(0, os.path.join(os.path.dirname(__file__), 'lib'))\nimport vendored\n"
    files = {"app.py": code, "lib/vendored/__init__.py": "", "lib/vendored/x.txt": "", "lib/other.py": ""}
    made = parts(tmp_path, files)
    assert made.search == [str(tmp_path / "lib")]
    assert set(made.modules) == {"vendored"}
    assert "vendored/x.txt" in places(made)
    assert [module for module, _, _ in made.imports] == ["sys", "os", "vendored"]


def test_a_script_in_a_package_that_searches_above_it(tmp_path: Path) -> None:
    """As a Django project in a package: its settings are in the package, and not beside the script."""
    search = "sys.path.insert(0, os.path.dirname(os.path.dirname(__file__)))\n"
    package = {"site/__init__.py": "", "site/settings.py": "import site.urls\n", "site/urls.py": "", "site/a.html": ""}
    made = parts(
        tmp_path,
        {"site/manage.py": search + "setdefault('DJANGO_SETTINGS_MODULE', 'site.settings')\n", **package},
        entry="site/manage.py",
        roots=[str(tmp_path / "site")],
    )
    assert {"site.settings", "site.urls"} <= set(made.modules)
    assert places(made) == {"site/a.html"}


def test_a_directory_outside_of_the_project_is_not(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    code = "sys.path.append(str(Path(__file__).parent.parent / 'other'))\n"
    assert parts(tmp_path / "project", {"app.py": code}).search == []


def test_data_beside_code_that_asks_for_its_place(tmp_path: Path) -> None:
    files = {"app.py": "open(Path(__file__).parent / x)\n", "x.json": "{}", "static/a/b.css": "", "README": ""}
    made = parts(tmp_path, files, only={"README": "for people"})
    assert places(made) == {"x.json", "static/a/b.css"}
    assert set(made.files.data.values()) == {"beside the code, which asks for its place: __file__ at app.py:1"}


def test_data_that_nothing_asks_for(tmp_path: Path) -> None:
    made = parts(
        tmp_path, {"app.py": "print('static', 'b/c')\n", "x.json": "", "photo.jpg": "", "static/a.css": "", "b/c/d": ""}
    )
    assert places(made) == {"b/c/d"}


def test_data_of_a_directory_that_is_no_project(tmp_path: Path) -> None:
    files = {
        "app.py": "import pkg\nopen(Path(__file__).parent / x)\n",
        "diary.txt": "",
        "pkg/__init__.py": "",
        "pkg/x": "",
    }
    assert places(parts(tmp_path, files, limited=True)) == {"pkg/x"}


def test_data_of_packages(tmp_path: Path) -> None:
    files = {"app.py": "import pkg\n", **PACKAGE, "pkg/a.txt": "", "pkg/data/.hidden": "", "pkg/big": "", "b.txt": ""}
    made = parts(tmp_path, files, only={"pkg/big": "larger than 20 MB"})
    assert places(made) == {"pkg/a.txt", "pkg/data/.hidden"}


def test_a_package_that_asks_for_what_is_above_it(tmp_path: Path) -> None:
    files = {"app.py": "import pkg\n", "pkg/__init__.py": "p = __file__\n", "b.txt": ""}
    assert places(parts(tmp_path, files)) == set()
    files["pkg/__init__.py"] = "BASE_DIR = Path(__file__).resolve().parent.parent\n"
    assert places(parts(tmp_path, files)) == {"b.txt"}


def test_sources_that_are_read_as_files(tmp_path: Path) -> None:
    """As alembic's: outside any package, and with names that no statement imports."""
    migrations = {
        "store/migrations/env.py": "import colorsys\n",
        "store/migrations/versions/2024-first.py": "import plistlib\n",
    }
    made = parts(tmp_path, {"app.py": "import store\n", "store/__init__.py": "", **migrations})
    assert places(made) == set(migrations)
    assert made.modules["store.migrations.env"] == "part of the package store"
    assert made.foreign.modules == {"plistlib"}


def test_a_mere_directory_that_settings_name(tmp_path: Path) -> None:
    code = "Config(Path(__file__).parent / 'alembic.ini')\n"
    files = {"alembic.ini": "script_location = %(here)s/migrations\n", "migrations/env.py": "import models\n"}
    made = parts(tmp_path, {"app.py": code, **files, "models.py": ""})
    assert places(made) == set(files)
    assert str(tmp_path / "models.py") in made.visited


@pytest.mark.parametrize("code", ["os.listdir(d)", "Path(d).glob('*.py')", "os.scandir(d)"])
def test_packages_come_as_files_where_directories_are_listed(tmp_path: Path, code: str) -> None:
    made = parts(tmp_path, {"app.py": f"import pkg\nd = pkg.__path__[0]\n{code}\n", **PACKAGE})
    assert places(made) == set(PACKAGE)


def test_scripts_that_are_named(tmp_path: Path) -> None:
    files = {
        "app.py": "runpy.run_path('job.py')\nglob('step_*.py')\n",
        "job.py": "import helper\n",
        "step_1.py": "",
        "helper.py": "",
    }
    made = parts(tmp_path, files)
    assert places(made) == {"job.py", "step_1.py"}
    assert str(tmp_path / "helper.py") in made.visited


@pytest.mark.parametrize(
    "code",
    [
        "here + '/plugins'",
        "here + os.sep + 'plugins'",
        "os.sep.join([here, 'plugins'])",
        "os.path.join(here, 'plugins')",
        "Path(__file__).parent / 'plugins'",
        "f'{here}/plugins'",
        "f'{here}/plugins/{name}.py'",
        "f'{here}/plugins/p_{name}.py'",
        "'%s/plugins/%s.py' % (here, name)",
        "'{}/plugins/{}.py'.format(here, name)",
    ],
)
def test_a_directory_of_sources_at_a_computed_place(tmp_path: Path, code: str) -> None:
    """They are loaded by their path, so no statement imports them."""
    files = {"plugins/p_one.py": "import helper\n", "other/x.py": "", "helper.py": ""}
    made = parts(tmp_path, {"app.py": f"here = os.path.dirname(__file__)\nload({code})\n", **files})
    assert places(made) == {"plugins/p_one.py"}
    assert str(tmp_path / "helper.py") in made.visited


def test_files_at_a_computed_name_beside_the_source(tmp_path: Path) -> None:
    code = "load(f'{here}/step_{number}.txt')\n"
    made = parts(tmp_path, {"tool/app.py": code, "tool/step_1.txt": "", "other/step_1.txt": ""}, entry="tool/app.py")
    assert places(made) == {"tool/step_1.txt"}


def test_what_has_to_be_named(tmp_path: Path) -> None:
    files = {
        "app.py": "open(HERE / 'model.bin')\nHERE = Path(__file__).parent\n",
        "models/model.bin": "",
        "models/old.bin": "",
    }
    made = parts(tmp_path, files, only=dict.fromkeys(("models/model.bin", "models/old.bin"), "larger than 20 MB"))
    assert places(made) == {"models/model.bin"}
    assert made.files.left_out == {str(tmp_path / "models/old.bin"): "larger than 20 MB"}


@pytest.mark.parametrize(
    "code", ["files('texts')", "Flask(__name__)", "PackageLoader('app')", "get_data('texts', 'x')"]
)
def test_directories_that_libraries_read(tmp_path: Path, code: str) -> None:
    made = parts(tmp_path, {"app.py": code + "\n", "texts/a": "", "templates/a": "", "other/a": ""}, limited=True)
    assert places(made) == {"texts/a" if "texts" in code else "templates/a"}


def test_a_directory_that_is_too_big(tmp_path: Path) -> None:
    files = {"app.py": "open(Path(__file__).parent / x)\n", "raw/a/1": "", "raw/2": "", "x": ""}
    reason = "heavy: raw has 1.0 GB"
    made = parts(tmp_path, files, only=dict.fromkeys(("raw/a/1", "raw/2"), reason))
    assert (places(made), made.files.left_out) == ({"x"}, {str(tmp_path / "raw"): reason})
    files["app.py"] = "open(Path(__file__).parent / 'raw' / x)\n"
    assert places(parts(tmp_path, files, only=dict.fromkeys(("raw/a/1", "raw/2"), reason))) == {"x", "raw/a/1", "raw/2"}


def test_secrets_are_told_of(tmp_path: Path) -> None:
    files = {"app.py": "load_dotenv(Path(__file__).parent / '.env')\n", "x": "", ".env": "", "key.pem": ""}
    made = parts(tmp_path, files, refused={".env": "a secret", "key.pem": "a secret"})
    assert places(made) == {"x"}
    assert made.files.left_out == {
        str(tmp_path / ".env"): "a secret; named at app.py:1",
        str(tmp_path / "key.pem"): "a secret",
    }


def test_modules_that_settings_name(tmp_path: Path) -> None:
    files = {
        "app.py": "open(Path(__file__).with_name('plugins.yaml'))\n",
        "plugins.yaml": "plugins:\n  - class: backends.csv.Reader\n  - hooks\nname: app\n",
        "backends/csv.py": "", "hooks.py": "", "other.py": "",
    }  # fmt: skip
    made = parts(tmp_path, files)
    assert set(made.modules) == {"backends.csv", "hooks"}
    assert made.modules["hooks"] == "named at plugins.yaml"


@pytest.mark.parametrize(
    ("own", "modules", "files"), [("all", {"b"}, {"x"}), ("code", {"b"}, set()), ("none", set(), set())]
)
def test_how_much(tmp_path: Path, own: str, modules: set[str], files: set[str]) -> None:
    made = parts(tmp_path, {"app.py": "p = __file__\nx = 'b'\n", "b.py": "", "x": ""}, own=own)
    assert (set(made.modules), places(made)) == (modules, files)


def test_a_broken_source_that_is_only_named(tmp_path: Path) -> None:
    assert set(parts(tmp_path, {"app.py": "x = 'old'\n", "old.py": "print 'x'\n"}).modules) == {"old"}
    with pytest.raises(SyntaxError):
        parts(tmp_path, {"app.py": "import old\n", "old.py": "print 'x'\n"})
