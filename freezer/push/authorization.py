"""Authorization: the password with each request, or a token for it from the server that the registry names.

The tokens are those of docker's registry (https://distribution.github.io/distribution/spec/auth/token/), which the
others have taken over. Passwords go to the registry, and to the server of tokens that it names over TLS; to no other.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Optional
from urllib.parse import parse_qsl, urlencode, urlsplit

from freezer.base.errors import OutputError
from freezer.push.connections import Answer, Text
from freezer.push.credentials import Credentials
from freezer.push.target import Target

MAX_CHALLENGE = 8192
PARAMETER = r'([A-Za-z0-9_-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))'
SCHEME = re.compile(r"\s*,?\s*([A-Za-z][A-Za-z0-9_-]*)(?=\s|,|$)(?!\s*=)")
NEXT = re.compile(rf"\s*,?\s*{PARAMETER}")

Ask = Callable[[str, str, Mapping[str, str], Optional[Text]], Answer]
"""Sends a request - method, address, headers, body - with repetitions, and without authorization of its own."""


@dataclass(frozen=True)
class Challenge:
    """One way to authorize a request (RFC 9110, WWW-Authenticate). ``scheme`` is in small letters."""

    scheme: str
    parameters: Mapping[str, str]


def parse_challenges(header: str) -> Iterator[Challenge]:
    """Yield the challenges in a header; what is malformed ends them."""
    at, text = 0, header[:MAX_CHALLENGE]
    while match := SCHEME.match(text, at):
        at = match.end()
        parameters = {}
        while item := NEXT.match(text, at):
            quoted = item[2] if item[2] is not None else item[3]
            parameters[item[1].lower()] = re.sub(r"\\(.)", r"\1", quoted)
            at = item.end()
        yield Challenge(match[1].lower(), parameters)


class Authorization:
    """What is sent as Authorization to one registry. Threads share it: the first that is refused renews it."""

    def __init__(self, target: Target, credentials: Optional[Credentials], mounts: Sequence[str], ask: Ask) -> None:
        self._target = target
        self._credentials = credentials
        self._ask = ask
        self._scopes = [f"repository:{target.reference.path}:pull,push"]
        self._scopes += [f"repository:{name}:pull" for name in mounts]
        self._lock = threading.Lock()
        self.value: Optional[str] = None
        if credentials is not None and credentials.registry_token:
            self.value = f"Bearer {credentials.registry_token}"

    def renew(self, answer: Answer, used: Optional[str]) -> Optional[str]:
        """Return what to send after an answer of 401 to a request that was sent with ``used``; None if there is nothing
        better. Raises OutputError if the credentials are refused, or are missing."""
        with self._lock:
            if self.value != used:
                return self.value
            challenges: dict[str, Challenge] = {}
            for header in answer.headers.get_all("WWW-Authenticate", []):
                challenges.update((item.scheme, item) for item in parse_challenges(header))
            if "bearer" in challenges:
                self.value = f"Bearer {self._token(challenges['bearer'])}"
            elif "basic" in challenges and used is None:
                if self._credentials is None or self._credentials.basic is None:
                    raise self.refusal(answer)
                self.value = self._credentials.basic
            else:
                return None
            return self.value

    def refusal(self, answer: Answer) -> OutputError:
        """Return the error for an answer of 401 or 403."""
        registry, repository = self._target.reference.domain, self._target.reference.path
        said = error_text(answer) or f"it answers {answer.status}"
        if self._credentials is None:
            return OutputError(
                f"{registry} wants credentials to push to {repository}",
                why=f"it says: {said}; there are none for it in the files of docker and podman",
                hint=f"docker login {registry}, or podman login {registry}",
            )
        who = f"of {self._credentials.user}" if self._credentials.user else "(a token)"
        if answer.status == 403:
            return OutputError(
                f"{registry} does not allow to push to {repository}",
                why=f"it says: {said}; the credentials {who} are from {self._credentials.source}",
                hint="check the repository's name, and whether this user may push to it",
            )
        return OutputError(
            f"{registry} refuses the credentials {who}",
            why=f"it says: {said}; they are from {self._credentials.source}",
            hint=f"log in again: docker login {registry}, or podman login {registry}",
        )

    def _token(self, challenge: Challenge) -> str:
        realm = challenge.parameters.get("realm", "")
        url = urlsplit(realm)
        self._target.check_safe(url)
        fields = [("service", challenge.parameters["service"])] if "service" in challenge.parameters else []
        credentials = self._credentials
        if credentials is not None and credentials.identity_token:
            form = [*fields, ("client_id", "freezer"), ("scope", " ".join(self._scopes))]
            form += [("grant_type", "refresh_token"), ("refresh_token", credentials.identity_token)]
            headers = {"Content-Type": "application/x-www-form-urlencoded"}
            answer = self._ask("POST", realm, headers, Text(urlencode(form).encode()))
        else:
            query = [*parse_qsl(url.query), *fields, *(("scope", scope) for scope in self._scopes)]
            basic = credentials.basic if credentials is not None else None
            headers = {"Authorization": basic} if basic is not None else {}
            answer = self._ask("GET", url._replace(query=urlencode(query)).geturl(), headers, None)
        if answer.status in (400, 401, 403):
            raise self.refusal(answer)
        token = _token_in(answer.body) if answer.status == 200 else None
        if token is None:
            raise OutputError(
                f"{url.netloc} gives no token for {self._target.reference.domain}",
                why=error_text(answer) or f"it answers {answer.status}",
                hint="try again; if it stays so, ask the registry's administrator",
            )
        return token


def _token_in(body: bytes) -> Optional[str]:
    try:
        fields = json.loads(body)
    except (ValueError, RecursionError):
        return None
    if not isinstance(fields, dict):
        return None
    token = fields.get("token") or fields.get("access_token")
    # It becomes a header.
    return token if isinstance(token, str) and re.fullmatch(r"[!-~]+", token) else None


def error_text(answer: Answer) -> str:
    """Return what a registry says of an error, as one line; "" if it says nothing."""
    try:
        document: Any = json.loads(answer.body)
        errors = document.get("errors") or []
        texts = []
        for item in errors:
            detail = item.get("detail")
            words = [str(item.get("message") or item.get("code") or "")]
            words += [detail if isinstance(detail, str) else json.dumps(detail)] if detail else []
            texts.append(" ".join("; ".join(word for word in words if word).split())[:300])
        return "; ".join(text for text in texts[:3] if text) or str(document.get("details") or "")[:300]
    except (ValueError, AttributeError, TypeError, RecursionError):
        return "" if answer.body.lstrip()[:1] in (b"<", b"") else answer.text()[:300]
