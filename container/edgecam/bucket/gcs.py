"""`gs://BUCKET/PREFIX`: Google Cloud Storage through its JSON API.

A chunk of at most `part_bytes` goes in one request, its description and its file as the two parts of one
body. A larger one, or one whose connection broke before, goes in a session: what the service has of it stays
there for a week, and whoever has the session's address goes on from there.

Either way the object is made only where there is none (`ifGenerationMatch=0`), with the checksum announced,
which the service compares before the object exists; its answer is compared again.

Not google-cloud-storage: it copies a body that it sends in one request twice, holds sessions in memory, and
asks for the whole of `requests` in the image. See design/decisions.md.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote, urlencode

from edgecam.bucket import crc32c as checksum
from edgecam.bucket import gcs_errors as gs_answers
from edgecam.bucket.chunk_source import check, opened
from edgecam.bucket.gcs_upload import GsChunk, Remembered, SavedSession
from edgecam.bucket.http_client import (
    PIECE_BYTES,
    Answer,
    Body,
    Transfer,
)
from edgecam.bucket.interface import Pace, Receipt, Session
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
_FIELDS = "name,size,crc32c,generation"
_NOT_YET, _CREATED, _FORBIDDEN, _PRECONDITION_FAILED = 308, (200, 201), 403, 412
_SESSION_GONE = (404, 410)


class Login(Protocol):
    """Who the node is to Google."""

    def token(self) -> str | None:
        """A bearer token that is good now; None where none is asked for (an emulator).

        Raises:
            StoreError: none can be had.
        """

    def refused(self, token: str) -> None:
        """The service did not take `token`: the next one is another."""

    def identity(self) -> str:
        """As an error message names it."""


def open_gs(uri: str, rest: str, google: Google, upload: Upload, clock: Clock) -> GsBucket:
    """The bucket at `uri`, with what stands behind its scheme as `rest`.

    STORAGE_EMULATOR_HOST names another service to speak to, as it does for Google's own client.
    """
    from edgecam.bucket.google_auth import open_login

    emulator = os.environ.get(EMULATOR_VARIABLE)
    origin = (emulator if "://" in emulator else f"http://{emulator}") if emulator else SERVICE
    transfer = Transfer(origin, stall_timeout_s=upload.stall_timeout_s, clock=clock)
    login = open_login(google, clock=clock, emulated=bool(emulator))
    return GsBucket(uri, rest, transfer=transfer, login=login, part_bytes=upload.part_bytes)


class GsBucket:
    """See `Bucket`.

    Args:
        uri: As configured.
        place: `BUCKET` or `BUCKET/PREFIX`.
        transfer: To the service.
        login: Who we are there.
        part_bytes: The most that goes in one request, a multiple of 256 KiB.
    """

    def __init__(self, uri: str, place: str, *, transfer: Transfer, login: Login, part_bytes: int) -> None:
        self.uri = redact(uri)
        self._bucket, _, self._prefix = place.partition("/")
        self._transfer = transfer
        self._login = login
        self._part_bytes = part_bytes
        self._broken = Remembered(MOST_REMEMBERED)

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
            chunk = GsChunk(name, path, file, os.fstat(file.fileno()).st_size, content_type, metadata, crc32c)
            saved = SavedSession.load(session, chunk)
            if saved is None and chunk.size <= self._part_bytes and name not in self._broken:
                answer = self._put_at_once(chunk, pace)
            else:
                answer = self._put_in_parts(chunk, saved, pace, session)
        receipt = self._receipt(chunk, answer, pace)
        session.clear()
        self._broken.discard(name)
        return receipt

    def put_bytes(self, name: str, content: bytes, *, content_type: str, pace: Pace) -> None:
        """See `Bucket.put_bytes`. Caches are told to ask again each time."""
        resource = {
            "name": self._object(name),
            "crc32c": checksum.to_base64(checksum.of_bytes(content)),
            "cacheControl": "no-cache",
        }
        whole = memoryview(content)
        parts = [bytes(whole[at : at + PIECE_BYTES]) for at in range(0, len(content), PIECE_BYTES)]
        answer = self._multipart(name, resource, content_type, len(content), lambda: parts, {}, pace)
        if answer.status not in _CREATED:
            raise self._explained(answer, f"storing {name}")

    def close(self) -> None:
        """See `Bucket.close`."""
        self._transfer.close()

    def _put_at_once(self, chunk: GsChunk, pace: Pace) -> Answer:
        condition = {"ifGenerationMatch": "0"}
        resource = chunk.resource(self._object(chunk.name))
        try:
            return self._multipart(
                chunk.name, resource, chunk.content_type, chunk.size, chunk.content, condition, pace
            )
        except StoreUnavailable:
            self._broken.add(chunk.name)
            raise

    def _multipart(
        self,
        name: str,
        resource: Mapping[str, Any],
        content_type: str,
        size: int,
        content: Body,
        condition: Mapping[str, str],
        pace: Pace,
    ) -> Answer:
        """One request with the description and the content. https://cloud.google.com/storage/docs/uploading-objects"""
        # Never within the content, which is not looked at: 2^128 to one.
        boundary = secrets.token_hex(16)
        described = json.dumps(resource)
        head = (
            f"--{boundary}\r\nContent-Type: application/json; charset=UTF-8\r\n\r\n{described}\r\n"
            f"--{boundary}\r\nContent-Type: {content_type}\r\n\r\n"
        ).encode()
        tail = f"\r\n--{boundary}--".encode()

        def body() -> Iterable[bytes]:
            yield head
            yield from content()
            yield tail

        query = {"uploadType": "multipart", "name": self._object(name), "fields": _FIELDS, **condition}
        return self._ask(
            "POST",
            f"/upload/storage/v1/b/{self._bucket}/o?{urlencode(query)}",
            {"Content-Type": f"multipart/related; boundary={boundary}"},
            pace,
            length=len(head) + size + len(tail),
            body=body,
        )

    def _put_in_parts(self, chunk: GsChunk, saved: str | None, pace: Pace, session: Session) -> Answer:
        if saved is None:
            begun = self._begin(chunk, pace)
            if "Location" not in begun.headers:
                return begun
            target = SavedSession.save(session, chunk, begun.headers["Location"])
            answer: Answer | None = None
            at = 0
        else:
            target = saved
            answer = self._ask("PUT", target, {"Content-Range": f"bytes */{chunk.size}"}, pace)
            at = _kept(answer, chunk.size)
        while answer is None or answer.status == _NOT_YET:
            length = min(self._part_bytes, chunk.size - at)
            answer = self._part(chunk, target, at, length, pace)
            now = _kept(answer, chunk.size)
            if answer.status == _NOT_YET and now <= at:
                raise StoreUnavailable(f"{self.uri}: of a part of {chunk.name} nothing was kept")
            at = now
        if answer.status in _SESSION_GONE:
            session.clear()
            raise SessionLost(f"{self.uri}: the service has forgotten what it had of {chunk.name}")
        if answer.status == _PRECONDITION_FAILED or gs_answers.is_about_checksum(answer):
            session.clear()
        return answer

    def _begin(self, chunk: GsChunk, pace: Pace) -> Answer:
        query = {
            "uploadType": "resumable",
            "name": self._object(chunk.name),
            "fields": _FIELDS,
            "ifGenerationMatch": "0",
        }
        described = json.dumps(chunk.resource(self._object(chunk.name))).encode()
        return self._ask(
            "POST",
            f"/upload/storage/v1/b/{self._bucket}/o?{urlencode(query)}",
            {
                "Content-Type": "application/json; charset=UTF-8",
                "X-Upload-Content-Type": chunk.content_type,
                "X-Upload-Content-Length": str(chunk.size),
            },
            pace,
            length=len(described),
            body=lambda: (described,),
        )

    def _part(self, chunk: GsChunk, target: str, at: int, length: int, pace: Pace) -> Answer:
        return self._ask(
            "PUT",
            target,
            {"Content-Range": f"bytes {at}-{at + length - 1}/{chunk.size}"},
            pace,
            length=length,
            body=lambda: chunk.part(at, length),
        )

    def _receipt(self, chunk: GsChunk, answer: Answer, pace: Pace) -> Receipt:
        """What the answer to an upload, whole or its last part, says of the object."""
        if answer.status == _PRECONDITION_FAILED:
            return self._compared(chunk, pace)
        if gs_answers.is_about_checksum(answer):
            check(chunk.path, chunk.name, chunk.crc32c)
            raise StoreUnavailable(f"{self.uri}: {chunk.name} arrived damaged, though the file is not")
        if answer.status not in _CREATED:
            refusal = self._explained(answer, f"storing {chunk.name}")
            # Who may create but not replace may hear that, and not the 412, of an object that is there.
            if isinstance(refusal, StoreRefused) and answer.status == _FORBIDDEN:
                return self._compared(chunk, pace, otherwise=refusal)
            raise refusal
        receipt = self._described(chunk.name, answer)
        if receipt.crc32c != chunk.crc32c:
            raise ChunkDamaged(
                f"{self.uri}: {chunk.name} was stored with crc32c {receipt.crc32c}, expected {chunk.crc32c}"
            )
        return receipt

    def _compared(self, chunk: GsChunk, pace: Pace, *, otherwise: StoreError | None = None) -> Receipt:
        """An object of the name is there: ours, whose answer was lost, or another. If none can be seen,
        `otherwise` is what is wrong."""
        target = f"/storage/v1/b/{self._bucket}/o/{quote(self._object(chunk.name), safe='')}?fields={_FIELDS}"
        answer = self._ask("GET", target, {}, pace)
        if answer.status != 200 and otherwise is not None:
            raise otherwise
        if answer.status == 404:
            raise StoreUnavailable(f"{self.uri}: {chunk.name} was there just now, and is not any more")
        if answer.status != 200:
            raise self._explained(answer, f"comparing {chunk.name}, which is there already,")
        there = self._described(chunk.name, answer, existed=True)
        if there.crc32c != chunk.crc32c:
            raise StoreConflict(
                f"{self.uri}: {chunk.name} is there with other content: "
                f"expected crc32c {chunk.crc32c}, found {there.crc32c}"
            )
        return there

    def _described(self, name: str, answer: Answer, *, existed: bool = False) -> Receipt:
        resource = gs_answers.document(answer)
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

    def _ask(
        self,
        method: str,
        target: str,
        headers: Mapping[str, str],
        pace: Pace,
        *,
        length: int = 0,
        body: Body = tuple,
    ) -> Answer:
        """One request; a second one with another token where the first was not taken."""
        for attempt in range(2):
            token = self._login.token()
            authorized = {**headers, "Authorization": f"Bearer {token}"} if token else headers
            pace.request()
            answer = self._transfer.request(method, target, authorized, length=length, body=body, pace=pace)
            if answer.status != 401 or token is None or attempt:
                break
            self._login.refused(token)
        return answer

    def _explained(self, answer: Answer, what: str) -> StoreError:
        return gs_answers.explain(
            answer,
            uri=self.uri,
            bucket=self._bucket,
            what=what,
            identity=self._login.identity(),
            retry_after_s=self._transfer.retry_after_s(answer),
        )

    def _object(self, name: str) -> str:
        return f"{self._prefix}/{name}" if self._prefix else name


def _kept(answer: Answer, size_bytes: int) -> int:
    """How many bytes of an object of `size_bytes` the service has, by its answer 308; 0 where it says nothing
    that can be."""
    _, _, last = answer.headers.get("Range", "").partition("-")
    is_number = last.isascii() and last.isdigit() and len(last) <= len(str(size_bytes))
    kept_bytes = int(last) + 1 if is_number else 0
    return kept_bytes if kept_bytes < size_bytes else 0
