"""`s3://BUCKET/PREFIX`: Amazon S3, and whatever speaks its language at AWS_ENDPOINT_URL_S3.

A chunk of at most `part_bytes` goes in one request, a larger one as a multipart upload whose finished parts
are kept in the session. Either is create-only (`If-None-Match: *`), and S3 compares the CRC-32C: of the
object, or of each part. A multipart object keeps its whole checksum as metadata, since S3 returns only the
one over those of its parts.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
"""

from __future__ import annotations

import os
from urllib.parse import quote

from edgecam.bucket import crc32c as checksum
from edgecam.bucket.chunk_source import check, opened
from edgecam.bucket.http_client import PIECE_BYTES, Response
from edgecam.bucket.interface import ChunkUpload, RateLimit, Receipt, Session
from edgecam.bucket.s3_errors import element, parsed_error
from edgecam.bucket.s3_requests import S3Requests
from edgecam.bucket.s3_upload import S3Upload, SavedParts
from edgecam.clock import Clock
from edgecam.config.storage import Upload
from edgecam.errors import ChunkDamaged, SessionLost, StoreConflict, StoreError, StoreUnavailable
from edgecam.redaction import redact

LEAST_PART_BYTES = 5 * 1024**2
"""S3 takes smaller parts only at the end."""
WHOLE_CHECKSUM = "edgecam-crc32c"
"""The metadata of a multipart object that holds its whole checksum."""
_CHECKSUM_HEADER = "x-amz-checksum-crc32c"
_ASK_FOR_CHECKSUM = {"x-amz-checksum-mode": "ENABLED"}
_PRECONDITION_FAILED = 412


def open_s3(uri: str, rest: str, upload: Upload, clock: Clock) -> S3Bucket:
    """The bucket at `uri`, with what follows its scheme as `rest`."""
    bucket, _, prefix = rest.partition("/")
    requests = S3Requests(
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

    def __init__(self, uri: str, prefix: str, *, requests: S3Requests, part_bytes: int) -> None:
        self.uri = redact(uri)
        self._prefix = prefix
        self._requests = requests
        self._part_bytes = max(part_bytes, LEAST_PART_BYTES)

    def put_file(self, upload: ChunkUpload, *, rate_limit: RateLimit, session: Session) -> Receipt:
        """See `Bucket.put_file`."""
        with opened(upload) as file:
            chunk = S3Upload(upload, self._key(upload.name), file)
            if chunk.size_bytes <= self._part_bytes:
                receipt = self._put_at_once(chunk, rate_limit)
            else:
                receipt = self._put_in_parts(chunk, rate_limit, session)
        session.clear()
        return receipt

    def put_bytes(self, name: str, content: bytes, *, content_type: str, rate_limit: RateLimit) -> None:
        """See `Bucket.put_bytes`. Caches have to revalidate each time."""
        headers = {
            "Content-Type": content_type,
            "Cache-Control": "no-cache",
            _CHECKSUM_HEADER: checksum.to_base64(checksum.of_bytes(content)),
        }
        parts = [content[at : at + PIECE_BYTES] for at in range(0, len(content), PIECE_BYTES)]
        response = self._requests.ask(
            "PUT", self._key(name), headers, rate_limit, length=len(content), body=lambda: parts
        )
        if response.status != 200:
            raise self._requests.explained(response, f"storing {name}")

    def close(self) -> None:
        """See `Bucket.close`."""
        self._requests.close()

    def _put_at_once(self, chunk: S3Upload, rate_limit: RateLimit) -> Receipt:
        name, crc32c = chunk.upload.name, chunk.upload.crc32c
        headers = {**chunk.headers(), "If-None-Match": "*", _CHECKSUM_HEADER: checksum.to_base64(crc32c)}
        response = self._requests.ask(
            "PUT", chunk.key, headers, rate_limit, length=chunk.size_bytes, body=chunk.content
        )
        if response.status == _PRECONDITION_FAILED:
            return self._compare_existing(chunk, rate_limit)
        if response.status != 200:
            raise self._failed(chunk, response)
        found = response.headers.get(_CHECKSUM_HEADER)
        if found is not None and checksum.from_base64(found) != crc32c:
            raise ChunkDamaged(
                f"{self.uri}: {name} was stored with crc32c {checksum.from_base64(found)}, expected {crc32c}"
            )
        return _receipt(chunk, response)

    def _put_in_parts(self, chunk: S3Upload, rate_limit: RateLimit, session: Session) -> Receipt:
        checksums = chunk.checksums(self._part_bytes)
        saved = SavedParts.load(session, chunk, self._part_bytes)
        if saved is None:
            saved = self._begin(chunk, rate_limit)
            saved.save(session)
        for number in range(len(saved.etags) + 1, len(checksums) + 1):
            response = self._put_part(chunk, saved, number, checksums[number - 1], rate_limit)
            if response.status != 200:
                raise self._failed(chunk, response, session)
            saved.etags.append(response.headers.get("ETag", ""))
            saved.save(session)
        response = self._complete(chunk, saved, checksums, rate_limit)
        if response.status == _PRECONDITION_FAILED:
            self._requests.ask("DELETE", chunk.key, {}, rate_limit, query=saved.query())
            session.clear()
            return self._compare_existing(chunk, rate_limit)
        # S3 may begin a response with 200 before it is done, and put what failed into its body.
        if response.status != 200 or element(response.body.decode(errors="replace"), "ETag") is None:
            raise self._failed(chunk, response, session)
        return _receipt(chunk, response)

    def _begin(self, chunk: S3Upload, rate_limit: RateLimit) -> SavedParts:
        headers = {**chunk.headers(), "x-amz-checksum-algorithm": "CRC32C"}
        headers[f"x-amz-meta-{WHOLE_CHECKSUM}"] = chunk.upload.crc32c
        response = self._requests.ask("POST", chunk.key, headers, rate_limit, query="uploads=")
        upload_id = element(response.body.decode(errors="replace"), "UploadId")
        if response.status != 200 or not upload_id:
            raise self._requests.explained(response, f"storing {chunk.upload.name}")
        return SavedParts(upload_id, chunk.size_bytes, chunk.upload.crc32c, self._part_bytes)

    def _put_part(
        self, chunk: S3Upload, saved: SavedParts, number: int, crc32c: str, rate_limit: RateLimit
    ) -> Response:
        start = (number - 1) * self._part_bytes
        length = min(self._part_bytes, chunk.size_bytes - start)
        return self._requests.ask(
            "PUT",
            chunk.key,
            {_CHECKSUM_HEADER: checksum.to_base64(crc32c)},
            rate_limit,
            query=f"partNumber={number}&{saved.query()}",
            length=length,
            body=lambda: chunk.part(start, length),
        )

    def _complete(
        self, chunk: S3Upload, saved: SavedParts, checksums: list[str], rate_limit: RateLimit
    ) -> Response:
        document = saved.completion(checksums)
        return self._requests.ask(
            "POST",
            chunk.key,
            {"Content-Type": "application/xml", "If-None-Match": "*"},
            rate_limit,
            query=saved.query(),
            length=len(document),
            body=lambda: (document,),
        )

    def _compare_existing(self, chunk: S3Upload, rate_limit: RateLimit) -> Receipt:
        """An object of the name exists: ours, whose response was lost, or another."""
        name, crc32c = chunk.upload.name, chunk.upload.crc32c
        response = self._requests.ask("HEAD", chunk.key, _ASK_FOR_CHECKSUM, rate_limit)
        if response.status == 404:
            raise StoreUnavailable(f"{self.uri}: {name} was there just now, and is not any more")
        if response.status != 200:
            raise self._requests.explained(response, f"comparing {name}, which is there already,")
        whole = response.headers.get(f"x-amz-meta-{WHOLE_CHECKSUM}")
        computed = response.headers.get(_CHECKSUM_HEADER, "")
        found = whole or (checksum.from_base64(computed) if computed and "-" not in computed else "unknown")
        if found != crc32c:
            raise StoreConflict(
                f"{self.uri}: {name} is there with other content: expected crc32c {crc32c}, found {found}"
            )
        return _receipt(chunk, response, existed=True)

    def _failed(self, chunk: S3Upload, response: Response, session: Session | None = None) -> StoreError:
        name = chunk.upload.name
        code, _ = parsed_error(response)
        if session is not None and code in ("NoSuchUpload", "InvalidPart"):
            session.clear()
            return SessionLost(f"{self.uri}: the service has forgotten what it had of {name}")
        if code in ("BadDigest", "XAmzContentChecksumMismatch"):
            check(chunk.upload)
            return StoreUnavailable(f"{self.uri}: {name} arrived damaged, though the file is not")
        return self._requests.explained(response, f"storing {name}")

    def _key(self, name: str) -> str:
        return quote(f"{self._prefix}/{name}" if self._prefix else name, safe="/-_.~")


def _receipt(chunk: S3Upload, response: Response, *, existed: bool = False) -> Receipt:
    generation = response.headers.get("x-amz-version-id") or response.headers.get("ETag", "").strip('"')
    if not generation:
        generation = (element(response.body.decode(errors="replace"), "ETag") or "").strip('"')
    return Receipt(chunk.upload.name, generation, chunk.upload.crc32c, chunk.size_bytes, existed)
