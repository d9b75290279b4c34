"""What a proof has not tried, as far as that can be told by what was asked and by what is in the application."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from freezer.plan.build import Smoke
from freezer.prove.proof import Proof

SERVERS = (
    *("flask", "django", "fastapi", "starlette", "aiohttp.web", "tornado.web", "bottle", "falcon", "pyramid", "sanic"),
    *("quart", "cherrypy", "litestar", "robyn", "streamlit", "dash", "gradio", "nicegui", "gunicorn", "uvicorn"),
    *("waitress", "hypercorn", "daphne", "twisted.web", "werkzeug", "wsgiref.simple_server", "http.server"),
)
"""Modules of which most applications make a server, those that say most first."""
OF_LIBRARIES = ("http.server",)
"""Those that count only if the application's own code imports them: others bring them, too."""


def untried(
    smokes: Sequence[Smoke], modules: Collection[str], own_imports: Collection[str], proof: Proof
) -> tuple[str, ...]:
    """Return sentences about what none of the runs has tried, with the options that try it. ``modules`` are all in the
    application but its own, ``own_imports`` what its own code imports unconditionally."""
    found = []
    present = (name for name in SERVERS if name in (own_imports if name in OF_LIBRARIES else modules))
    server = next(present, None)
    if server is not None and not any(smoke.requests for smoke in smokes):
        found.append(f"not tried: a request, though {server} is in it; to ask a server: --smoke-http /")
    elif all(smoke.arguments is None and smoke.status is None and not smoke.requests for smoke in smokes):
        found.append("not tried: more than a start without arguments; to have it do something: --smoke ARGS")
    if proof.unused:
        ran = proof.own - len(proof.unused)
        found.append(f"{ran} of {proof.own} own modules ran; -v names the others")
    return tuple(found)
