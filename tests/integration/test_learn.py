"""What no rule can see in an application is learnt from a run of it; then its executable works."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from support import Freezer

from freezer.base.errors import ExitStatus
from freezer.plan.learned import FILE_NAME, HEADER, RUNS_HEADER

FILES = {
    # The work is done in a process that the application starts.
    "app.py": (
        "import subprocess, sys\n"
        "if sys.argv[1:2] == ['--child']:\n"
        "    import engine\n"
        "    print(engine.work(sys.argv[2]))\n"
        "else:\n"
        "    command = [sys.executable, sys.argv[0], '--child', *sys.argv[1:]]\n"
        "    done = subprocess.run(command, stdout=subprocess.PIPE, text=True)\n"
        "    print(done.stdout, end='')\n"
        "    sys.exit(done.returncode)\n"
    ),
    "engine.py": (
        "import importlib, os\n"
        "def work(words):\n"
        "    plugin = importlib.import_module(''.join(reversed(words)))\n"
        "    folder = os.path.dirname(work.__code__.co_filename)\n"
        "    with open(os.path.join(folder, plugin.FOLDER, ''.join(reversed('txt.emoclew')))) as file:\n"
        "        return plugin.run(file.read().strip())\n"
    ),
    "atez.py": (
        "import importlib\n"
        "FOLDER = 'texts'\n"
        "def run(text):\n"
        "    return importlib.import_module(''.join(reversed('bilhparg'))).__name__ + ' ' + text\n"
    ),
    "texts/welcome.txt": "hello",
    "texts/unused.txt": "x",
}
LEARNED = (
    HEADER + '\n[modules]\n"atez" = "engine.py:3"\n"graphlib" = "atez.py:4"\n\n'
    '[files]\n"texts/welcome.txt" = "engine.py:5"\n'
)
RUNS = RUNS_HEADER + '"--child zeta" = "any status"\n"zeta" = "status 0"\n'


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("learn")
    for name, text in FILES.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    return folder


def test_learn_build_and_check(freezer: Freezer, site: Path) -> None:
    build = ("build", "app.py", "--linker", "native", "--smoke", "zeta")
    command = ("--", "python", "app.py", "zeta")
    # A run of the proof would find out by failing.
    without = freezer("build", "app.py", "--linker", "native", "--no-verify", cwd=site)
    run = subprocess.run([without.output, "zeta"], capture_output=True, text=True, check=False)
    assert run.returncode == 1 and "No module named 'atez'" in run.stderr
    checked = freezer.fails("learn", "app.py", "--check-learned", *command, cwd=site, status=ExitStatus.VERIFICATION)
    assert "[modules] atez: engine.py:3" in checked

    learnt = freezer("learn", "app.py", "--json", *command, cwd=site)
    told = json.loads(learnt.stdout)
    assert (told["path"], told["processes"]) == (str(site / FILE_NAME), 2)
    assert (site / FILE_NAME).read_text() == LEARNED + RUNS
    freezer("learn", "app.py", "--check-learned", *command, cwd=site)
    lacking = freezer.fails("check", str(without.output), "--learned", cwd=site, status=ExitStatus.VERIFICATION)
    assert "lacks 3 of the 3 things" in lacking and "[modules] atez: engine.py:3" in lacking
    (site / "runs.toml").write_text(RUNS)
    lacking = freezer.fails(
        "check", str(without.output), "--learned", "runs.toml", cwd=site, status=ExitStatus.VERIFICATION
    )
    assert "No module named 'atez'" in lacking

    (site / FILE_NAME).write_text(LEARNED + '"gone.txt" = "x.py:1"\n\n[metadata]\n"gone" = "x.py:2"\n')
    with open(site / FILE_NAME, "a") as file:
        file.write('\n[package-files]\n"gone/x" = "x.py:3"\n')
    text = (site / FILE_NAME).read_text().replace("[modules]\n", '[modules]\n"no_such" = "x.py:4"\n')
    (site / FILE_NAME).write_text(text)
    built = freezer(*build, cwd=site)
    stale = "[files] gone.txt, [package-files] gone/x, [metadata] gone, [modules] no_such"
    assert f"freezer.learned.toml has lines that are not needed any more: {stale}" in built.stderr
    assert "lacked" not in built.stderr
    assert subprocess.check_output([built.output, "zeta"], text=True) == "graphlib hello\n"
    assert "is up to date" in freezer(*build, cwd=site).stderr
    (site / "clean.toml").write_text(LEARNED + RUNS)
    assert "2 runs in an empty root" in freezer("check", str(built.output), "--learned", "clean.toml", cwd=site).stderr
