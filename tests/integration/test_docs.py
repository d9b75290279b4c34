"""The sessions that the pages show are what really happens.

All blocks marked with ``<!-- output of: hello -->`` are one session: their commands run in the order of the pages, in
one directory, with a cache of their own. One of them makes the executable that the others use, and one an image of its
files.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from pages import HOME, MANUAL, README, Block, agrees
from support import PATIENCE, Freezer

BLOCKS = [block for page in (README, *MANUAL) for block in page.blocks if block.mark == "hello"]
FILES = {
    "hello.py": (
        "import json, platform, socket, ssl\n\n"
        'print(json.dumps({"python": platform.python_version(), "tls": ssl.OPENSSL_VERSION}))\n'
    ),
    "fetch.py": 'import requests\n\nprint(requests.get("https://example.org/").status_code)\n',
    "reads/reads.py": 'from pathlib import Path\n\nprint((Path(__file__).parent / "settings.txt").read_text())\n',
    "reads/settings.txt": "settings\n",
    "reads/.env": "PASSWORD=secret\n",
    "learns/shapes.py": (
        "import sys\nfrom importlib import import_module\n\nprint(import_module(sys.argv[1]).area(2))\n"
    ),
    "learns/circle.py": "def area(radius):\n    return 3.14 * radius**2\n",
    "eager/eager.py": 'import settings\n\nprint("started", settings.STARTED)\n',
    "eager/settings.py": (
        'import os\nimport time\n\nSTARTED = time.time()\nLEVEL = os.environ.get("EAGER_LEVEL", "info")\n'
    ),
    "shop/app.py": (
        "from http.server import HTTPServer, SimpleHTTPRequestHandler\n\n"
        'if __name__ == "__main__":\n    HTTPServer(("", 8080), SimpleHTTPRequestHandler).serve_forever()\n'
    ),
    "shop/.dockerignore": ".git\ndocs\n",
    "shop/docs/notes.txt": "notes\n",
    "typo/pyproject.toml": '[tool.freezer]\nhiden-import = ["myapp.plugins.csv"]\n',
}


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory, index: None) -> dict[Block, list[list[str]]]:
    """What each command of each block prints."""
    home = tmp_path_factory.mktemp("home") / "ada"
    folder, programs = home / "hello", home / "bin"
    for name, content in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)
    programs.mkdir()
    (programs / "freezer").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m freezer "$@"\n')
    (programs / "freezer").chmod(0o755)
    freezer = Freezer(home / ".cache")
    path = f"{programs}:{freezer.environment()['PATH']}"
    # A home of its own, since the cache of whoever runs the tests may have anything in it; pip's settings are theirs.
    settings = Path.home() / ".config" / "pip"
    if settings.is_dir():
        (home / ".config").mkdir()
        (home / ".config" / "pip").symlink_to(settings)
    own = {"HOME": str(home), "FREEZER_CACHE": None}
    env = freezer.environment({"PATH": path, "COLUMNS": None, "LC_ALL": "C.UTF-8", **own})
    return {block: [typed(step.command, folder, env, home) for step in block.steps] for block in BLOCKS}


def typed(command: str, folder: Path, env: dict[str, str], home: Path) -> list[str]:
    """What a terminal shows of a command."""
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=folder,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    return done.stdout.replace(str(home), HOME).splitlines()


def test_there_are_sessions() -> None:
    assert len(BLOCKS) >= 8
    assert {block.page for block in BLOCKS} >= {"README.md", "docs/guide.md", "docs/images.md", "docs/linkers.md"}


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: f"{block.page}-{block.number}")
def test_the_session_is_as_shown(session: dict[Block, list[list[str]]], block: Block) -> None:
    for step, printed in zip(block.steps, session[block]):
        shown = "\n".join(step.output)
        assert agrees(step.output, printed), f"$ {step.command}\nshown:\n{shown}\nprinted:\n" + "\n".join(printed)
