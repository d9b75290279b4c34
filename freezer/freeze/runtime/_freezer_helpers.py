"""What helper processes need of the modules that start them, and that they run: multiprocessing, and copies of it that
can do more (multiprocess, which belongs to dill, and billiard, which belongs to celery).
"""

import os

import _freezer_processes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Optional


def adapt(module: "Any") -> None:
    """Adapt a module that has just been imported: runpy, or one of those called ``spawn``."""
    if module.__name__ == "runpy":
        _adapt_runpy(module)
    else:
        _adapt_spawn(module)


def _adapt_runpy(module: "Any") -> None:
    """Have the main script run from the archive: helper processes run it to have its functions and classes."""
    run_path = module.run_path

    def run_path_(path_name: "Any", init_globals: "Any" = None, run_name: "Optional[str]" = None) -> "Any":
        path = _freezer_processes.main_script
        if not isinstance(path_name, (str, bytes)) or os.fsdecode(path_name) != path:
            return run_path(path_name, init_globals, run_name)
        from _freezer_finders import main_loader
        from _freezer_runner import MAIN_SCRIPT

        loader, name = main_loader(MAIN_SCRIPT, path), run_name or "<run_path>"
        code = loader.get_code("__main__")
        found = module._run_module_code(code, init_globals, name, pkg_name="", script_name=path)
        # PyInstaller's helpers have a loader, too; those of a script under Python have none.
        return {**found, "__loader__": loader}

    module.run_path = run_path_


def _adapt_spawn(module: "Any") -> None:
    """Have a module multiprocessing.spawn start its processes as interpreters, and not go by the application's
    arguments, with which anybody could tell it to take code from a descriptor."""
    original, main = module.get_command_line, module._main

    def get_command_line(**values: "Any") -> "list[str]":
        flag = original(**values)[1]
        words = ", ".join("%s=%r" % item for item in values.items())
        command = "from %s import spawn_main; spawn_main(%s)" % (module.__name__, words)
        from subprocess import _args_from_interpreter_flags  # type: ignore[attr-defined]

        return [os.fsdecode(module.get_executable()), *_args_from_interpreter_flags(), "-c", command, flag]

    def main_(*given: "Any", **named: "Any") -> "Any":
        try:
            return main(*given, **named)
        except EOFError:
            # The parent ended before it said what to do.
            return 1

    module.get_command_line, module._main = get_command_line, main_
    module.freeze_support = lambda: None
