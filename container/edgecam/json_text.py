"""JSON that somebody else wrote, as plain values: secrets, answers of a store, files on a disk."""

from __future__ import annotations

import json
import math
from typing import Any

MOST_BYTES = 1_000_000
"""Fifteen times a secret (64 kB), and as much as is read of a store's answer."""
MOST_DEEP = 50
"""Lists and mappings within each other. Nothing that is read here has five; a thousand exhaust the stack."""


class JsonError(ValueError):
    """A text is no JSON that is read here; the message has the reason, and nothing of the text."""


def parse_json(text: str | bytes, *, most_bytes: int = MOST_BYTES) -> Any:
    """The value in `text`.

    Raises:
        JsonError: it is no JSON (RFC 8259), longer than `most_bytes`, deeper than `MOST_DEEP`, holds a number
            that no program can read (NaN, 1e999, thousands of digits), or a key twice, where RFC 8259, 4
            leaves open which of them counts.
    """
    if len(text) > most_bytes:
        raise JsonError(f"expected at most {most_bytes} bytes of JSON, found {len(text)}")
    try:
        value = json.loads(text, object_pairs_hook=_keys_once, parse_float=_float, parse_constant=_no_number)
    except JsonError:
        raise
    except json.JSONDecodeError as error:
        raise JsonError(f"expected JSON, found something else at character {error.pos}") from None
    except UnicodeDecodeError as error:
        raise JsonError(f"expected JSON, found text that is not UTF-8 at byte {error.start}") from None
    except ValueError:
        raise JsonError("expected JSON, found a number of thousands of digits") from None
    except RecursionError:
        raise _too_deep() from None
    if _depth_exceeds(value, MOST_DEEP):
        raise _too_deep()
    return value


def _depth_exceeds(value: object, most: int) -> bool:
    level = [value]
    for _ in range(most + 1):
        level = [inner for each in level for inner in _within(each)]
    return bool(level)


def _within(value: object) -> list[object]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []


def _too_deep() -> JsonError:
    return JsonError(f"expected JSON, found lists or mappings more than {MOST_DEEP} deep")


def _keys_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise JsonError("expected JSON with each key once, found one twice")
    return found


def _float(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise JsonError("expected JSON, found a number beyond all measure")
    return value


def _no_number(text: str) -> float:
    raise JsonError(f"expected JSON, found {text}, which is no number")
