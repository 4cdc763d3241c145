"""`s3://BUCKET/PREFIX`: Amazon S3, and whatever speaks its language at AWS_ENDPOINT_URL_S3.

A chunk of at most `part_bytes` goes in one request, a larger one as a multipart upload whose finished parts
are kept in the session. Either is create-only (`If-None-Match: *`), and S3 compares the CRC-32C: of the
object, or of each part. A multipart object keeps its whole checksum as metadata, since S3 gives back only the
one over those of its parts.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from io import FileIO
from pathlib import Path
from urllib.parse import quote, urlencode

from edgecam.bucket import crc32c as checksum
from edgecam.bucket.chunk_source import check, damaged, opened
from edgecam.bucket.http_client import PIECE_BYTES, Answer, pieces
from edgecam.bucket.interface import Pace, Receipt, Session
from edgecam.bucket.s3_requests import AwsRequests, element, words
from edgecam.clock import Clock
from edgecam.config.storage import Upload
from edgecam.errors import ChunkDamaged, SessionLost, StoreConflict, StoreError, StoreUnavailable
from edgecam.json_text import parse_json
from edgecam.redaction import redact

LEAST_PART_BYTES = 5 * 1024**2
"""S3 takes smaller parts only at the end."""
WHOLE_CHECKSUM = "edgecam-crc32c"
"""The metadata of a multipart object that holds its whole checksum."""
_CHECKSUM_HEADER = "x-amz-checksum-crc32c"
_ASK_FOR_CHECKSUM = {"x-amz-checksum-mode": "ENABLED"}
_PRECONDITION_FAILED = 412


def open_s3(uri: str, rest: str, upload: Upload, clock: Clock) -> S3Bucket:
    """The bucket at `uri`, with what stands behind its scheme as `rest`."""
    bucket, _, prefix = rest.partition("/")
    requests = AwsRequests(
        redact(uri), bucket, os.environ, stall_timeout_s=upload.stall_timeout_s, clock=clock
    )
    return S3Bucket(uri, prefix, requests=requests, part_bytes=upload.part_bytes)


class S3Bucket:
    """See `Bucket`.

    Args:
        uri: As configured.
        prefix: Before every name; may be empty.
        requests: To the bucket.
        part_bytes: The most that goes in one request; S3 wants at least 5 MiB.
    """

    def __init__(self, uri: str, prefix: str, *, requests: AwsRequests, part_bytes: int) -> None:
        self.uri = redact(uri)
        self._prefix = prefix
        self._requests = requests
        self._part_bytes = max(part_bytes, LEAST_PART_BYTES)

    def put_file(
        self,
        name: str,
        path: Path,
        *,
        content_type: str,
        metadata: Mapping[str, str],
        crc32c: str,
        pace: Pace,
        session: Session,
    ) -> Receipt:
        """See `Bucket.put_file`."""
        with opened(path, name) as file:
            size = os.fstat(file.fileno()).st_size
            chunk = _Chunk(name, self._key(name), path, file, size, content_type, dict(metadata), crc32c)
            if size <= self._part_bytes:
                receipt = self._put_at_once(chunk, pace)
            else:
                receipt = self._put_in_parts(chunk, pace, session)
        session.clear()
        return receipt

    def put_bytes(self, name: str, content: bytes, *, content_type: str, pace: Pace) -> None:
        """See `Bucket.put_bytes`. Caches are told to ask again each time."""
        headers = {
            "Content-Type": content_type,
            "Cache-Control": "no-cache",
            _CHECKSUM_HEADER: checksum.to_base64(checksum.of_bytes(content)),
        }
        parts = [content[at : at + PIECE_BYTES] for at in range(0, len(content), PIECE_BYTES)]
        answer = self._requests.ask(
            "PUT", self._key(name), headers, pace, length=len(content), body=lambda: parts
        )
        if answer.status != 200:
            raise self._requests.explained(answer, f"storing {name}")

    def close(self) -> None:
        """See `Bucket.close`."""
        self._requests.close()

    def _put_at_once(self, chunk: _Chunk, pace: Pace) -> Receipt:
        headers = {
            **chunk.headers(),
            "If-None-Match": "*",
            _CHECKSUM_HEADER: checksum.to_base64(chunk.crc32c),
        }
        answer = self._requests.ask(
            "PUT", chunk.key, headers, pace, length=chunk.size, body=lambda: chunk.content()
        )
        if answer.status == _PRECONDITION_FAILED:
            return self._compared(chunk, pace)
        if answer.status != 200:
            raise self._failed(chunk, answer)
        found = answer.headers.get(_CHECKSUM_HEADER)
        if found is not None and checksum.from_base64(found) != chunk.crc32c:
            raise ChunkDamaged(
                f"{self.uri}: {chunk.name} was stored with crc32c {checksum.from_base64(found)}, "
                f"expected {chunk.crc32c}"
            )
        return _receipt(chunk, answer)

    def _put_in_parts(self, chunk: _Chunk, pace: Pace, session: Session) -> Receipt:
        sums = chunk.sums(self._part_bytes)
        progress = _Progress.load(session, chunk, self._part_bytes)
        if progress is None:
            progress = self._begin(chunk, pace)
            progress.save(session)
        for number in range(len(progress.etags) + 1, len(sums) + 1):
            answer = self._part(chunk, progress, number, sums[number - 1], pace)
            if answer.status != 200:
                raise self._failed(chunk, answer, session)
            progress.etags.append(answer.headers.get("ETag", ""))
            progress.save(session)
        answer = self._complete(chunk, progress, sums, pace)
        if answer.status == _PRECONDITION_FAILED:
            self._requests.ask("DELETE", chunk.key, {}, pace, query=progress.query())
            session.clear()
            return self._compared(chunk, pace)
        # S3 may begin to answer 200 before it is done, and say only then what failed.
        if answer.status != 200 or element(answer.body.decode(errors="replace"), "ETag") is None:
            raise self._failed(chunk, answer, session)
        return _receipt(chunk, answer)

    def _begin(self, chunk: _Chunk, pace: Pace) -> _Progress:
        headers = {**chunk.headers(), "x-amz-checksum-algorithm": "CRC32C"}
        headers[f"x-amz-meta-{WHOLE_CHECKSUM}"] = chunk.crc32c
        answer = self._requests.ask("POST", chunk.key, headers, pace, query="uploads=")
        upload_id = element(answer.body.decode(errors="replace"), "UploadId")
        if answer.status != 200 or not upload_id:
            raise self._requests.explained(answer, f"storing {chunk.name}")
        return _Progress(upload_id, chunk.size, chunk.crc32c, self._part_bytes)

    def _part(self, chunk: _Chunk, progress: _Progress, number: int, crc32c: str, pace: Pace) -> Answer:
        start = (number - 1) * self._part_bytes
        length = min(self._part_bytes, chunk.size - start)
        return self._requests.ask(
            "PUT",
            chunk.key,
            {_CHECKSUM_HEADER: checksum.to_base64(crc32c)},
            pace,
            query=f"partNumber={number}&{progress.query()}",
            length=length,
            body=lambda: pieces(chunk.file, start, length),
        )

    def _complete(self, chunk: _Chunk, progress: _Progress, sums: list[str], pace: Pace) -> Answer:
        parts = "".join(
            f"<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag>"
            f"<ChecksumCRC32C>{checksum.to_base64(crc32c)}</ChecksumCRC32C></Part>"
            for number, (etag, crc32c) in enumerate(zip(progress.etags, sums, strict=True), start=1)
        )
        document = (
            '<CompleteMultipartUpload xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
            f"{parts}</CompleteMultipartUpload>"
        ).encode()
        headers = {"Content-Type": "application/xml", "If-None-Match": "*"}
        return self._requests.ask(
            "POST",
            chunk.key,
            headers,
            pace,
            query=progress.query(),
            length=len(document),
            body=lambda: (document,),
        )

    def _compared(self, chunk: _Chunk, pace: Pace) -> Receipt:
        """An object of the name is there: ours, whose answer was lost, or another."""
        answer = self._requests.ask("HEAD", chunk.key, _ASK_FOR_CHECKSUM, pace)
        if answer.status == 404:
            raise StoreUnavailable(f"{self.uri}: {chunk.name} was there just now, and is not any more")
        if answer.status != 200:
            raise self._requests.explained(answer, f"comparing {chunk.name}, which is there already,")
        whole = answer.headers.get(f"x-amz-meta-{WHOLE_CHECKSUM}")
        computed = answer.headers.get(_CHECKSUM_HEADER, "")
        found = whole or (checksum.from_base64(computed) if computed and "-" not in computed else "unknown")
        if found != chunk.crc32c:
            raise StoreConflict(
                f"{self.uri}: {chunk.name} is there with other content: "
                f"expected crc32c {chunk.crc32c}, found {found}"
            )
        return _receipt(chunk, answer, existed=True)

    def _failed(self, chunk: _Chunk, answer: Answer, session: Session | None = None) -> StoreError:
        code, _ = words(answer)
        if session is not None and code in ("NoSuchUpload", "InvalidPart"):
            session.clear()
            return SessionLost(f"{self.uri}: the service has forgotten what it had of {chunk.name}")
        if code in ("BadDigest", "XAmzContentChecksumMismatch"):
            check(chunk.path, chunk.name, chunk.crc32c)
            return StoreUnavailable(f"{self.uri}: {chunk.name} arrived damaged, though the file is not")
        return self._requests.explained(answer, f"storing {chunk.name}")

    def _key(self, name: str) -> str:
        return quote(f"{self._prefix}/{name}" if self._prefix else name, safe="/-_.~")


@dataclass(frozen=True)
class _Chunk:
    """A chunk that is being stored."""

    name: str
    key: str
    path: Path
    file: FileIO
    size: int
    content_type: str
    metadata: dict[str, str]
    crc32c: str

    def headers(self) -> dict[str, str]:
        """What the object is to be described with; S3 takes nothing but ASCII."""
        described = {
            f"x-amz-meta-{key}": quote(value, safe=_PRINTABLE) for key, value in self.metadata.items()
        }
        return {"Content-Type": self.content_type, **described}

    def content(self) -> Iterable[bytes]:
        """The whole file.

        Raises:
            ChunkDamaged: at its end, when it is not what was recorded; the last piece is then not sent.
        """
        running = checksum.Running()
        held = b""
        for piece in pieces(self.file, 0, self.size, running):
            if held:
                yield held
            held = piece
        if running.digest() != self.crc32c:
            raise damaged(self.path, self.name, self.crc32c, running.digest())
        yield held

    def sums(self, part_bytes: int) -> list[str]:
        """The checksum of each part.

        Raises:
            ChunkDamaged: the whole file is not what was recorded.
        """
        whole = checksum.Running()
        sums = []
        for start in range(0, self.size, part_bytes):
            running = checksum.Running()
            for piece in pieces(self.file, start, min(part_bytes, self.size - start), whole):
                running.update(piece)
            sums.append(running.digest())
        if whole.digest() != self.crc32c:
            raise damaged(self.path, self.name, self.crc32c, whole.digest())
        return sums


_PRINTABLE = "".join(map(chr, range(0x20, 0x7F)))


@dataclass
class _Progress:
    """A multipart upload: its parts so far, and what it is for."""

    upload_id: str
    size: int
    crc32c: str
    part_bytes: int
    etags: list[str] = field(default_factory=list)

    def query(self) -> str:
        """The part of a query that names it."""
        return urlencode({"uploadId": self.upload_id})

    def save(self, session: Session) -> None:
        """Keep it durably."""
        session.save(json.dumps(self.__dict__))

    @classmethod
    def load(cls, session: Session, chunk: _Chunk, part_bytes: int) -> _Progress | None:
        """The one that was begun for this very content, if there is one."""
        text = session.load()
        if text is None:
            return None
        try:
            saved = cls(**parse_json(text))
        except (ValueError, TypeError):
            saved = None  # written by another version, or by a disk that failed
        if saved and (saved.size, saved.crc32c, saved.part_bytes) == (chunk.size, chunk.crc32c, part_bytes):
            return saved
        session.clear()
        return None


def _receipt(chunk: _Chunk, answer: Answer, *, existed: bool = False) -> Receipt:
    generation = answer.headers.get("x-amz-version-id") or answer.headers.get("ETag", "").strip('"')
    if not generation:
        generation = (element(answer.body.decode(errors="replace"), "ETag") or "").strip('"')
    return Receipt(chunk.name, generation, chunk.crc32c, chunk.size, existed)
