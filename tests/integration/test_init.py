"""What freezer init writes is used: its settings build an image, and podman runs that by the manifest."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import consumers
import pytest
import yaml
from schemas import check_manifest, pod_of, violations
from support import Freezer, lacking, wait_until

SERVER = """\
import http.server
import json
import os
import sys
import urllib.request


def facts():
    with open("/proc/self/status") as file:
        fields = dict(line.split(":", 1) for line in file)
    found = {key: fields[key].strip() for key in ("CapEff", "CapBnd", "NoNewPrivs", "Seccomp")}
    for place in ("/tmp", "/data", "/"):
        try:
            with open(os.path.join(place, "note"), "w") as file:
                file.write("x")
            found[place] = "written"
        except OSError as error:
            found[place] = error.strerror
    return {**found, "uid": os.getuid(), "gid": os.getgid(), "arguments": sys.argv[1:]}


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"well")


if sys.argv[1:2] == ["--health"]:
    print(urllib.request.urlopen("http://127.0.0.1:8080/" + sys.argv[2]).read().decode())
elif __name__ == "__main__":
    print(json.dumps(facts()), flush=True)
    if not sys.argv[1:]:
        http.server.HTTPServer(("", 8080), Handler).serve_forever()
"""
OPTIONS = (
    *("--k8s", "--compose", "--ci", "gitlab", "--linker", "native", "--port", "8080", "--volume", "/data"),
    *("--tag", "registry.example/team/server:1.2", "--healthcheck", "/app/server --health '$(HOME)'"),
)
GUARDED = {"CapEff": "0" * 16, "CapBnd": "0" * 16, "NoNewPrivs": "1", "Seccomp": "2"}
PLACES = {"/tmp": "written", "/data": "written", "/": "Read-only file system"}


@dataclass(frozen=True)
class Project:
    """A project whose image was built by the settings that freezer init has written."""

    folder: Path
    freezer: Freezer

    def text(self, name: str) -> str:
        return (self.folder / name).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, freezer: Freezer) -> Project:
    folder = tmp_path_factory.mktemp("project")
    (folder / "server.py").write_text(SERVER)
    (folder / ".dockerignore").write_text("docs\n")
    (folder / "docs").mkdir()
    (folder / "docs" / "notes.txt").write_text("notes\n")
    written = freezer("init", *OPTIONS, cwd=folder).stdout.splitlines()
    names = ["pyproject.toml", ".gitlab-ci.yml", "k8s.yaml", "compose.yaml"]
    assert written == [str(folder / name) for name in names]
    built = freezer("build", cwd=folder).stdout.splitlines()
    assert built == [str(folder / "dist" / name) for name in ("server", "server.tar")]
    return Project(folder, freezer)


def test_the_second_time_nothing_changes(project: Project) -> None:
    for words in ((), OPTIONS, ("--force", *OPTIONS), ("server.py",)):
        assert project.freezer("init", *words, cwd=project.folder).stdout == ""
    built = project.freezer("build", ".", cwd=project.folder)
    assert "server is up to date" in built.stderr


def test_the_image_says_what_the_settings_say(project: Project) -> None:
    """The files for an image that exists are those that were written before there was one."""
    words = ("init", "--from", "dist/server.tar", "--k8s", "--compose", "--force", "--dry-run")
    assert project.freezer(*words, cwd=project.folder).stdout == ""


@dataclass(frozen=True)
class Cluster:
    """podman with the image, which plays manifests."""

    podman: consumers.Docker

    def __call__(self, *words: str) -> str:
        return self.podman.place.output(*self.podman.command, *words)

    def play(self, documents: list[dict[str, Any]], name: str) -> None:
        path = self.podman.place.folder / name
        path.write_text(yaml.safe_dump_all(documents))
        self("kube", "play", "--network", "none", str(path))

    def facts(self, container: str) -> dict[str, Any]:
        """What the server prints when it starts."""
        wait_until(lambda: bool(self("logs", container).strip()), f"{container} prints something")
        return dict(json.loads(self("logs", container).splitlines()[0]))


@pytest.fixture(scope="module")
def cluster(project: Project) -> Iterator[Cluster]:
    with consumers.podman() as podman:
        podman.load(project.folder / "dist" / "server.tar")
        found = Cluster(podman)
        version = re.findall(r"\d+", found("version", "--format", "{{.Client.Version}}"))
        if int(version[0]) < 4:
            lacking("podman 4: podman 3 fetches a program for its pods from a registry")
        yield found


def without_ports(documents: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A manifest for a pod without network: podman refuses to publish ports of one."""
    for container in pod_of(documents)["containers"]:
        del container["ports"]
    return documents


def test_podman_runs_the_deployment(project: Project, cluster: Cluster) -> None:
    documents = check_manifest(project.text("k8s.yaml"))
    assert [item["kind"] for item in documents] == ["PersistentVolumeClaim", "Deployment", "Service"]
    assert violations(pod_of(documents)) == []
    cluster.play(without_ports(documents), "k8s.yaml")
    [name] = cluster("ps", "--format", "{{.Names}}", "--filter", "ancestor=registry.example/team/server:1.2").split()
    assert cluster.facts(name) == {**GUARDED, **PLACES, "uid": 65535, "gid": 65535, "arguments": []}
    # What the probe runs, as clusters do; older podmans put a shell around it, and there is none in the image.
    command = pod_of(documents)["containers"][0]["livenessProbe"]["exec"]["command"]
    assert command == ["/app/server", "--health", "$$(HOME)"]
    asked = [*cluster.podman.command, "exec", name, *command]
    wait_until(lambda: cluster.podman.place.run(*asked).stdout == "well\n", "the server is well")
    cluster("kube", "down", str(cluster.podman.place.folder / "k8s.yaml"))
    # The volume is still there.
    assert "server-data" in cluster("volume", "ls", "--quiet").split()


def test_podman_runs_the_pod_of_a_job(project: Project, cluster: Cluster, tmp_path: Path) -> None:
    """Not every podman knows jobs; a pod is what they run."""
    words = ("init", "--from", project.folder / "dist" / "server.tar", "--k8s", "job")
    project.freezer(*words, cwd=tmp_path)
    documents = check_manifest((tmp_path / "k8s.yaml").read_text())
    pod = pod_of(documents)
    assert violations(pod) == []
    pod = pod_of(without_ports(documents))
    pod["containers"][0]["args"] = ["once"]
    # The volume may be there already.
    cluster.play([{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "once"}, "spec": pod}], "job.yaml")
    name = "once-server"
    assert cluster("wait", name).strip() == "0"
    assert cluster.facts(name) == {**GUARDED, **PLACES, "uid": 65535, "gid": 65535, "arguments": ["once"]}
    cluster("kube", "down", str(cluster.podman.place.folder / "job.yaml"))
