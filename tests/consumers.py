"""The programs that images are made for - docker, podman, containerd, umoci with runc, skopeo - behind one interface.

All of a consumer happens in namespaces of its own for mounts and processes, with a ``/run`` of its own: whatever it
starts and mounts is gone when the first process of the namespace is, even if the tests are killed. Its files are in one
short directory, since the addresses of sockets have at most 107 bytes.

Images run as on a guarded server: root read-only, nothing writable but ``/tmp``, no capabilities, and no network.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional, Protocol

from support import PATIENCE, lacking, need_root, wait_until

Completed = subprocess.CompletedProcess[str]

FIRST = """
import os, signal, subprocess, sys

subprocess.run(["mount", "-t", "tmpfs", "tmpfs", "/run"], check=True)
subprocess.run(["mount", "--make-rshared", "/"], check=True)
if os.path.ismount("/sys/fs/cgroup/unified"):  # crun refuses to run where both versions are
    subprocess.run(["umount", "/sys/fs/cgroup/unified"], check=True)
daemon = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL)
signal.signal(signal.SIGTERM, lambda *_: daemon.terminate())
print("ready", flush=True)
os.close(1)
while os.wait()[0] != daemon.pid:  # orphans end up here
    pass
"""
"""The first process of the namespaces: starts the daemon and ends with it, and the kernel ends all others then."""

TMPFS = "exec,mode=1777"


def overlays(folder: Path) -> bool:
    """Whether directories below ``folder`` can be layers of an overlay: not where they are on one themselves. The
    consumers take about half as long to load and run an image on it as by copying the layers."""
    with tempfile.TemporaryDirectory(dir=folder) as tried:
        layers = {name: f"{tried}/{name}" for name in ("lowerdir", "upperdir", "workdir")}
        for layer in layers.values():
            os.mkdir(layer)
        options = ",".join(f"{name}={layer}" for name, layer in layers.items())
        mounting = ["unshare", "--mount", "mount", "-t", "overlay", "overlay", "-o", options, layers["lowerdir"]]
        return subprocess.run(mounting, stderr=subprocess.DEVNULL, check=False).returncode == 0


class Refused(Exception):
    """The consumer does not take an image; the message is its own."""


def program(name: str, *places: str) -> str:
    """The distribution's program, whatever else of that name is on PATH."""
    for folder in (*places, "/usr/bin", "/usr/sbin"):
        if os.access(f"{folder}/{name}", os.X_OK):
            return f"{folder}/{name}"
    found = shutil.which(name)
    return found if found is not None else lacking(f"there is no {name}")


@dataclass(frozen=True)
class Place:
    """Where a consumer lives: a directory, and namespaces that its commands enter."""

    folder: Path
    first: int

    def command(self, words: Sequence[str]) -> list[str]:
        """The argv that runs ``words`` there."""
        return ["nsenter", f"--target={self.first}", "--mount", "--pid", "--", *words]

    def run(self, *words: str) -> Completed:
        """Run a command there to its end."""
        return subprocess.run(
            self.command(words),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )

    def output(self, *words: str) -> str:
        """Its standard output. Raises Refused if the command fails."""
        done = self.run(*words)
        if done.returncode != 0:
            raise Refused(f"{' '.join(words)}: {done.stderr.strip() or done.stdout.strip()}")
        return done.stdout

    def start(self, *words: str) -> subprocess.Popen[str]:
        """Start a command there; standard output is a pipe."""
        return subprocess.Popen(
            self.command(words), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )


@contextlib.contextmanager
def place(
    daemon: Callable[[Path], Sequence[str]], ready: Optional[Callable[[Path], list[str]]] = None
) -> Iterator[Place]:
    """A directory and namespaces with a daemon in them; ``ready`` gives a command that succeeds once it answers."""
    need_root()
    folder = Path(tempfile.mkdtemp(prefix="fz", dir="/tmp"))
    try:
        unshare = ["unshare", "--mount", "--pid", "--fork", "--mount-proc", "--kill-child"]
        with open(folder / "log", "w", encoding="utf-8") as log:
            process = subprocess.Popen(
                [*unshare, sys.executable, "-I", "-c", FIRST, *daemon(folder)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        assert process.stdout is not None
        try:
            if process.stdout.readline() != "ready\n":
                lacking(f"no namespaces can be made here: {(folder / 'log').read_text()}")
            children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
            first = int(children[0])
            made = Place(folder, first)
            deadline = time.monotonic() + PATIENCE
            while ready is not None and made.run(*ready(folder)).returncode != 0:
                log_text = (folder / "log").read_text()
                assert process.poll() is None and time.monotonic() < deadline, f"{daemon(folder)}: {log_text}"
                time.sleep(0.1)
            yield made
            with contextlib.suppress(ProcessLookupError):
                os.kill(first, signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(60)
        finally:
            process.kill()  # and with it, by --kill-child, all that is in the namespaces
            process.wait()
            process.stdout.close()
    finally:
        _remove(folder)


def _remove(folder: Path) -> None:
    # Control groups outlive their processes; those of docker and containerd are below one named after the directory.
    for top in (*Path("/sys/fs/cgroup").glob(f"*/{folder.name}"), Path("/sys/fs/cgroup", folder.name)):
        for group, _, _ in os.walk(top, topdown=False):
            with contextlib.suppress(OSError):
                os.rmdir(group)
    # The kernel takes a namespace down a moment after its last process.
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            shutil.rmtree(folder)
            return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def no_daemon(_folder: Path) -> list[str]:
    """For programs that have none."""
    return ["sleep", "infinity"]


@dataclass(frozen=True)
class Settings:
    """What a consumer says of an image: how it is run."""

    user: str
    entrypoint: tuple[str, ...]
    cmd: tuple[str, ...]

    @classmethod
    def of(cls, config: dict[str, Any]) -> Settings:
        """From a configuration as OCI and docker spell it."""
        return cls(config.get("User") or "", tuple(config.get("Entrypoint") or ()), tuple(config.get("Cmd") or ()))


class Consumer(Protocol):
    """What all do. Names are full: ``docker.io/library/NAME:TAG``."""

    def load(self, tar: Path) -> None:
        """Take an image. Raises Refused."""

    def names(self) -> set[str]:
        """The images that it has, as it names them."""

    def spelled(self, name: str) -> str:
        """How ``names`` spells a full name."""

    def image_id(self, name: str) -> str:
        """The digest of the configuration."""

    def settings(self, name: str) -> Settings:
        """How it would run the image."""

    def remove(self, name: str) -> None:
        """Forget an image."""


class Engine(Consumer, Protocol):
    """A consumer that runs images."""

    def run(self, name: str, *arguments: str) -> Completed:
        """Run an image to its end, with arguments after its entry point."""

    def start(self, name: str, container: str) -> subprocess.Popen[str]:
        """Start an image under a name, on the host's network."""

    def stop(self, container: str) -> None:
        """Stop that as its users do, which is by SIGTERM and, if that does not help, SIGKILL."""


class Docker:
    """dockerd and docker, or podman, whose command line is the same."""

    def __init__(self, where: Place, command: Sequence[str], *, short: bool) -> None:
        self.place = where
        self.command = list(command)
        self.short = short

    def load(self, tar: Path) -> None:
        self.place.output(*self.command, "load", "--input", str(tar))

    def load_piped(self, tar: Path) -> None:
        """Take an image from standard input, as behind ``freezer image FILE -o - |``."""
        self.place.output("sh", "-c", 'cat "$0" | "$@"', str(tar), *self.command, "load")

    def health_check(self, name: str) -> dict[str, Any]:
        """The health check that it keeps of an image; podman has it beside the configuration."""
        found = self._inspect(name)
        return dict(found.get("HealthCheck") or found.get("Healthcheck") or found["Config"].get("Healthcheck") or {})

    def names(self) -> set[str]:
        return set(self.place.output(*self.command, "images", "--format", "{{.Repository}}:{{.Tag}}").split())

    def spelled(self, name: str) -> str:
        return name.replace("docker.io/library/", "") if self.short else name

    def _inspect(self, name: str) -> dict[str, Any]:
        [found] = json.loads(self.place.output(*self.command, "image", "inspect", name))
        return dict(found)

    def image_id(self, name: str) -> str:
        found = str(self._inspect(name)["Id"])
        return found if found.startswith("sha256:") else f"sha256:{found}"

    def settings(self, name: str) -> Settings:
        return Settings.of(self._inspect(name)["Config"])

    def remove(self, name: str) -> None:
        self.place.output(*self.command, "rmi", name)

    def _run(self, name: str, network: str, *options: str) -> list[str]:
        guard = ["--read-only", "--tmpfs", f"/tmp:{TMPFS}", "--cap-drop", "ALL", "--network", network]
        if not self.short:
            # podman asks for higher limits than even root may have inside of a container.
            guard += ["--ulimit", "host", "--cgroups=disabled"]
        return [*self.command, "run", "--rm", *guard, *options, name]

    def run(self, name: str, *arguments: str) -> Completed:
        return self.place.run(*self._run(name, "none"), *arguments)

    def start(self, name: str, container: str) -> subprocess.Popen[str]:
        return self.place.start(*self._run(name, "host", "--name", container))

    def wait_until_running(self, container: str) -> None:
        """Wait until the engine knows that it runs; before, it has nothing to stop."""
        asked = [*self.command, "inspect", "--format", "{{.State.Running}}", container]
        wait_until(lambda: self.place.run(*asked).stdout.strip() == "true", f"{container} to run")

    def stop(self, container: str) -> None:
        self.wait_until_running(container)
        # However long it takes until the signal has its effect.
        self.place.output(*self.command, "stop", "--time", str(PATIENCE), container)


@contextlib.contextmanager
def docker() -> Iterator[Docker]:
    """The distribution's docker, with a daemon of its own."""
    server, client = program("dockerd"), program("docker")

    def address(folder: Path) -> str:
        return f"unix://{folder}/docker.sock"

    def daemon(folder: Path) -> list[str]:
        places = [f"--{name}={folder}/{name}" for name in ("data-root", "exec-root", "pidfile", "config-file")]
        (folder / "config-file").write_text("{}")
        network = ["--iptables=false", "--ip6tables=false", "--bridge=none"]
        return [
            server,
            *places,
            *network,
            f"--storage-driver={'overlay2' if overlays(folder) else 'vfs'}",
            "-H",
            address(folder),
            f"--cgroup-parent=/{folder.name}",
        ]

    def ready(folder: Path) -> list[str]:
        return [client, "-H", address(folder), "version"]

    with place(daemon, ready) as where:
        yield Docker(where, [client, "-H", address(where.folder)], short=True)


@contextlib.contextmanager
def podman() -> Iterator[Docker]:
    """podman, with images and containers of its own."""
    # Of the runtimes, only crun can do without control groups.
    # What it thinks of the machine would be among what the containers say.
    quiet = ("env", "PODMAN_IGNORE_CGROUPSV1_WARNING=1")
    words = [*quiet, program("podman"), f"--runtime={program('crun')}", "--cgroup-manager=cgroupfs"]
    words += ["--events-backend=none"]
    with place(no_daemon) as where:
        words += [f"--storage-driver={'overlay' if overlays(where.folder) else 'vfs'}"]
        words += [f"--root={where.folder}/root", f"--runroot={where.folder}/run", f"--tmpdir={where.folder}/tmp"]
        yield Docker(where, words, short=False)


class Containerd:
    """containerd without docker, and its ctr."""

    def __init__(self, where: Place, command: Sequence[str]) -> None:
        self.snapshots = ("--snapshotter", "overlayfs" if overlays(where.folder) else "native")
        self.place = where
        self.command = list(command)
        self.containers = 0

    def load(self, tar: Path) -> None:
        before = self.names()
        try:
            self.place.output(*self.command, "images", "import", *self.snapshots, str(tar))
        except Refused:
            # It names the image before it unpacks it.
            for name in self.names() - before:
                self.remove(name)
            raise

    def names(self) -> set[str]:
        return set(self.place.output(*self.command, "images", "ls", "--quiet").split())

    def spelled(self, name: str) -> str:
        return name

    def _blob(self, digest: str) -> bytes:
        return self.place.output(*self.command, "content", "get", digest).encode()

    def image_id(self, name: str) -> str:
        [line] = self.place.output(*self.command, "images", "ls", f"name=={name}").splitlines()[1:]
        manifest = json.loads(self._blob(line.split()[2]))
        return str(manifest["config"]["digest"])

    def settings(self, name: str) -> Settings:
        return Settings.of(json.loads(self._blob(self.image_id(name)))["config"])

    def remove(self, name: str) -> None:
        self.place.output(*self.command, "images", "rm", "--sync", name)

    def _run(self, name: str, container: str, *options: str) -> list[str]:
        mount = "type=tmpfs,src=tmpfs,dst=/tmp,options=" + TMPFS.replace(",", ":")
        drop = [word for capability in CTR_CAPABILITIES for word in ("--cap-drop", capability)]
        guard = ["--read-only", "--mount", mount, *drop]
        return [*self.command, "run", "--rm", *self.snapshots, *guard, *options, name, container]

    def run(self, name: str, *arguments: str) -> Completed:
        self.containers += 1
        # ctr puts arguments in the place of the entry point, too.
        words = [*self.settings(name).entrypoint, *arguments] if arguments else []
        return self.place.run(*self._run(name, f"run{self.containers}"), *words)

    def start(self, name: str, container: str) -> subprocess.Popen[str]:
        return self.place.start(*self._run(name, container, "--net-host"))

    def stop(self, container: str) -> None:
        self.place.output(*self.command, "tasks", "kill", "--signal", "SIGTERM", container)


CTR_CAPABILITIES = (
    *("CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FSETID", "CAP_FOWNER", "CAP_MKNOD", "CAP_NET_RAW", "CAP_SETGID"),
    *("CAP_SETUID", "CAP_SETFCAP", "CAP_SETPCAP", "CAP_NET_BIND_SERVICE", "CAP_SYS_CHROOT", "CAP_KILL"),
    "CAP_AUDIT_WRITE",
)
"""What containerd gives to a container; ctr has no word for all of it."""


@contextlib.contextmanager
def containerd() -> Iterator[Containerd]:
    """The distribution's containerd, with state of its own."""
    server, client = program("containerd"), program("ctr")

    def client_words(folder: Path) -> list[str]:
        return [client, "--address", f"{folder}/c.sock", "--namespace", folder.name]

    def daemon(folder: Path) -> list[str]:
        config = {
            "version": 2,
            "root": f"{folder}/root",
            "state": f"{folder}/state",
            # Nothing of Kubernetes, which would want a network.
            "disabled_plugins": ["io.containerd.grpc.v1.cri"],
        }
        lines = [f"{key} = {json.dumps(value)}\n" for key, value in config.items()]
        lines.append(f"[grpc]\naddress = {json.dumps(f'{folder}/c.sock')}\n")
        (folder / "config.toml").write_text("".join(lines))
        return [server, "--config", f"{folder}/config.toml"]

    with place(daemon, lambda folder: [*client_words(folder), "version"]) as where:
        yield Containerd(where, client_words(where.folder))


def blob(layout: Path, digest: str) -> bytes:
    """A blob of an image layout."""
    return (layout / "blobs" / digest.replace(":", "/")).read_bytes()


class Umoci:
    """umoci, which unpacks layouts, and runc, which runs what that makes. Each image has a layout of its own."""

    def __init__(self, where: Place, umoci_program: str, runc_program: str) -> None:
        self.place = where
        self.umoci = umoci_program
        self.runc = [runc_program, "--root", f"{where.folder}/runc"]
        self.containers = 0

    def load(self, tar: Path) -> None:
        layout = Path(tempfile.mkdtemp(dir=self.place.folder))
        with tarfile.open(tar) as archive:
            # The file is the tests' own. Python 3.12 asks for this, and some of 3.9 to 3.11 know no filters.
            archive.extraction_filter = staticmethod(lambda member, _path: member)
            archive.extractall(layout)
        self.adopt(layout)

    def adopt(self, layout: Path) -> None:
        """Take an image layout, which must have one image; it becomes this consumer's."""
        try:
            [tag] = self.place.output(self.umoci, "ls", "--layout", str(layout)).split()
            bundle = layout / "bundle"
            self.place.output(self.umoci, "unpack", "--image", f"{layout}:{tag}", str(bundle))
        except Refused:
            shutil.rmtree(layout)
            raise
        link = self.place.folder / f"image-{tag}"
        if link.is_symlink():
            shutil.rmtree(link.resolve())
            link.unlink()
        link.symlink_to(layout)

    def _layout(self, name: str) -> Path:
        return self.place.folder / f"image-{self.spelled(name)}"

    def names(self) -> set[str]:
        return {path.name[len("image-") :] for path in self.place.folder.glob("image-*")}

    def spelled(self, name: str) -> str:
        # A layout has tags only.
        return name.rpartition(":")[2]

    def image_id(self, name: str) -> str:
        layout = self._layout(name)
        [entry] = json.loads((layout / "index.json").read_bytes())["manifests"]
        return str(json.loads(blob(layout, entry["digest"]))["config"]["digest"])

    def settings(self, name: str) -> Settings:
        # What it made of them for runc, where entry point and command are one.
        process = json.loads((self._layout(name) / "bundle" / "config.json").read_bytes())["process"]
        user = process["user"]
        return Settings(f"{user['uid']}:{user['gid']}", (), tuple(process["args"]))

    def remove(self, name: str) -> None:
        layout = self._layout(name)
        shutil.rmtree(layout.resolve())
        layout.unlink()

    def run(self, name: str, *arguments: str) -> Completed:
        self.containers += 1
        return self.place.run(*self._prepare(name, f"run{self.containers}", arguments, network="none"))

    def start(self, name: str, container: str) -> subprocess.Popen[str]:
        return self.place.start(*self._prepare(name, container, (), network="host"))

    def stop(self, container: str) -> None:
        self.place.output(*self.runc, "kill", container, "TERM")

    def _prepare(self, name: str, container: str, arguments: Sequence[str], network: str) -> list[str]:
        bundle = self._layout(name) / "bundle"
        file = bundle / "config.json"
        original = bundle / "config.umoci"
        if not original.exists():
            shutil.copy(file, original)
        config = json.loads(original.read_bytes())
        process, linux = config["process"], config["linux"]
        process["terminal"] = False
        process["args"] += arguments
        process["noNewPrivileges"] = True
        process["capabilities"] = {}
        config["root"]["readonly"] = True
        mount = {"destination": "/tmp", "type": "tmpfs", "source": "tmpfs", "options": TMPFS.split(",")}
        # A cgroup's file system cannot be mounted in every namespace, and nobody asks for it.
        mounts = [entry for entry in config["mounts"] if entry["type"] != "cgroup"]
        config["mounts"] = [*mounts, mount]
        if network == "host":
            # As the others do it; without them, a name is looked up for half a minute.
            for path in ("/etc/hosts", "/etc/resolv.conf"):
                bind = {"destination": path, "type": "bind", "source": path, "options": ["rbind", "ro"]}
                config["mounts"].append(bind)
            linux["namespaces"] = [entry for entry in linux["namespaces"] if entry["type"] != "network"]
        file.write_text(json.dumps(config))
        return [*self.runc, "run", "--bundle", str(bundle), container]


@contextlib.contextmanager
def umoci() -> Iterator[Umoci]:
    """umoci and runc."""
    programs = program("umoci"), program("runc")
    with place(no_daemon) as where:
        yield Umoci(where, *programs)


class Skopeo:
    """skopeo, which copies images: here into a layout, which umoci and runc can be given."""

    def __init__(self, where: Place, command: str, transport: str) -> None:
        self.place = where
        self.command = command
        self.transport = transport
        self.tars: dict[str, Path] = {}

    def _source(self, tar: Path, name: Optional[str] = None) -> str:
        return f"{self.transport}:{tar}" + (f":{name}" if name else "")

    def load(self, tar: Path) -> None:
        source = self._source(tar)
        if self.transport == "docker-archive":
            names = json.loads(self.place.output(self.command, "list-tags", source))["Tags"]
        else:
            # This transport has no command that lists names; what it accepts as one is the tag.
            with tarfile.open(tar) as archive:
                file = archive.extractfile("index.json")
                assert file is not None
                [entry] = json.load(file)["manifests"]
            names = [entry["annotations"]["org.opencontainers.image.ref.name"]]
        for name in names:
            layout = Path(tempfile.mkdtemp(dir=self.place.folder))
            try:
                self.copy(tar, name, layout)
            finally:
                shutil.rmtree(layout)
            self.tars[name] = tar

    def copy(self, tar: Path, name: str, layout: Path) -> None:
        """Copy an image into a layout, under its tag."""
        tag = name.rpartition(":")[2]
        source = self._source(tar, self.spelled(name))
        self.place.output(self.command, "copy", "--insecure-policy", source, f"oci:{layout}:{tag}")

    def names(self) -> set[str]:
        return set(self.tars)

    def spelled(self, name: str) -> str:
        return name if self.transport == "docker-archive" else name.rpartition(":")[2]

    def _inspect(self, name: str, *options: str) -> str:
        key = self.spelled(name)
        return self.place.output(self.command, "inspect", "--config", *options, self._source(self.tars[key], key))

    def image_id(self, name: str) -> str:
        return "sha256:" + hashlib.sha256(self._inspect(name, "--raw").encode()).hexdigest()

    def settings(self, name: str) -> Settings:
        return Settings.of(json.loads(self._inspect(name))["config"])

    def remove(self, name: str) -> None:
        del self.tars[self.spelled(name)]


@contextlib.contextmanager
def skopeo(transport: str) -> Iterator[Skopeo]:
    """skopeo reading one kind of archive."""
    command = program("skopeo")
    with place(no_daemon) as where:
        yield Skopeo(where, command, transport)
