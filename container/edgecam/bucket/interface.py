"""The interface of a bucket, behind which `gs://`, `s3://` and `file://` are alike.

Everything is create-only but the few objects that are meant to be replaced. What is stored under a name with
the same content already is done, so repeating is harmless.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

LONGEST_ASKED_DELAY_S = 3600.0
"""The most that `StoreUnavailable.retry_after_s` is heeded: a store that asks for more has a wrong clock."""


@dataclass(frozen=True, kw_only=True)
class ChunkUpload:
    """A file that is to become an object.

    Attributes:
        name: Of the object, below the bucket's prefix.
        path: The file.
        content_type: Of the object, as in HTTP.
        metadata: Of the object.
        crc32c: Of the file when it was recorded, 8 lower case hex digits.
    """

    name: str
    path: Path
    content_type: str
    metadata: Mapping[str, str]
    crc32c: str


@dataclass(frozen=True)
class Receipt:
    """The store's confirmation, after which a chunk may leave the spool.

    Attributes:
        name: The object, below the bucket's prefix.
        generation: The store's own number of this object's content (`gs` generation, `s3` version or etag).
        crc32c: As the store computed it over what it holds, 8 lower case hex digits.
        size_bytes: Of what it holds.
        existed: Whether it was there already, stored by an earlier attempt.
    """

    name: str
    generation: str
    crc32c: str
    size_bytes: int
    existed: bool = False


class RateLimit(Protocol):
    """The rate limit of a bucket, as an upload sees it."""

    @property
    def piece_bytes(self) -> int:
        """The most that may be sent at once: a quarter of a second's worth, so that a low rate is smooth too.
        Changes when the rate does."""

    def request(self) -> None:
        """Wait until a request may be made.

        Raises:
            StoreUnavailable: the node is ending.
        """

    def send(self, size_bytes: int) -> None:
        """Wait until `size_bytes` more bytes may be sent; called for pieces of at most 256 KiB.

        Raises:
            StoreUnavailable: the node is ending.
        """


class Session(Protocol):
    """Where an upload in parts keeps what it needs to go on after a restart of the node. The text is a
    secret: who has it can write to the object."""

    def load(self) -> str | None:
        """What was saved, if anything."""

    def save(self, text: str) -> None:
        """Save durably."""

    def clear(self) -> None:
        """Forget what was saved."""


class Bucket(Protocol):
    """Where objects go. May be called from several threads at once. Every method raises a `StoreError`:
    `StoreUnavailable`, `StoreRefused`, `StoreConflict`, `SessionLost` or `ChunkDamaged`."""

    uri: str
    """As configured, redacted: the object of error messages."""

    def put_file(self, upload: ChunkUpload, *, rate_limit: RateLimit, session: Session) -> Receipt:
        """Store a file unless there is an object of its name.

        Raises:
            StoreConflict: there is one, with another checksum.
            ChunkDamaged: the file no longer has its checksum, or it did not arrive with it.
        """

    def put_bytes(self, name: str, content: bytes, *, content_type: str, rate_limit: RateLimit) -> None:
        """Store `content` under `name`, in place of what is there."""

    def close(self) -> None:
        """Close the connections."""
