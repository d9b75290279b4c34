"""Images in a real registry, Debian's docker-registry: what skopeo takes from there is what was pushed."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional

import pytest
from consumers import program
from registries import (
    HTPASSWD,
    PASSWORD,
    USER,
    Certificate,
    docker_registry,
    login_file,
    make_certificate,
    token_server,
)
from support import PATIENCE, Freezer, compile_c, sha256, small_disk

ISSUER, SERVICE = "the tests", "the registry"


@dataclass(frozen=True)
class Real:
    """A running registry, and what is needed to push to it."""

    name: str
    folder: Path
    certificate: Optional[Certificate]

    @property
    def options(self) -> list[str]:
        return ["--plain-http"] if self.certificate is None else ["--ca-cert", str(self.certificate.path)]

    def environment(self) -> dict[str, str]:
        return {} if self.certificate is None else {"REGISTRY_AUTH_FILE": str(login_file(self.folder, self.name))}

    def copy(self, name: str, target: Path, *options: str) -> Path:
        """Copy an image from the registry by skopeo, with every byte as it is."""
        command = [program("skopeo"), "copy", "--insecure-policy", "--preserve-digests", *options]
        if self.certificate is None:
            command.append("--src-tls-verify=false")
        else:
            folder = self.folder / "certs"
            folder.mkdir(exist_ok=True)
            shutil.copy(self.certificate.path, folder / "ca.crt")
            command += ["--src-cert-dir", str(folder), "--src-creds", f"{USER}:{PASSWORD}"]
        subprocess.run([*command, f"docker://{self.name}/{name}", f"dir:{target}"], check=True, capture_output=True)
        return target


@pytest.fixture(params=["plain", "basic", "token"])
def real(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Real]:
    if request.param == "plain":
        with docker_registry(tmp_path, {}) as name:
            yield Real(name, tmp_path, None)
        return
    certificate = make_certificate(tmp_path)
    tls = {"http": {"tls": {"certificate": str(certificate.path), "key": str(certificate.key)}}}
    if request.param == "basic":
        (tmp_path / "htpasswd").write_text(HTPASSWD)
        basic = {"htpasswd": {"realm": "x", "path": str(tmp_path / "htpasswd")}}
        with docker_registry(tmp_path, {**tls, "auth": basic}) as name:
            yield Real(name, tmp_path, certificate)
        return
    with token_server(certificate, ISSUER) as realm:
        token = {"realm": realm, "service": SERVICE, "issuer": ISSUER, "rootcertbundle": str(certificate.path)}
        with docker_registry(tmp_path, {**tls, "auth": {"token": token}}) as name:
            yield Real(name, tmp_path, certificate)


@dataclass(frozen=True)
class Files:
    """Images for this machine and for another, and both in one file; and an image with a layer of several chunks."""

    one: Path
    both: Path
    large: Path


@pytest.fixture(scope="module")
def files(freezer: Freezer, tmp_path_factory: pytest.TempPathFactory) -> Files:
    folder = tmp_path_factory.mktemp("images")
    app = compile_c("int main(void) { return 0; }", folder / "app", "-static", "-s")
    data = bytearray(app.read_bytes())
    data[18:20] = (22).to_bytes(2, "little")
    (folder / "s390x").mkdir()
    (folder / "s390x/app").write_bytes(data)
    (folder / "large").write_bytes(os.urandom(1 << 20) * 33)
    made = Files(folder / "one.tar", folder / "both.tar", folder / "large.tar")
    freezer("image", app, "-o", made.one, cwd=folder)
    freezer("image", app, "-o", made.large, "--add-file", f"{folder}/large:/data/large", cwd=folder)
    freezer("image", folder / "s390x/app", "-o", folder / "other.tar", cwd=folder)
    freezer("image", "--index", made.one, folder / "other.tar", "-o", made.both, cwd=folder)
    return made


def push(freezer: Freezer, real: Real, image: Path, name: str, *options: str) -> dict[str, Any]:
    words = ["push", str(image), f"{real.name}/{name}", *real.options, "--json", *options]
    return dict(json.loads(freezer(*words, cwd=real.folder, env=real.environment()).stdout))


def test_what_comes_back_is_what_was_pushed(freezer: Freezer, real: Real, files: Files) -> None:
    """All of an index; and nothing is sent twice, not even to another repository."""
    first = push(freezer, real, files.both, "team/app:1.2")
    copy = real.copy("team/app:1.2", real.folder / "copy", "--all")
    assert f"sha256:{sha256(copy / 'manifest.json')}" == first["digest"]
    for path in copy.iterdir():
        if len(path.name) == 64:
            assert sha256(path) == path.name
    assert len(list(copy.glob("*.manifest.json"))) == 2
    again = push(freezer, real, files.both, "team/app:1.2")
    assert (again["digest"], again["sent"]) == (first["digest"], 0)
    mounted = push(freezer, real, files.one, "other", "--mount-from", "team/app")
    assert (mounted["sent"], mounted["blobs"]["mounted"]) == (0, 3)


@pytest.mark.parametrize("real", ["basic", "token"], indirect=True)
def test_wrong_credentials(freezer: Freezer, real: Real, files: Files) -> None:
    path = login_file(real.folder, real.name, username=USER, password="wrong")
    (real.folder / "certs").mkdir()
    words = ["push", str(files.one), f"{real.name}/app", *real.options]
    said = freezer.fails(*words, cwd=real.folder / "certs", status=7, env={"REGISTRY_AUTH_FILE": str(path)})
    assert f"{real.name} refuses the credentials of {USER}" in said
    assert str(path) in said


@pytest.mark.parametrize("real", ["plain"], indirect=True)
def test_killed_and_repeated(freezer: Freezer, real: Real, files: Files) -> None:
    """Killed as soon as the registry has something of an upload, or interrupted: the next one completes it."""
    words = ["push", str(files.large), f"{real.name}/app", *real.options]

    def begun() -> set[Path]:
        found = set()
        # Uploads begin and end meanwhile: os.walk passes over a directory that is gone.
        for folder, _, names in os.walk(real.folder / "storage"):
            path = Path(folder, "data")
            if "data" in names and path.parent.parent.name == "_uploads":
                with contextlib.suppress(FileNotFoundError):
                    if path.stat().st_size > 1 << 20:
                        found.add(path)
        return found

    for number in (signal.SIGKILL, signal.SIGINT):
        before = begun()
        with freezer.start(*words, cwd=real.folder) as process:
            while process.poll() is None and not begun() - before:
                time.sleep(0.002)
            process.send_signal(number)
            _, errors = process.communicate(timeout=PATIENCE)
        if number == signal.SIGINT and process.returncode != 0:
            assert (process.returncode, errors.count("freezer: error: interrupted")) == (130, 1), errors
    pushed = push(freezer, real, files.large, "app")
    copy = real.copy("app", real.folder / "copy")
    assert f"sha256:{sha256(copy / 'manifest.json')}" == pushed["digest"]


def test_a_full_disk(freezer: Freezer, files: Files, tmp_path: Path) -> None:
    """docker-registry answers 500 and says why; that is not tried again and again."""
    with small_disk(tmp_path / "storage", "10m") as prefix, docker_registry(tmp_path, {}, prefix) as name:
        said = freezer.fails("push", files.large, f"{name}/app", "--plain-http", cwd=tmp_path / "storage", status=7)
    assert f"{name} is full" in said
    assert "no space left on device" in said
