"""The command-line application of the benchmarks: click reads the arguments, rich frames what is said."""

import click
from rich.console import Console
from rich.panel import Panel


@click.command()
@click.option("--language", type=click.Choice(["en", "fr"]), default="en")
@click.argument("name")
def main(language: str, name: str) -> None:
    """Greet NAME."""
    word = {"en": "Hello", "fr": "Bonjour"}[language]
    Console(width=40).print(Panel(f"[bold]{word}[/bold], {name}!"))


if __name__ == "__main__":
    main()
