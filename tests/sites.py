"""A finished build, made up."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Optional

from running import Runner

from freezer.application.entry import Application
from freezer.application.inputs import named_inputs
from freezer.application.origin import origin_of
from freezer.application.own import OwnFound
from freezer.base.log import Log, Verbosity
from freezer.base.publish import digest_file
from freezer.environment.interpreter import Interpreter
from freezer.environment.venv import Environment
from freezer.freeze.pyinstaller import FrozenApp
from freezer.link.other_size import Other
from freezer.plan.build import Plan
from freezer.plan.resolve import resolve
from freezer.prove.proof import Proof
from freezer.prove.strength import Strength
from freezer.results import Built, recall, remember, state_of_output
from freezer.system.host import Host
from freezer.system.locate import locate_interpreter


class Site:
    """A finished build, made up."""

    def __init__(self, folder: Path) -> None:
        self.stream = io.StringIO()
        self.folder, self.cache = folder / "site", folder / "cache"
        for place in (
            self.folder / "data",
            self.folder / "pkg",
            self.cache / "record",
            self.cache / "env" / "key" / "bin",
        ):
            (folder / place).mkdir(parents=True)
        (self.cache / "env" / "key" / "complete").touch()
        for name in ("app.py", "helper.py", "data/x", "r.txt", "lib.so", "out", "pkg/__init__.py"):
            (self.folder / name).write_text(name)

    def plan(self, **arguments: Any) -> Plan:
        given = {
            "entry": "app.py", "requirement": ["r.txt"], "add_data": ["data:data"], "library": ["lib.so"],
            "output": "out", **arguments,
        }  # fmt: skip
        return resolve(given, folder=self.folder, environ={})

    def write(
        self,
        other: Optional[Other] = None,
        during: Callable[[], object] = lambda: None,
        asks: str = "__file__",
        late: Callable[[], object] = lambda: None,
    ) -> None:
        """Remember a build; ``during`` is what happens while it runs, ``late`` after it has looked at its output;
        ``asks`` is how the code asks for its files."""
        named = named_inputs(self.plan(), self.cache)
        during()
        python = locate_interpreter(None)
        interpreter = Interpreter(python, sys.version_info[:3], Path("/"), python)
        toolchain, analysis = self.cache / "toolchain/key/modules", self.cache / "analysis/key"
        place = self.cache / "env/key/bin/python"
        environment = Environment(place, interpreter, "key", False, Host(), toolchain, analysis)
        own = (self.folder / "app.py", self.folder / "helper.py")
        found = OwnFound(top=self.folder, asks=asks)
        packages = {"pkg": self.folder / "pkg"}
        application = Application("app", own[0], False, (), own, (), packages, None, own=found)
        frozen = FrozenApp(Path("/"), "app", Path("/"), frozenset(), {}, (*own, self.cache / "work/x"), (), (), False)
        out = self.folder / "out"
        proof = Proof(Strength.EMPTY_ROOT, "root", "ran", 0.1, 3, ("a note",))
        job = Runner(self.folder.parent, cache=self.cache).job
        origin = origin_of(self.plan(), application, job)
        built = Built(
            *(out, out.stat().st_size, digest_file(out), "3.11.2", proof, origin),
            other=other,
            state=state_of_output(out),
        )
        late()
        remember(self.plan(), named, environment, application, frozen, built, job)

    def kept(self, **arguments: Any) -> Optional[Built]:
        """What is recalled; ``said`` is why nothing is."""
        self.stream = io.StringIO()
        plan = self.plan(**arguments)
        return recall(plan, named_inputs(plan, self.cache), self.cache, Log(Verbosity.VERBOSE, self.stream))

    @property
    def said(self) -> str:
        return self.stream.getvalue().removeprefix("building: ").rstrip()
