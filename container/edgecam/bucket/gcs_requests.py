"""Requests to Google Cloud Storage's JSON API about the objects of one bucket."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable, Mapping
from typing import Any, Protocol
from urllib.parse import quote, urlencode

from edgecam.bucket import gcs_errors
from edgecam.bucket.http_client import Body, HttpClient, Response
from edgecam.bucket.interface import RateLimit
from edgecam.errors import StoreError

_FIELDS = "name,size,crc32c,generation"
_CREATE_ONLY = {"ifGenerationMatch": "0"}
_UNAUTHORIZED = 401


class Login(Protocol):
    """The node's identity at Google."""

    def token(self) -> str | None:
        """A bearer token that is valid now; None where none is asked for (an emulator).

        Raises:
            StoreError: none can be had.
        """

    def refused(self, token: str) -> None:
        """The service did not accept `token`: the next one is another."""

    def identity(self) -> str:
        """Its name in an error message."""


class GcsRequests:
    """Sends requests about one bucket. Safe to use from several threads at once.

    Args:
        uri: As configured, redacted.
        bucket: Its name.
        http: To the service.
        login: The node's identity there.
    """

    def __init__(self, uri: str, bucket: str, *, http: HttpClient, login: Login) -> None:
        self._uri = uri
        self._bucket = bucket
        self._http = http
        self._login = login

    def multipart(
        self,
        resource: Mapping[str, Any],
        content_type: str,
        size_bytes: int,
        content: Body,
        rate_limit: RateLimit,
        *,
        create_only: bool = False,
    ) -> Response:
        """Upload an object, described by `resource`, in one request.

        https://cloud.google.com/storage/docs/uploading-objects
        """
        # Never within the content, which is not searched: 2^128 to one.
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

        return self.ask(
            "POST",
            self._upload_target("multipart", resource, create_only=create_only),
            {"Content-Type": f"multipart/related; boundary={boundary}"},
            rate_limit,
            length=len(head) + size_bytes + len(tail),
            body=body,
        )

    def begin_session(
        self, resource: Mapping[str, Any], content_type: str, size_bytes: int, rate_limit: RateLimit
    ) -> Response:
        """Begin a resumable, create-only upload; `Location` of the response is its address."""
        described = json.dumps(resource).encode()
        return self.ask(
            "POST",
            self._upload_target("resumable", resource, create_only=True),
            {
                "Content-Type": "application/json; charset=UTF-8",
                "X-Upload-Content-Type": content_type,
                "X-Upload-Content-Length": str(size_bytes),
            },
            rate_limit,
            length=len(described),
            body=lambda: (described,),
        )

    def describe(self, object_name: str, rate_limit: RateLimit) -> Response:
        """Ask for the description of an object."""
        target = f"/storage/v1/b/{self._bucket}/o/{quote(object_name, safe='')}?fields={_FIELDS}"
        return self.ask("GET", target, {}, rate_limit)

    def ask(
        self,
        method: str,
        target: str,
        headers: Mapping[str, str],
        rate_limit: RateLimit,
        *,
        length: int = 0,
        body: Body = tuple,
    ) -> Response:
        """Send one request; a second one with another token where the first token was not accepted.

        Args:
            method: `GET`, `POST`, `PUT`.
            target: Path and query, percent-encoded.
            headers: Besides those of `HttpClient` and the login's.
            rate_limit: Asked before each request and piece.
            length: Of the body, bytes.
            body: Its pieces.

        Raises:
            StoreError: no response came, or there is no token.
        """
        for attempt in range(2):
            token = self._login.token()
            authorized = {**headers, "Authorization": f"Bearer {token}"} if token else headers
            rate_limit.request()
            response = self._http.request(
                method, target, authorized, length=length, body=body, rate_limit=rate_limit
            )
            if response.status != _UNAUTHORIZED or token is None or attempt:
                break
            self._login.refused(token)
        return response

    def explained(self, response: Response, what: str) -> StoreError:
        """The error that `response` stands for; `what` was tried, as "storing NAME"."""
        return gcs_errors.explain(
            response,
            uri=self._uri,
            bucket=self._bucket,
            what=what,
            identity=self._login.identity(),
            retry_after_s=self._http.retry_after_s(response),
        )

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def _upload_target(self, kind: str, resource: Mapping[str, Any], *, create_only: bool) -> str:
        query = {"uploadType": kind, "name": resource["name"], "fields": _FIELDS}
        query |= _CREATE_ONLY if create_only else {}
        return f"/upload/storage/v1/b/{self._bucket}/o?{urlencode(query)}"
