"""What the documents of others must look like, by schemas and standards that they have published."""

from __future__ import annotations

import functools
import importlib
import importlib.util
import json
import sys
import types
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

VERSIONS = ("1.29", "1.34")
"""Releases of Kubernetes, an older one and a newer one, that the package of schemas has had for long."""

MUCH: dict[str, Any] = {
    "tag": ["registry.example:5000/team/shop:1.2"],
    "user": "1000:2000",
    "port": ["80", "8080", "53/udp"],
    "volume": ["/data", "/var/lib/shop"],
    "healthcheck": "/app/shop --health 'a b' $(X)",
    "healthcheck_interval": "1500ms",
    "healthcheck_timeout": "2s",
    "healthcheck_start_period": "1m",
    "healthcheck_retries": 5,
}
"""Settings of an image that has everything that whoever runs it must know of."""


# jsonschema and the schemas of Kubernetes take long to import, which only those pay who ask for them.


def quick_jsonschema() -> Any:
    """jsonschema, imported without the module that checks whether a text is an IRI: it takes more than a second to make
    38 parsers of a grammar. It is imported when the first text is checked."""
    if "jsonschema" not in sys.modules and "rfc3987_syntax" not in sys.modules:
        later: Any = types.ModuleType("rfc3987_syntax")
        later.is_valid_syntax = lambda *asked: importlib.import_module("rfc3987_syntax").is_valid_syntax(*asked)
        sys.modules["rfc3987_syntax"] = later
        try:
            return importlib.import_module("jsonschema")
        finally:
            del sys.modules["rfc3987_syntax"]
    return importlib.import_module("jsonschema")


@functools.cache
def _validator(name: str) -> Any:
    found = importlib.util.find_spec("check_jsonschema")  # importing it would import its command line
    assert found is not None and found.submodule_search_locations
    folder = Path(found.submodule_search_locations[0], "builtin_schemas", "vendor")
    schema = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
    # Earlier releases spell the address of this draft in their own way, which jsonschema warns of.
    jsonschema = quick_jsonschema()
    old = "draft-07" in schema["$schema"]
    return (jsonschema.Draft7Validator if old else jsonschema.validators.validator_for(schema))(schema)


def check_schema(name: str, document: Any) -> None:
    """Compare a document with one of the schemas that check-jsonschema has: github-workflows, gitlab-ci,
    compose-spec."""
    problems = [f"{error.json_path}: {error.message}" for error in _validator(name).iter_errors(document)]
    assert not problems, problems


@functools.cache
def _kubernetes() -> Any:
    """The package of Kubernetes' schemas, which reads each of them once."""
    quick_jsonschema()
    found: Any = importlib.import_module("kubernetes_validate")
    found.utils.schema_contents = functools.cache(found.utils.schema_contents)
    return found


def check_manifest(text: str) -> list[dict[str, Any]]:
    """The documents of a manifest, each of which agrees with Kubernetes' schemas; they allow no unknown key."""
    kubernetes_validate = _kubernetes()
    documents = list(yaml.safe_load_all(text))
    for document in documents:
        for version in VERSIONS:
            kubernetes_validate.validate(document, version, strict=True)
    return documents


def pod_of(documents: list[dict[str, Any]]) -> dict[str, Any]:
    """The specification of the pod that a manifest runs."""
    (found,) = (item for item in documents if item["kind"] in ("Deployment", "Job"))
    return dict(found["spec"]["template"]["spec"])


VOLUMES = {
    *("configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"),
    "name",
}
SYSCTLS = {
    *("kernel.shm_rmid_forced", "net.ipv4.ip_local_port_range", "net.ipv4.ip_unprivileged_port_start"),
    *("net.ipv4.tcp_syncookies", "net.ipv4.ping_group_range", "net.ipv4.ip_local_reserved_ports"),
    *("net.ipv4.tcp_keepalive_time", "net.ipv4.tcp_fin_timeout", "net.ipv4.tcp_keepalive_intvl"),
    *("net.ipv4.tcp_keepalive_probes", "net.ipv4.tcp_rmem", "net.ipv4.tcp_wmem"),
}


def violations(pod: Mapping[str, Any]) -> list[str]:
    """What of a pod breaks the restricted policy of the Pod Security Standards, with the baseline that is part of it:
    the controls of https://kubernetes.io/docs/concepts/security/pod-security-standards/, in its order."""
    return [*_of_baseline(pod), *_of_restricted(pod)]


def _containers(pod: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [item for key in ("containers", "initContainers", "ephemeralContainers") for item in pod.get(key, ())]


def _of_baseline(pod: Mapping[str, Any]) -> Iterator[str]:
    context, containers = pod.get("securityContext", {}), _containers(pod)
    rights = [context, *(item.get("securityContext", {}) for item in containers)]
    if any(item.get("windowsOptions", {}).get("hostProcess") for item in rights):
        yield "HostProcess"
    if any(pod.get(key) for key in ("hostNetwork", "hostPID", "hostIPC")):
        yield "host namespaces"
    if any(item.get("privileged") for item in rights):
        yield "privileged containers"
    if any("hostPath" in item for item in pod.get("volumes", ())):
        yield "HostPath volumes"
    if any(port.get("hostPort") for item in containers for port in item.get("ports", ())):
        yield "host ports"
    for item in containers:
        probes = [item.get(key, {}) for key in ("livenessProbe", "readinessProbe", "startupProbe")]
        probes += item.get("lifecycle", {}).values()
        if any(probe.get(kind, {}).get("host") for probe in probes for kind in ("httpGet", "tcpSocket")):
            yield "hosts of probes"
    if any(item.get("appArmorProfile", {}).get("type", "RuntimeDefault") == "Unconfined" for item in rights):
        yield "AppArmor"
    for options in (item.get("seLinuxOptions", {}) for item in rights):
        kind = options.get("type", "")
        kinds = ("", "container_t", "container_init_t", "container_kvm_t", "container_engine_t")
        if kind not in kinds or "user" in options or "role" in options:
            yield "SELinux"
    if any(item.get("procMount", "Default") != "Default" for item in rights):
        yield "/proc mount type"
    if any(item.get("name") not in SYSCTLS for item in context.get("sysctls", ())):
        yield "sysctls"


def _of_restricted(pod: Mapping[str, Any]) -> Iterator[str]:
    context, containers = pod.get("securityContext", {}), _containers(pod)
    rights = [item.get("securityContext", {}) for item in containers]
    if any(not set(item) <= VOLUMES for item in pod.get("volumes", ())):
        yield "volume types"
    if any(item.get("allowPrivilegeEscalation") is not False for item in rights):
        yield "privilege escalation"
    if any(item.get("runAsNonRoot", context.get("runAsNonRoot")) is not True for item in rights):
        yield "running as non-root"
    if any(item.get("runAsUser") == 0 for item in (context, *rights)):
        yield "running as non-root user"
    for item in rights:
        profile = item.get("seccompProfile", context.get("seccompProfile", {}))
        if profile.get("type") not in ("RuntimeDefault", "Localhost"):
            yield "seccomp"
        capabilities = item.get("capabilities", {})
        if "ALL" not in capabilities.get("drop", ()) or not set(capabilities.get("add", ())) <= {"NET_BIND_SERVICE"}:
            yield "capabilities"
