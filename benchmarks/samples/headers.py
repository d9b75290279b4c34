"""A command-line tool on click, requests and rich: prints what a request would send, and sends nothing."""

import click
import requests
from rich.console import Console
from rich.table import Table


@click.command()
@click.argument("url")
def main(url: str) -> None:
    """Print the headers of a request."""
    prepared = requests.Session().prepare_request(requests.Request("GET", url))
    table = Table("header", "value")
    for name, value in sorted(prepared.headers.items()):
        table.add_row(name, str(value))
    Console().print(table)


main()
