"""A Kubernetes manifest for an image, which meets the restricted Pod Security Standard.

The standard (https://kubernetes.io/docs/concepts/security/pod-security-standards/) is what a namespace asks for by
the label ``pod-security.kubernetes.io/enforce: restricted``. Beyond it, the root is read-only and the pod gets no
token.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Optional

from freezer.plan.image import Healthcheck
from freezer.scaffold.described import Described, Workload
from freezer.scaffold.yaml_text import Noted, yaml

SECOND = 10**9
INTERVAL, TIMEOUT, RETRIES = 30, 30, 3
"""docker's defaults for health checks, in seconds; Kubernetes' own are shorter."""
ROOM = "1Gi"
TMP = "tmp"
LITERAL = re.compile(r"\$(?=[($])")
"""A dollar sign that clusters take for the beginning of a variable; doubled it is one."""
SCOPE = "app.kubernetes.io/name"


def manifest(image: Described, workload: Optional[Workload] = None) -> str:
    """Return the manifest of an image: its volumes, what runs it, and a service for its ports."""
    workload = workload or image.workload
    documents = [*(_claim(image, name, place) for place, name in image.mounts.items())]
    documents.append(_job(image) if workload is Workload.JOB else _deployment(image))
    if workload is Workload.DEPLOYMENT and image.ports:
        documents.append(_service(image))
    kinds = ", ".join(dict.fromkeys(document["kind"] for document in documents))
    note = f"Written by freezer init for {image.name}: {kinds}.\nIt meets the restricted Pod Security Standard."
    first, *others = documents
    return "---\n".join((yaml(first, note), *map(yaml, others)))


def _metadata(image: Described, name: str) -> dict[str, Any]:
    return {"name": name, "labels": {SCOPE: image.label}}


def _claim(image: Described, name: str, place: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": _metadata(image, name),
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "resources": Noted({"requests": {"storage": ROOM}}, f"Room for {place}."),
        },
    }


def _deployment(image: Described) -> dict[str, Any]:
    spec: dict[str, Any] = {"replicas": 1, "selector": {"matchLabels": {SCOPE: image.label}}}
    if image.volumes:
        spec["strategy"] = Noted({"type": "Recreate"}, "A volume belongs to one pod at a time.")
    spec["template"] = {"metadata": {"labels": {SCOPE: image.label}}, "spec": _pod(image, probed=True)}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": _metadata(image, image.label), "spec": spec}


def _job(image: Described) -> dict[str, Any]:
    pod = {"restartPolicy": "Never", **_pod(image, probed=False)}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": _metadata(image, image.label),
        "spec": {
            "backoffLimit": Noted(0, "A run that fails is not repeated."),
            "template": {"metadata": {"labels": {SCOPE: image.label}}, "spec": pod},
        },
    }


def _service(image: Described) -> dict[str, Any]:
    ports = [
        {"name": port.name, "port": port.number, "targetPort": port.name, "protocol": port.protocol.upper()}
        for port in image.ports
    ]
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": _metadata(image, image.label),
        "spec": {"selector": {SCOPE: image.label}, "ports": ports},
    }


def _pod(image: Described, *, probed: bool) -> dict[str, Any]:
    volumes = [{"name": name, "persistentVolumeClaim": {"claimName": name}} for name in image.mounts.values()]
    return {
        "automountServiceAccountToken": Noted(False, "The application does not talk to the cluster."),
        "enableServiceLinks": Noted(False, "No variables of other services, which might be called like its own."),
        "securityContext": _rights_of_pod(image),
        "containers": [_container(image, probed=probed)],
        "volumes": [{"name": TMP, "emptyDir": {}}, *volumes],
    }


def _rights_of_pod(image: Described) -> dict[str, Any]:
    rights: dict[str, Any] = {"runAsNonRoot": True, "runAsUser": image.uid}
    if image.gid:
        rights["runAsGroup"] = image.gid
        if image.volumes:
            rights["fsGroup"] = image.gid
    if image.lowest_port is not None:
        lowest = {"name": "net.ipv4.ip_unprivileged_port_start", "value": str(image.lowest_port)}
        rights["sysctls"] = Noted([lowest], "An ordinary user may listen on its port.")
    return {**rights, "seccompProfile": {"type": "RuntimeDefault"}}


def _container(image: Described, *, probed: bool) -> dict[str, Any]:
    container: dict[str, Any] = {"name": image.label, "image": image.name}
    if image.ports:
        container["ports"] = [
            {"name": port.name, "containerPort": port.number, "protocol": port.protocol.upper()} for port in image.ports
        ]
    if probed:
        container.update(_probes(image))
    elif image.command:
        program, *arguments = (_literal(word) for word in image.command)
        container.update(command=[program], args=Noted(arguments, "The arguments of the run."))
    container["securityContext"] = {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": True,
    }
    container["volumeMounts"] = [
        {"name": TMP, "mountPath": "/tmp"},
        *({"name": name, "mountPath": place} for place, name in image.mounts.items()),
    ]
    return container


def _probes(image: Described) -> dict[str, Any]:
    if image.healthcheck is not None:
        return dict(_probes_of_command(image.healthcheck))
    port = next((port for port in image.ports if port.protocol == "tcp"), None)
    return {"readinessProbe": {"tcpSocket": {"port": port.name}}} if port is not None else {}


def _probes_of_command(check: Healthcheck) -> Iterator[tuple[str, Any]]:
    """Yield what a cluster asks instead of an image's health check, which it does not look at."""
    probe = {
        "exec": {"command": [_literal(word) for word in check.command]},
        "periodSeconds": _seconds(check.interval, INTERVAL),
        "timeoutSeconds": _seconds(check.timeout, TIMEOUT),
        "failureThreshold": check.retries or RETRIES,
    }
    yield "readinessProbe", Noted(probe, "The image's health check, which clusters do not look at by themselves.")
    start = _seconds(check.start_period, 0)
    yield "livenessProbe", {**probe, "initialDelaySeconds": start} if start else probe


def _literal(text: str) -> str:
    """Return a text in which nothing stands for a variable."""
    return LITERAL.sub("$$", text)


def _seconds(nanoseconds: Optional[int], default: int) -> int:
    return default if nanoseconds is None else -(-nanoseconds // SECOND)
