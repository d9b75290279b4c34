"""``freezer push``: one line with the image's name and digest, or JSON, or one message."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from images import Made
from judging import GOOD
from registries import FakeRegistry, Fault, fake_registry, login_file, make_certificate

from freezer.base.errors import ExitStatus
from freezer.cli.main import main


@pytest.fixture
def registry() -> Iterator[FakeRegistry]:
    with fake_registry() as made:
        yield made


@pytest.fixture(autouse=True)
def image(here: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An image in the current directory, and a user without credentials."""
    for name in ("REGISTRY_AUTH_FILE", "DOCKER_CONFIG", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(here))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(here))
    return Made(GOOD).write(here / "app.tar")


@pytest.mark.parametrize("before", [True, False])
def test_the_name_is_the_result(registry: FakeRegistry, capsys: pytest.CaptureFixture[str], before: bool) -> None:
    """Wherever --plain-http is: it takes no word behind it."""
    words = ["app.tar", f"{registry.name}/team/app:1"]
    assert main(["push", "--plain-http", *words] if before else ["push", *words, "--plain-http"]) == 0
    shown = capsys.readouterr()
    (digest,) = {name for _, name in registry.manifests} - {"1"}
    assert shown.out == f"{registry.name}/team/app@{digest}\n"
    assert "kB sent" in shown.err


def test_json(registry: FakeRegistry, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["push", "app.tar", f"{registry.name}/app", "--plain-http", "--json", "-q", "-j", "1"]) == 0
    shown = capsys.readouterr()
    facts = json.loads(shown.out)
    assert shown.err == ""
    assert facts == {
        "name": f"{registry.name}/app:latest",
        "digest": facts["reference"].partition("@")[2],
        "reference": facts["reference"],
        "images": 1,
        "size": sum(map(len, registry.blobs["app"].values())),
        "sent": facts["size"],
        "blobs": {"present": 0, "mounted": 0, "sent": 2},
        "referrers": [],
    }
    assert ("app", facts["digest"]) in registry.manifests


def test_a_registry_that_is_named_may_have_no_tls(registry: FakeRegistry) -> None:
    assert main(["push", "app.tar", f"{registry.name}/app", f"--plain-http={registry.name}"]) == 0


def test_certificates_and_credentials(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    certificate = make_certificate(here)
    with fake_registry(auth="bearer", tls=certificate.server()) as registry:
        words = ["push", "app.tar", f"{registry.name}/app", "--ca-cert", str(certificate.path)]
        assert main(words) == ExitStatus.OUTPUT
        assert "wants credentials" in capsys.readouterr().err
        (here / "containers").mkdir()
        login_file(here / "containers", registry.name)
        assert main(words) == 0
        assert main(words[:3]) == ExitStatus.OUTPUT
        assert "--ca-cert FILE" in capsys.readouterr().err


def test_a_layer_of_another_repository(registry: FakeRegistry, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["push", "app.tar", f"{registry.name}/base", "--plain-http"]) == 0
    words = ["push", "app.tar", f"{registry.name}/app", "--plain-http", "--json", "--mount-from"]
    capsys.readouterr()
    assert main([*words, f"{registry.name}/base"]) == 0
    assert json.loads(capsys.readouterr().out)["blobs"]["mounted"] == 2


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["app.tar", "registry.invalid/app", "--plain-http"], ExitStatus.USAGE, "--plain-http=registry.invalid"),
        (["app.tar", "registry.invalid/app"], ExitStatus.OUTPUT, "the name registry.invalid cannot be resolved"),
        (["app.tar", "registry.invalid/App"], ExitStatus.INPUT, "a name has no capital letters"),
        (["app.tar", "registry.invalid/app@sha256:0"], ExitStatus.INPUT, "not a valid image name"),
        (["none.tar", "localhost/app"], ExitStatus.INPUT, "does not exist"),
        (["app.py", "localhost/app"], ExitStatus.INPUT, "is not an image"),
        (["app.tar", "localhost/app", "--ca-cert", "none"], ExitStatus.INPUT, "does not exist"),
        (["app.tar", "localhost/app", "--ca-cert", "app.tar"], ExitStatus.INPUT, "is not a certificate"),
        (["app.tar", "localhost/app", "--mount-from", "r.example/x"], ExitStatus.USAGE, "is not in localhost"),
    ],
)
def test_what_cannot_be(
    here: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], status: int, words: str
) -> None:
    (here / "app.py").write_text("print()\n")
    assert main(["push", *arguments]) == status
    shown = capsys.readouterr()
    assert (words in shown.err, shown.out) == (True, "")
    assert shown.err.count("freezer: error: ") == 1


@pytest.mark.parametrize("jobs", ["0", "-1", "x", "65"])
def test_numbers_that_are_none(jobs: str) -> None:
    with pytest.raises(SystemExit):
        main(["push", "app.tar", "localhost/app", f"--jobs={jobs}"])


def test_a_failure_as_json(registry: FakeRegistry, capsys: pytest.CaptureFixture[str]) -> None:
    registry.faults = [Fault("PATCH", "", 507)]
    assert main(["push", "app.tar", f"{registry.name}/app", "--plain-http", "--json", "-q"]) == ExitStatus.OUTPUT
    facts = json.loads(capsys.readouterr().out)
    assert (facts["error"], facts["status"]) == (f"{registry.name} is full", ExitStatus.OUTPUT)


def test_nobody_listens(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        name = f"127.0.0.1:{probe.getsockname()[1]}"
    assert main(["push", "app.tar", f"{name}/app", "--plain-http"]) == ExitStatus.OUTPUT
    assert f"{name} cannot be reached: Connection refused" in capsys.readouterr().err
