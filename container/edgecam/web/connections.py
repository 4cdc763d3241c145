"""The page's connections: bounded in number, in bytes and in time, so that nobody can keep others out.

One thread moves bytes and never waits for anybody; a few others make the answers, since those ask the disk.
Every phase of a connection has a deadline for the whole of it, however steadily bytes trickle. A newcomer is
never refused: it takes the place of the connection that has been longest in its phase. Half of the places are
for requests that have come, so that a client that only opens connections, as fast as it can, closes its own,
and a probe, which takes a millisecond, gets through.
"""

from __future__ import annotations

import logging
import re
import selectors
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from enum import Enum

from edgecam.clock import Clock
from edgecam.web.replies import Makers, Reply

MOST_CONNECTIONS = 128
"""A browser opens six. All together they cost 2 MB of heads, and an eighth of the 1,024 descriptors that
systems give a process."""
MOST_HEAD_BYTES = 16 * 1024
"""Twice what browsers and proxies send at most."""
MOST_WAITING_BYTES = 64_000_000
"""Of all answers that readers have not taken yet: some pictures of each of a few cameras."""
_HEAD_S = 10.0
"""For a request to come, and for the next on a connection that is kept: browsers and probes ask at once."""
_ANSWER_S = 30.0
"""For an answer to be made, and again for it to be taken: a picture of 3 MB takes 24 s through a tunnel of
1 Mbit/s."""
_LINGER_S = 1.0
"""For a client to read the last answer: closed at once, what it is still sending would destroy the answer."""
_SWEEP_EVERY_S = 0.25
"""Poll period of the deadlines, while there are connections."""
_ACCEPTED_AT_ONCE = 16
"""Far fewer than there are places: a new client's request is read before others can take its place."""
_QUEUED_CONNECTIONS = 128
_READ_BYTES = 4096
_SENT_BYTES = 256 * 1024

_HEAD_END = re.compile(rb"\r?\n\r?\n")

_log = logging.getLogger(__name__)


class _Phase(Enum):
    """What a connection is at, with its deadline in seconds."""

    HEAD = ("reading the head of a request", _HEAD_S)
    MAKING = ("the answer is being made", _ANSWER_S)
    ANSWER = ("writing the answer", _ANSWER_S)
    LINGER = ("the answer is out; waiting for the other end to close", _LINGER_S)

    @property
    def limit_s(self) -> float:
        """How long the whole phase may take."""
        return self.value[1]


@dataclass(eq=False)
class _Connection:
    """One reader.

    Attributes:
        socket: Never blocks.
        since_s: When `phase` began.
        heard: What has come and belongs to no request yet; at most `MOST_HEAD_BYTES`.
        left: What of the answer is not sent.
        keeps: Whether another request may follow.
    """

    socket: socket.socket
    since_s: float
    phase: _Phase = _Phase.HEAD
    heard: bytes = b""
    left: list[memoryview] = field(default_factory=list)
    keeps: bool = True


class Connections:
    """Serves one listening socket on a thread of its own.

    Args:
        address: Host and port; port 0 lets the system choose.
        clock: Time.
        answer: From the head of a request, with the empty line at its end, to the reply; on several threads.
        is_urgent: Whether the request with that head goes before others that wait for an answer.
        too_long: The reply to a head that is longer than `MOST_HEAD_BYTES`.

    Raises:
        OSError: the address cannot be had.
    """

    def __init__(
        self,
        address: tuple[str, int],
        *,
        clock: Clock,
        answer: Callable[[bytes], Reply],
        is_urgent: Callable[[bytes], bool],
        too_long: bytes,
    ) -> None:
        self._clock = clock
        self._too_long = too_long
        self._listening = socket.create_server(address, backlog=_QUEUED_CONNECTIONS)
        self._listening.setblocking(False)
        self._woken, self._wake = socket.socketpair()
        self._woken.setblocking(False)
        self._wake.setblocking(False)
        self._makers = Makers[_Connection](answer, is_urgent, self._made)
        self._replies: list[tuple[_Connection, Reply]] = []
        self._replies_lock = threading.Lock()
        self._connections: dict[_Connection, None] = {}  # by when they entered their phase, the oldest first
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._listening, selectors.EVENT_READ)
        self._selector.register(self._woken, selectors.EVENT_READ)
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="http", daemon=True)

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens."""
        host, port = self._listening.getsockname()
        return host, port

    def start(self) -> None:
        """Answer from now on."""
        self._makers.start()
        self._thread.start()

    def stop(self) -> None:
        """Answer nobody any more. Waits for no reader."""
        self._ending.set()
        self._makers.stop()
        self._rouse()
        if self._thread.is_alive():
            self._thread.join()
        for connection in tuple(self._connections):
            self._close(connection)
        self._selector.close()
        for each in (self._listening, self._woken, self._wake):
            each.close()

    def _run(self) -> None:
        while not self._ending.is_set():
            events = self._selector.select(_SWEEP_EVERY_S if self._connections else None)
            for key, _ in events:
                if isinstance(key.data, _Connection):
                    self._guarded(self._go_on, key.data)
            self._woken_up()
            if any(key.fileobj is self._listening for key, _ in events):
                self._accept()
            self._sweep()

    def _guarded(self, step: Callable[[_Connection], None], connection: _Connection) -> None:
        """`step`; a connection that breaks is closed, and nobody else notices."""
        try:
            step(connection)
        except (BlockingIOError, InterruptedError):
            return  # the next event says when to go on
        except OSError as error:
            _log.debug("a connection to the page broke off: %s", error)
            self._close(connection)

    def _accept(self) -> None:
        for _ in range(_ACCEPTED_AT_ONCE):
            try:
                accepted, _ = self._listening.accept()
            except (BlockingIOError, ConnectionAbortedError):
                return
            except OSError as error:  # no descriptor left, most likely: give one back, and do not spin
                _log.debug("no connection to the page can be taken: %s", error)
                self._close_oldest()
                self._clock.wait(self._ending, _SWEEP_EVERY_S)
                return
            if len(self._connections) >= MOST_CONNECTIONS:
                self._close_oldest()
            accepted.setblocking(False)
            accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # a body follows its head at once
            connection = _Connection(accepted, self._clock.monotonic_s())
            self._connections[connection] = None
            self._selector.register(accepted, selectors.EVENT_READ, connection)
            self._guarded(self._read, connection)  # what it asks for is usually here already

    def _go_on(self, connection: _Connection) -> None:
        if connection.phase is _Phase.ANSWER:
            self._write(connection)
        elif connection.phase is _Phase.LINGER:
            if not connection.socket.recv(_READ_BYTES):
                self._close(connection)
        elif connection.phase is _Phase.HEAD:
            self._read(connection)

    def _read(self, connection: _Connection) -> None:
        received = connection.socket.recv(min(_READ_BYTES, MOST_HEAD_BYTES + 1 - len(connection.heard)))
        if not received:
            self._close(connection)
            return
        connection.heard = (connection.heard + received).lstrip(b"\r\n")
        self._look_for_request(connection)

    def _look_for_request(self, connection: _Connection) -> None:
        end = _HEAD_END.search(connection.heard)
        if end is not None:
            head, connection.heard = connection.heard[: end.end()], connection.heard[end.end() :]
            self._enter(connection, _Phase.MAKING)
            self._makers.ask(connection, head)
        elif len(connection.heard) > MOST_HEAD_BYTES:
            self._reply(connection, Reply((self._too_long,), keeps=False))

    def _made(self, connection: _Connection, reply: Reply) -> None:
        """On another thread: the reply is there."""
        with self._replies_lock:
            self._replies.append((connection, reply))
        self._rouse()

    def _rouse(self) -> None:
        with suppress(OSError):  # full: it is awake already; closed: it has ended
            self._wake.send(b".")

    def _woken_up(self) -> None:
        with suppress(BlockingIOError):
            self._woken.recv(_READ_BYTES)
        with self._replies_lock:
            replies, self._replies = self._replies, []
        for connection, reply in replies:
            if connection in self._connections:
                self._reply(connection, reply)

    def _reply(self, connection: _Connection, reply: Reply) -> None:
        connection.left = [memoryview(part) for part in reply.parts if part]
        connection.keeps = reply.keeps
        self._enter(connection, _Phase.ANSWER)
        self._guarded(self._write, connection)
        while sum(len(part) for each in self._connections for part in each.left) > MOST_WAITING_BYTES:
            self._close(next(each for each in self._connections if each.left))

    def _write(self, connection: _Connection) -> None:
        while connection.left:
            part = connection.left[0]
            sent = connection.socket.send(part[:_SENT_BYTES])
            connection.left[:1] = [part[sent:]] if sent < len(part) else []
        if connection.keeps:
            self._enter(connection, _Phase.HEAD)
            connection.heard = connection.heard.lstrip(b"\r\n")
            self._look_for_request(connection)
        else:
            connection.socket.shutdown(socket.SHUT_WR)
            self._enter(connection, _Phase.LINGER)

    def _enter(self, connection: _Connection, phase: _Phase) -> None:
        connection.phase, connection.since_s = phase, self._clock.monotonic_s()
        del self._connections[connection]
        self._connections[connection] = None
        if phase is _Phase.MAKING:
            self._selector.unregister(connection.socket)
            return
        event = selectors.EVENT_WRITE if phase is _Phase.ANSWER else selectors.EVENT_READ
        try:
            self._selector.modify(connection.socket, event, connection)
        except KeyError:
            self._selector.register(connection.socket, event, connection)

    def _sweep(self) -> None:
        now_s = self._clock.monotonic_s()
        for connection in tuple(self._connections):
            if now_s - connection.since_s >= connection.phase.limit_s:
                _log.debug("a connection to the page was too slow: %s", connection.phase.value[0])
                self._close(connection)

    def _close_oldest(self) -> None:
        """Of those without a request, or of those with one, whichever are more."""
        idle = [each for each in self._connections if each.phase in (_Phase.HEAD, _Phase.LINGER)]
        asking = [each for each in self._connections if each.phase in (_Phase.MAKING, _Phase.ANSWER)]
        for oldest in max(idle, asking, key=len)[:1]:
            self._close(oldest)

    def _close(self, connection: _Connection) -> None:
        self._connections.pop(connection, None)
        self._makers.forget(connection)
        with suppress(KeyError, ValueError):
            self._selector.unregister(connection.socket)
        connection.socket.close()
        connection.left = []
