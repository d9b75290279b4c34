"""The plugins greeter brings itself, found through their entry points."""


def shout(text: str) -> str:
    return text.upper() + "!"


def reverse(text: str) -> str:
    return text[::-1]
