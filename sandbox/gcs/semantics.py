"""The emulator, with the semantics of GCS that it lacks.

- `ifGenerationMatch=0` makes an insert create-only, atomically: 412 when there is an object.
- A session that is finished answers again with the object, so that a lost answer can be asked for.
- What had come when a connection broke is kept, in whole multiples of 256 KiB.
- Bytes that are sent again although they are kept already are passed over.
- A session that holds nothing yet says so by sending no `Range`.
- What `restrictions` forbid is refused before any precondition is looked at.

Bodies of multipart uploads are taken apart here: the emulator's e-mail parser takes a second for what a
camera records in ten.
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Mapping
from email.message import Message
from http import HTTPStatus
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

from gcp_storage_emulator import server as emulator
from gcp_storage_emulator.handlers import buckets
from gcp_storage_emulator.handlers import objects as emulated_objects
from gcp_storage_emulator.storage import Storage

from sandbox.gcs.restrictions import Restriction, Restrictions

GRANULE = 256 * 1024
"""GCS keeps parts of a session in multiples of this."""
SAVE_EVERY_S = 1.0
UPLOAD = "/upload/storage/v1/b/"


class Answer(NamedTuple):
    """Status, headers and body."""

    status: int
    headers: dict[str, str]
    body: bytes

    @classmethod
    def of(cls, status: int, document: object) -> Answer:
        """With a JSON body."""
        return cls(status, {"Content-Type": "application/json"}, json.dumps(document).encode())

    @classmethod
    def failed(cls, status: int, reason: str, message: str) -> Answer:
        """An error as GCS describes it."""
        error = {"code": status, "message": message, "errors": [{"reason": reason, "message": message}]}
        return cls.of(status, {"error": error})

    @classmethod
    def forbidden(cls, restriction: Restriction) -> Answer:
        """The answer to what `restriction` forbids."""
        return cls.failed(restriction.status, restriction.reason, restriction.message)


class Request(NamedTuple):
    """A request whose body is here."""

    method: str
    target: str
    headers: Message
    body: bytes | bytearray

    @property
    def path(self) -> str:
        """Without the query."""
        return urlsplit(self.target).path

    @property
    def query(self) -> dict[str, str]:
        """The first value of each parameter."""
        return {name: values[0] for name, values in parse_qs(urlsplit(self.target).query).items()}


class _Files(Storage):  # type: ignore[misc]
    """The emulator's files. Its index is written once a second, not whole at every object."""

    _saved_s = 0.0

    def _write_config_to_file(self) -> None:
        if time.monotonic() - self._saved_s >= SAVE_EVERY_S:
            self.save()

    def save(self) -> None:
        """Write the index now."""
        super()._write_config_to_file()
        self._saved_s = time.monotonic()


class GcsSemantics:
    """The emulated service. Safe to use from any thread: one request at a time goes through."""

    def __init__(self, folder: Path, bucket_names: tuple[str, ...], restrictions: Restrictions) -> None:
        """Objects and index lie below `folder`, and are found there again."""
        self._lock = threading.Lock()
        self._restrictions = restrictions
        self._files = _Files(data_dir=str(folder.absolute()))
        self._conditions: dict[str, str | None] = {}
        self._finished: dict[str, Answer] = {}
        for name in bucket_names:
            buckets.create_bucket(name, self._files)

    def save(self) -> None:
        """Write the index to the disk."""
        with self._lock:
            self._files.save()

    def objects(self, bucket: str) -> list[dict[str, Any]]:
        """The object resources of `bucket`, by name."""
        with self._lock:
            listed: list[dict[str, Any]] = self._files.get_file_list(bucket)[0]
            return [dict(entry) for entry in listed]

    def content(self, bucket: str, name: str) -> bytes:
        """What an object holds."""
        with self._lock:
            found: bytes = self._files.get_file(bucket, name)
            return found

    def answer(self, request: Request) -> Answer:
        """Do what is asked for."""
        with self._lock:
            if not request.path.startswith(UPLOAD):
                forbidden = self._restrictions.of_reading()
                return Answer.forbidden(forbidden) if forbidden else self._emulate(request)
            if upload_id := request.query.get("upload_id"):
                return self._continue(request, upload_id)
            return self._insert(request)

    def object_of(self, request: Request) -> str:
        """`BUCKET/NAME` that a request for writing is about, or nothing."""
        resource = self._files.resumable.get(request.query.get("upload_id", ""))
        if resource is not None:
            return f"{resource['bucket']}/{resource['name']}"
        name = request.query.get("name")
        return f"{_bucket_in(request.path)}/{name}" if name else ""

    def keep(self, request: Request) -> None:
        """A connection broke after this much of the body of a part: what GCS would keep of it."""
        upload_id = request.query.get("upload_id")
        whole = len(request.body) // GRANULE * GRANULE
        found = re.fullmatch(r"bytes (\d+)-\d+/(?:\d+|\*)", request.headers.get("Content-Range", ""))
        if not upload_id or not found or not whole:
            return
        headers = Message()
        headers["Content-Length"] = str(whole)
        headers["Content-Range"] = f"bytes {found[1]}-{int(found[1]) + whole - 1}/*"
        with self._lock:
            if upload_id in self._files.resumable:
                part = request._replace(headers=headers, body=request.body[:whole])
                self._emulate(self._beyond_what_is_kept(part, upload_id))

    def _insert(self, request: Request) -> Answer:
        kind = request.query.get("uploadType")
        document: dict[str, Any] = {}
        data: Any = None
        if kind == "multipart":
            data = _parts(request)
            if data is None:
                return Answer.failed(400, "badContent", "Malformed multipart body.")
            document = data["meta"]
        elif kind == "resumable":
            data = document = json.loads(request.body) if request.body else {}
        name = request.query.get("name") or document.get("name", "")
        condition = request.query.get("ifGenerationMatch")
        if refused := self._refused(_bucket_in(request.path), name, condition):
            return refused
        answer = self._emulate(request, data)
        if kind == "resumable" and "Location" in answer.headers:
            self._conditions[_upload_id(answer.headers["Location"])] = condition
        return answer

    def _continue(self, request: Request, upload_id: str) -> Answer:
        if upload_id in self._finished:
            return self._finished[upload_id]
        resource = self._files.resumable.get(upload_id)
        if resource is None:
            return Answer.failed(410, "gone", "The upload session has ended.")
        condition = self._conditions.get(upload_id)
        if refused := self._refused(resource["bucket"], resource["name"], condition):
            return refused
        answer = self._emulate(self._beyond_what_is_kept(request, upload_id))
        if answer.status == HTTPStatus.OK:
            self._finished[upload_id] = answer
            self._conditions.pop(upload_id, None)
        elif not self._files.get_resumable_byte_count(upload_id):
            answer.headers.pop("Range", None)
        return answer

    def _beyond_what_is_kept(self, request: Request, upload_id: str) -> Request:
        found = re.fullmatch(r"bytes (\d+)-(\d+)/(\d+|\*)", request.headers.get("Content-Range", ""))
        kept = self._files.get_resumable_byte_count(upload_id)
        if found and int(found[2]) < kept:  # all of it is: then this only asks how much is kept
            headers = Message()
            headers["Content-Length"] = "0"
            headers["Content-Range"] = f"bytes */{found[3]}"
            return request._replace(headers=headers, body=b"")
        if not found or not int(found[1]) < kept <= int(found[2]):
            return request
        body = request.body[kept - int(found[1]) :]
        headers = Message()
        headers["Content-Length"] = str(len(body))
        headers["Content-Range"] = f"bytes {kept}-{found[2]}/{found[3]}"
        return request._replace(headers=headers, body=body)

    def _refused(self, bucket: str, name: str, condition: str | None) -> Answer | None:
        if bucket not in self._files.buckets:
            return Answer.failed(404, "notFound", "The specified bucket does not exist.")
        there = self._files.objects.get(bucket, {}).get(name)
        if forbidden := self._restrictions.of(bucket, name, is_there=there is not None):
            return Answer.forbidden(forbidden)
        if condition is None:
            return None
        if condition != (str(there["generation"]) if there else "0"):
            return Answer.failed(
                412, "conditionNotMet", "At least one of the pre-conditions you specified did not hold."
            )
        return None

    def _emulate(self, request: Request, data: Any = None) -> Answer:
        asked = _EmulatorRequest(request, self._files)
        if data is None:
            emulator.Router(asked).handle(request.method)
        else:
            emulated = emulator.Request(asked, request.method)
            emulated._data = data
            emulated.set_match(re.fullmatch(rf"{UPLOAD}(?P<bucket_name>[-.\w]+)/o", request.path))
            response = emulator.Response(asked)
            emulated_objects.insert(emulated, response, self._files)
            response.close()
        return Answer(asked.status, asked.answered, asked.wfile.getvalue())


class _EmulatorRequest:
    """A request in the form that the emulator's own HTTP server would hand it over."""

    def __init__(self, request: Request, storage: Storage) -> None:
        self.path = request.target
        self.headers = request.headers
        self.storage = storage
        self.rfile = BytesIO(request.body)
        self.wfile = BytesIO()
        self.server = SimpleNamespace(server_address=("127.0.0.1", 0))
        self.status = 0
        self.answered: dict[str, str] = {}

    def send_response(self, status: int, _phrase: str = "") -> None:
        self.status = int(status)

    def send_header(self, name: str, value: str) -> None:
        if name.lower() != "content-length":
            self.answered[name] = value

    def end_headers(self) -> None:
        pass


def _bucket_in(path: str) -> str:
    found = re.match(rf"{UPLOAD}([^/]+)/o", path)
    return found[1] if found else ""


def _upload_id(location: str) -> str:
    return parse_qs(urlsplit(location).query)["upload_id"][0]


def _parts(request: Request) -> dict[str, Any] | None:
    """What the emulator makes of a multipart/related body: the resource, the content, its type."""
    boundary = request.headers.get_param("boundary")
    if not isinstance(boundary, str):
        return None
    line = b"--" + boundary.encode()
    body = request.body
    first, second = body.find(line), body.find(b"\r\n" + line, len(line))
    end = body.rfind(b"\r\n" + line + b"--")
    if first != 0 or second < 0 or end <= second:
        return None
    _, resource = _head_and_rest(bytes(body[len(line) : second]))
    # Only the head is looked for: the content must not be copied to be searched.
    start = body.find(b"\r\n\r\n", second + 2) + 4
    headers, _ = _head_and_rest(bytes(body[second + 2 + len(line) : start]))
    return {
        "meta": json.loads(resource),
        "content": bytes(memoryview(body)[start:end]),
        "content-type": headers.get("content-type", "application/octet-stream"),
    }


def _head_and_rest(part: bytes) -> tuple[Mapping[str, str], bytes]:
    head, _, rest = part.partition(b"\r\n\r\n")
    lines = [line.partition(b":") for line in head.splitlines() if b":" in line]
    return {name.decode().strip().lower(): value.decode().strip() for name, _, value in lines}, rest
