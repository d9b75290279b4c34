"""Where the imports end that the main script begins with, and code that ends there.

The build of an application that is to be saved has marked the place in the script. In others the code is cut off:
behind the docstring and the import statements that it begins with, it returns.
"""

import sys

import _freezer_archive
import _freezer_boundary

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import CodeType
    from typing import Any, NamedTuple, Optional

    class Opcodes(NamedTuple):
        name: int
        attribute: int
        store: int
        store_global: int
        pop: int
        load: int
        more: "tuple[int, ...]"
        first: "tuple[int, ...]"
        extended: int
        leave: int

else:
    Opcodes = tuple

OPCODES = {
    (3, 9): (108, 109, 90, 97, 1, 100, (2, 84), (9, 85), 144, 83),
    (3, 10): (108, 109, 90, 97, 1, 100, (2, 84), (9, 85), 144, 83),
    (3, 11): (108, 109, 90, 97, 1, 100, (99, 84), (151, 9, 85), 144, 83),
    (3, 12): (108, 109, 90, 97, 1, 100, (99, 173), (151, 9, 85), 144, 83),
    (3, 13): (75, 74, 114, 113, 32, 83, (115, 55), (149, 30, 37), 71, 36),
}
"""The numbers of IMPORT_NAME, IMPORT_FROM, STORE_NAME, STORE_GLOBAL, POP_TOP, LOAD_CONST, of what else an import has,
of what code begins with, of EXTENDED_ARG and of RETURN_VALUE, as the module ``opcode`` has them, which few applications
have."""


def beginning(code: "CodeType") -> "Optional[tuple[CodeType, list[Any]]]":
    """Return code of a script, and the file and line where the imports end that it begins with: with a mark there, at
    which it has to be ended, or only up to there. None if the code of this Python is not known."""
    path = code.co_filename
    for archive in _freezer_archive.archives:
        if _freezer_boundary.MARKED in archive.toc:
            marked = archive.code(_freezer_boundary.MARKED, path)
            assert marked is not None
            return marked, [path, 0]
    opcodes = OPCODES.get(sys.version_info[:2])
    if opcodes is None:
        return None
    at = end_of_imports(code, opcodes)
    return _until(code, at, opcodes), [path, _line(code, at)]


def end_of_imports(code: "CodeType", opcodes: "Any") -> int:
    """Return the place in bytes of the first statement that is neither an import nor the docstring."""
    name, attribute, store, store_global, pop, load, more, first, extended, _ = opcodes
    numbers, values = code.co_code[::2], code.co_code[1::2]

    def skip(index: int, wanted: "tuple[int, ...]") -> int:
        while index < len(numbers) and numbers[index] in wanted:
            index += 1
        return index

    index = skip(0, first)
    while True:
        start = index
        loads = skip(start, (load, extended))
        constants = numbers[start:loads].count(load)
        if constants == 2 and numbers[loads] == name:
            index = skip(loads + 1, (attribute, store, store_global, pop, extended, *more))
            while numbers[index - 1] == extended:
                index -= 1  # it belongs to the next statement
        elif constants == 1 and numbers[loads] == store and code.co_names[values[loads]] == "__doc__":
            index = loads + 1
        else:
            return 2 * start


def _until(code: "CodeType", at: int, opcodes: "Any") -> "CodeType":
    """Return the code, which returns at a place."""
    number = len(code.co_consts)
    end = bytes([opcodes[8], number >> 8, opcodes[5], number & 255, opcodes[9], 0])
    changed: dict[str, Any] = {"co_code": code.co_code[:at] + end, "co_consts": (*code.co_consts, None)}
    if hasattr(code, "co_exceptiontable"):
        changed["co_exceptiontable"] = b""
    return code.replace(**changed)


def _line(code: "CodeType", at: int) -> int:
    return [line for start, line in _line_starts(code) if start <= at][-1]


def _line_starts(code: "CodeType") -> "list[tuple[int, int]]":
    """Return the places in bytes where code of a line begins, in order."""
    if sys.version_info >= (3, 10):
        return [(start, line) for start, _, line in code.co_lines() if line]
    start, line = 0, code.co_firstlineno
    found = [(start, line)]
    for more, lines in zip(code.co_lnotab[::2], code.co_lnotab[1::2]):
        start, line = start + more, line + (lines - 256 if lines > 127 else lines)
        found.append((start, line))
    return found
