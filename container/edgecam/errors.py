"""What can go wrong, and whose fault it is.

    EdgecamError
    ├── ConfigurationError      ours: a setting is wrong (holds every mistake, not just the first)
    ├── InstallationError       ours: something edgecam needs is missing on this machine
    ├── CredentialsError        the user name or password of a camera could not be had
    ├── SpoolError              the core's disk, or another node on the same spool
    │   └── SpoolFull           no room, and the setting is to stop
    ├── NucleusError            what the nucleus gave this start of the node is no longer accepted
    ├── BrokerError             the broker does not take a state, or the network on the way there
    ├── CommandError            a remote command cannot be carried out
    ├── StoreError              the bucket's, or the network's on the way to it
    │   ├── StoreUnavailable    retried soon (408, 429, 5xx, resets, time-outs, DNS)
    │   ├── StoreRefused        a person has to act: 401, 403, 404, billing; tried again slowly
    │   │   └── ObjectRefused   it is about this object alone: a hold, a retention policy
    │   ├── StoreConflict       an object of that name with other content is there already
    │   ├── SessionLost         a resumable upload can no longer be continued: begin again
    │   └── ChunkDamaged        what arrived, or what is on the disk, is not what was recorded (crc32c)
    └── SourceError             the camera's, or the network's on the way to it
        ├── SourceRefused       nobody listens there
        ├── SourceUnreachable   no route, no such host, or no answer within the connect timeout
        ├── SourceUnauthorized  user name or password missing or wrong (401, 403)
        ├── SourceNotFound      the camera answers, the stream does not exist (404), or no such file
        ├── SourceUntrusted     the certificate of an rtsps camera cannot be verified
        ├── SourceTls           TLS where there is none, none where there is, or a client certificate missing
        ├── SourceTransport     the camera does not send over the transport that it is asked for
        ├── SourceRedirected    the camera sends on to another host, to less protection, or in circles
        ├── SourceUnsupported   a codec or container that edgecam cannot read
        ├── SourceBeyondReceiver  what our receiver does not read, and GStreamer's may
        ├── SourceFlooded       it sends more than cameras do, and no picture
        ├── SourceSilent        connected, but nothing comes
        ├── SourceWithoutKeyframe  data comes, but no picture can begin
        └── SourceEnded         the stream ended (end of stream counts as a disconnect)
            └── SourceReplaced  another file stands in its place: to be read from its beginning

A message names the object, what was expected and what was found. URIs in messages are redacted.
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
    """The credentials of a camera could not be had; names the ways that were tried, never the secret."""


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


class SourceTls(SourceError):  # noqa: N818
    reason = "tls"


class SourceTransport(SourceError):  # noqa: N818
    reason = "transport"


class SourceRedirected(SourceError):  # noqa: N818
    reason = "redirected"


class SourceFlooded(SourceError):  # noqa: N818
    reason = "flooded"


class SourceSilent(SourceError):  # noqa: N818
    reason = "silent"


class SourceWithoutKeyframe(SourceError):  # noqa: N818
    reason = "no-keyframe"


class SourceEnded(SourceError):  # noqa: N818
    reason = "ended"


class SourceBeyondReceiver(SourceError):  # noqa: N818
    """No fault of the camera: it offers what our receiver does not read, and GStreamer's may.

    Attributes:
        what: It is, as a phrase.
    """

    reason = "unsupported"

    def __init__(self, message: str, what: str) -> None:
        super().__init__(message)
        self.what = what


class SourceReplaced(SourceEnded):
    """No fault: there is something else to be read."""


class SpoolError(EdgecamError):
    """The spool cannot be used; names the path and the system's error."""


class SpoolFull(SpoolError):  # noqa: N818 - the family name is SpoolError
    """There is no room, and the spool is set to stop the recording rather than lose what waits."""


class NucleusError(EdgecamError):
    """The token or the address of credentials that the nucleus gave this start is dead: only another start
    gets new ones."""


class BrokerError(EdgecamError):
    """A broker did not take a connection or a state. `reason` is one word for metrics and status."""

    def __init__(self, message: str, *, reason: str) -> None:
        super().__init__(message)
        self.reason = reason


class CommandError(EdgecamError):
    """A remote command cannot be carried out; the message has the reason."""


class StoreError(EdgecamError):
    """The bucket did not take something. `reason` is one word for metrics and status."""

    reason = "failed"


class StoreUnavailable(StoreError):  # noqa: N818 - the family name is StoreError
    """A retry may succeed.

    Attributes:
        retry_after_s: How long the store asked to be left alone, seconds, or None.
    """

    reason = "unavailable"

    def __init__(self, message: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class StoreRefused(StoreError):  # noqa: N818
    """A retry is of no use; the message has the remedy."""

    reason = "refused"


class ObjectRefused(StoreRefused):
    """The store refuses this object, by a reason that says nothing of others."""


class StoreConflict(StoreError):  # noqa: N818
    reason = "conflict"


class SessionLost(StoreError):  # noqa: N818
    reason = "session-lost"


class ChunkDamaged(StoreError):  # noqa: N818
    reason = "damaged"


PERSON_NEEDED = frozenset({"unauthorized", "untrusted", "key"})
"""Reasons of faults that only a person can remove."""
