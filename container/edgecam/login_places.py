"""`{username}` and `{password}` in a camera's `uri`: where a login belongs that no protocol asks for.

Many a camera wants its login in the path or query of the URI. A configuration names the place alone; the
source that makes the connection fills it, so that the password stands in memory only.
"""

from __future__ import annotations

import re
from urllib.parse import quote

USERNAME_PLACE = "{username}"
PASSWORD_PLACE = "{password}"  # noqa: S105 - where a password belongs
PLACE_NAMES = frozenset(place.strip("{}") for place in (USERNAME_PLACE, PASSWORD_PLACE))

_PLACES = re.compile(r"\{(?:username|password)\}")
_PLAIN = "!$'()*,"
"""Characters of a path, a query and a user information that separate nothing there (RFC 3986, 2.2): cameras
that do not decode what they are sent find them as they are."""


def has_places(uri: str) -> bool:
    """Whether a login is to be filled in."""
    return bool(_PLACES.search(uri))


def is_place(value: str) -> bool:
    """Whether `value` is made of places, and of signs between them, alone."""
    return has_places(value) and not re.search(r"\w", _PLACES.sub("", value))


def without_places(uri: str) -> str:
    """`uri` without its places, nor the signs that make these a value or a user information."""
    return re.sub(rf"=?(?:{_PLACES.pattern}:?)+@?", "", uri)


def in_uri(value: str) -> str:
    """`value` as it stands in the path, query or user information of a URI."""
    return quote(value, safe=_PLAIN)


def filled(text: str, username: str, password: str, *, is_uri: bool) -> str:
    """`text` with user name and password in their places, as they stand in a URI or as they are."""
    values = {USERNAME_PLACE: username, PASSWORD_PLACE: password}
    if is_uri:
        values = {place: in_uri(value) for place, value in values.items()}
    return _PLACES.sub(lambda place: values[place.group()], text)
