"""Settings are put into a pyproject.toml, of which all else stays as it is: comments, order and spelling.

New tables go to the end of the text, which leaves every byte before them alone. Values in a table that exists, and
files with a ``tool`` that nothing can be put behind, are edited by tomlkit. Either way, what has come of it is read
again, and compared.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from freezer.base.errors import InputError
from freezer.plan.settings_file import IMAGE_TABLE, parse_toml, tool_settings

WIDTH = 100
TABLE = "freezer"

Values = Mapping[str, Any]
"""Values by their keys in files; those for images are in a dictionary under ``image``."""


def with_settings(text: str, values: Values, path: Path) -> str:
    """Return the text of the file ``path`` with settings in ``[tool.freezer]``; what is there of other keys stays.

    Raises InputError if it is malformed, or if that cannot be done without changing anything else.
    """
    before = parse_toml(text, str(path))
    wanted = _wanted(before, values)
    if wanted == before:
        return text
    for attempt in (_appended, _edited):
        changed = _with_ends_of(text, attempt(text, values))
        if _content(changed) == wanted:
            tool_settings(wanted, path)  # freezer's own checks: every key is known, every value of its kind
            return changed
    raise InputError(
        f"the settings cannot be put into {path} without changing other parts of it",
        hint=f"put them there by hand:\n{_rendered(values)}",
    )


def settings_in(text: str, path: Path) -> dict[str, Any]:
    """Return what is in ``[tool.freezer]`` of a text, with the keys of files. Raises InputError if it is malformed."""
    tool = parse_toml(text, str(path)).get("tool", {})
    found = tool.get(TABLE, {}) if isinstance(tool, dict) else {}
    return dict(found) if isinstance(found, dict) else {}


def _wanted(before: Mapping[str, Any], values: Values) -> dict[str, Any]:
    """Return what the file shall contain."""
    tool = before.get("tool", {})
    table = tool.get(TABLE, {})
    image = {**table.get(IMAGE_TABLE, {}), **values.get(IMAGE_TABLE, {})}
    merged = {**table, **values, **({IMAGE_TABLE: image} if image else {})}
    return {**before, "tool": {**tool, TABLE: merged}}


def _content(text: str) -> Any:
    try:
        return parse_toml(text, "")
    except InputError:
        return None


def _with_ends_of(text: str, changed: str) -> str:
    """Return a changed text with the ends of lines that it had."""
    if "\r\n" in text and "\n" not in text.replace("\r\n", ""):
        return changed.replace("\r\n", "\n").replace("\n", "\r\n")
    return changed


def _appended(text: str, values: Values) -> str:
    """Return the text with values changed in the tables that exist, and new tables behind it."""
    table = _table(text)
    image = values.get(IMAGE_TABLE, {})
    new = {key: value for key, value in values.items() if key != IMAGE_TABLE and table is None}
    new.update({IMAGE_TABLE: image} if image and IMAGE_TABLE not in (table or {}) else {})
    changed = (
        _edited(text, {key: value for key, value in values.items() if key not in new}) if table is not None else text
    )
    if not new:
        return changed
    space = "" if not changed.strip() else "\n" if changed.endswith("\n") else "\n\n"
    return changed + space + _rendered(new, headed=table is None)


def _table(text: str) -> Any:
    tool = _content(text).get("tool")
    return tool.get(TABLE) if isinstance(tool, dict) else None


def _rendered(values: Values, *, headed: bool = True) -> str:
    """Return values as the text of new tables; without ``headed`` those of images alone."""
    import tomlkit

    document = tomlkit.document()
    tool = tomlkit.table(is_super_table=True)
    document["tool"] = tool
    inner: Any = tomlkit.table(is_super_table=not headed)
    tool[TABLE] = inner
    _set(inner, values)
    return tomlkit.dumps(document)


def _edited(text: str, values: Values) -> str:
    """Return the text with values changed in their places; as it is if tomlkit cannot do that."""
    import tomlkit
    from tomlkit.exceptions import TOMLKitError

    try:
        document = tomlkit.parse(text)
        tool: Any = document.setdefault("tool", tomlkit.table())
        _set(tool.setdefault(TABLE, tomlkit.table()), values)
        return tomlkit.dumps(document)
    except (TOMLKitError, ValueError):
        # Such as new tables in an inline one.
        return text


def _set(table: Any, values: Values) -> None:
    import tomlkit

    for key, value in values.items():
        if key == IMAGE_TABLE:
            _set(table.setdefault(IMAGE_TABLE, tomlkit.table()), value)
        elif key not in table or table[key] != value:
            table[key] = _item(value)


def _item(value: Any) -> Any:
    """Return a value for tomlkit: long lists with a line for each member, lists of dictionaries as tables."""
    import tomlkit

    if isinstance(value, list) and value and all(isinstance(item, dict) for item in value):
        tables = tomlkit.aot()
        for item in value:
            table = tomlkit.table()
            for key, inner in item.items():
                table[key] = _item(inner)
            tables.append(table)
        return tables
    item = tomlkit.item(value)
    if isinstance(value, list) and len(tomlkit.item(value).as_string()) > WIDTH:
        item.multiline(True)
    return item
