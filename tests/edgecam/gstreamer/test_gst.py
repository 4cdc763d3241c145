"""The door to GStreamer, opened in a process that nobody else has used."""

from __future__ import annotations

import sys
from threading import Barrier, Thread

from own_process import measured_alone

THREADS = 4
ROUNDS = ("Message", "Event", "Sample", "Segment", "Structure", "Query", "Toc", "TagList")


def test_threads_that_ask_for_a_class_at_once_get_the_same() -> None:
    assert measured_alone(classes_found) == dict.fromkeys(ROUNDS, 1)


def classes_found() -> dict[str, int]:
    """By the name of a class, how many threads got that asked for it at the same moment."""
    # As PyGObject is left: nothing else has made these classes yet.
    from edgecam.gstreamer.gst import Gst

    sys.setswitchinterval(1e-6)
    return {name: len(_asked(Gst, name)) for name in ROUNDS}


def _asked(module: object, name: str) -> set[int]:
    start, found = Barrier(THREADS), []

    def ask() -> None:
        start.wait()
        found.append(getattr(module, name))

    threads = [Thread(target=ask) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return {id(each) for each in found}
