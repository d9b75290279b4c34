"""What the documentation says is compared with the program: every example parses, every table is complete, every link
leads somewhere. What takes a build is in tests/integration/test_docs.py."""

from __future__ import annotations

import argparse
import importlib
import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from pages import MANUAL, OTHERS, PAGES, README, Block, Page, agrees, freezer_commands, normalised, shell_lines
from samples.catalogue import SAMPLES
from support import CHECKOUT

from freezer.base.errors import ExitStatus
from freezer.cli import main as cli
from freezer.plan import pyinstaller_options
from freezer.plan.image_settings import IMAGE_DATA, IMAGE_OUTPUT, IMAGE_SETTINGS
from freezer.plan.settings import FILE_ONLY, SETTINGS, SNAPSHOT_SETTINGS
from freezer.plan.settings_file import read_settings

MAN = (CHECKOUT / "man" / "freezer.1.in").read_text(encoding="utf-8")
RUN = (CHECKOUT / "run").read_text(encoding="utf-8")
TEMPLATES = sorted((CHECKOUT / "packaging" / "ci").glob("*.yml"))
OF_IMAGES = (IMAGE_OUTPUT, *IMAGE_SETTINGS, *IMAGE_DATA)
(SETTINGS_PAGE,) = (page for page in MANUAL if page.name == "docs/settings.md")

FOREIGN = {
    "docker": {"--tmpfs"},
    "pip": {"--find-links"},
    "Python": {"--help-env"},
    "PyInstaller": {name for option in pyinstaller_options.OPTIONS for name in option.names if name.startswith("--")},
    "staticx": {"--no-compress"},
    "a Python's configure": {"--enable-shared"},
}
"""Options of other programs that the pages for users speak of."""


@pytest.fixture(scope="module")
def tables() -> ModuleType:
    sys.path.insert(0, str(CHECKOUT / "docs"))
    try:
        return importlib.import_module("tables")
    finally:
        del sys.path[0]


# Commands


def manual_commands() -> list[str]:
    plain = MAN.replace(r"\-", "-").replace(r"\(dq", '"')
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
    for page in (README, *MANUAL):
        least = {"README.md": 10, "docs/guide.md": 20, "docs/images.md": 5, "docs/linkers.md": 3, "docs/systems.md": 8}
        assert len(freezer_commands(page)) >= least.get(page.name, 0)
    assert len(manual_commands()) >= 5
    assert len(template_commands()) == len(TEMPLATES) == 2


def test_examples_parse(monkeypatch: pytest.MonkeyPatch) -> None:
    commands = [item for page in PAGES for item in freezer_commands(page)]
    commands += [*manual_commands(), *template_commands()]
    assert [command for command in commands if not parses(command, monkeypatch)] == []


def test_a_wrong_example_would_be_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not parses("freezer build app.py --no-such-option", monkeypatch)


# Options and settings


def parsers(parser: argparse.ArgumentParser, name: str = "") -> Iterator[tuple[str, argparse.ArgumentParser]]:
    """A parser with those of its commands, and theirs; with the names of the commands."""
    yield name, parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for word, child in action.choices.items():
                yield from parsers(child, f"{name} {word}".strip())


def options(parser: argparse.ArgumentParser) -> set[str]:
    return {option for action in parser._actions for option in action.option_strings}


OPTIONS = {option for _, parser in parsers(cli.build_parser()) for option in options(parser)}


def mentioned(text: str) -> set[str]:
    """The long options in a piece of code."""
    return set(re.findall(r"(?<![\w-])--[a-z][\w-]*", text))


@pytest.mark.parametrize("page", [README, *MANUAL], ids=lambda page: page.name)
def test_every_option_that_is_mentioned_exists(page: Page) -> None:
    spoken = {option for code in page.code for option in mentioned(re.sub(r'"[^"]*"', "", code))}
    assert spoken - OPTIONS <= set().union(*FOREIGN.values())


def test_options_of_others_are_spoken_of() -> None:
    spoken = {option for page in (README, *MANUAL) for code in page.code for option in mentioned(code)}
    assert set().union(*FOREIGN.values()) - OPTIONS <= spoken


@pytest.mark.parametrize("page", [README, *MANUAL], ids=lambda page: page.name)
def test_commands_in_sentences_exist(page: Page) -> None:
    known = {name for name, _ in parsers(cli.build_parser())}
    for code in page.code:
        words = code.split()
        if words[0] == "freezer" and len(words) > 1 and not words[1].startswith("-"):
            assert words[1] in known, code
            assert words[1] != "cache" or len(words) == 2 or " ".join(words[1:3]) in known, code


def test_the_tables_are_those_of_the_program(tables: ModuleType) -> None:
    """If this fails, ``./run man`` mends the page."""
    assert tables.filled(SETTINGS_PAGE.text) == SETTINGS_PAGE.text
    assert set(tables.tables()) == set(re.findall(r"<!-- table: ([\w ]+) -->", SETTINGS_PAGE.text))


def rows(title: str) -> list[list[str]]:
    """The cells of a table of the page of settings."""
    text = SETTINGS_PAGE.text.partition(f"<!-- table: {title} -->")[2].partition("<!-- end -->")[0]
    lines = text.strip().splitlines()[2:]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]


def options_of_rows(found: list[list[str]]) -> list[str]:
    return [option for row in found for option in re.findall(r"(?<![\w-])--?[a-z][\w-]*", row[0])]


def test_every_setting_is_there_once() -> None:
    of_builds = [row for title in dict.fromkeys(item.group for item in SETTINGS) for row in rows(title)]
    for known, found in ((SETTINGS, of_builds), (OF_IMAGES, rows("the image"))):
        spelled = [option for item in known for option in (*item.flags, f"--{item.name}")]
        assert sorted(options_of_rows(found)) == sorted(spelled)
    assert [row[0] for row in rows("files only")] == [f"`{item.name}`" for item in FILE_ONLY]
    assert [row[0] for row in rows("snapshots")] == [f"`{item.name}`" for item in SNAPSHOT_SETTINGS]


def test_every_option_of_pyinstaller_is_there_once() -> None:
    """What works, what has no effect, and what is refused, as the program has it."""
    table = SETTINGS_PAGE.text.partition("<!-- options of PyInstaller -->\n")[2].partition("<!-- end -->")[0]
    rows = [line.strip("| ").split(" | ", 1) for line in table.splitlines()[2:]]
    told = {name: meaning for names, meaning in rows for name in re.findall(r"`([^`]+)`", names)}
    assert len(told) == sum(names.count("`") // 2 for names, _ in rows)
    assert set(told) == {name for option in pyinstaller_options.OPTIONS for name in option.names}
    for option in pyinstaller_options.OPTIONS:
        for name in option.names:
            assert (told[name] == "refused", told[name] == "freezer does that anyway") == (
                option.refused is not None,
                option.done,
            )


def test_every_option_is_there() -> None:
    titles = re.findall(r"<!-- table: ([\w ]+) -->", SETTINGS_PAGE.text)
    found = {option for title in titles for option in options_of_rows(rows(title))}
    opposites = {option for option in OPTIONS if option.startswith("--no-") and f"--{option[5:]}" in OPTIONS}
    assert found == OPTIONS - opposites - {"-h", "--help", "--version"}
    for option in ("-h", "--help", "freezer --version"):
        assert option in SETTINGS_PAGE.code


def test_exit_statuses_are_complete() -> None:
    table = SETTINGS_PAGE.text.partition("## Exit statuses")[2].partition("##")[0]
    assert [int(number) for number in re.findall(r"^\| (\d+) \|", table, re.MULTILINE)] == [int(s) for s in ExitStatus]


def test_settings_examples_are_valid(tmp_path: Path) -> None:
    text = "\n".join(block.text for block in SETTINGS_PAGE.blocks if block.kind == "toml")
    (tmp_path / "pyproject.toml").write_text(text, encoding="utf-8")
    found = read_settings(tmp_path)
    assert found.values
    assert found.image


# Pages


def test_the_readme_is_short() -> None:
    assert len(README.text.splitlines()) < 200


def test_every_page_is_known_and_linked() -> None:
    here = {str(path.relative_to(CHECKOUT)) for path in (CHECKOUT / "docs").glob("*.md")}
    assert here == {page.name for page in MANUAL} <= set(README.links)
    assert {page.name for page in OTHERS} >= {"CONTRIBUTING.md", "CHANGELOG.md"} <= set(README.links)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Page) -> None:
    known = {item.path.resolve(): item for item in PAGES}
    for link in page.links:
        target, _, anchor = link.partition("#")
        path = (page.path.parent / target).resolve() if target else page.path
        assert path.exists(), link
        if anchor:
            assert anchor in known[path].anchors, link


def test_wrong_links_would_be_noticed() -> None:
    page = Page("README.md")
    assert {"docs/guide.md", "docs/guide.md#limits"} <= set(page.links)
    assert "limits" in MANUAL[0].anchors and "no-such" not in MANUAL[0].anchors


def test_tests_that_are_named_exist() -> None:
    """The page on security names a test for each claim."""
    (page,) = (page for page in MANUAL if page.name == "docs/security.md")
    named = {code for code in page.code if "::" in code and code != "FILE::TEST"}
    assert len(named) >= 30
    for item in named:
        file, _, test = item.partition("::")
        texts = [path.read_text(encoding="utf-8") for path in (CHECKOUT / "tests").rglob(file)]
        assert any(re.search(rf"^\s*def {test}\(", text, re.MULTILINE) for text in texts), item


@pytest.mark.parametrize("name", ["Makefile", "README.md", ".ci/run", "CONTRIBUTING.md", ".github/workflows/ci.yml"])
def test_commands_of_the_script_exist(name: str) -> None:
    known = set(re.findall(r"^do_(\w+)\(\)", RUN, re.MULTILINE))
    text = (CHECKOUT / name).read_text(encoding="utf-8")
    called = set(re.findall(r"\./run (\w+)", text)) - {"TARGET"}
    assert called <= known
    if name == "Makefile":
        targets = text.partition(".PHONY:")[2].splitlines()[0].split()
        assert set(targets) - {"help"} == known


# Outputs


def sessions() -> list[Block]:
    return [block for page in PAGES for block in page.blocks if block.kind == "console"]


def test_every_output_has_somebody_who_produces_it() -> None:
    assert sessions()
    assert {block.mark for block in sessions()} == {"hello", "demo"}


def test_the_demo_is_as_shown() -> None:
    """Its last commands are runs of a sample, whose output is in the catalogue."""
    (block,) = (block for block in sessions() if block.mark == "demo")
    steps = list(block.steps)
    assert [step.command.split()[0] for step in steps] == ["git", "./run", "chroot", "chroot"]
    for step in steps[2:]:
        _, _, program, *arguments = shlex.split(step.command)
        (sample,) = (item for item in SAMPLES if item.build[:1] == ("{samples}/cli",) and item.run == tuple(arguments))
        assert program == "/greeter" and sample.accepts("".join(f"{line}\n" for line in step.output), 0)
        assert f"    in_root {shlex.join(arguments)}\n" in RUN


@pytest.mark.parametrize(
    ("shown", "printed", "same"),
    [
        (["a", "...", "d"], ["a", "b", "c", "d"], True),
        (["a", "...", "d"], ["a", "d"], True),
        (["a", "..."], ["a", "b"], True),
        (["a", "..."], ["b"], False),
        (["a", "d"], ["a", "b", "d"], False),
        ([], ["a"], False),
        (["a"], [], False),
        (["22.4 MB, first output after 52 ms"], ["8 kB, first output after 1 ms"], True),
        (["  link            0.3 s  22.4 MB"], ["  link           12.3 s  9 B"], True),
        (["exited with status 0; 31 libraries loaded"], ["exited with status 0; 5 libraries loaded"], True),
        (["exited with status 0"], ["exited with status 1"], False),
    ],
)
def test_agreement_of_outputs(shown: list[str], printed: list[str], same: bool) -> None:
    assert agrees(shown, printed) is same


def test_only_what_is_volatile_is_left_out() -> None:
    line = "freezer: error: module 'requests' is missing from the build environment"
    assert normalised(line) == line


# What contributors read

CONTRIBUTING = Page("CONTRIBUTING.md")
ROOTS = ("freezer/", "tests/", "docs/", "man/", "benchmarks/", "packaging/", ".github/", ".ci/")


def paths_named() -> set[str]:
    """The paths in its sentences, tables and maps; those below ``freezer/`` with or without that."""
    return {code for code in CONTRIBUTING.code if code.startswith(ROOTS) and " " not in code and "*" not in code}


def test_paths_for_contributors_exist() -> None:
    assert len(paths_named()) >= 40
    for path in paths_named():
        file, _, _ = path.partition("::")
        assert (CHECKOUT / file).exists(), path


def test_functions_for_contributors_exist() -> None:
    """``name()`` in a paragraph, an item or a row is a function of a module that is named there, too."""
    checked = 0
    for part in re.split(r"\n\n|\n(?=\d+\. |- |\| )", CONTRIBUTING.prose):
        modules = re.findall(r"`((?:freezer|tests)/[\w/.-]+\.py)`", part)
        text = "".join((CHECKOUT / module).read_text(encoding="utf-8") for module in modules)
        for name in re.findall(r"`(\w+)\(\)`", part) if modules else ():
            assert re.search(rf"\bdef {name}\(", text), f"{name}: {part}"
            checked += 1
        for name in re.findall(r"`([A-Z]\w+)`", part) if modules else ():
            assert re.search(rf"\b{name}\b", text), f"{name}: {part}"
    assert checked >= 25


def test_the_map_is_in_the_order_of_imports() -> None:
    """The rooms are listed from the top to the bottom; the rule is in test_rooms.py."""
    text = (CHECKOUT / "tests" / "unit" / "test_rooms.py").read_text(encoding="utf-8")
    order = re.findall(r'"(\w+)"', text.partition("\nORDER = (\n")[2].partition("\n)\n")[0])
    table = CONTRIBUTING.text.partition("## The map")[2].partition("\n## ")[0]
    rooms = re.findall(r"^\| `freezer/(\w+)(?:/|\.py)` \|", table, re.MULTILINE)
    assert rooms == [name for name in reversed(order) if name != "__main__"]


def test_where_to_change_what_has_one_answer() -> None:
    table = CONTRIBUTING.text.partition("## Where would I change X?")[2].partition("\n## ")[0]
    answers = [re.split(r"(?<!\\)\|", line)[2] for line in table.splitlines() if line.startswith("| ")][1:]
    assert len(answers) >= 10
    for answer in answers:
        assert len(re.findall(r"`[^`]+`", answer)) == 1, answer


def test_pages_do_not_hide_lines_from_shells() -> None:
    """Blocks without a language are for shells as well, or their commands would not be looked at."""
    assert [line for line in shell_lines(Page("tests/samples/README.md")) if line.startswith("freezer ")]
