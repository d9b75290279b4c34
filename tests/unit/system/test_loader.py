"""Where the dynamic loader of a system looks."""

from __future__ import annotations

from pathlib import Path

from freezer.system.loader import loader_directories


def test_loader_directories(tmp_path: Path) -> None:
    conf = tmp_path / "etc/ld.so.conf.d"
    conf.mkdir(parents=True)
    (tmp_path / "etc/ld.so.conf").write_text("include ld.so.conf.d/*.conf\n/opt/last # why\nrelative\n\n")
    (conf / "b.conf").write_text("/opt/b\n")
    (conf / "a.conf").write_text("# none\n/opt/a\ninclude /etc/ld.so.conf.d/a.conf\n")
    (conf / "ignored.txt").write_text("/opt/never\n")
    found = [str(path.relative_to(tmp_path)) for path in loader_directories(tmp_path, "EM_X86_64")]
    assert found[:3] == ["opt/a", "opt/b", "opt/last"]
    assert found[3:5] == ["lib/x86_64-linux-gnu", "usr/lib/x86_64-linux-gnu"]
    assert "usr/lib" in found
    assert len(found) == len(set(found))


def test_loader_directories_without_configuration(tmp_path: Path) -> None:
    found = loader_directories(tmp_path, "EM_UNHEARD_OF")
    assert found == [tmp_path / name for name in ("lib64", "usr/lib64", "lib", "usr/lib")]
