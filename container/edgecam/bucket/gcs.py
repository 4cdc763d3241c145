"""`gs://BUCKET/PREFIX`: Google Cloud Storage through its JSON API.

A chunk of at most `part_bytes` goes in one request, its description and its file as the two parts of one
body. A larger one, or one whose connection broke before, goes in a resumable session: what the service has of
it stays there for a week, and an upload that has the session's address continues from there.

Either way the object is made only where there is none (`ifGenerationMatch=0`), with the checksum announced,
which the service compares before the object exists; its response is compared again.

Not google-cloud-storage: it copies a body that it sends in one request twice, holds sessions in memory, and
asks for the whole of `requests` in the image. See design/decisions.md.
"""

from __future__ import annotations

import os

from edgecam.bucket import crc32c as checksum
from edgecam.bucket import gcs_errors
from edgecam.bucket.chunk_source import check, opened
from edgecam.bucket.gcs_requests import GcsRequests, Login
from edgecam.bucket.gcs_upload import GcsUpload, RecentNames, SavedSession
from edgecam.bucket.http_client import PIECE_BYTES, HttpClient, Response
from edgecam.bucket.interface import ChunkUpload, RateLimit, Receipt, Session
from edgecam.clock import Clock
from edgecam.config.storage import Google, Upload
from edgecam.errors import (
    ChunkDamaged,
    SessionLost,
    StoreConflict,
    StoreError,
    StoreRefused,
    StoreUnavailable,
)
from edgecam.redaction import redact

SERVICE = "https://storage.googleapis.com"
EMULATOR_VARIABLE = "STORAGE_EMULATOR_HOST"
MOST_REMEMBERED = 256
"""Chunks whose connection broke: those are sent in a session when they are tried again."""
_NOT_YET, _CREATED, _FORBIDDEN, _PRECONDITION_FAILED = 308, (200, 201), 403, 412
_SESSION_GONE = (404, 410)


def open_gcs(uri: str, rest: str, google: Google, upload: Upload, clock: Clock) -> GcsBucket:
    """The bucket at `uri`, with what follows its scheme as `rest`.

    STORAGE_EMULATOR_HOST names another service, as it does for Google's own client.
    """
    from edgecam.bucket.google_auth import open_login

    emulator = os.environ.get(EMULATOR_VARIABLE)
    origin = (emulator if "://" in emulator else f"http://{emulator}") if emulator else SERVICE
    http = HttpClient(origin, stall_timeout_s=upload.stall_timeout_s, clock=clock, named=EMULATOR_VARIABLE)
    login = open_login(google, clock=clock, emulated=bool(emulator))
    return GcsBucket(uri, rest, http=http, login=login, part_bytes=upload.part_bytes)


class GcsBucket:
    """See `Bucket`.

    Args:
        uri: As configured.
        place: `BUCKET` or `BUCKET/PREFIX`.
        http: To the service.
        login: The node's identity there.
        part_bytes: The most that goes in one request, a multiple of 256 KiB.
    """

    def __init__(self, uri: str, place: str, *, http: HttpClient, login: Login, part_bytes: int) -> None:
        self.uri = redact(uri)
        bucket, _, self._prefix = place.partition("/")
        self._requests = GcsRequests(self.uri, bucket, http=http, login=login)
        self._part_bytes = part_bytes
        self._broken = RecentNames(MOST_REMEMBERED)

    def put_file(self, upload: ChunkUpload, *, rate_limit: RateLimit, session: Session) -> Receipt:
        """See `Bucket.put_file`."""
        with opened(upload) as file:
            chunk = GcsUpload(upload, self._object(upload.name), file)
            saved = SavedSession.load(session, chunk)
            if saved is None and chunk.size_bytes <= self._part_bytes and upload.name not in self._broken:
                response = self._put_at_once(chunk, rate_limit)
            else:
                response = self._put_in_parts(chunk, saved, rate_limit, session)
        receipt = self._receipt(upload, response, rate_limit)
        session.clear()
        self._broken.discard(upload.name)
        return receipt

    def put_bytes(self, name: str, content: bytes, *, content_type: str, rate_limit: RateLimit) -> None:
        """See `Bucket.put_bytes`. Caches have to revalidate each time."""
        resource = {
            "name": self._object(name),
            "crc32c": checksum.to_base64(checksum.of_bytes(content)),
            "cacheControl": "no-cache",
        }
        whole = memoryview(content)
        parts = [bytes(whole[at : at + PIECE_BYTES]) for at in range(0, len(content), PIECE_BYTES)]
        response = self._requests.multipart(resource, content_type, len(content), lambda: parts, rate_limit)
        if response.status not in _CREATED:
            raise self._requests.explained(response, f"storing {name}")

    def close(self) -> None:
        """See `Bucket.close`."""
        self._requests.close()

    def _put_at_once(self, chunk: GcsUpload, rate_limit: RateLimit) -> Response:
        try:
            return self._requests.multipart(
                chunk.resource(),
                chunk.upload.content_type,
                chunk.size_bytes,
                chunk.content,
                rate_limit,
                create_only=True,
            )
        except StoreUnavailable:
            self._broken.add(chunk.upload.name)
            raise

    def _put_in_parts(
        self, chunk: GcsUpload, saved: str | None, rate_limit: RateLimit, session: Session
    ) -> Response:
        name, size_bytes = chunk.upload.name, chunk.size_bytes
        if saved is None:
            begun = self._requests.begin_session(
                chunk.resource(), chunk.upload.content_type, size_bytes, rate_limit
            )
            if "Location" not in begun.headers:
                return begun
            try:
                target = SavedSession.save(session, chunk, begun.headers["Location"])
            except ValueError:
                raise StoreUnavailable(
                    f"{self.uri}: the session for {name} has an address that is none"
                ) from None
            response: Response | None = None
            at = 0
        else:
            target = saved
            response = self._requests.ask(
                "PUT", target, {"Content-Range": f"bytes */{size_bytes}"}, rate_limit
            )
            at = _kept_bytes(response, size_bytes)
        while response is None or response.status == _NOT_YET:
            response = self._put_part(chunk, target, at, rate_limit)
            now = _kept_bytes(response, size_bytes)
            if response.status == _NOT_YET and now <= at:
                raise StoreUnavailable(f"{self.uri}: of a part of {name} nothing was kept")
            at = now
        if response.status in _SESSION_GONE:
            session.clear()
            raise SessionLost(f"{self.uri}: the service has forgotten what it had of {name}")
        if response.status == _PRECONDITION_FAILED or gcs_errors.is_about_checksum(response):
            session.clear()
        return response

    def _put_part(self, chunk: GcsUpload, target: str, at: int, rate_limit: RateLimit) -> Response:
        length = min(self._part_bytes, chunk.size_bytes - at)
        return self._requests.ask(
            "PUT",
            target,
            {"Content-Range": f"bytes {at}-{at + length - 1}/{chunk.size_bytes}"},
            rate_limit,
            length=length,
            body=lambda: chunk.part(at, length),
        )

    def _receipt(self, upload: ChunkUpload, response: Response, rate_limit: RateLimit) -> Receipt:
        """The receipt in the response to an upload or to its last part."""
        if gcs_errors.is_about_checksum(response):
            check(upload)
            raise StoreUnavailable(f"{self.uri}: {upload.name} arrived damaged, though the file is not")
        if response.status not in _CREATED:
            return self._not_created(upload, response, rate_limit)
        receipt = self._parsed(upload.name, response)
        if receipt.crc32c != upload.crc32c:
            raise ChunkDamaged(
                f"{self.uri}: {upload.name} was stored with crc32c {receipt.crc32c}, expected {upload.crc32c}"
            )
        return receipt

    def _not_created(self, upload: ChunkUpload, response: Response, rate_limit: RateLimit) -> Receipt:
        """The object may be there already; else raises what `response` stands for."""
        if response.status == _PRECONDITION_FAILED and gcs_errors.is_precondition(response):
            return self._compare_existing(upload, rate_limit)
        refusal = self._requests.explained(response, f"storing {upload.name}")
        # A login that may create but not replace can get 403 in place of 412 for an object that exists, and
        # other services than Google's give a 412 no reason.
        if response.status in (_FORBIDDEN, _PRECONDITION_FAILED) and isinstance(refusal, StoreRefused):
            return self._compare_existing(upload, rate_limit, otherwise=refusal)
        raise refusal

    def _compare_existing(
        self, upload: ChunkUpload, rate_limit: RateLimit, *, otherwise: StoreError | None = None
    ) -> Receipt:
        """An object of the name exists: ours, whose response was lost, or another. If none can be seen,
        `otherwise` is the error."""
        response = self._requests.describe(self._object(upload.name), rate_limit)
        if response.status != 200 and otherwise is not None:
            raise otherwise
        if response.status == 404:
            raise StoreUnavailable(f"{self.uri}: {upload.name} was there just now, and is not any more")
        if response.status != 200:
            raise self._requests.explained(response, f"comparing {upload.name}, which is there already,")
        found = self._parsed(upload.name, response, existed=True)
        if found.crc32c != upload.crc32c:
            raise StoreConflict(
                f"{self.uri}: {upload.name} is there with other content: "
                f"expected crc32c {upload.crc32c}, found {found.crc32c}"
            )
        return found

    def _parsed(self, name: str, response: Response, *, existed: bool = False) -> Receipt:
        resource = gcs_errors.document(response)
        try:
            return Receipt(
                name=name,
                generation=str(resource["generation"]),
                crc32c=checksum.from_base64(resource["crc32c"]),
                size_bytes=int(resource["size"]),
                existed=existed,
            )
        except (KeyError, ValueError, TypeError) as error:
            raise StoreUnavailable(
                f"{self.uri}: expected a description of {name} as the answer, found something else"
            ) from error

    def _object(self, name: str) -> str:
        return f"{self._prefix}/{name}" if self._prefix else name


def _kept_bytes(response: Response, size_bytes: int) -> int:
    """How many bytes of an object of `size_bytes` the service has, by its response 308; 0 where `Range` is
    missing or impossible."""
    _, _, last = response.headers.get("Range", "").partition("-")
    is_number = last.isascii() and last.isdigit() and len(last) <= len(str(size_bytes))
    kept_bytes = int(last) + 1 if is_number else 0
    return kept_bytes if kept_bytes < size_bytes else 0
