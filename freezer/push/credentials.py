"""The user's credentials for a registry, as ``docker login`` and ``podman login`` keep them.

The files are those of config.json (docker) and containers-auth.json(5). In each, a helper for the registry is asked
first, then the file's own entries count, the most specific one first, and then the helper for all registries.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
import re
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Optional

from freezer.base.errors import EnvironmentFailure, InputError
from freezer.base.oci.documents import object_at
from freezer.base.processes import ask_program
from freezer.push.target import DOCKER_HUB

TOKEN_USER = "<token>"
"""The user name with which a helper hands over an identity token."""
HUB_KEYS = ("https://index.docker.io/v1/", DOCKER_HUB)
"""The names that docker and podman ask a helper by for docker's own registry."""
NOT_FOUND = "credentials not found"
"""What a helper prints if it has none (docker-credential-helpers)."""
HELPER_SECONDS = 120.0
"""The time for a helper, which may ask the user for a password."""
MAX_FILE = 8 << 20


@dataclass(frozen=True)
class Credentials:
    """A user with a password, or a token; ``source`` is the file or program that they come from."""

    source: str
    user: str = ""
    password: str = field(default="", repr=False)
    identity_token: str = field(default="", repr=False)
    registry_token: str = field(default="", repr=False)

    @property
    def basic(self) -> Optional[str]:
        """Return the value of an Authorization header with user and password; None without a user."""
        if not self.user:
            return None
        return "Basic " + base64.b64encode(f"{self.user}:{self.password}".encode()).decode("ascii")


def find_credentials(
    registry: str, repository: str, *, environ: Mapping[str, str], home: Optional[Path]
) -> Optional[Credentials]:
    """Return the credentials for a repository; None if there are none.

    Raises InputError for a file that is damaged, and EnvironmentFailure for a helper that fails.
    """
    for path in credential_files(environ, home):
        content = _read(path)
        if content is not None:
            found = _of_file(path, content, registry, repository)
            if found is not None:
                return found
    return None


def credential_files(environ: Mapping[str, str], home: Optional[Path]) -> Iterator[Path]:
    """Yield the files that may have credentials, the first one first."""
    named = environ.get("REGISTRY_AUTH_FILE")
    if named:
        if not os.path.isfile(named):
            raise InputError(f"there is no file {named}", why="REGISTRY_AUTH_FILE names it", hint="unset the variable")
        yield Path(named)
        return
    runtime = environ.get("XDG_RUNTIME_DIR")
    yield Path(runtime, "containers/auth.json") if runtime else Path(f"/run/containers/{os.getuid()}/auth.json")
    configuration = environ.get("XDG_CONFIG_HOME") or (home / ".config" if home is not None else None)
    if configuration is not None:
        yield Path(configuration, "containers/auth.json")
    docker = environ.get("DOCKER_CONFIG") or (home / ".docker" if home is not None else None)
    if docker is not None:
        yield Path(docker, "config.json")


def _read(path: Path) -> Optional[dict[str, Any]]:
    try:
        with open(path, "rb") as file:
            data = file.read(MAX_FILE)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}", why="it may have the credentials") from error
    try:
        content = json.loads(data) if data.strip() else {}
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is damaged", why=f"it is not JSON: {error}", hint="log in again") from error
    if not isinstance(content, dict):
        raise InputError(f"{path} is damaged", why="it is not a JSON object", hint="log in again")
    return content


def _of_file(path: Path, content: dict[str, Any], registry: str, repository: str) -> Optional[Credentials]:
    helpers = object_at(content, "credHelpers")
    for key in _matching(helpers, registry, repository):
        found = _of_helper(path, str(helpers[key]), registry)
        if found is not None:
            return found
    entries = object_at(content, "auths")
    for key in _matching(entries, registry, repository):
        found = _of_entry(path, key, object_at(entries, key))
        if found is not None:
            return found
    store = content.get("credsStore")
    return _of_helper(path, store, registry) if isinstance(store, str) and store else None


def _matching(keys: Iterable[str], registry: str, repository: str) -> list[str]:
    """Return the keys for a repository: that of the registry, or of a part of the repository's name, which is longer
    and comes first."""
    whole = f"{registry}/{repository}"
    found = []
    for key in keys:
        name = re.sub(r"/v[12]$", "", re.sub(r"^https?://", "", key).rstrip("/"))
        if name.partition("/")[0] in ("index.docker.io", "registry-1.docker.io"):
            name = "/".join([DOCKER_HUB, *name.split("/")[1:]])
        if name == whole or whole.startswith(f"{name}/"):
            found.append((len(name), key))
    return [key for _, key in sorted(found, reverse=True)]


def _of_entry(path: Path, key: str, entry: Mapping[str, Any]) -> Optional[Credentials]:
    fields = {name: str(entry.get(name) or "") for name in ("username", "password", "identitytoken", "registrytoken")}
    if entry.get("auth"):
        try:
            text = base64.b64decode(str(entry["auth"]), validate=True).decode("utf-8")
        except (binascii.Error, ValueError) as error:
            raise InputError(
                f"{path} is damaged", why=f"its entry for {key} cannot be decoded", hint="log in again"
            ) from error
        user, _, password = text.partition(":")
        # docker pads passwords with zeros.
        fields.update(username=user, password=password.strip("\0"))
    if not any(fields.values()):
        return None
    if fields["username"] == TOKEN_USER:
        fields.update(username="", identitytoken=fields["identitytoken"] or fields["password"])
    return Credentials(
        str(path), fields["username"], fields["password"], fields["identitytoken"], fields["registrytoken"]
    )


def _of_helper(path: Path, name: str, registry: str) -> Optional[Credentials]:
    """Ask a helper (https://github.com/docker/docker-credential-helpers)."""
    if not name:
        return None
    if not re.fullmatch(r"[A-Za-z0-9_.+-]+", name):
        raise InputError(f"{path} names {name!r} as a credential helper", why="that is not the name of a program")
    program = f"docker-credential-{name}"
    for key in HUB_KEYS if registry == DOCKER_HUB else (registry,):
        try:
            done = ask_program([program, "get"], key + "\n", HELPER_SECONDS)
        except FileNotFoundError as error:
            raise EnvironmentFailure(
                f"{program} is not on PATH",
                why=f"{path} says that it has the credentials for {registry}",
                hint="install it, or log in to a file of its own: REGISTRY_AUTH_FILE=FILE",
            ) from error
        except OSError as error:
            raise EnvironmentFailure(f"{program} cannot be started: {error.strerror}", why=str(error)) from error
        except subprocess.TimeoutExpired as error:
            raise EnvironmentFailure(f"{program} gave no answer for {HELPER_SECONDS:.0f} seconds") from error
        said = (done.stdout.strip() or done.stderr.strip())[:500]
        if done.returncode != 0:
            if NOT_FOUND in said:
                continue
            raise EnvironmentFailure(f"{program} has failed", why=said or f"it exited with status {done.returncode}")
        return _answer_of(program, done.stdout)
    return None


def _answer_of(program: str, text: str) -> Credentials:
    try:
        answer = json.loads(text)
        user, secret = str(answer["Username"]), str(answer["Secret"])
    except (ValueError, LookupError, TypeError, RecursionError) as error:
        # Not shown: it may have the password in it.
        raise EnvironmentFailure(f"the answer of {program} is not that of a credential helper") from error
    if user == TOKEN_USER:
        return Credentials(program, identity_token=secret)
    return Credentials(program, user, secret)
