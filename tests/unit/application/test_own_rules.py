"""Each rule for what an application's own code names, on the lines that it is for and on some that it is not."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freezer.application.drivers import DRIVERS

sys.path.insert(0, str(DRIVERS))
own_rules: Any = importlib.import_module("own_rules")
parsed_source: Any = importlib.import_module("parsed_source")
path_values: Any = importlib.import_module("path_values")
del sys.path[0]


def source(code: str, path: str = "/srv/app.py", name: str = "__main__", package: str = "") -> Any:
    return parsed_source.Source(path, name, package, code.encode())


def found(rule: Any, code: str, **where: Any) -> list[tuple[str, str]]:
    return [(item.kind, item.text) for item in rule(source(code, **where))]


@pytest.mark.parametrize(
    ("code", "names"),
    [
        ("x = 'backend_sql'", [("module", "backend_sql")]),
        ("x = 'blog.apps.BlogConfig'", [("module", "blog.apps.BlogConfig")]),
        ("run('wsgi:application')", [("object", "wsgi")]),
        ("run('pkg.web:make_app()')", [("object", "pkg.web")]),
        ("os.system('python -m worker --fast')", [("object", "worker")]),
        ("os.system('gunicorn -w 2 web.wsgi:app')", [("object", "web.wsgi")]),
        ("'''backend_sql'''", []),
        ("x = 'two words'", []),
        ("x = '3.5'", []),
        ("open('backend_sql', 'w')", []),
    ],
)
def test_modules_named_by_strings(code: str, names: list[tuple[str, str]]) -> None:
    assert [item for item in found(own_rules.modules_named_by_strings, code) if item != ("module", "w")] == names


@pytest.mark.parametrize("call", ["importlib.import_module", "__import__", "import_string", "importlib.util.find_spec"])
def test_modules_imported_by_name(call: str) -> None:
    items = list(own_rules.modules_imported_by_name(source(f"{call}('some.thing')\nother('x')\n")))
    assert [(item.kind, item.text, item.line, item.sure) for item in items] == [("module", "some.thing", 1, True)]


@pytest.mark.parametrize(
    ("code", "names", "others"),
    [
        ("import_module(f'backend_{kind}')", "backend_sql backend_csv", "backend other_sql"),
        ("x = 'plugins.' + name", "plugins.one plugins.one.two", "plugins"),
        ("x = name + '_backend'", "sql_backend", "backend"),
        ("x = '%s_backend' % name", "sql_backend", "sql_backends"),
        ("x = 'plugins.{}.main'.format(name)", "plugins.one.main", "plugins.one"),
        ("import_module('cmd' + name)", "cmdrun", "run"),
        ("import_module(f'{__package__}.{name}')", "pkg.one", "other.one"),
        ("import_module(__name__ + '.' + name)", "pkg.mod.one", "pkg.one"),
        ("import_module(f'{base}.handlers.{name}')", "web.handlers.get", "web.get"),
    ],
)
def test_modules_with_computed_names(code: str, names: str, others: str) -> None:
    import re

    patterns = [text for _, text in found(own_rules.modules_with_computed_names, code, name="pkg.mod", package="pkg")]
    assert all(any(re.fullmatch(pattern, name) for pattern in patterns) for name in names.split())
    assert not any(re.fullmatch(pattern, name) for pattern in patterns for name in others.split())


@pytest.mark.parametrize("code", ["f'{a}_{b}'", "'x' + y", "'%s: %s' % (a, b)", "f'Hello {name}'", "import_module(x)"])
def test_what_may_be_any_name_is_none(code: str) -> None:
    assert found(own_rules.modules_with_computed_names, code) == []


@pytest.mark.parametrize(
    "code",
    [
        "sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))",
        "sys.path.append(os.path.dirname(__file__) + '/lib')",
        "HERE = os.path.dirname(__file__)\nsys.path.insert(0, f'{HERE}/lib')",
        "BASE = Path(__file__).resolve().parent\nsys.path.append(str(BASE / 'lib'))",
        "sys.path.extend([str(Path(__file__).parent.joinpath('lib'))])",
        "sys.path[:0] = [os.path.join(os.path.dirname(__file__), 'lib')]",
        "sys.path += [os.path.join(os.path.dirname(__file__), 'lib')]",
        "sys.path = [os.path.join(os.path.dirname(__file__), 'lib')] + sys.path",
        "site.addsitedir(os.path.join(os.path.split(x)[0], '..', os.path.dirname(__file__), 'lib'))",
        "sys.path.insert(1, str(pathlib.Path(__file__).parents[0] / 'lib'))",
        "sys.path.insert(1, os.path.join(Path(__file__).with_name('lib')))",
    ],
)
def test_directories_searched(tmp_path: Path, code: str) -> None:
    (tmp_path / "lib").mkdir()
    items = found(own_rules.directories_searched, code, path=str(tmp_path / "app.py"))
    assert items == ([] if "x)" in code else [("search", str(tmp_path / "lib"))])


def test_a_directory_that_is_not_there_is_not_searched(tmp_path: Path) -> None:
    code = "sys.path.insert(0, os.path.dirname(__file__) + '/gone')\nsys.path.append(x)\nsys.path.append('lib')\n"
    assert found(own_rules.directories_searched, code, path=str(tmp_path / "app.py")) == []


@pytest.mark.parametrize(
    "code",
    [
        "open(Path(__file__).parent / 'x')",
        "here = os.path.dirname(os.path.abspath(store.__file__))",
        "importlib.resources.files(__package__)",
        "pkgutil.get_data(__name__, 'x')",
        "os.listdir(sys.path[0])",
        "inspect.getfile(f)",
    ],
)
def test_code_that_asks_for_its_place(code: str) -> None:
    assert [kind for kind, _ in found(own_rules.asks_for_its_place, code)] == ["place"]


@pytest.mark.parametrize(
    "code",
    [
        "prog = os.path.basename(__file__)",
        "prog = Path(__file__).stem",
        "sys.path.insert(0, os.path.dirname(__file__) + '/lib')",
        "sys.argv[0]",
        "importlib.resources.files('pkg')",
        "Path('x').read_text()",
        "open('x')",
        "x = '__file__'",
    ],
)
def test_code_that_does_not(code: str) -> None:
    assert found(own_rules.asks_for_its_place, code) == []


def test_web_applications() -> None:
    items = found(own_rules.web_applications, "app = Flask(__name__, static_url_path='')\nFlask('x')\n")
    assert items[0] == ("place", "Flask(__name__)")
    assert {("file", "templates/"), ("file", "static/")} <= set(items)
    assert found(own_rules.web_applications, "PackageLoader('app')") == [("file", "templates/")]


def test_resources_of_packages() -> None:
    code = "importlib.resources.files('pkg.texts')\npkgutil.get_data(name, 'x')\nPath('x').read_text()\nfiles('a/b')\n"
    assert found(own_rules.resources_of_packages, code) == [("module", "pkg.texts"), ("file", "pkg/texts/")]


@pytest.mark.parametrize(
    ("code", "names"),
    [
        ("CSS_PATH = 'app.tcss'", [("file", "app.tcss")]),
        ("glob('plugin_*.py')", [("files", "plugin_*.py")]),
        ("x = '/etc/passwd'", []),
        ("x = 'a\\nb'", []),
        ("with open('out.csv', mode='w') as f: pass", [("file", "w")]),
    ],
)
def test_files_named_by_strings(code: str, names: list[tuple[str, str]]) -> None:
    assert found(own_rules.files_named_by_strings, code) == names


@pytest.mark.parametrize(
    ("code", "names"),
    [
        ("here + '/plugins'", ["plugins"]),
        ("here + '/' + 'plugins' + '/'", ["plugins"]),
        ("self.here + '/../lib/one.py'", ["../lib/one.py"]),
        ("f'{here}/plugins/{name}.py'", ["plugins"]),
        ("f'{here}/data/first_{name}.json'", ["data"]),
        ("f'{here}/plugin_{name}.py'", ["plugin_*.py"]),
        ("'%s/plugins' % here", ["plugins"]),
        ("'{}/plugins/{}.py'.format(here, name)", ["plugins"]),
        ("here + '/steps/*.py'", ["steps/*.py"]),
        ("f'{one}/{two}'", []),
        ("f'{one}/{two}.py'", []),
        ("'/srv/plugins'", []),
        ("name + '.py'", []),
        ("1 / 2 + 3", []),
    ],
)
def test_files_behind_other_text(code: str, names: list[str]) -> None:
    items = found(own_rules.files_behind_other_text, code)
    assert list(dict.fromkeys(items)) == [("files" if "*" in name else "file", name) for name in names]


def test_own_directories_listed() -> None:
    assert found(own_rules.own_directories_listed, "a = os.listdir(d)\nb = Path(d).glob('*')\n") == [
        ("listing", "listdir")
    ]
    assert found(own_rules.own_directories_listed, "a = 1\n") == []


def test_django_settings() -> None:
    code = "INSTALLED_APPS = ['blog', *MORE]\nINSTALLED_APPS += ['rest_framework']\nOTHER = ['x']\n"
    items = list(own_rules.django_settings(source(code)))
    assert [(item.kind, item.text, item.sure) for item in items] == [
        ("package", "blog", True),
        ("package", "rest_framework", True),
    ]


def test_hydra_configurations() -> None:
    code = "@hydra.main(version_base=None, config_path='conf')\ndef main(c): pass\n"
    assert found(own_rules.hydra_configurations, code) == [("place", "hydra's config_path")]


def test_every_rule_is_in_the_table() -> None:
    """And has a test here, called after it."""
    rules = [
        name
        for name, thing in vars(own_rules).items()
        if getattr(thing, "__annotations__", {}).get("return") == "Iterator[Named]"
    ]
    assert set(rules) - {"named_in"} == {rule.__name__ for rule in own_rules.RULES}


@given(st.text(alphabet="ab_.{}%s'\"+()[]=: fx\n", max_size=60))
def test_rules_read_anything(code: str) -> None:
    try:
        made = source(code)
    except (SyntaxError, ValueError):
        return
    assert all(isinstance(item.line, int) for item in own_rules.named_in(made))
