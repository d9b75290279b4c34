"""Compose files agree with the schema of their specification."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import imagefiles
import pytest
import yaml
from schemas import MUCH, check_schema

from freezer.scaffold.compose import compose
from freezer.scaffold.described import described_by_plan


def made(folder: Path, **values: Any) -> dict[str, Any]:
    document = yaml.safe_load(compose(described_by_plan(imagefiles.plan(folder, **values), "shop", "shop")))
    check_schema("compose-spec", document)
    return dict(document)


def test_a_server(tmp_path: Path) -> None:
    document = made(tmp_path, **MUCH)
    service = document["services"]["shop"]
    assert service["image"] == "registry.example:5000/team/shop:1.2"
    assert service["ports"] == ["127.0.0.1:80:80/tcp", "127.0.0.1:8080:8080/tcp", "127.0.0.1:53:53/udp"]
    assert service["volumes"] == ["shop-data:/data", "shop-var-lib-shop:/var/lib/shop"]
    assert document["volumes"] == {"shop-data": {}, "shop-var-lib-shop": {}}
    assert service["healthcheck"] == {
        "test": ["CMD", "/app/shop", "--health", "a b", "$$(X)"],
        "interval": "1500ms",
        "timeout": "2s",
        "start_period": "60s",
        "retries": 5,
    }
    assert (service["user"], service["restart"]) == ("1000:2000", "unless-stopped")
    assert service["sysctls"] == {"net.ipv4.ip_unprivileged_port_start": 53}


def test_a_command_is_not_started_again(tmp_path: Path) -> None:
    document = made(tmp_path)
    assert list(document) == ["name", "services"]
    service = document["services"]["shop"]
    assert "restart" not in service
    assert (service["entrypoint"], service["command"]) == (["/app/shop"], [])
    assert {key: service[key] for key in ("read_only", "cap_drop", "security_opt")} == {
        "read_only": True,
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges:true"],
    }


def test_a_wrong_key_would_be_noticed(tmp_path: Path) -> None:
    document = made(tmp_path)
    document["services"]["shop"]["readonly"] = True
    with pytest.raises(AssertionError, match="readonly"):
        check_schema("compose-spec", document)
