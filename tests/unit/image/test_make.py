"""Images made of executables: what is in them, and which input is refused."""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import pytest
from imagefiles import Opened, make, plan
from judging import judge
from support import compile_c

from freezer.application.metadata import Metadata
from freezer.application.origin import Origin
from freezer.base.errors import InputError
from freezer.base.log import Log
from freezer.image.make import image_of_existing
from freezer.image.platforms import platform_of
from freezer.plan.choices import DEFAULT_EPOCH


def test_the_recipe(program: Path, tmp_path: Path) -> None:
    image = make(program, tmp_path, tag=["hello:1"])
    opened = Opened(image.path)
    assert [item.name for item in opened.members] == sorted(item.name for item in opened.members)
    assert [item.name for item in opened.members if item.isdir()] == ["blobs", "blobs/sha256"]
    assert len(opened.blobs) == 7
    assert opened.config["config"]["Cmd"] == ["/app/app"]
    assert "Entrypoint" not in opened.config["config"]
    assert opened.config["config"]["User"] == "65535:65535"
    assert (opened.config["architecture"], opened.config["os"]) == ("amd64", "linux")
    files = opened.files()
    assert {name: (item.mode, item.uid, item.gid) for name, item in files.items()} == {
        "app": (0o755, 0, 0),
        "app/app": (0o755, 0, 0),
        "etc": (0o755, 0, 0),
        **{
            f"etc/{name}": (0o644, 0, 0)
            for name in ("group", "hosts", "nsswitch.conf", "passwd", "protocols", "services")
        },
        "tmp": (0o1777, 0, 0),
    }
    assert {item.mtime for item in (*files.values(), *opened.members)} == {DEFAULT_EPOCH}
    assert opened.content("app/app") == program.read_bytes()
    assert b"app:x:65535:65535:app:/tmp:" in opened.content("etc/passwd")
    (descriptor,) = opened.index["manifests"]
    assert descriptor["annotations"] == {
        "io.containerd.image.name": "docker.io/library/hello:1",
        "org.opencontainers.image.ref.name": "1",
    }
    assert opened.listed[0]["RepoTags"] == ["docker.io/library/hello:1"]
    assert image.image_id == opened.manifest["config"]["digest"]
    assert image.manifest_digest == descriptor["digest"]
    assert image.size == image.path.stat().st_size < program.stat().st_size + 64 * 1024


def test_no_variable_is_added_beside_the_users(program: Path, tmp_path: Path) -> None:
    """What these name decides, even if the image has another place with such files."""
    named = ["SSL_CERT_FILE=/nosuch", "REQUESTS_CA_BUNDLE=/nosuch", "CURL_CA_BUNDLE=", "TZDIR=/nosuch", "LC_ALL=xx"]
    image = make(program, tmp_path, env=named, ca_certs=True, tzdata=True, locale=True)
    path, lang, *rest = Opened(image.path).config["config"]["Env"]
    assert path.startswith("PATH=") and lang == "LANG=C.UTF-8"
    assert rest == named


def test_all_settings(program: Path, tmp_path: Path) -> None:
    (tmp_path / "tree/sub").mkdir(parents=True)
    (tmp_path / "tree/sub/run").write_text("x")
    (tmp_path / "tree/sub/run").chmod(0o700)
    (tmp_path / "tree/link").symlink_to("sub/run")
    (tmp_path / "conf").write_text("secret")
    image = make(
        program,
        tmp_path,
        tag=["a:1", "registry.example.com/b"],
        user="1000:2000",
        entrypoint=True,
        cmd="--port '8 0'",
        env=["A=b=c", "LANG=x"],
        label=["k=v", "org.opencontainers.image.title=mine"],
        workdir="/work/./here/",
        port=["80", "53/udp"],
        volume=["/data"],
        stop_signal="quit",
        healthcheck="/app/app --health",
        add_file=["conf:/etc/app/:0600", "tree:/srv/tree"],
        add_dir=["/var/spool:0750"],
        ca_certs=True,
        tzdata=True,
        locale=True,
        tmp=False,
    )
    opened = Opened(image.path)
    config = opened.config["config"]
    assert (config["Entrypoint"], config["Cmd"]) == (["/app/app"], ["--port", "8 0"])
    assert config["User"] == "1000:2000"
    assert config["Env"][1:] == ["LANG=x", "A=b=c"]
    assert config["Labels"]["k"] == "v"
    assert config["Labels"]["org.opencontainers.image.title"] == "mine"
    assert opened.manifest["annotations"].items() >= config["Labels"].items()
    assert config["WorkingDir"] == "/work/here"
    assert config["ExposedPorts"] == {"80/tcp": {}, "53/udp": {}}
    assert (config["Volumes"], config["StopSignal"]) == ({"/data": {}}, "SIGQUIT")
    assert config["Healthcheck"] == {"Test": ["CMD", "/app/app", "--health"]}
    files = opened.files()
    assert (files["data"].uid, files["data"].gid, files["data"].mode) == (1000, 2000, 0o755)
    assert (files["var/spool"].uid, files["var/spool"].mode, files["var"].uid) == (1000, 0o750, 0)
    assert files["etc/app/conf"].mode == 0o600
    assert files["srv/tree/sub/run"].mode == 0o755
    assert files["srv/tree/link"].linkname == "sub/run"
    assert "tmp" not in files
    assert b"BEGIN CERTIFICATE" in opened.content("etc/ssl/certs/ca-certificates.crt")
    assert {"usr/share/zoneinfo/Europe/Berlin", "usr/lib/locale/C.utf8/LC_CTYPE"} <= set(files)
    assert [item["annotations"]["io.containerd.image.name"] for item in opened.index["manifests"]] == [
        "docker.io/library/a:1",
        "registry.example.com/b:latest",
    ]
    assert opened.listed[0]["RepoTags"] == ["docker.io/library/a:1", "registry.example.com/b:latest"]


def test_what_the_project_says(program: Path, tmp_path: Path) -> None:
    about = Metadata("My App", "1.2", "does it", "MIT", "https://example.com/git", None, None)
    opened = Opened(make(program, tmp_path, Origin(about, "0" * 40, 1_700_000_000)).path)
    said = {key.rpartition(".")[2]: value for key, value in opened.config["config"]["Labels"].items()}
    assert said == {
        "title": "My App",
        "version": "1.2",
        "description": "does it",
        "licenses": "MIT",
        "source": "https://example.com/git",
        "revision": "0" * 40,
        "created": "2023-11-14T22:13:20Z",
    }
    assert opened.config["created"] == "2023-11-14T22:13:20Z"
    assert Opened(make(program, tmp_path, environ={"SOURCE_DATE_EPOCH": "1"}).path).config["created"].startswith("1970")


def test_umask_and_time_do_not_matter(program: Path, tmp_path: Path) -> None:
    digests = set()
    for number, umask in enumerate((0o022, 0o077)):
        folder = tmp_path / str(number)
        folder.mkdir()
        copy = folder / "copy"
        copy.write_bytes(program.read_bytes())
        copy.chmod(0o700 + number)
        before = os.umask(umask)
        try:
            image = make(copy, folder)
        finally:
            os.umask(before)
        assert image.path.stat().st_mode & 0o777 == 0o644 & ~umask
        digests.add(hashlib.sha256(image.path.read_bytes()).hexdigest())
    assert len(digests) == 1


def test_owners_of_added_files(program: Path, tmp_path: Path) -> None:
    (tmp_path / "tree/sub").mkdir(parents=True)
    (tmp_path / "tree/sub/app.db").write_text("x")
    (tmp_path / "tree/link").symlink_to("sub/app.db")
    added = ["tree:/srv/tree::1000", "tree/sub/app.db:/data/app.db:0600:1000:0", "tree/sub/app.db:/big::2147483647"]
    files = Opened(make(program, tmp_path, add_file=added, add_dir=["/data:0700"]).path).files()
    owners = {name: (item.uid, item.gid, item.mode) for name, item in files.items() if item.uid}
    assert owners == {
        "srv/tree": (1000, 1000, 0o755),
        "srv/tree/sub": (1000, 1000, 0o755),
        "srv/tree/sub/app.db": (1000, 1000, 0o644),
        "srv/tree/link": (1000, 1000, 0o777),
        "data": (65535, 65535, 0o700),
        "data/app.db": (1000, 0, 0o600),
        "big": (2147483647, 2147483647, 0o644),
    }
    assert files["srv"].uid == 0


def test_names_and_owners_beyond_ustar(program: Path, tmp_path: Path) -> None:
    deep = "/".join(["d" * 100] * 5)
    (tmp_path / "tree" / deep).mkdir(parents=True)
    (tmp_path / "tree" / deep / ("n" * 255)).write_text("far down")
    (tmp_path / "tree/link").symlink_to(deep)
    image = make(program, tmp_path, add_file=["tree:/tree"], volume=["/data"], user="1000650000")
    opened = Opened(image.path)
    assert opened.content(f"tree/{deep}/{'n' * 255}") == b"far down"
    files = opened.files()
    assert (files["tree/link"].linkname, files["data"].uid) == (deep, 1000650000)
    assert judge(image.path) == ""


def test_a_health_check_in_full(program: Path, tmp_path: Path) -> None:
    image = make(
        program,
        tmp_path,
        healthcheck="/app/app --health",
        healthcheck_interval="1m30s",
        healthcheck_timeout="500ms",
        healthcheck_start_period="1h",
        healthcheck_retries=5,
        image_format="docker",
    )
    opened = Opened(image.path)
    assert opened.config["config"]["Healthcheck"] == {
        "Test": ["CMD", "/app/app", "--health"],
        "Interval": 90 * 10**9,
        "Timeout": 500 * 10**6,
        "StartPeriod": 3600 * 10**9,
        "Retries": 5,
    }
    assert opened.manifest["mediaType"] == "application/vnd.docker.distribution.manifest.v2+json"
    assert opened.index["manifests"][0]["mediaType"] == opened.manifest["mediaType"]
    assert "k" not in opened.manifest["annotations"]
    assert judge(image.path) == ""
    with tarfile.open(image.path) as tar:
        place = tar.getmember("blobs/sha256").offset
    data = bytearray(image.path.read_bytes())
    # The owner becomes 1, and the checksum is right.
    data[place + 114] += 1
    data[place + 153] += 1
    image.path.write_bytes(data)
    assert "the header of blobs/sha256/ differs from what freezer wrote" in judge(image.path)


def test_annotations_and_variant(program: Path, tmp_path: Path) -> None:
    image = make(program, tmp_path, annotation=["a=b=c", "l=2"], label=["l=1"], platform_variant="v3")
    opened = Opened(image.path)
    assert (opened.manifest["annotations"]["a"], opened.manifest["annotations"]["l"]) == ("b=c", "2")
    assert opened.config["config"]["Labels"]["l"] == "1"
    assert (opened.config["variant"], image.platform) == ("v3", "linux/amd64/v3")
    assert opened.index["manifests"][0]["platform"]["variant"] == "v3"
    assert judge(image.path) == ""


def test_two_clones_give_one_image(program: Path, tmp_path: Path) -> None:
    """Of an executable that is built in each of them, and of files in the repository."""
    who = ["-c", "user.name=a", "-c", "user.email=a@example.invalid", "-c", "commit.gpgsign=false"]
    date = {**os.environ, "GIT_AUTHOR_DATE": "@1000 +0000", "GIT_COMMITTER_DATE": "@1700000000 +0000"}
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    (first / "conf").write_text("x")
    (first / ".gitignore").write_text("app\n*.tar\n")
    for words in (["init", "-q"], ["add", "."], ["commit", "-qm", "x"], ["clone", "-q", ".", str(second)]):
        subprocess.run(["git", *who, "-C", first, *words], check=True, env=date)
    found = []
    for number, place in enumerate((first, second)):
        shutil.copy(program, place / "app")
        os.utime(place / "app", (number, number))
        os.utime(place / "conf", (number, number))
        wanted = plan(place, add_file=["conf:/etc/app/conf"])
        log = Log(stream=io.StringIO())
        found.append(image_of_existing(wanted, place / "app", lambda *_: {}, cache=tmp_path / "cache", log=log))
    assert found[0].image_id == found[1].image_id
    assert Opened(found[0].path).config["created"] == "2023-11-14T22:13:20Z"


BAD: dict[str, dict[str, Any]] = {
    "tag": {"tag": ["Hello"]},
    "user name": {"user": "app"},
    "user range": {"user": str(1 << 31)},
    "env": {"env": ["NAME"]},
    "label": {"label": ["=x"]},
    "workdir": {"workdir": "here"},
    "parent": {"volume": ["/a/../b"]},
    "port": {"port": ["0"]},
    "port text": {"port": ["http"]},
    "signal": {"stop_signal": "SIGNOTHING"},
    "quotes": {"cmd": "'"},
    "file": {"add_file": ["missing:/x"]},
    "file form": {"add_file": ["image.py"]},
    "file mode": {"add_file": ["image.py:/x:999"]},
    "directory mode": {"add_dir": ["/x:rwx"]},
    "compression": {"layer_compression": "lzma"},
    "replaced": {"add_file": ["image.py:/app/app"]},
    "twice": {"add_file": ["image.py:/etc/passwd"]},
    "below a file": {"add_file": ["image.py:/etc/passwd/x"]},
    "long name": {"add_file": ["image.py:/" + "n" * 300]},
    "owner's name": {"add_file": ["image.py:/x:0644:app"]},
    "owner out of range": {"add_file": [f"image.py:/x::{1 << 31}"]},
    "a check's time without a check": {"healthcheck_interval": "3s"},
    "a time without a unit": {"healthcheck": "x", "healthcheck_interval": "3"},
    "no time at all": {"healthcheck": "x", "healthcheck_timeout": "0s"},
    "a time beyond 64 bits": {"healthcheck": "x", "healthcheck_start_period": "999999999h"},
    "no retries": {"healthcheck": "x", "healthcheck_retries": 0},
    "format": {"image_format": "squashfs"},
    "annotation": {"annotation": ["novalue"]},
    "freezer's own annotation": {"annotation": ["io.github.freezer.layout=3"]},
    "annotation for docker": {"annotation": ["a=b"], "image_format": "docker"},
    "variant": {"platform_variant": "v9"},
    "whiteout": {"add_file": ["image.py:/etc/.wh.passwd"]},
    "hidden by a mount": {"add_file": ["image.py:/proc/x"]},
}


@pytest.mark.parametrize("name", BAD)
def test_bad_settings(program: Path, tmp_path: Path, name: str) -> None:
    (tmp_path / "image.py").write_text("")
    (tmp_path / "image.tar").write_text("previous")
    with pytest.raises(InputError):
        make(program, tmp_path, **BAD[name])
    assert (tmp_path / "image.tar").read_text() == "previous"
    assert sorted(os.listdir(tmp_path)) == ["image.py", "image.tar"]


def test_executables_that_cannot_run_alone(program: Path, tmp_path: Path) -> None:
    dynamic = compile_c("int main(void) { return 0; }", tmp_path / "dynamic")
    text = tmp_path / "text"
    text.write_text("#!/bin/sh\n")
    foreign = tmp_path / "foreign"
    content = bytearray(program.read_bytes())
    content[18:20] = (2).to_bytes(2, "little")  # EM_SPARC
    foreign.write_bytes(content)
    for path, said in ((dynamic, "not a static executable"), (text, "not an executable"), (foreign, "do not support")):
        with pytest.raises(InputError, match=said):
            make(path, tmp_path)
    content[18:20] = (183).to_bytes(2, "little")  # EM_AARCH64
    foreign.write_bytes(content)
    assert str(platform_of(foreign)) == "linux/arm64/v8"
