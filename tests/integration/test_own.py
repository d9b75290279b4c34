"""What an application owns comes along, is told of before and afterwards, and decides whether a build is up to date."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
from support import Freezer

FILES = {
    "app.py": (
        "import importlib, os, queue, sys\n"
        "from pathlib import Path\n"
        "HERE = Path(__file__).resolve().parent\n"
        "sys.path.insert(0, str(HERE / 'lib'))\n"
        "import vendored\n"
        "from tool import checks\n"
        "name = sys.argv[1] if len(sys.argv) > 1 else 'csv'\n"
        "print(importlib.import_module('backend_' + name).N, importlib.import_module('hooks.late').N)\n"
        "print(vendored.text(), queue.N, checks.names())\n"
        "if sys.version_info >= (3, 10):\n"
        "    from importlib import resources\n"
        "    assert resources.files('hooks').joinpath('late.py').is_file()\n"
        "for path in sorted(p for p in HERE.rglob('*') if p.suffix in ('.txt', '.html', '.env', '.sh')):\n"
        "    print(path.relative_to(HERE), os.access(path, os.X_OK))\n"
    ),
    "backend_csv.py": "N = 'csv'\n",
    "backend_sql.py": "N = 'sql'\n",
    "hooks/late.py": "N = 'late'\n",
    "queue.py": "N = 'own queue'\n",
    "lib/vendored/__init__.py": (
        "import os\ndef text(): return open(os.path.join(os.path.dirname(__file__), 'v.txt')).read()\n"
    ),
    "lib/vendored/v.txt": "vendored",
    "tool/__init__.py": "",
    "tool/checks/__init__.py": (
        "import os\ndef names(): return sorted(n for n in os.listdir(os.path.dirname(__file__)) if n.endswith('.py'))\n"
    ),
    "tool/checks/disk.py": "",
    "templates/a.html": "<p>",
    "bin/run.sh": "#!/bin/sh\n",
    ".env": "PASSWORD=x\n",
    "ignored.txt": "x",
    ".gitignore": "ignored.txt\n",
}
PRINTED = [
    "csv late",
    "vendored own queue ['__init__.py', 'disk.py']",
    "bin/run.sh True",
    "lib/vendored/v.txt False",
    "templates/a.html False",
    # Its package is imported from lib, and has its place below the bundle.
    "vendored/v.txt False",
]


@pytest.fixture(scope="module")
def site(freezer: Freezer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("own")
    for name, text in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    (folder / "bin" / "run.sh").chmod(0o755)
    freezer("build", "app.py", "--linker", "native", "--no-verify", cwd=folder)
    return folder


def printed(site: Path, *arguments: str) -> list[str]:
    """What the executable prints, without what only its tree has."""
    env = {**os.environ, "FREEZER_CACHE": str(site / ".apps")}
    done = subprocess.run([site / "dist" / "app", *arguments], env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return [line for line in done.stdout.splitlines() if ".dist-info" not in line]


def test_it_comes_along(site: Path) -> None:
    assert printed(site) == PRINTED
    assert printed(site, "sql")[0] == "sql late"


def test_it_is_told_before(freezer: Freezer, site: Path) -> None:
    told = json.loads(freezer("plan", "app.py", "--json", cwd=site).stdout)
    assert {item["path"] for item in told["files"]} == {
        *("bin/", "hooks/", "lib/", "templates/", "tool/", "vendored/"),
    }
    why = {item["name"]: item["why"] for item in told["modules"]}
    assert why["backend_sql"] == "its name may be computed at app.py:8"
    assert why["hooks.late"] == "named at app.py:8"
    assert {item["path"]: item["why"] for item in told["left_out"]} == {
        ".env": "a secret; named at app.py:13",
        "ignored.txt": "git ignores it",
    }
    nothing = freezer("plan", "app.py", "--own", "none", cwd=site)
    assert nothing.stdout == "nothing but what the code imports\n"


def test_it_is_told_afterwards(freezer: Freezer, site: Path) -> None:
    told = json.loads(freezer("inspect", "dist/app", "--json", cwd=site).stdout)
    own = {item["path"]: item["why"] for item in told["own"]}
    assert own["templates/"] == "beside the code, which asks for its place: __file__ at app.py:3"
    assert own["backend_csv"] == "its name may be computed at app.py:8"
    assert "taken along unasked" in freezer("inspect", "dist/app", cwd=site).stdout


def test_new_data_is_noticed(freezer: Freezer, site: Path) -> None:
    build = ("build", "app.py", "--linker", "native", "--no-verify")
    assert "is up to date" in freezer(*build, cwd=site).stderr
    (site / "templates" / "b.html").write_text("<b>")
    again = freezer(*build, cwd=site)
    assert "own files" in again.stderr
    assert "left out as secret: .env" in again.stderr
    assert printed(site) == [*PRINTED[:-1], "templates/b.html False", PRINTED[-1]]
