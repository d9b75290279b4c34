"""What an image says of itself, by its settings and by its file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import imagefiles
import images
import pytest

from freezer.base.errors import InputError
from freezer.plan.image import Healthcheck
from freezer.scaffold.described import Port, Workload, described_by_file, described_by_plan, label_of

SECOND = 10**9
SETTINGS: dict[str, Any] = {
    "tag": ["registry.example/team/shop:1.2"],
    "user": "1000:2000",
    "port": ["8080", "53/udp"],
    "volume": ["/data", "/tmp", "/var/lib/shop"],
    "healthcheck": "/app/app --health",
    "healthcheck_interval": "1m30s",
    "healthcheck_retries": 5,
}


def test_by_settings_and_by_the_file_made_of_them(tmp_path: Path) -> None:
    """Both say the same, but for the name of the application, which only the settings have."""
    program = tmp_path / "app"
    program.write_bytes(Path("/proc/self/exe").read_bytes())
    plan = imagefiles.plan(tmp_path, **SETTINGS)
    found = described_by_plan(plan, "shop", "app")
    assert found.name == "registry.example/team/shop:1.2"
    assert found.command == ("/app/app",)
    assert (found.label, found.uid, found.gid) == ("shop", 1000, 2000)
    assert set(found.ports) == {Port(8080, "tcp"), Port(53, "udp")}
    assert found.volumes == ("/data", "/var/lib/shop")
    assert found.healthcheck == Healthcheck(("/app/app", "--health"), 90 * SECOND, None, None, 5)
    config = {
        "User": "1000:2000",
        "Entrypoint": ["/app/app"],
        "Cmd": ["x"],
        "ExposedPorts": {"8080/tcp": {}, "53/udp": {}},
        "Volumes": {"/data": {}, "/tmp": {}, "/var/lib/shop": {}},
        "Healthcheck": {"Test": ["CMD", "/app/app", "--health"], "Interval": 90 * SECOND, "Retries": 5, "Timeout": 0},
    }
    image = images.Made(images.archive(), settings=config).write(tmp_path / "image.tar")
    other = described_by_file(image, "registry.example/team/shop:1.2")
    assert (other.label, other.name, set(other.ports)) == (found.label, found.name, set(found.ports))
    assert (other.uid, other.gid, other.volumes, other.healthcheck) == (1000, 2000, found.volumes, found.healthcheck)
    assert other.command == ("/app/app", "x")
    assert described_by_file(image).name == "docker.io/library/a:1"


@pytest.mark.parametrize(
    ("config", "why"),
    [
        ({}, "runs as root"),
        ({"User": "0"}, "runs as root"),
        ({"User": "0:1000"}, "runs as root"),
        ({"User": "www-data"}, "runs as the user 'www-data'"),
        ({"User": "1", "ExposedPorts": {"8000-8010/tcp": {}}}, "not a port"),
        ({"User": "1", "ExposedPorts": {"70000": {}}}, "not a port"),
        ({"User": "1", "Volumes": {"data": {}}}, "volume at 'data'"),
        ({"User": "1", "Volumes": {"/": {}}}, "volume at '/'"),
        ({"User": "1", "Volumes": {"/a/../..": {}}}, "volume at"),
    ],
)
def test_images_that_no_restricted_pod_can_run(tmp_path: Path, config: dict[str, Any], why: str) -> None:
    image = images.Made(images.archive(), settings=config).write(tmp_path / "image.tar")
    with pytest.raises(InputError, match=why):
        described_by_file(image)


def test_root_by_settings(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="runs as root"):
        described_by_plan(imagefiles.plan(tmp_path, user="0"), "app", "app")


@pytest.mark.parametrize(
    ("test", "command"),
    [
        (["CMD-SHELL", "curl -f localhost"], ("/bin/sh", "-c", "curl -f localhost")),
        (["NONE"], None),
        ([], None),
        (["CMD"], None),
        ("CMD", None),
    ],
)
def test_health_checks_of_others(tmp_path: Path, test: Any, command: tuple[str, ...] | None) -> None:
    config = {"User": "1", "Healthcheck": {"Test": test, "Interval": -1, "Retries": True}}
    found = described_by_file(images.Made(images.archive(), settings=config).write(tmp_path / "i.tar")).healthcheck
    assert found == (None if command is None else Healthcheck(command))


@pytest.mark.parametrize(
    ("values", "workload"),
    [
        ({}, Workload.JOB),
        ({"volume": ["/data"]}, Workload.JOB),
        ({"port": ["80"]}, Workload.DEPLOYMENT),
        ({"healthcheck": "/app/app -h"}, Workload.DEPLOYMENT),
    ],
)
def test_what_it_most_likely_is(tmp_path: Path, values: dict[str, Any], workload: Workload) -> None:
    assert described_by_plan(imagefiles.plan(tmp_path, **values), "app", "app").workload is workload


@pytest.mark.parametrize(
    ("text", "label"),
    [("app", "app"), ("My App_2", "my-app-2"), ("7zip", "app-7zip"), ("a" * 100, "a" * 63), ("-x-", "x"), ("ünï", "n")],
)
def test_labels(text: str, label: str) -> None:
    assert label_of(text) == label


def test_nothing_is_left_for_a_label() -> None:
    with pytest.raises(InputError, match="nothing in a cluster can be named"):
        label_of("日本")


def test_volumes_with_one_name(tmp_path: Path) -> None:
    volumes = ["/data/x", "/data-x", "/" + "d" * 100, "/" + "d" * 101]
    mounts = described_by_plan(imagefiles.plan(tmp_path, volume=volumes), "app", "app").mounts
    assert list(mounts) == volumes
    assert len(set(mounts.values())) == 4
    assert all(len(name) <= 63 for name in mounts.values())
