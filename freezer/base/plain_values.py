"""Frozen values as JSON can state them, and back: dataclasses, tuples, sets, mappings and paths.

Only the classes that the caller lists are made again, so that a file can make nothing else. Paths below a directory
that is another one each time are stated by a name for that directory.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Union

PLACE = "@"
"""What the name of a directory begins with; no absolute path does."""


class PlainValues:
    """Turns values into JSON's and back. ``classes`` are the dataclasses that may occur, and ``places`` the directories
    by their names."""

    def __init__(self, classes: Iterable[type[Any]], places: Mapping[str, Path]) -> None:
        self._classes = {item.__name__: item for item in classes}
        self._places = {name: str(path) for name, path in places.items()}

    def plain(self, value: Any) -> Any:
        """Return a value as JSON can state it. Raises TypeError for one that is of no known type."""
        if value is None or isinstance(value, (bool, int, float, str)):
            return value
        if isinstance(value, Path):
            return {"path": self.text(value)}
        if isinstance(value, tuple):
            return {"tuple": [self.plain(item) for item in value]}
        if isinstance(value, frozenset):
            return {"set": [self.plain(item) for item in sorted(value)]}
        if isinstance(value, Mapping):
            return {"map": [[self.plain(key), self.plain(item)] for key, item in value.items()]}
        if type(value).__name__ in self._classes:
            fields = {item.name: self.plain(getattr(value, item.name)) for item in dataclasses.fields(value)}
            return {"class": type(value).__name__, "fields": fields}
        raise TypeError(f"{type(value).__name__} cannot be stated")

    def value(self, plain: Any) -> Any:
        """Return the value that ``plain`` states. Raises LookupError, TypeError or ValueError if it states none."""
        if not isinstance(plain, dict):
            return plain
        if "path" in plain:
            return Path(self.whole(plain["path"]))
        if "tuple" in plain:
            # Most are texts, of which there may be thousands.
            return tuple([self.value(item) if isinstance(item, dict) else item for item in plain["tuple"]])
        if "set" in plain:
            return frozenset(self.value(item) for item in plain["set"])
        if "map" in plain:
            return {self.value(key): self.value(item) for key, item in plain["map"]}
        fields = {name: self.value(item) for name, item in plain["fields"].items()}
        return self._classes[plain["class"]](**fields)

    def text(self, path: Union[str, Path]) -> str:
        """Return a path as text, with the name of the directory that it is in."""
        text = str(path)
        for name, place in self._places.items():
            if text == place or text.startswith(f"{place}/"):
                return f"{PLACE}{name}{text[len(place) :]}"
        return text

    def whole(self, text: str) -> str:
        """Return the path that ``text`` has made a text of. Raises LookupError for an unknown directory."""
        if not text.startswith(PLACE):
            return text
        name, slash, rest = text[len(PLACE) :].partition("/")
        return self._places[name] + slash + rest
