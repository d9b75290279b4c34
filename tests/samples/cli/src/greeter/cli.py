"""The command line of greeter."""

import importlib
import json
from importlib import metadata, resources

import click
from rich.console import Console

PLUGIN_GROUP = "greeter.plugins"


def greetings() -> dict:
    """The greeting of each language, from the package's own data file."""
    data = resources.files("greeter").joinpath("data", "greetings.json")
    return json.loads(data.read_text(encoding="utf-8"))


def plugins() -> dict:
    """The installed entry points that change a greeting, by name."""
    found = metadata.entry_points()
    if hasattr(found, "select"):
        group = found.select(group=PLUGIN_GROUP)
    else:  # Python 3.9 returns a plain dictionary of groups
        group = found.get(PLUGIN_GROUP, ())
    return {point.name: point for point in group}


@click.command()
@click.version_option(metadata.version("greeter"))
@click.option("--language", default="en", show_default=True)
@click.option("--style", default="plain", type=click.Choice(["plain", "framed"]))
@click.option("--plugin", "names", multiple=True, help="Apply a plugin; repeatable.")
@click.argument("person")
def main(language: str, style: str, names: tuple, person: str) -> None:
    """Greet PERSON."""
    known = greetings()
    if language not in known:
        raise click.BadParameter(f"{language!r} is not one of {sorted(known)}")
    text = known[language].format(person=person)

    available = plugins()
    for name in names:
        if name not in available:
            raise click.BadParameter(f"{name!r} is not one of {sorted(available)}")
        text = available[name].load()(text)

    renderer = importlib.import_module(f"greeter.styles.{style}")
    Console(highlight=False).print(renderer.render(text))
