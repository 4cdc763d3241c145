"""Targets that are broken on purpose, each in a way that the fuzzing has to see."""

from __future__ import annotations

import ctypes
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from hypothesis import strategies as st

from fuzz.target import MB, Subject, Target
from fuzz.text_targets import Reader

_GREEDY_BYTES = 3 * MB
_kept: list[object] = []


def _crashes(data: bytes) -> None:
    if b"!" in data:
        ctypes.string_at(0)


def _hangs(data: bytes) -> None:
    if b"!" in data:
        time.sleep(60)


def _raises(data: bytes) -> None:
    assert b"!" not in data


def _grows(_data: bytes) -> None:
    _kept.append(b"x" * _GREEDY_BYTES)
    time.sleep(0.05)


def _leaks(_data: bytes) -> None:
    _kept.append(os.open("/dev/null", os.O_RDONLY))
    time.sleep(0.05)


def _broken(name: str, read: Callable[[bytes], None], known: bytes) -> Target:
    @contextmanager
    def opened(_folder: Path) -> Iterator[Subject]:
        yield Reader(read)

    return Target(
        name,
        lambda: st.binary(max_size=10).map(lambda data: data.replace(b"!", b"?")),
        opened,
        known=lambda: (known,),
        # Short for the one that hangs; the others may wait for a machine that is lent to several.
        watchdog_s=2.0 if name == "hangs" else 30.0,
        growth_bytes=16 * MB,
    )


TARGETS = {
    name: _broken(name, read, known)
    for name, read, known in (
        ("crashes", _crashes, b"a!"),
        ("hangs", _hangs, b"b!"),
        ("raises", _raises, b"c!"),
        ("grows", _grows, b""),
        ("leaks", _leaks, b""),
        ("well", _raises, b""),
    )
}
