"""An image of a release: named by its digest in a registry, and known here by the names that a built one has.

Nothing here needs Docker or the network: the digest is the content, so that synth knows a version by it.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

EXPECTED = "an image by its digest, REGISTRY/NAME@sha256:…, as the text of a release has it"
"""What is said where a name has another form."""

_PART = r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
_HOST = r"[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?"
_NAME = re.compile(
    # Both nuclei read it as Docker does: a host, a port, a path of lower case (distribution, reference.go).
    rf"(?=.{{1,255}}@)(?P<name>{_HOST}(?:\.{_HOST})*(?::\d{{1,5}})?(?:/{_PART})+)"
    # For who reads it. Classic nuclei take no name with both.
    r"(?::\w[\w.-]{0,127})?"
    r"@(?P<digest>sha256:[0-9a-f]{64})",
    re.ASCII,
)


@dataclass(frozen=True, kw_only=True)
class ReleasedImage:
    """An image, or an index of one image for each architecture.

    Attributes:
        name: The repository with its registry.
        digest: `sha256:…`.
    """

    name: str
    digest: str

    def __str__(self) -> str:
        """As Docker and both nuclei pull it."""
        return f"{self.name}@{self.digest}"

    def content_hash(self, variant: str, architecture: str) -> str:
        """What names the image of one architecture, in the place of the hash of what it is built from.

        The same wherever it is pulled from: a mirror of the registry makes no other version.
        """
        return hashlib.sha256(f"released {variant} {architecture} {self.digest}".encode()).hexdigest()


def released_image(text: str) -> ReleasedImage:
    """Read the name of a released image.

    Raises:
        ValueError: it is none with a digest.
    """
    named = _NAME.fullmatch(text[:1000])
    if named is None:
        raise ValueError(f"expected {EXPECTED}")
    return ReleasedImage(name=named["name"], digest=named["digest"])
