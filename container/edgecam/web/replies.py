"""Replies of the page, and the threads that make them: who moves the bytes may not wait for a disk."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

_MAKERS = 4
"""Threads that make answers: a slow disk below one answer holds up three more before it holds up all."""

_log = logging.getLogger(__name__)

AskerT = TypeVar("AskerT")


@dataclass(frozen=True)
class Reply:
    """What goes back for one request.

    Attributes:
        parts: Head and body as bytes.
        keeps: Whether another request may follow on the same connection.
    """

    parts: tuple[bytes, ...]
    keeps: bool


class Makers(Generic[AskerT]):
    """Threads that make answers. What waits for them is bounded by who may ask: who leaves is forgotten.

    Args:
        make: From a request's head to its reply.
        is_urgent: Whether a request's head goes before others that wait.
        done: Called with each and who asked for it, on one of the threads.
    """

    def __init__(
        self,
        make: Callable[[bytes], Reply],
        is_urgent: Callable[[bytes], bool],
        done: Callable[[AskerT, Reply], None],
    ) -> None:
        self._make = make
        self._is_urgent = is_urgent
        self._done = done
        self._asked: dict[AskerT, bytes] = {}
        self._changed = threading.Condition()
        self._ended = False

    def start(self) -> None:
        """Begin, on threads that nobody has to wait for."""
        for number in range(_MAKERS):
            threading.Thread(target=self._run, name=f"http-answers-{number}", daemon=True).start()

    def ask(self, asker: AskerT, head: bytes) -> None:
        """Make the reply to `head` for `asker`, which has no other under way; `done` gets it."""
        with self._changed:
            self._asked[asker] = head
            self._changed.notify()

    def forget(self, asker: AskerT) -> None:
        """Nobody waits for that any more. What is being made is finished, and `done` called all the same."""
        with self._changed:
            self._asked.pop(asker, None)

    def stop(self) -> None:
        """Make no more."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._asked or self._ended)
                if self._ended:
                    return
                urgent = (asker for asker, head in self._asked.items() if self._is_urgent(head))
                asker = next(urgent, None) or next(iter(self._asked))
                head = self._asked.pop(asker)
            try:
                reply = self._make(head)
            except Exception:
                _log.exception("no answer from the page")
                reply = Reply((), keeps=False)
            self._done(asker, reply)
