"""Reads a pipe on a thread of its own, so that it can stop at any byte, and never hangs with a pipeline."""

from __future__ import annotations

import os
import select
import threading
from collections.abc import Callable

_READ_BYTES = 65_536  # as much as a pipe holds (pipe(7))
_STOP_TIMEOUT_S = 2.0


class PipeReader:
    """Reads until the end, until it is stopped, or until what is read is not wanted any more.

    Args:
        descriptor: Of the pipe, not blocking; stays the caller's.
        before: What was read of it before, and is handed on first.
        on_data: Called with what was read, on the reader's thread; whether to go on.
        on_end: Called on the reader's thread when all programs have closed the pipe.

    Attributes:
        received_bytes: So far.
    """

    def __init__(
        self,
        descriptor: int,
        *,
        before: bytes,
        on_data: Callable[[bytes], bool],
        on_end: Callable[[], None],
    ) -> None:
        self._descriptor = descriptor
        self._before = before
        self._on_data = on_data
        self._on_end = on_end
        self._stop = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._thread = threading.Thread(target=self._run, name="pipe", daemon=True)
        self.received_bytes = 0

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> bool:
        """End; whether the thread has ended, and nobody reads from the descriptor any more."""
        os.eventfd_write(self._stop, 1)
        if self._thread.ident is not None:
            self._thread.join(_STOP_TIMEOUT_S)
        if self._thread.is_alive():
            return False
        os.close(self._stop)
        return True

    def _run(self) -> None:
        waiting = select.poll()
        waiting.register(self._descriptor, select.POLLIN)
        waiting.register(self._stop, select.POLLIN)
        data = self._before
        while not data or self._takes(data):
            if any(ready == self._stop for ready, _ in waiting.poll()):
                return
            try:
                data = os.read(self._descriptor, _READ_BYTES)
            except BlockingIOError:
                continue
            if not data:
                self._on_end()
                return

    def _takes(self, data: bytes) -> bool:
        self.received_bytes += len(data)
        return self._on_data(data)
