"""A registry: requests with authorization and redirections, repeated after trouble, and the errors of its answers."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Optional
from urllib.parse import urljoin, urlsplit

from freezer.base.errors import OutputError
from freezer.base.log import Log
from freezer.push.authorization import Authorization, error_text
from freezer.push.connections import Answer, Body, Connections, Text
from freezer.push.credentials import Credentials
from freezer.push.target import Target
from freezer.push.trouble import Patience, Policy, Trouble, Unreachable, seconds_of

PASSING = frozenset((408, 425, 429, 500, 502, 503, 504))
"""The answers after which a request may succeed later."""
FULL = ("no space left", "disk quota", "quota exceed", "exceeds the quota", "exceed the configured", "storage quota",
        "insufficient storage")  # fmt: skip
"""What registries say, in small letters, if they have no room."""
MAX_REDIRECTIONS = 5
MAX_RENEWALS = 3
"""Attempts to authorize one request: without a token, with one that another thread has, and with a new one."""


class Registry:
    """The registry of one target."""

    def __init__(
        self,
        target: Target,
        connections: Connections,
        credentials: Optional[Credentials],
        mounts: Sequence[str],
        policy: Policy,
        log: Log,
    ) -> None:
        self.target = target
        self._connections = connections
        self._policy = policy
        self._log = log
        self._authorization = Authorization(target, credentials, mounts, self._ask_others)

    def patience(self, what: str) -> Patience:
        """Return the patience for one piece of work; ``what`` completes "cannot ..."."""
        return Patience(self._policy, self._connections.stop, self._log, what)

    def greet(self) -> None:
        """Find out whether there is a registry, and what it wants of the user. Raises OutputError."""
        domain = self.target.reference.domain
        answer = self.ask("GET", f"{self.target.base}/v2/", f"reach {domain}", expected=(200, 401, 404), first=True)
        if answer.status == 404 or (answer.status == 200 and answer.body.lstrip()[:1] == b"<"):
            raise OutputError(
                f"{domain} is not a registry",
                why=f"it answers {answer.status} to {answer.url}",
                hint="check the registry's name and port",
            )

    def ask(
        self,
        method: str,
        url: str,
        what: str,
        *,
        headers: Optional[Mapping[str, str]] = None,
        body: Optional[Body] = None,
        expected: Collection[int],
        first: bool = False,
    ) -> Answer:
        """Send a request until there is an answer, which must be one of those ``expected``. With ``first``, a registry
        that cannot be reached is not waited for. Raises OutputError."""
        return self._patiently(lambda: self.attempt(method, url, headers, body), what, expected, first=first)

    def attempt(
        self, method: str, url: str, headers: Optional[Mapping[str, str]] = None, body: Optional[Body] = None
    ) -> Answer:
        """Send a request once; with a better authorization again, and to where it is redirected. Raises Trouble if it
        may be repeated, and OutputError."""
        for _ in range(MAX_REDIRECTIONS):
            answer = self._authorized(method, url, headers or {}, body)
            if answer.status not in (301, 302, 303, 307, 308) or method not in ("GET", "HEAD"):
                return _unless_passing(answer)
            url = self.location(answer)
        raise OutputError(f"{self.target.reference.domain} redirects a request again and again", why=f"last to {url}")

    def location(self, answer: Answer) -> str:
        """Return where an answer leads to. Raises OutputError if that is nowhere, or not safe."""
        where = answer.headers.get("Location")
        if not where:
            raise OutputError(
                f"{self.target.reference.domain} does not follow the protocol of registries",
                why=f"its answer {answer.status} to {answer.url} has no Location",
            )
        url = urljoin(answer.url, where)
        self.target.check_safe(urlsplit(url))
        return url

    def judge(self, answer: Answer, what: str, expected: Collection[int]) -> None:
        """Raise an OutputError for an answer that is not expected; ``what`` completes "cannot ..."."""
        if answer.status in expected:
            return
        domain, said = self.target.reference.domain, error_text(answer)
        if is_full(answer):
            raise OutputError(
                f"{domain} is full",
                why=f"it says: {said or answer.status}",
                hint="remove old images there, or ask its administrator for more room; then push again",
            )
        if answer.status in (401, 403):
            raise self._authorization.refusal(answer)
        if answer.status == 413:
            raise OutputError(
                f"cannot {what}: {domain} takes nothing of that size",
                why=said or "it answers 413",
                hint="raise the limit of the registry, or of the proxy in front of it",
            )
        raise OutputError(
            f"cannot {what}: {domain} answers {answer.status}",
            why=said or f"to {answer.url.partition('?')[0]}",
            hint="ask the registry's administrator if that is not clear",
        )

    def _authorized(self, method: str, url: str, headers: Mapping[str, str], body: Optional[Body]) -> Answer:
        # To the registry alone: uploads may lead to servers of others.
        own = url.startswith(self.target.base + "/")
        used = self._authorization.value if own else None
        for _ in range(MAX_RENEWALS):
            sent = {**headers, "Authorization": used} if used is not None else headers
            answer = self._connections.send(method, url, sent, body)
            better = self._authorization.renew(answer, used) if answer.status == 401 and own else None
            if better is None or better == used:
                break
            used = better
        return answer

    def _ask_others(self, method: str, url: str, headers: Mapping[str, str], body: Optional[Text]) -> Answer:
        """Ask a server of tokens."""
        place = urlsplit(url).netloc
        return self._patiently(
            lambda: _unless_passing(self._connections.send(method, url, headers, body)),
            f"get a token from {place}",
            None,
        )

    def _patiently(
        self, attempt: Callable[[], Answer], what: str, expected: Optional[Collection[int]], *, first: bool = False
    ) -> Answer:
        patience = self.patience(what)
        while True:
            try:
                answer = attempt()
            except Trouble as trouble:
                if first and isinstance(trouble, Unreachable):
                    raise OutputError(str(trouble), hint=trouble.hint) from trouble
                patience.pause(trouble)
            else:
                if expected is not None:
                    self.judge(answer, what, expected)
                return answer


def is_full(answer: Answer) -> bool:
    """Return whether a registry answers that it has no room."""
    said = error_text(answer).lower()
    return answer.status == 507 or (answer.status >= 400 and any(words in said for words in FULL))


def _unless_passing(answer: Answer) -> Answer:
    """Return an answer. Raises Trouble for one after which the request may be repeated."""
    if answer.status not in PASSING or is_full(answer):
        return answer
    place, said = urlsplit(answer.url).netloc, error_text(answer)
    reason = f"{place} is asked too often" if answer.status == 429 else f"{place} answers {answer.status}"
    raise Trouble(reason + (f" ({said})" if said else ""), wait=seconds_of(answer.headers.get("Retry-After")))
