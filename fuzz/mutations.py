"""Strategies that change something right until it is wrong."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Sequence
from typing import Any

import yaml
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

Edit = tuple[str, int, int, bytes]
"""Operation, place, length, bytes."""

MOST_BYTES = 1_000_000
"""Of what is long: a quadratic search takes minutes for so much, and a linear one no time."""
_FAR = 1 << 24
_NEAR = 2000
"""Headers stand at the beginning: half of all edits are there."""
_LONGEST = 4096
_OPERATIONS = ("flip", "set", "insert", "delete", "cut", "repeat", "zero")
NUMBERS = (
    *("0", "-0", "-1", "1e-300", "1e308", "1e400", "-1e400", "NaN", "Infinity", "0x10", "1_0", "5.0", "true"),
    *("9" * 400, "-" + "9" * 400, "4294967296", "9223372036854775808", "18446744073709551616", "0.1e1", "01"),
)
TOKENS = (
    *(
        b"\r\n",
        b"\n",
        b"\0",
        b"\xff" * 8,
        b"%s%n%d",
        b"-1",
        b"99999999999999999999",
        b"a" * 5000,
        b"=",
        b";",
        b",",
    ),
    *(
        b"\x1b[31m",
        b"\xe2\x80\xae",
        b"\xed\xa0\x80",
        b"://",
        b"@",
        b":",
        b"\\",
        b"[[[[[[[[",
        b"{{{{{{{{",
        b"&a *a ",
    ),
)
ODD: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 1e308, -1e308, float("inf"), float("nan"), 10**400, 2**63, 2**64),
    *("", " ", "\0", "\n", "a" * 5000, "\u202e", "é", "0x10", "1e3", "5.0", "\u0662", "\uff21\uff22"),
    *([], {}, [[]], [None] * 50, {"": 1}, {"a": {"b": {}}}, [["a"] * 20] * 20),
    *("/", "//", "/..", "/a/../b", "/a\rb", "rtsp://", "rtsp://u:p@h/", "rtsp://[::1", "rtsp://h:99999/x"),
    *("rtsp://h:abc/", "pipeline:", "pipeline: !", "file:///%00", "images:///%d.jpg", "test://?fps=1/0"),
    *("pipe:///a:b", "gs://a", "s3://", "file:///", "rtsp://" + ":" * 3000, "rtsp://" + "a:" * 3000 + "@"),
)
"""What stands where something else belongs: none of them a secret of anybody."""


def edits(tokens: Sequence[bytes] = TOKENS, most: int = 12) -> SearchStrategy[list[Edit]]:
    """Changes to bytes, for `edited`."""
    place = st.one_of(st.integers(0, _NEAR), st.integers(0, _FAR))
    data = st.one_of(st.binary(min_size=1, max_size=32), st.sampled_from(tokens))
    return st.lists(
        st.tuples(st.sampled_from(_OPERATIONS), place, st.integers(1, _LONGEST), data), max_size=most
    )


def edited(original: bytes, changes: Sequence[Edit]) -> bytes:
    """`original` after these changes, in their order."""
    data = bytearray(original)
    for operation, place, length, piece in changes:
        if not data and operation != "insert":
            continue
        at = place % (len(data) + (operation == "insert"))
        if operation == "flip":
            data[at] ^= 1 << length % 8
        elif operation == "set":
            data[at : at + len(piece)] = piece
        elif operation == "insert":
            data[at:at] = piece
        elif operation == "delete":
            del data[at : at + length]
        elif operation == "cut":
            del data[at:]
        elif operation == "repeat":
            data[at:at] = data[at : at + length]
        else:
            data[at : at + length] = bytes(len(data[at : at + length]))
    return bytes(data)


def mutated(seeds: Sequence[bytes], tokens: Sequence[bytes] = TOKENS) -> SearchStrategy[bytes]:
    """One of `seeds`, changed."""
    return st.builds(edited, st.sampled_from(list(seeds)), edits(tokens))


def repeated(pieces: Sequence[str], most: int) -> SearchStrategy[bytes]:
    """One piece after another up to `most` times each: deep, or long."""
    part = st.builds(lambda piece, times: piece * times, st.sampled_from(list(pieces)), st.integers(1, most))
    return st.lists(part, min_size=1, max_size=3).map(lambda parts: "".join(parts).encode()[:MOST_BYTES])


def documents(base: Any) -> SearchStrategy[bytes]:
    """`base` as JSON or YAML text, with odd things in places where others belong, and sometimes edited."""
    paths = list(_paths(base))
    change = st.tuples(
        st.sampled_from(paths), st.sampled_from(("set", "delete", "rename")), st.sampled_from(ODD)
    )
    document = st.builds(_changed, st.just(base), st.lists(change, max_size=4))
    text = st.builds(lambda written, form: form(written), document, st.sampled_from((_as_json, _as_yaml)))
    return st.one_of(text, st.builds(edited, text, edits(most=4)))


def _paths(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if at:
        yield at
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in inner:
        yield from _paths(each, (*at, key))


def _changed(base: Any, changes: Sequence[tuple[tuple[Any, ...], str, Any]]) -> Any:
    document = copy.deepcopy(base)
    for path, operation, odd in changes:
        holder = document
        try:
            for key in path[:-1]:
                holder = holder[key]
            if operation == "delete":
                del holder[path[-1]]
            elif operation == "rename" and isinstance(holder, dict):
                holder[str(odd)[:200]] = holder.pop(path[-1])
            else:
                holder[path[-1]] = odd
        except (KeyError, IndexError, TypeError):
            continue  # an earlier change has taken it away
    return document


def _as_json(document: Any) -> bytes:
    return json.dumps(document).encode("utf-8", "surrogatepass")


def _as_yaml(document: Any) -> bytes:
    text: str = yaml.safe_dump(document, allow_unicode=True)
    return text.encode("utf-8", "surrogatepass")
