from rich.text import Text


def render(text: str) -> Text:
    return Text(text)
