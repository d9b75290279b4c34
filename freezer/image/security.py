"""The rules that Kubernetes' restricted Pod Security Standard comes down to for an image.

See https://kubernetes.io/docs/concepts/security/pod-security-standards/.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from freezer.base import tar
from freezer.base.oci.documents import Image
from freezer.image.merged import MergedRoot, command_of, find_program


def security_problems(image: Image, root: MergedRoot) -> Iterator[str]:
    """Yield the reasons why the restricted Pod Security Standard rejects an image, or why it cannot start."""
    settings = image.config.get("config")
    settings = settings if isinstance(settings, dict) else {}
    user = settings.get("User") or ""
    match = re.fullmatch(r"([0-9]{1,10})(:[0-9]{1,10})?", str(user))
    if match is None:
        yield f"it runs as {user or 'root'}: the user must be a number other than 0"
    elif int(match[1]) == 0:
        yield "it runs as root: the user must be a number other than 0"
    for name, member in root.entries.items():
        if member.kind in (tar.Kind.CHARACTER_DEVICE, tar.Kind.BLOCK_DEVICE):
            yield f"/{name} is a device"
        elif member.kind is tar.Kind.FILE and member.mode & 0o6000:
            yield f"/{name} is setuid or setgid (mode {member.mode:04o})"
        if member.mode & 0o002 and member.kind is not tar.Kind.SYMLINK and name != "tmp":
            yield f"/{name} is writable by everybody (mode {member.mode:04o})"
    command = command_of(settings)
    if not command:
        yield "it has neither an entrypoint nor a command"
        return
    program = find_program(command[0], settings, root)
    if program is None:
        yield f"its command {command[0]!r} is not in it"
    elif match is not None and not _may_execute(program, int(match[1])):
        yield f"its command {command[0]!r} cannot be executed by user {match[1]} (mode {program.mode:04o})"


def _may_execute(program: tar.Member, uid: int) -> bool:
    return bool(program.mode & (0o100 if program.uid == uid else 0o001)) or bool(
        program.gid == uid and program.mode & 0o010
    )
