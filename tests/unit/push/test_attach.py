"""What is said of an image, in a registry: as referrers, and under the tags where others look."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any, Optional

import pytest
from images import Made, archive, file
from judging import GOOD
from registries import FakeRegistry, Fault, fake_registry
from signing import SBOM, image, signer_in
from support import compile_c

from freezer.base.errors import InputError, OutputError
from freezer.base.log import Log
from freezer.base.oci.archive import open_image
from freezer.base.oci.reference import parse_reference
from freezer.base.oci.referrers import referrer_nodes
from freezer.image.index import join_images
from freezer.plan.signing import Signing
from freezer.push.attach import referrers_tag
from freezer.push.send import Pushed
from freezer.sign import cosign
from freezer.sign.crypto import Signer
from freezer.sign.envelope import IN_TOTO

INDEX = "application/vnd.oci.image.index.v1+json"


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compile_c("int main(void) { return 0; }", tmp_path_factory.mktemp("program") / "app", "-static", "-s")


@pytest.fixture
def signer(tmp_path: Path) -> Signer:
    return signer_in(tmp_path)


@pytest.fixture
def signed(program: Path, tmp_path: Path, signer: Signer) -> Path:
    return image(program, tmp_path, signer)


def manifest(registry: FakeRegistry, name: str, repository: str = "app") -> Any:
    return json.loads(registry.manifests[repository, name][1])


def tags(registry: FakeRegistry) -> set[str]:
    return {name for _, name in registry.manifests if not name.startswith("sha256:")}


def test_a_registry_that_knows_no_referrers(signed: Path, push: Any, said: io.StringIO) -> None:
    with fake_registry() as registry:
        pushed: Pushed = push(signed, f"{registry.name}/app:1")
        tag = pushed.digest.replace(":", "-")
        assert tags(registry) == {"1", tag, f"{tag}.sig", f"{tag}.att"}
        kind, _ = registry.manifests["app", tag]
        assert kind == INDEX
        found = manifest(registry, tag)
        assert [item["artifactType"] for item in found["manifests"]] == [
            *(cosign.SIGNATURE_KIND, cosign.ATTESTATION_KIND, cosign.CYCLONEDX)
        ]
        with open_image(signed) as opened:
            nodes = referrer_nodes(opened)
        for item, node in zip(found["manifests"], nodes):
            assert (item["digest"], item["size"]) == (node.descriptor.digest, node.descriptor.size)
            assert registry.manifests["app", item["digest"]][1] == node.data
            assert manifest(registry, item["digest"])["subject"]["digest"] == pushed.digest
        assert manifest(registry, f"{tag}.sig") == manifest(registry, found["manifests"][0]["digest"])
        assert manifest(registry, f"{tag}.att") == manifest(registry, found["manifests"][1]["digest"])
        assert SBOM in registry.blobs["app"].values()
    assert f"signature, provenance, bill of materials of {pushed.digest[:19]}" in said.getvalue()


def test_a_registry_that_lists_referrers(signed: Path, push: Any) -> None:
    """No tag is made for what it does itself; cosign has its own."""
    with fake_registry(referrers=True) as registry:
        pushed: Pushed = push(signed, f"{registry.name}/app:1")
        tag = pushed.digest.replace(":", "-")
        assert tags(registry) == {"1", f"{tag}.sig", f"{tag}.att"}
        assert registry.count("GET", f"manifests/{tag}$") == 0
        assert {item.referrer.descriptor.digest for item in pushed.said} <= {name for _, name in registry.manifests}


def test_the_name_is_put_last(signed: Path, push: Any, registry: FakeRegistry) -> None:
    """Whoever sees it finds the signature; and the image is there before what is about it."""
    pushed: Pushed = push(signed, f"{registry.name}/app:1")
    puts = [item.path.rpartition("/")[2] for item in registry.asked if item.method == "PUT" and "manif" in item.path]
    assert (puts[0], puts[-1]) == (pushed.digest, "1")
    assert len(puts) == 8


def test_pushed_twice_is_there_once(signed: Path, push: Any, registry: FakeRegistry) -> None:
    pushed: Pushed = push(signed, f"{registry.name}/app:1")
    before = dict(registry.manifests)
    again: Pushed = push(signed, f"{registry.name}/app:1")
    assert (again.sent, registry.manifests) == (0, before)
    assert len(manifest(registry, referrers_tag(pushed.digest))["manifests"]) == 3


def test_what_others_have_put_there_stays(program: Path, tmp_path: Path, push: Any, registry: FakeRegistry) -> None:
    """Another signature of the same image, under each of the tags."""
    pushed = [
        push(image(program, tmp_path, signer_in(tmp_path, name), f"{name}.tar"), f"{registry.name}/app:1")
        for name in ("one", "two")
    ]
    assert pushed[0].digest == pushed[1].digest
    tag = referrers_tag(pushed[0].digest)
    signatures = [
        *(
            item["annotations"]["dev.cosignproject.cosign/signature"]
            for made in pushed
            for item in json.loads(made.said[0].referrer.manifest)["layers"]
        )
    ]
    found = manifest(registry, f"{tag}.sig")
    assert [item["annotations"]["dev.cosignproject.cosign/signature"] for item in found["layers"]] == signatures
    config = json.loads(registry.blobs["app"][found["config"]["digest"]])
    assert config["rootfs"]["diff_ids"] == [item["digest"] for item in found["layers"]]
    assert len(manifest(registry, f"{tag}.att")["layers"]) == 2
    # The bill is the same.
    assert len(manifest(registry, tag)["manifests"]) == 5
    before = dict(registry.manifests)
    push(tmp_path / "two.tar", f"{registry.name}/app:1")
    assert {name for name in registry.manifests if "." in name[1] or name[1] == tag} == {
        name for name in before if "." in name[1] or name[1] == tag
    }
    assert len(manifest(registry, f"{tag}.sig")["layers"]) == 2 and len(manifest(registry, tag)["manifests"]) == 5


def test_provenance_that_nobody_signed(program: Path, tmp_path: Path, push: Any, registry: FakeRegistry) -> None:
    """It is no attestation, and so has no tag of cosign's."""
    pushed: Pushed = push(image(program, tmp_path, None), f"{registry.name}/app:1")
    assert tags(registry) == {"1", referrers_tag(pushed.digest)}
    assert [item.referrer.artifact_type for item in pushed.said] == [IN_TOTO, cosign.CYCLONEDX]


def test_left_out(signed: Path, push: Any, registry: FakeRegistry) -> None:
    pushed: Pushed = push(signed, f"{registry.name}/app:1", referrers=False)
    assert tags(registry) == {"1"} and pushed.said == () and len(registry.manifests) == 2


def layers_with(*contents: tuple[str, bytes]) -> bytes:
    return archive(*(file(name, data) for name, data in contents))


def test_the_bill_in_an_image(tmp_path: Path, push: Any, registry: FakeRegistry) -> None:
    path = Made(GOOD, layers_with(("app/sbom.cdx.json", SBOM), ("app/x", b"x"))).write(tmp_path / "image.tar")
    pushed: Pushed = push(path, f"{registry.name}/app:1", sbom=True)
    (item,) = pushed.said
    assert (item.subject, item.name) == (pushed.digest, "bill of materials")
    assert SBOM in registry.blobs["app"].values()
    assert push(path, f"{registry.name}/other:1").said == ()
    with pytest.raises(InputError, match="has no bill of materials in it"):
        push(Made(GOOD).write(tmp_path / "other.tar"), f"{registry.name}/app:1", sbom=True)


def test_the_bill_is_said_once(signed: Path, push: Any, registry: FakeRegistry) -> None:
    assert len(push(signed, f"{registry.name}/app:1", sbom=True).said) == 3


def test_an_index(program: Path, tmp_path: Path, signer: Signer, push: Any, registry: FakeRegistry) -> None:
    """What is said of the index, and of each image in it."""
    data = bytearray(program.read_bytes())
    data[18:20] = (22).to_bytes(2, "little")
    (tmp_path / "s390x").mkdir()
    (tmp_path / "s390x/app").write_bytes(data)
    sources = [image(program, tmp_path, signer), image(tmp_path / "s390x/app", tmp_path, None, "other.tar")]
    signing = Signing(key=tmp_path / "key")
    join_images(sources, [parse_reference("a:1")], tmp_path / "all.tar", Log(stream=io.StringIO()), signing, signer)
    pushed: Pushed = push(tmp_path / "all.tar", f"{registry.name}/app:1")
    one, two = (item["digest"] for item in manifest(registry, "1")["manifests"])
    assert [len(manifest(registry, referrers_tag(digest))["manifests"]) for digest in (pushed.digest, one, two)] == [
        *(2, 3, 2)
    ]
    assert {name.rpartition(".")[0] for name in tags(registry) if name.endswith(".sig")} == {
        *map(referrers_tag, (pushed.digest, one))
    }


@pytest.mark.parametrize(
    ("name", "document"),
    [("{}", {"layers": []}), ("{}", []), ("{}", None), ("{}.sig", {"manifests": []}), ("{}.att", "text")],
)
def test_something_else_under_a_tag(signed: Path, push: Any, registry: FakeRegistry, name: str, document: Any) -> None:
    """It is not replaced, and the image has no name."""
    pushed: Pushed = push(signed, f"{registry.name}/app:1", referrers=False)
    del registry.manifests["app", "1"]
    place = name.format(referrers_tag(pushed.digest))
    data = b"\xff" if document is None else json.dumps(document).encode()
    registry.manifests["app", place] = ("text/plain", data)
    with pytest.raises(OutputError, match="is something else") as raised:
        push(signed, f"{registry.name}/app:1")
    assert "--no-referrers" in str(raised.value.hint)
    assert registry.manifests["app", place][1] == data and ("app", "1") not in registry.manifests


def test_a_registry_that_takes_no_such_thing(signed: Path, push: Any, registry: FakeRegistry) -> None:
    """The image has no name then, as it would be one without its signature."""

    def refuse(method: str, path: str) -> Optional[Fault]:
        puts = [item for item in registry.asked if item.method == "PUT" and "manifests" in item.path]
        return Fault(method, "", 400, body=b"unsupported media type") if method == "PUT" and len(puts) > 1 else None

    registry.watch = refuse
    with pytest.raises(OutputError, match="cannot push the signature") as raised:
        push(signed, f"{registry.name}/app:1")
    assert "unsupported media type" in str(raised.value.why) and "--no-referrers" in str(raised.value.hint)
    assert tags(registry) == set()


def test_each_request_fails_in_turn(signed: Path, push: Any, registry: FakeRegistry) -> None:
    """Whichever was the last: no name leads to an image without its signature, and the next push completes it."""
    left = 0

    def fails(method: str, _path: str) -> Optional[Fault]:
        nonlocal left
        left -= 1
        return Fault(method, "", 400) if left < 0 else None

    whole: Optional[set[tuple[str, str]]] = None
    for turn in range(200):
        registry.blobs.clear()
        registry.manifests.clear()
        left, registry.watch = turn, fails
        try:
            push(signed, f"{registry.name}/app:1", jobs=1)
        except OutputError:
            assert ("app", "1") not in registry.manifests
        else:
            break
        left = 1000
        push(signed, f"{registry.name}/app:1", jobs=1)
        whole = whole or set(registry.manifests)
        assert set(registry.manifests) == whole
    assert 40 < turn < 199


def test_tags_of_digests() -> None:
    assert referrers_tag("sha256:" + "a" * 64) == "sha256-" + "a" * 64
    assert referrers_tag("sha512:" + "b" * 128) == "sha512-" + "b" * 64
    assert referrers_tag("test+algorithm+using+algorithm+separators+and+lots+of+characters:a" * 1).startswith(
        "test+algorithm+using+algorithm+s-"
    )
