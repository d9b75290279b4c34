"""Starts from a snapshot must do what plain starts do: comparing the sandbox's reports of both."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Optional

from freezer.base.processes import describe_status
from freezer.prove.judge import CRASHES

Seen = tuple[object, ...]
"""What is compared of a run."""
RESTORED = ": started by a snapshot"
"""The end of the line by which the launcher says so; see freezer/link/launcher/resume.c."""
PLAINLY = re.compile(r".*: started plainly: (?P<why>.*)")
SHOWN, SHOWN_BEFORE = 100, 30
"""How many characters are shown of a line that differs, and how many of these before the first that does."""
CHANGING = re.compile(r"[0-9a-f]*[0-9][0-9a-f]*")
"""What may differ in each start: numbers, addresses, times."""


def difference(plain: Sequence[Mapping[str, Any]], restored: Mapping[str, Any]) -> Optional[str]:
    """Return what a restored start does otherwise than two plain ones, None if that is nothing. What these do not have
    in common is not compared; of those that have not ended, only whether the restored one crashes."""
    if any(run["timed_out"] for run in plain):
        return _described(_end(plain[0]), _end(restored)) if restored["signal"] in CRASHES else None
    for view in (_exactly, _without_numbers, _end):
        first, second = map(view, plain)
        if first == second:
            found = view(restored)
            return None if found == first else _described(first, found)
    return None


def why_plainly(run: Mapping[str, Any]) -> Optional[str]:
    """Return why a run was not started from a snapshot; None if it was."""
    line = _errors(run)[0]
    if line.endswith(RESTORED):
        return None
    if run["timed_out"] and not line:
        return f"it had not begun after {run['seconds']:.0f} s; give it more time: --smoke-timeout SECONDS"
    match = PLAINLY.fullmatch(line)
    return match["why"] if match else "the launcher does not say why"


def _errors(run: Mapping[str, Any]) -> tuple[str, str]:
    """Return what the launcher has said of the start, and what the application has written to stderr."""
    line, _, rest = str(run.get("stderr") or "").partition("\n")
    return line, rest


def _end(run: Mapping[str, Any]) -> Seen:
    answers = run["asked"]["answers"] if run.get("asked") else ()
    return (run["status"], run["signal"], run["timed_out"], tuple(item["status"] for item in answers))


def _exactly(run: Mapping[str, Any]) -> Seen:
    return (*_end(run), *_texts(run, lambda text: text))


def _without_numbers(run: Mapping[str, Any]) -> Seen:
    return (*_end(run), *_texts(run, lambda text: CHANGING.sub("0", text)))


def _texts(run: Mapping[str, Any], simplified: Callable[[str], str]) -> list[str]:
    bodies = [item["body"] for item in run["asked"]["answers"]] if run.get("asked") else []
    # Some applications show their environment.
    texts = [str(run.get("stdout") or ""), _errors(run)[1], *bodies]
    return [simplified(re.sub(r"FREEZER_START(\W+)plain", r"FREEZER_START\1snapshot", text)) for text in texts]


def _described(plain: Seen, restored: Seen) -> str:
    if plain[:3] != restored[:3]:
        return f"it {_ended(restored)}, where a plain start {_ended(plain)}"
    for one, other in zip(plain[3:], restored[3:]):
        if one != other:
            lines = zip([*str(one).splitlines(), ""], [*str(other).splitlines(), ""])
            texts = next(((left, right) for left, right in lines if left != right), (str(one), str(other)))
            differs = next((at for at, pair in enumerate(zip(*texts)) if pair[0] != pair[1]), min(map(len, texts)))
            begin = max(0, differs - SHOWN_BEFORE)
            shown = [repr(text[begin : begin + SHOWN]) for text in texts]
            return f"it prints {shown[1]}, where a plain start prints {shown[0]}"
    return "it ends another way"


def _ended(seen: Seen) -> str:
    status, signal, timed_out = seen[:3]
    if timed_out:
        return "is still running"
    return describe_status(-signal if isinstance(signal, int) and signal else int(str(status)))
