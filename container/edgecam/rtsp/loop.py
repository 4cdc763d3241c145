"""The one thread that receives all cameras of the process.

Looking at all of them some times a second costs less than being woken by each packet (bench/README.md): a
look finds several pictures of a camera, and the thread sleeps between. What is not yet playing is woken by
its data.
"""

from __future__ import annotations

import logging
import os
import select
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress

from edgecam.clock import Clock, SystemClock
from edgecam.errors import SourceError
from edgecam.redaction import redact
from edgecam.rtsp.faults import RtspFault
from edgecam.rtsp.link import RECEIVE_BYTES, Link

log = logging.getLogger(__name__)

REMOVE_TIMEOUT_S = 3.0
_SLACK_S = 0.002
"""What is due so soon is done now: one wake-up less."""
_LONGEST_S = 60.0
_IDLE_S = 1.0
"""Attempts of a camera that fails follow each other more quickly."""


class Loop:
    """Safe to use from any thread, except that `remove` must not be called on the loop's own.

    Args:
        clock: Time.
    """

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._commands: deque[Callable[[], None]] = deque()
        self._links: dict[int, Link] = {}
        self._masks: dict[int, int] = {}
        self._buffer = memoryview(bytearray(RECEIVE_BYTES))
        self._epoll: select.epoll | None = None
        self._wake_fd = -1

    def add(self, link: Link) -> None:
        """Connect, and call its participant from now on."""
        self._command(lambda: self._call(link, link.begin, self._clock.monotonic_s()))

    def remove(self, link: Link, farewell: Callable[[], None] | None = None) -> None:
        """End a connection; its participant is not called any more once this has returned, but for what has
        ended it.

        Args:
            link: It may be over already.
            farewell: Called on the loop's thread before, to say what is to be sent still.
        """
        if link.is_closed:
            return
        done = threading.Event()

        def leave() -> None:
            try:
                if not link.is_closed:
                    if farewell is not None:
                        with suppress(Exception):
                            farewell()
                    self._forget(link)
                    link.finish()
            finally:
                done.set()

        self._command(leave)
        if not done.wait(REMOVE_TIMEOUT_S):
            log.warning("%s: expected the connection to close, found the receiver busy", link.target.name)

    def _command(self, command: Callable[[], None]) -> None:
        with self._lock:
            self._commands.append(command)
            if self._thread is None:
                self._epoll, self._wake_fd = select.epoll(), os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
                self._epoll.register(self._wake_fd, select.EPOLLIN)
                self._thread = threading.Thread(target=self._run, name="receiver", daemon=True)
                self._thread.start()
            os.eventfd_write(self._wake_fd, 1)

    def _run(self) -> None:
        assert self._epoll is not None  # noqa: S101 - made before the thread
        due_s = 0.0
        while True:
            now_s = self._clock.monotonic_s()
            timeout_s = max(0.0, due_s - now_s) if self._links else _IDLE_S
            happened = self._epoll.poll(timeout_s)
            if not happened and not self._links and self._has_ended():
                return
            for descriptor, _ in happened:
                if (link := self._links.get(descriptor)) is not None:
                    self._call(link, link.happened, self._clock.monotonic_s())
            # Last: what is closed here may have happened as well, and another connection gets its descriptor.
            if any(descriptor == self._wake_fd for descriptor, _ in happened):
                self._obey()
            due_s = self._sweep(self._clock.monotonic_s() + _SLACK_S)

    def _has_ended(self) -> bool:
        """Where there is nothing to do, the thread ends; the next connection begins another."""
        with self._lock:
            if self._commands or self._epoll is None:
                return False
            self._epoll.close()
            os.close(self._wake_fd)
            self._thread = self._epoll = None
            return True

    def _sweep(self, now_s: float) -> float:
        """Run what is due by `now_s`; returns when to sweep again."""
        earliest_s = now_s + _LONGEST_S
        for link in list(self._links.values()):
            if link.due_s <= now_s:
                self._call(link, link.run, now_s)
            if not link.is_closed and link.due_s < earliest_s:
                earliest_s = link.due_s
        return earliest_s

    def _obey(self) -> None:
        with suppress(BlockingIOError):
            os.eventfd_read(self._wake_fd)
        while self._commands:
            try:
                self._commands.popleft()()
            except Exception:
                log.exception("unexpected fault of the receiver")

    def _call(self, link: Link, call: Callable[[memoryview, float], None], now_s: float) -> None:
        """Let one connection do something: whatever is raised ends that one alone, never this thread."""
        try:
            call(self._buffer, now_s)
            self._wait_for(link)
        except Exception as error:
            self._end(link, error)

    def _end(self, link: Link, error: Exception) -> None:
        if not isinstance(error, SourceError | RtspFault):
            log.error("%s: unexpected fault", link.target.name, exc_info=error)
            error = SourceError(f"{link.target.name}: unexpected fault: {redact(str(error))}")
        self._forget(link)
        link.finish()
        try:
            link.participant.ended(error)
        except Exception:
            log.exception("%s: unexpected fault", link.target.name)

    def _wait_for(self, link: Link) -> None:
        """Let epoll wait for what `link` waits for: its descriptor, too, may be another than before."""
        assert self._epoll is not None  # noqa: S101 - the thread runs
        descriptor, events = link.fileno(), link.events
        if self._links.get(descriptor) is link and link.registered == descriptor:
            if self._masks[descriptor] != events:
                self._epoll.modify(descriptor, events)
                self._masks[descriptor] = events
            return
        self._forget(link)
        self._epoll.register(descriptor, events)
        self._links[descriptor], self._masks[descriptor] = link, events
        link.registered = descriptor

    def _forget(self, link: Link) -> None:
        assert self._epoll is not None  # noqa: S101 - the thread runs
        for descriptor in [number for number, each in self._links.items() if each is link]:
            with suppress(OSError, ValueError):
                self._epoll.unregister(descriptor)
            del self._links[descriptor], self._masks[descriptor]


LOOP = Loop()
"""The process's own."""
