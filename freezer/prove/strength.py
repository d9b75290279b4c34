"""How strong a proof is, and what becomes of a verification that this host does not permit.

Whoever requires a proof gets one, or an error; else a weaker proof, and a warning with the same reason.
"""

from __future__ import annotations

import enum

from freezer.base.errors import VerificationError
from freezer.plan.choices import Verification


class Strength(str, enum.Enum):
    """What a proof rests on."""

    EMPTY_ROOT = "empty root, own namespaces"
    IMAGE_ROOT = "the image's root, own namespaces"
    HOST = "run on the host"
    NOT_RUN = "not run"

    @property
    def sentence(self) -> str:
        """What the log says of a result with such a proof."""
        return f"{'proven' if self in PROVEN else 'not proven'}: {self.value}"


PROVEN = frozenset((Strength.EMPTY_ROOT, Strength.IMAGE_ROOT))


def weaken(name: str, cause: str, remedy: str, verification: Verification) -> str:
    """Return the warning that a proof of ``name`` is not possible; raise VerificationError if one is required."""
    if verification is Verification.REQUIRE:
        raise VerificationError(
            f"{name} cannot be proven here",
            why=cause,
            hint=f"{remedy}\n--verify=auto  to do with a weaker proof, --verify=no  without any",
        )
    return f"{name} is not proven: {cause}; {remedy}"
