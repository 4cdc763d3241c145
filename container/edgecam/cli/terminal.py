"""Output to terminals and pipes whose encoding has fewer characters than our texts."""

from __future__ import annotations

import codecs
import io
import sys

_PLAIN = {"→": "->", "…": "...", "·": "-", "–": "-", "≤": "<=", "≥": ">=", "×": "x"}  # noqa: RUF001 - what is replaced
_HANDLER = "edgecam.plain"


def adapt_output() -> None:
    """Let no character of a text end the program: what the encoding lacks is written in plain ones.

    A name of a camera that cannot be written at all appears as its escapes, `\\xfc` for ü.
    """
    codecs.register_error(_HANDLER, _plain)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=_HANDLER)


def _plain(error: UnicodeError) -> tuple[str | bytes, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    found = error.object[error.start]
    # What replaces it is ASCII, which every encoding of a terminal has.
    return _PLAIN.get(found, found.encode("ascii", "backslashreplace").decode("ascii")), error.start + 1
