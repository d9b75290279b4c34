"""Manifests agree with Kubernetes' schemas, and meet the restricted Pod Security Standard."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any, Optional

import imagefiles
import pytest
from schemas import MUCH, check_manifest, pod_of, violations

from freezer.scaffold.described import Workload, described_by_plan
from freezer.scaffold.kubernetes import manifest


def documents(folder: Path, workload: Optional[Workload] = None, **values: Any) -> list[dict[str, Any]]:
    return check_manifest(manifest(described_by_plan(imagefiles.plan(folder, **values), "shop", "shop"), workload))


@pytest.mark.parametrize("workload", [None, *Workload])
@pytest.mark.parametrize(
    "values", [{}, {"port": ["8080"]}, {"user": "1:0"}, MUCH], ids=["none", "port", "group", "much"]
)
def test_the_schemas_and_the_standard(tmp_path: Path, workload: Optional[Workload], values: dict[str, Any]) -> None:
    pod = pod_of(documents(tmp_path, workload, **values))
    assert violations(pod) == []
    (container,) = pod["containers"]
    assert pod["automountServiceAccountToken"] is False
    assert isinstance(pod["securityContext"]["runAsUser"], int)
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert {"name": "tmp", "mountPath": "/tmp"} in container["volumeMounts"]
    assert {"name": "tmp", "emptyDir": {}} in pod["volumes"]


def test_a_server(tmp_path: Path) -> None:
    made = documents(tmp_path, **MUCH)
    assert [item["kind"] for item in made] == [*["PersistentVolumeClaim"] * 2, "Deployment", "Service"]
    one, other, deployment, service = made
    pod = pod_of(made)
    (container,) = pod["containers"]
    assert "command" not in container
    assert container["image"] == "registry.example:5000/team/shop:1.2"
    assert pod["securityContext"]["fsGroup"] == 2000
    assert pod["securityContext"]["sysctls"] == [{"name": "net.ipv4.ip_unprivileged_port_start", "value": "53"}]
    names = [one["metadata"]["name"], other["metadata"]["name"]]
    assert [item["persistentVolumeClaim"]["claimName"] for item in pod["volumes"][1:]] == names
    assert [(item["name"], item["mountPath"]) for item in container["volumeMounts"][1:]] == list(
        zip(names, MUCH["volume"])
    )
    assert deployment["spec"]["strategy"] == {"type": "Recreate"}
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    assert deployment["spec"]["selector"]["matchLabels"] == service["spec"]["selector"] == labels
    assert [(item["port"], item["protocol"]) for item in service["spec"]["ports"]] == [
        (80, "TCP"),
        (8080, "TCP"),
        (53, "UDP"),
    ]
    assert {item["targetPort"] for item in service["spec"]["ports"]} == {item["name"] for item in container["ports"]}
    command = {"command": ["/app/shop", "--health", "a b", "$$(X)"]}
    probe = {"exec": command, "periodSeconds": 2, "timeoutSeconds": 2, "failureThreshold": 5}
    assert container["readinessProbe"] == probe
    assert container["livenessProbe"] == {**probe, "initialDelaySeconds": 60}


def test_docker_s_defaults_of_a_health_check(tmp_path: Path) -> None:
    (container,) = pod_of(documents(tmp_path, healthcheck="/app/shop -h"))["containers"]
    probe = {"exec": {"command": ["/app/shop", "-h"]}, "periodSeconds": 30, "timeoutSeconds": 30, "failureThreshold": 3}
    assert container["readinessProbe"] == container["livenessProbe"] == probe


def test_a_port_alone_is_asked_whether_it_is_open(tmp_path: Path) -> None:
    (container,) = pod_of(documents(tmp_path, port=["53/udp", "8080"]))["containers"]
    assert container["readinessProbe"] == {"tcpSocket": {"port": "tcp-8080"}}
    assert "livenessProbe" not in container
    (container,) = pod_of(documents(tmp_path, port=["53/udp"]))["containers"]
    assert "readinessProbe" not in container


def test_a_command(tmp_path: Path) -> None:
    (job,) = documents(tmp_path)
    assert (job["kind"], job["spec"]["backoffLimit"]) == ("Job", 0)
    assert job["spec"]["template"]["spec"]["restartPolicy"] == "Never"
    (container,) = pod_of([job])["containers"]
    assert (container["command"], container["args"]) == (["/app/shop"], [])
    (container,) = pod_of(documents(tmp_path, cmd="--all '$(X)'"))["containers"]
    assert (container["command"], container["args"]) == (["/app/shop"], ["--all", "$$(X)"])
    assert [item["kind"] for item in documents(tmp_path, Workload.DEPLOYMENT)] == ["Deployment"]
    made = documents(tmp_path, Workload.JOB, **MUCH)
    assert [item["kind"] for item in made] == [*["PersistentVolumeClaim"] * 2, "Job"]
    assert "livenessProbe" not in pod_of(made)["containers"][0]


def broken(pod: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """A pod with another value at a place; None takes it out."""
    changed = copy.deepcopy(pod)
    place: Any = changed
    *above, last = [int(part) if part.isdigit() else part for part in path.split(".")]
    for part in above:
        place = place[part]
    if value is None:
        del place[last]
    else:
        place[last] = value
    return changed


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("hostNetwork", True),
        ("hostPID", True),
        ("containers.0.securityContext.privileged", True),
        ("containers.0.securityContext.capabilities", None),
        ("containers.0.securityContext.capabilities.add", ["NET_ADMIN"]),
        ("volumes.0", {"name": "tmp", "hostPath": {"path": "/tmp"}}),
        ("containers.0.ports.0.hostPort", 80),
        ("containers.0.readinessProbe", {"tcpSocket": {"port": 80, "host": "example.org"}}),
        ("securityContext.appArmorProfile", {"type": "Unconfined"}),
        ("securityContext.seLinuxOptions", {"type": "spc_t"}),
        ("containers.0.securityContext.procMount", "Unmasked"),
        ("securityContext.sysctls.0.name", "kernel.msgmax"),
        ("containers.0.securityContext.allowPrivilegeEscalation", None),
        ("securityContext.runAsNonRoot", None),
        ("securityContext.runAsUser", 0),
        ("securityContext.seccompProfile", None),
        ("securityContext.seccompProfile.type", "Unconfined"),
    ],
)
def test_the_standard_is_really_asked(tmp_path: Path, path: str, value: Any) -> None:
    pod = pod_of(documents(tmp_path, **MUCH))
    assert violations(pod) == []
    assert len(violations(broken(pod, path, value))) >= 1


def test_an_unknown_key_is_found(tmp_path: Path) -> None:
    text = manifest(described_by_plan(imagefiles.plan(tmp_path), "shop", "shop"))
    with pytest.raises(Exception, match="readOnlyRootFileSystem"):
        check_manifest(text.replace("readOnlyRootFilesystem", "readOnlyRootFileSystem"))
