"""Output to terminals and pipes whose encoding has fewer characters than our texts."""

from __future__ import annotations

import codecs
import io
import json
import sys

_PLAIN = {"→": "->", "…": "...", "·": "-", "–": "-", "≤": "<=", "≥": ">=", "×": "x"}  # noqa: RUF001 - what is replaced
_HANDLER = "edgecam.plain"


def adapt_output() -> None:
    """Let no character of a text end the program: what the encoding lacks is written in plain ones.

    A name of a camera that cannot be written at all appears as its escapes, `\\u00fc` for ü: those of JSON
    (RFC 8259, 7), so that a line of the log as JSON stays JSON.
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
    return _PLAIN.get(found, json.dumps(found)[1:-1]), error.start + 1
