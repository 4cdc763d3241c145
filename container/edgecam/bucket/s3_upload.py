"""The state of one upload to `s3://`: the open file, its description, and the finished parts."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from io import FileIO
from urllib.parse import quote, urlencode

from edgecam.bucket import crc32c as checksum
from edgecam.bucket.chunk_source import damaged
from edgecam.bucket.http_client import pieces
from edgecam.bucket.interface import ChunkUpload, Session
from edgecam.json_text import parse_json

_PRINTABLE = "".join(map(chr, range(0x20, 0x7F)))


class S3Upload:
    """A chunk that is being stored.

    Args:
        upload: What is to be stored.
        key: Of its object, with the bucket's prefix, percent-encoded.
        file: Its file, open.
    """

    def __init__(self, upload: ChunkUpload, key: str, file: FileIO) -> None:
        self.upload = upload
        self.key = key
        self.size_bytes = os.fstat(file.fileno()).st_size
        self._file = file

    def headers(self) -> dict[str, str]:
        """The object's description; S3 takes nothing but ASCII."""
        metadata = self.upload.metadata.items()
        described = {f"x-amz-meta-{key}": quote(value, safe=_PRINTABLE) for key, value in metadata}
        return {"Content-Type": self.upload.content_type, **described}

    def content(self) -> Iterable[bytes]:
        """The whole file.

        Raises:
            ChunkDamaged: at its end, when it is not what was recorded; the last piece is then not sent.
        """
        running = checksum.Running()
        held = b""
        for piece in pieces(self._file, 0, self.size_bytes, running):
            if held:
                yield held
            held = piece
        if running.digest() != self.upload.crc32c:
            raise damaged(self.upload, running.digest())
        yield held

    def part(self, at: int, length: int) -> Iterable[bytes]:
        """`length` bytes of the file from byte `at` on."""
        return pieces(self._file, at, length)

    def checksums(self, part_bytes: int) -> list[str]:
        """The checksum of each part.

        Raises:
            ChunkDamaged: the whole file is not what was recorded.
        """
        whole = checksum.Running()
        checksums = []
        for start in range(0, self.size_bytes, part_bytes):
            running = checksum.Running()
            for piece in pieces(self._file, start, min(part_bytes, self.size_bytes - start), whole):
                running.update(piece)
            checksums.append(running.digest())
        if whole.digest() != self.upload.crc32c:
            raise damaged(self.upload, whole.digest())
        return checksums


@dataclass
class SavedParts:
    """What is kept of a multipart upload: its finished parts, and the content that it is for."""

    upload_id: str
    size: int
    crc32c: str
    part_bytes: int
    etags: list[str] = field(default_factory=list)

    def query(self) -> str:
        """The query of requests about this upload."""
        return urlencode({"uploadId": self.upload_id})

    def completion(self, checksums: list[str]) -> bytes:
        """The document that completes the upload; `checksums` of all parts, 8 hex digits each."""
        parts = "".join(
            f"<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag>"
            f"<ChecksumCRC32C>{checksum.to_base64(crc32c)}</ChecksumCRC32C></Part>"
            for number, (etag, crc32c) in enumerate(zip(self.etags, checksums, strict=True), start=1)
        )
        return (
            '<CompleteMultipartUpload xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
            f"{parts}</CompleteMultipartUpload>"
        ).encode()

    def save(self, session: Session) -> None:
        """Save durably."""
        session.save(json.dumps(self.__dict__))

    @classmethod
    def load(cls, session: Session, chunk: S3Upload, part_bytes: int) -> SavedParts | None:
        """The upload that was begun for this very content, if there is one."""
        text = session.load()
        if text is None:
            return None
        try:
            saved = cls(**parse_json(text))
        except (ValueError, TypeError):
            saved = None  # written by another version, or by a disk that failed
        content = (chunk.size_bytes, chunk.upload.crc32c, part_bytes)
        if saved and (saved.size, saved.crc32c, saved.part_bytes) == content:
            return saved
        session.clear()
        return None
