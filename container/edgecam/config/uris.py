"""What a camera's `uri` has to be, whatever its scheme: the same at synth, at start and for `probe`."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from urllib.parse import unquote

from edgecam.config.hosts import authority_of
from edgecam.config.queries import expect_query
from edgecam.config.schemes import IMAGES, PIPELINE, Form, Scheme, find_scheme, scheme_of
from edgecam.config.values import expect_absolute, expect_visible

_NUMBER = re.compile(r"%0?(\d{0,2})d")


def expect_uri(uri: str) -> None:
    """Expect `uri` to name a source.

    Raises:
        ValueError: names what was expected.
    """
    if "\\" in uri and find_scheme(uri) is not PIPELINE:
        raise ValueError("expected slashes in place of backslashes (a backslash of a name is %5C)")
    scheme = scheme_of(uri)
    if scheme.form is Form.DESCRIPTION:
        expect_visible(uri.strip())
        return
    expect_visible(uri)
    if scheme.form is Form.HOST_PATH:
        authority_of(uri)
        return
    _expect_plain_path(scheme, uri)
    if scheme.query:
        expect_query(uri, scheme.query)
    if scheme.form is Form.ABSOLUTE_PATH:
        # As it is opened and mounted: a % may hide a line end, or a folder above.
        path = scheme.path_in(uri)
        expect_absolute(str(numbered_path(path)[0]) if scheme is IMAGES else path)


def numbered_path(text: str) -> tuple[PurePosixPath, re.Match[str]]:
    """The path of numbered pictures (`/folder/seq_%06d.jpg`), and the number's place in the file's name.

    Raises:
        ValueError: it has no number, or names neither JPEG nor PNG.
    """
    path = PurePosixPath(text if _NUMBER.search(text) else unquote(text))
    number = _NUMBER.search(path.name)
    if number is None or path.suffix.lower() not in (".jpg", ".jpeg", ".png"):
        raise ValueError("expected a path such as /folder/seq_%06d.jpg or .png")
    return path, number


def _expect_plain_path(scheme: Scheme, uri: str) -> None:
    """What is read as the beginning of a query or a fragment would be missing in the path."""
    if "#" in uri:
        raise ValueError("expected no # (one in a file's name is %23)")
    if "?" in uri and not scheme.query:
        raise ValueError(f"expected no ?, since {scheme.prefix} has no settings (one in a name is %3F)")
