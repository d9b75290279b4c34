"""The manual page and the completions are made from the parser; here they are read as their readers read them."""

from __future__ import annotations

import importlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
from support import lacking, need_program

from freezer.base.errors import ExitStatus

CHECKOUT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def documents() -> ModuleType:
    for module in ("argparse_manpage", "shtab"):
        if importlib.util.find_spec(module) is None:
            lacking(f"{module} is not installed")
    sys.path.insert(0, str(CHECKOUT / "man"))
    try:
        return importlib.import_module("documents")
    finally:
        del sys.path[0]


@pytest.fixture(scope="module")
def installed(documents: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    prefix = tmp_path_factory.mktemp("prefix")
    documents.write(prefix)
    return prefix


def options_of(documents: ModuleType) -> dict[str, set[str]]:
    """The options of each command; the program's own are under the empty name."""
    parsers = {"": documents.load_parser(), **documents.commands(documents.load_parser())}
    return {
        name: {option for action in parser._actions for option in action.option_strings}
        for name, parser in parsers.items()
    }


def render(page: Path) -> str:
    need_program("man")
    environment = {**os.environ, "MANWIDTH": "80", "LC_ALL": "C.UTF-8", "MAN_KEEP_FORMATTING": "", "MANPAGER": "cat"}
    done = subprocess.run(
        ["man", "--warnings=all", "--no-hyphenation", "-l", str(page)],
        env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True,
    )  # fmt: skip
    complaints = [line for line in done.stderr.splitlines() if "can't set the locale" not in line]
    assert not complaints
    return re.sub(r".\x08", "", done.stdout)


def test_man_renders_every_option(documents: ModuleType, installed: Path) -> None:
    text = render(installed / documents.MANUAL)
    for command, options in options_of(documents).items():
        if command:
            assert f"freezer {command}" in text
        for option in options:
            assert re.search(rf"(?<![\w-]){re.escape(option)}(?![\w-])", text), f"{option} of {command}"


def test_man_has_the_written_sections_and_every_exit_status(documents: ModuleType, installed: Path) -> None:
    text = render(installed / documents.MANUAL)
    for section in ("COMMANDS", "EXAMPLES", "EXIT STATUS", "ENVIRONMENT", "FILES", "SECURITY", "SEE ALSO"):
        assert re.search(rf"^{section}$", text, re.MULTILINE)
    statuses = text.partition("EXIT STATUS")[2].partition("ENVIRONMENT")[0]
    found = {int(number) for number in re.findall(r"^\s+(\d+)\s", statuses, re.MULTILINE)}
    assert found == {int(status) for status in ExitStatus}


def test_no_line_of_help_is_taken_for_a_command_of_troff(documents: ModuleType) -> None:
    known = {"B", "BI", "BR", "I", "IR", "PP", "RE", "RS", "SH", "SS", "TH", "TP"}
    commands = re.findall(r"^[.'](\S*)", documents.manual_page(), re.MULTILINE)
    assert set(commands) <= known


def test_same_bytes_whatever_the_day_and_the_terminal(documents: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)
    monkeypatch.setenv("COLUMNS", "60")
    page = documents.manual_page()
    assert page.startswith('.TH FREEZER "1" "" "freezer ')
    monkeypatch.setenv("COLUMNS", "200")
    assert documents.manual_page() == page
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "0")
    assert documents.manual_page() == page.replace('"1" ""', '"1" "1970\\-01\\-01"')


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completions_parse_and_know_every_option(documents: ModuleType, installed: Path, shell: str) -> None:
    script = installed / documents.COMPLETIONS[shell]
    text = script.read_text(encoding="utf-8")
    for command, options in options_of(documents).items():
        for word in command.split():
            assert word in text
        for option in options:
            word = option
            if shell == "fish":
                word = f"-l {option[2:]}" if option.startswith("--") else f"-s {option[1:]}"
            assert re.search(rf"(?<![\w-]){re.escape(word)}(?![\w-])", text), f"{option} of {command}"
    if shutil.which(shell):
        subprocess.run([shell, "-n", str(script)], check=True, stdin=subprocess.DEVNULL)


def complete(script: Path, words: list[str], folder: Path) -> set[str]:
    """What bash offers when the last of ``words`` is being typed."""
    program = f"""
        source '{script}'
        COMP_WORDS=({" ".join(repr(word) for word in words)})
        COMP_CWORD={len(words) - 1}
        _shtab_freezer
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    bash = ["bash", "--norc", "--noprofile", "-c", program]
    done = subprocess.run(bash, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_bash_completes_as_the_parser_understands(documents: ModuleType, installed: Path, tmp_path: Path) -> None:
    script = installed / documents.COMPLETIONS["bash"]
    options = options_of(documents)
    (tmp_path / "app.py").touch()
    assert complete(script, ["freezer", ""], tmp_path) == {
        command for command in options if command.count(" ") == 0
    } - {""}
    assert complete(script, ["freezer", "cache", ""], tmp_path) == {"list", "prune", "snapshots"}
    for command in set(options) - {""}:
        assert complete(script, ["freezer", *command.split(), "-"], tmp_path) == options[command]
    assert complete(script, ["freezer", "build", "--hid"], tmp_path) == {"--hidden-import"}
    assert complete(script, ["freezer", "build", "ap"], tmp_path) == {"app.py"}
    assert complete(script, ["freezer", "build", "app.py", "--requirement", "ap"], tmp_path) == {"app.py"}
