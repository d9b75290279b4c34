"""What the documentation says is compared with the program: every example parses, every table is complete."""

from __future__ import annotations

import argparse
import re
import shlex
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from freezer.base.errors import ExitStatus
from freezer.cli import main as cli
from freezer.plan.settings import (
    FILE_ONLY,
    IMAGE_DATA,
    IMAGE_OUTPUT,
    IMAGE_SETTINGS,
    SETTINGS,
    Setting,
    ValueKind,
    read_settings,
)

CHECKOUT = Path(__file__).resolve().parents[2]
README = (CHECKOUT / "README.md").read_text(encoding="utf-8")
MANUAL = (CHECKOUT / "man" / "freezer.1.in").read_text(encoding="utf-8")
TEMPLATES = sorted((CHECKOUT / "packaging" / "ci").glob("*.yml"))
OF_IMAGES = (IMAGE_OUTPUT, *IMAGE_SETTINGS, *IMAGE_DATA)
OTHER_OPTIONS = {"-h", "--help", "--html", "--image", "--keep-work", "-v", "--verbose", "-q", "--quiet", "--json"}
OF_THE_CACHE = {"--older-than", "--max-size", "--all", "--kind", "--dry-run"}


def blocks(kind: str) -> list[str]:
    return re.findall(rf"^```{kind}\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)


def readme_commands() -> list[str]:
    shell = [line for block in blocks("sh") for line in block.splitlines()]
    shown = [line[2:] for block in blocks("console") for line in block.splitlines() if line.startswith("$ ")]
    return [line for line in shell + shown if line.startswith("freezer ")]


def manual_commands() -> list[str]:
    plain = MANUAL.replace(r"\-", "-").replace(r"\(dq", '"')
    return re.findall(r"^\.B (freezer .*)$", plain, re.MULTILINE)


def template_commands() -> list[str]:
    return [
        match
        for path in TEMPLATES
        for match in re.findall(r"^\s*- (?:run: )?(freezer .*)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    ]


def parses(command: str, monkeypatch: pytest.MonkeyPatch) -> bool:
    for name in cli.COMMANDS:
        monkeypatch.setitem(cli.COMMANDS, name, lambda _arguments, _rest: 0)
    try:
        return cli.main(shlex.split(command, comments=True)[1:]) == 0
    except SystemExit:
        return False


def test_there_are_examples() -> None:
    assert len(readme_commands()) >= 10
    assert len(manual_commands()) >= 5
    assert len(template_commands()) == len(TEMPLATES) == 2


@pytest.mark.parametrize("command", [*readme_commands(), *manual_commands(), *template_commands()])
def test_examples_parse(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert parses(command, monkeypatch)


def test_a_wrong_example_would_be_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not parses("freezer build app.py --no-such-option", monkeypatch)


def settings_table(title: str) -> list[list[str]]:
    text = README.partition(f"<!-- table of {title}")[2].partition("\n\n")[0]
    rows = [line for line in text.splitlines() if line.startswith(("| `", "| (`"))]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", row)[1:-1]] for row in rows]


def expected_rows(settings: Iterable[Setting]) -> list[list[str]]:
    expected = []
    for setting in settings:
        value = (
            "" if setting.kind in (ValueKind.FLAG, ValueKind.SWITCH) else f" {setting.metavar or setting.name.upper()}"
        )
        words = [f"`{flag}`" for flag in setting.flags] + [f"`--{setting.name}{value}`".replace("|", r"\|")]
        expected.append([", ".join(words), setting.kind.value.partition(" (")[0], setting.help])
    return expected


def test_settings_table_is_complete() -> None:
    of_files = [[f"(`{setting.name}`)", setting.kind.value, setting.help] for setting in FILE_ONLY]
    assert settings_table("settings") == expected_rows(SETTINGS) + of_files


def test_image_settings_table_is_complete() -> None:
    assert settings_table("image settings") == expected_rows(OF_IMAGES)


def parsers(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    """A parser with those of its commands, and theirs."""
    yield parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for child in action.choices.values():
                yield from parsers(child)


def test_every_option_is_in_the_readme() -> None:
    known = OTHER_OPTIONS | OF_THE_CACHE
    for setting in (*SETTINGS, *OF_IMAGES):
        known |= {*setting.flags, f"--{setting.name}", f"--no-{setting.name}"}
    for command in parsers(cli.build_parser()):
        assert {option for action in command._actions for option in action.option_strings} <= known | {"--version"}
    for option in OTHER_OPTIONS - {"-h", "--help"}:
        assert f"`{option}`" in README
    of_the_cache = README.partition("## The cache")[2].partition("\n## ")[0]
    for option in OF_THE_CACHE:
        assert f"`{option}" in of_the_cache


def test_exit_statuses_are_complete() -> None:
    table = README.partition("## Exit statuses")[2].partition("##")[0]
    assert [int(number) for number in re.findall(r"^\| (\d+) \|", table, re.MULTILINE)] == [int(s) for s in ExitStatus]


def test_settings_example_is_valid(tmp_path: Path) -> None:
    whole, of_images = blocks("toml")
    (tmp_path / "pyproject.toml").write_text(whole + of_images, encoding="utf-8")
    assert read_settings(tmp_path).values
    assert read_settings(tmp_path).image


def test_links_lead_somewhere() -> None:
    for target in re.findall(r"\]\(([^)]+)\)", README):
        if not target.startswith(("https://", "#")):
            assert (CHECKOUT / target).exists(), target


@pytest.mark.parametrize("name", ["Makefile", "README.md", ".ci/run"])
def test_commands_of_the_script_exist(name: str) -> None:
    script = (CHECKOUT / "run").read_text(encoding="utf-8")
    known = set(re.findall(r"^do_(\w+)\(\)", script, re.MULTILINE))
    text = (CHECKOUT / name).read_text(encoding="utf-8")
    assert set(re.findall(r"\./run (\w+)", text)) - {"TARGET"} <= known
    if name == "Makefile":
        targets = text.partition(".PHONY:")[2].splitlines()[0].split()
        assert set(targets) - {"help"} == known
