"""What can go wrong, and whose fault it is.

    EdgecamError
    ├── ConfigurationError      ours to mend: a setting is wrong (holds every mistake, not just the first)
    ├── InstallationError       ours to mend: something edgecam needs is missing on this machine
    ├── CredentialsError        the user name or password of a camera could not be had
    └── SourceError             the camera's, or the network's on the way to it
        ├── SourceRefused       nobody listens there
        ├── SourceUnreachable   no route, no such host, or no answer within the connect timeout
        ├── SourceUnauthorized  user name or password missing or wrong (401, 403)
        ├── SourceNotFound      the camera answers, the stream does not exist (404), or no such file
        ├── SourceUntrusted     the certificate of an rtsps camera cannot be verified
        ├── SourceUnsupported   a codec or container that edgecam cannot read
        ├── SourceSilent        connected, but nothing comes
        ├── SourceWithoutKeyframe  data comes, but no picture can begin
        └── SourceEnded         the stream ended (end of stream counts as a disconnect)

A message says what the object is, what was expected and what was found. URIs in messages are redacted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


class EdgecamError(Exception):
    """The root of everything that edgecam raises on purpose."""


@dataclass(frozen=True)
class Mistake:
    """One wrong setting.

    Attributes:
        path: Where it stands, as `cameras[1].frames.max_fps`; empty for the whole document.
        expected: What would be right, as a phrase that follows "expected".
        found: What stands there, already shortened and with secrets hidden.
    """

    path: str
    expected: str
    found: str

    def __str__(self) -> str:
        where = f"{self.path}: " if self.path else ""
        return f"{where}expected {self.expected}, found {self.found}"


class ConfigurationError(EdgecamError):
    """One or more settings are wrong; `mistakes` has them all, the message one a line."""

    def __init__(self, mistakes: Sequence[Mistake], document: str = "") -> None:
        self.mistakes = tuple(mistakes)
        self.document = document
        prefix = f"{document}: " if document else ""
        super().__init__("\n".join(f"{prefix}{mistake}" for mistake in self.mistakes))


class InstallationError(EdgecamError):
    """Something that edgecam needs is not on this machine, or too old."""


class CredentialsError(EdgecamError):
    """The credentials of a camera could not be had; says which ways were tried, never the secret."""


class SourceError(EdgecamError):
    """A camera does not deliver. `reason` is one word for metrics and status."""

    reason = "failed"


class SourceRefused(SourceError):  # noqa: N818 - the family name is SourceError
    reason = "refused"


class SourceUnreachable(SourceError):  # noqa: N818
    reason = "unreachable"


class SourceUnauthorized(SourceError):  # noqa: N818
    reason = "unauthorized"


class SourceNotFound(SourceError):  # noqa: N818
    reason = "not-found"


class SourceUntrusted(SourceError):  # noqa: N818
    reason = "untrusted"


class SourceUnsupported(SourceError):  # noqa: N818
    reason = "unsupported"


class SourceSilent(SourceError):  # noqa: N818
    reason = "silent"


class SourceWithoutKeyframe(SourceError):  # noqa: N818
    reason = "no-keyframe"


class SourceEnded(SourceError):  # noqa: N818
    reason = "ended"
