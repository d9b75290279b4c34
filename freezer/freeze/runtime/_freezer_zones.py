"""Takes a time zone out of the file that has them all (freezer/closure/zones.py), where the C library can read it."""

import marshal
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Optional

PLACES = ("/dev/shm", "/tmp", "/var/tmp")


def read(archive: str, name: str) -> "Optional[bytes]":
    """The data of a zone; None if there is no such zone."""
    with open(archive, "rb") as file:
        size = int.from_bytes(file.read(8), "little")
        entry = marshal.loads(file.read(size)).get(name)
        if entry is None:
            return None
        file.seek(8 + size + entry[0])
        return file.read(entry[1])


class Unpacked:
    """A context: a zone's file below a directory of its own, which is None if there is no such zone, or no room."""

    def __init__(self, archive: str, name: str) -> None:
        self._name = name
        self._data = read(archive, name)
        self._made: list[str] = []

    def __enter__(self) -> "Optional[str]":
        if self._data is not None:
            for place in (os.environ.get("TMPDIR"), *PLACES):
                try:
                    if place and place[0] == "/":
                        return self._unpack("%s/.freezer-%s" % (place, os.urandom(8).hex()), self._data)
                except OSError:
                    self.__exit__()
        return None

    def _unpack(self, folder: str, data: bytes) -> str:
        inside = folder
        for part in ("", *self._name.split("/")[:-1]):
            inside += "/" + part if part else ""
            os.mkdir(inside, 0o700)
            self._made.append(inside)
            # Whatever the umask is.
            os.chmod(inside, 0o700)
        path = folder + "/" + self._name
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        self._made.append(path)
        with open(descriptor, "wb") as file:
            os.fchmod(descriptor, 0o600)
            file.write(data)
        return folder

    def __exit__(self, *_exception: object) -> None:
        while self._made:
            path = self._made.pop()
            try:
                os.rmdir(path) if os.path.isdir(path) else os.unlink(path)
            except OSError:
                pass
