"""Where the imports end that a memory snapshot is taken behind.

That is at the place which the build has marked in the main script (freezer/freeze/drivers/boundary.py), or earlier:
when one of some modules is asked for first, however deep in other imports that is. So what each start must do anew, in
the middle of a dependency's imports, cuts a snapshot short, but is no reason against one.
"""

import builtins
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import ModuleType
    from typing import Any, NoReturn, Optional

MARKED = "_freezer_marked_script"
"""The module that the main script's code is stored as, with a call of MARK where its first imports end."""
MARK = "_freezer_boundary"


class Boundary:
    """Calls ``reached`` once, where the imports end; they go on if it returns. ``before`` are the modules before whose
    imports, or those of modules in them, that is; ``imports`` are imported there first. ``asked`` is called with the
    name of each module that the application looks for until then, and with "" when ``imports`` begin; ``problem`` ends
    the process that cannot have these."""

    def __init__(
        self,
        before: "Sequence[str]",
        imports: "Sequence[str]",
        reached: "Callable[[], None]",
        problem: "Callable[[str], NoReturn]",
        asked: "Optional[Callable[[str], None]]" = None,
    ) -> None:
        self._before = tuple(name + "." for name in before)
        self._imports = imports
        self._reached, self._problem, self._asked = reached, problem, asked
        self._importing = ""
        self._has_ended = False

    def watch(self) -> None:
        """Begin."""
        setattr(builtins, MARK, self._mark)
        sys.meta_path.insert(0, self)

    def _mark(self) -> None:
        delattr(builtins, MARK)
        if not self._has_ended:
            self._end()

    def _end(self) -> None:
        if self._asked is not None:
            self._asked("")
        for name in self._imports:
            self._importing = name
            try:
                __import__(name)
            except Exception as error:
                problem = "%s, which the snapshot is to have, cannot be imported there: %s: %s"
                self._problem(problem % (name, type(error).__name__, error))
        self._has_ended = True
        sys.meta_path.remove(self)
        self._reached()

    def find_spec(
        self, name: str, path: "Optional[Sequence[str]]" = None, target: "Optional[ModuleType]" = None
    ) -> "Any":
        """Find nothing, as the first that Python asks for a module that it has not imported yet."""
        if not (name + ".").startswith(self._before):
            if self._asked is not None and not self._importing:
                self._asked(name)
            return None
        if self._importing:
            # The restored processes would import the rest of it, which the application has not asked for.
            self._problem("%s, which the snapshot is to have, imports %s, which it must not" % (self._importing, name))
        self._end()
        # Python goes through a list that is shorter now: it would pass over the finder behind this one.
        for finder in list(sys.meta_path):
            find = getattr(finder, "find_spec", None)
            spec = find(name, path, target) if find is not None else None
            if spec is not None:
                return spec
        return None


def is_unfinished(module: "Any") -> bool:
    """Whether a module's own code has not run to its end."""
    return bool(getattr(getattr(module, "__spec__", None), "_initializing", False))
