"""A push: the blobs first, several at a time; then the manifests, from below; and last the one that the name is for.

So a name never leads to an image that is not whole, and a push that was ended at any moment is completed by the next
one, which finds what is there. Everything keeps its bytes: the digest in the registry is that of the file.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

from freezer.base.errors import InputError, OutputError
from freezer.base.log import Log, Step, human_size
from freezer.base.oci.archive import ImageArchive, open_image
from freezer.base.oci.nodes import Node, Part, top_nodes
from freezer.base.oci.reference import parse_reference
from freezer.base.tools import user_home
from freezer.push.attach import Attaching, Loose, Said, said_in
from freezer.push.blobs import Blob, Source, Way
from freezer.push.connections import Connections, Text, proxies_of
from freezer.push.credentials import find_credentials
from freezer.push.registry import Registry
from freezer.push.target import Target
from freezer.push.trouble import Policy, Stopped
from freezer.push.trust import make_context


@dataclass(frozen=True)
class Pushed:
    """An image in a registry. ``size`` is that of its blobs, ``sent`` that of those that went over the network, in
    bytes; ``ways`` counts the blobs by how they came there; ``said`` is what is said of it."""

    target: Target
    digest: str
    images: int
    size: int
    sent: int
    ways: Mapping[Way, int]
    said: tuple[Said, ...] = ()

    @property
    def reference(self) -> str:
        """Return the name that can only mean this image: ``registry/team/app@sha256:...``."""
        return f"{self.target.reference.domain}/{self.target.reference.path}@{self.digest}"


def push_image(
    path: Path,
    target: Target,
    *,
    mounts: Sequence[str],
    certificates: Sequence[Path],
    jobs: int,
    environ: Mapping[str, str],
    log: Log,
    policy: Optional[Policy] = None,
    referrers: bool = True,
    sbom: bool = False,
) -> Pushed:
    """Copy an image, or all images of an index, to a registry, and log it. ``mounts`` are repositories of the registry
    that may have some of the blobs. With ``referrers``, what the file says of the images goes with them, and with
    ``sbom`` the bills of materials in them.

    Raises InputError for a file that is damaged, or has several images without an index; OutputError if the registry
    cannot be reached, or takes no image.
    """
    policy, home, reference = policy or Policy(), user_home(), target.reference
    with open_image(path) as archive:
        top = _top(archive)
        credentials = find_credentials(reference.domain, reference.path, environ=environ, home=home)
        context = make_context(reference.domain, certificates, home)
        connections = Connections(context, proxies_of(environ), policy, threading.Event())
        places = _mounts(archive, target, mounts)
        said = said_in(archive, top, sbom=sbom) if referrers else []
        registry = Registry(target, connections, credentials, places, policy, log)
        try:
            with log.step("push") as step:
                registry.greet()
                parts = _parts(archive, top, said)
                ways = _push_blobs(registry, connections, parts, places, jobs, step)
                digest = _push_documents(registry, top, said, log)
                sent = sum(part.descriptor.size for _, part in parts if ways[part.descriptor.digest] is Way.SENT)
                step.result = f"{reference}, {human_size(sent)} sent"
        finally:
            connections.stop.set()
            connections.close()
    made = Pushed(
        target=target,
        digest=digest,
        images=sum(not node.is_attached for node in top.manifests()),
        size=sum(part.descriptor.size for _, part in parts),
        sent=sent,
        ways=Counter(ways.values()),
        said=tuple(said),
    )
    log.line("    blobs: " + ", ".join(f"{made.ways.get(way, 0)} {way.value}" for way in Way))
    for subject in dict.fromkeys(item.subject for item in said):
        names = ", ".join(dict.fromkeys(item.name for item in said if item.subject == subject))
        log.line(f"    {names} of {subject[:19]}")
    return made


def _top(archive: ImageArchive) -> Node:
    nodes = top_nodes(archive)
    if len(nodes) == 1:
        return nodes[0]
    raise InputError(
        f"{archive.path} has {len(nodes)} images, and a name is for one",
        why="they are not in an index",
        hint="if they are of several architectures: freezer image --index TAR... -o TAR; push the others one by one",
    )


def _mounts(archive: ImageArchive, target: Target, named: Sequence[str]) -> list[str]:
    """Return the repositories that may have the blobs: those named, and those of the image's own names in the
    registry."""
    found = list(named)
    for image in archive.images:
        for name in image.names:
            try:
                reference = parse_reference(name)
            except InputError:
                continue
            if reference.domain == target.reference.domain:
                found.append(reference.path)
    return [name for name in dict.fromkeys(found) if name != target.reference.path]


def _parts(archive: ImageArchive, top: Node, said: Sequence[Said]) -> list[tuple[Source, Part]]:
    """Return the blobs with where they are read from, each once, the largest first: it takes the longest."""
    loose = Loose({digest: data for item in said for digest, data in item.referrer.blobs.items()})
    parts: dict[str, tuple[Source, Part]] = {part.descriptor.digest: (loose, part) for part in loose.parts()}
    parts.update({part.descriptor.digest: (archive, part) for node in top.manifests() for part in node.parts})
    return sorted(parts.values(), key=lambda item: (-item[1].descriptor.size, item[1].descriptor.digest))


class _Progress:
    """Shows how many bytes of all blobs the registry has."""

    def __init__(self, step: Step, total: int) -> None:
        self._step = step
        self._total = total
        self._lock = threading.Lock()
        self._reached: dict[str, int] = {}

    def reached(self, digest: str, at: int) -> None:
        with self._lock:
            self._reached[digest] = at
            self._step.advance(sum(self._reached.values()), self._total)


def _push_blobs(
    registry: Registry,
    connections: Connections,
    parts: Sequence[tuple[Source, Part]],
    mounts: Sequence[str],
    jobs: int,
    step: Step,
) -> dict[str, Way]:
    progress = _Progress(step, sum(part.descriptor.size for _, part in parts))

    def push(source: Source, part: Part) -> Way:
        digest = part.descriptor.digest
        try:
            return Blob(registry, source, part, lambda at: progress.reached(digest, at)).push(mounts)
        except BaseException:
            # Here, since this thread would go on to the next blob before the one that waits for it is woken.
            connections.stop.set()
            raise

    futures: list[Future[Way]] = []
    with ThreadPoolExecutor(max_workers=max(1, jobs)) as pool:
        try:
            futures += [pool.submit(push, source, part) for source, part in parts]
            done, pending = wait(futures, return_when=FIRST_EXCEPTION)
        except BaseException:
            # Interrupted: the threads are ended here, or the end of the pool would wait for their whole work.
            _end(connections, futures)
            raise
        if pending or any(future.exception() is not None for future in done):
            _end(connections, futures)
            wait(futures)
    errors = [future.exception() for future in futures if not future.cancelled()]
    # The first one is the reason; the others were stopped because of it.
    for error in sorted((item for item in errors if item is not None), key=lambda item: isinstance(item, Stopped)):
        raise error
    return {part.descriptor.digest: future.result() for (_, part), future in zip(parts, futures)}


def _end(connections: Connections, futures: Sequence[Future[Way]]) -> None:
    """End what runs, and what has not begun."""
    connections.stop.set()
    for future in futures:
        future.cancel()
    connections.close()


def _documents(node: Node) -> Iterator[Node]:
    """Yield the manifests and indexes below a node, and then the node."""
    for below in node.below:
        yield from _documents(below)
    yield node


def _push_documents(registry: Registry, top: Node, said: Sequence[Said], log: Log) -> str:
    """Put the manifests and indexes, then what is said of them, and last the name; return the digest that it is for.

    Whoever sees the name finds the signature. Raises OutputError.
    """
    for node in {node.descriptor.digest: node for node in _documents(top)}.values():
        # Some registries take nothing about a manifest that they do not have yet.
        if node is not top or said:
            _put(registry, node, node.descriptor.digest)
    Attaching(registry, log).attach(said)
    _put(registry, top, registry.target.reference.tag)
    return top.descriptor.digest


def _put(registry: Registry, node: Node, name: str) -> None:
    target, digest = registry.target, node.descriptor.digest
    answer = registry.ask(
        "PUT",
        target.address(f"manifests/{name}"),
        f"push the manifest {digest[:19]}",
        headers={"Content-Type": node.descriptor.media_type},
        body=Text(node.data),
        expected=(200, 201, 202),
    )
    stated = answer.headers.get("Docker-Content-Digest")
    if stated is not None and stated.partition(":")[0] == digest.partition(":")[0] and stated != digest:
        raise OutputError(
            f"{target.reference.domain} has changed the image",
            why=f"it says that the digest is {stated}; that of the file is {digest}",
            hint="push the image to another registry, or in another format",
        )
