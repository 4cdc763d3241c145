"""Lists come in pages, as on AWS: who reads the first one only is to notice.

How long a page is, a service decides; here it is as short as it can be. ministack cuts no list of AWS IoT.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from sandbox.aws.ministack import host, iot

PAGE = 2
"""Entries, at the most."""

_LISTS = (
    (re.compile(r"/thing-groups/[^/]+/things"), "things"),
    (re.compile(r"/things/[^/]+/principals"), "principals"),
    (re.compile(r"/role-aliases"), "roleAliases"),
)
"""Paths of AWS IoT, and the member that is a list."""

_TOKENS = {"roleAliases": ("marker", "nextMarker")}
"""The query's and the answer's name for where the next page begins, where they are not `nextToken`."""


def first(query: dict[str, Any], key: str, default: str | None = None) -> str | None:
    """The first value of a parameter of a query."""
    found = query.get(key)
    return default if not found else str(found[0] if isinstance(found, list) else found)


def page(
    entries: Sequence[Any], query: dict[str, Any], size: str = "maxResults", token: str = "nextToken"
) -> tuple[list[Any], str | None]:
    """One page of a list, and the token of the next: its offset."""
    start = int(first(query, token, "0") or 0)
    end = start + min(int(first(query, size, str(PAGE)) or PAGE), PAGE)
    return list(entries[start:end]), str(end) if end < len(entries) else None


def _cut(method: str, path: str, query: dict[str, Any], answer: host.Answer) -> host.Answer:
    member = next((member for pattern, member in _LISTS if pattern.fullmatch(path)), None)
    status, headers, body = answer
    if method != "GET" or member is None or status != 200:
        return answer
    asked, answered = _TOKENS.get(member, ("nextToken", "nextToken"))
    document = json.loads(body)
    document[member], following = page(document[member], query, "maxResults", asked)
    if following is not None:
        document[answered] = following
    return status, headers, json.dumps(document).encode()


def install() -> None:
    """Cut the lists of AWS IoT."""
    iot.change_answers(_cut)
