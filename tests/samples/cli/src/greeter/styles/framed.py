from rich.panel import Panel
from rich.text import Text


def render(text: str) -> Panel:
    return Panel.fit(Text(text))
