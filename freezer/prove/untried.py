"""What a proof has not tried, as far as that can be told by what was asked and by what is in the application."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Optional

from freezer.plan.build import Smoke

SERVERS = (
    *("flask", "django", "fastapi", "starlette", "aiohttp.web", "tornado.web", "bottle", "falcon", "pyramid", "sanic"),
    *("quart", "cherrypy", "litestar", "robyn", "streamlit", "dash", "gradio", "nicegui", "gunicorn", "uvicorn"),
    *("waitress", "hypercorn", "daphne", "twisted.web", "werkzeug", "wsgiref.simple_server", "http.server"),
)
"""Modules of which most applications make a server, those that say most first."""
OF_LIBRARIES = ("http.server",)
"""Those that count only if the application's own code imports them: others bring them, too."""


def untried(smokes: Sequence[Smoke], modules: Collection[str], own_imports: Collection[str]) -> Optional[str]:
    """Return what none of the runs has tried, with the option that tries it, as a sentence; None if nothing is known.
    ``modules`` are all in the application, ``own_imports`` what its own code imports unconditionally."""
    if any(smoke.requests for smoke in smokes):
        return None
    present = (name for name in SERVERS if name in (own_imports if name in OF_LIBRARIES else modules))
    server = next(present, None)
    if server is not None:
        return f"not tried: a request, though {server} is in it; to ask a server: --smoke-http /"
    if all(smoke.arguments is None and smoke.status is None for smoke in smokes):
        return "not tried: more than a start without arguments; to have it do something: --smoke ARGS"
    return None
