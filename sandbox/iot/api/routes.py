"""A request over HTTP, and the table that finds what it asks for."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit

from sandbox.iot.errors import ApiError, Status

Document = dict[str, Any]


@dataclass(frozen=True)
class Request:
    """A request whose body is here.

    Attributes:
        method: `GET`, `POST`, `PATCH` or `DELETE`.
        path: Without the query, nothing escaped.
        query: All values of each parameter.
        headers: By their names in lower case.
        parts: What the route found in the path.
    """

    method: str
    path: str
    query: Mapping[str, Sequence[str]]
    headers: Mapping[str, str]
    body: bytes = b""
    parts: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, method: str, target: str, headers: Mapping[str, str], body: bytes) -> Request:
        """As it came."""
        parsed = urlsplit(target)
        return cls(
            method=method,
            path=unquote(parsed.path),
            query=parse_qs(parsed.query, keep_blank_values=True),
            headers={name.lower(): value for name, value in headers.items()},
            body=body,
        )

    def value(self, name: str, default: str = "") -> str:
        """The first value of a parameter."""
        return (self.query.get(name) or [default])[0]

    def number(self, name: str) -> int:
        """A parameter that is a number, 0 when it is not there.

        Raises:
            ApiError: it is something else.
        """
        text = self.value(name) or "0"
        if not text.isdecimal():
            raise ApiError(Status.INVALID_ARGUMENT, f"{name}: expected a number, found {text!r}")
        return int(text)

    @property
    def document(self) -> Document:
        """The body.

        Raises:
            ApiError: it is no JSON object.
        """
        try:
            found = json.loads(self.body or b"{}")
        except ValueError as error:
            raise ApiError(Status.INVALID_ARGUMENT, f"Invalid JSON payload received. {error}") from None
        if not isinstance(found, dict):
            raise ApiError(Status.INVALID_ARGUMENT, "Invalid JSON payload received: expected an object")
        return found


class Route(NamedTuple):
    """What is done for requests of a method whose path has this form."""

    method: str
    path: re.Pattern[str]
    do: Callable[[Request], Document]


def find(routes: Sequence[Route], request: Request) -> Document:
    """Do what `request` asks for.

    Raises:
        ApiError: it cannot be done, or there is no such thing here.
    """
    for route in routes:
        found = route.path.fullmatch(request.path)
        if found and route.method == request.method:
            parts = {name: part for name, part in found.groupdict().items() if part is not None}
            return route.do(
                Request(request.method, request.path, request.query, request.headers, request.body, parts)
            )
    raise ApiError(Status.NOT_FOUND, f"nothing here answers {request.method} {request.path}")
