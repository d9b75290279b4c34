"""What of the host's network configuration a root gets."""

from __future__ import annotations

from freezer.system.chroot.network import parse_configuration


def test_pip_configuration() -> None:
    text = "global.find-links='/a /b'\n:env:.index-url='https://x/simple'\ninstall.no-binary='x\\ny'\nrubbish\n"
    assert parse_configuration(text) == [
        ("global", "find-links", "/a /b"),
        (":env:", "index-url", "https://x/simple"),
        ("install", "no-binary", "x\ny"),
    ]
