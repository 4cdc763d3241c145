"""The node as a process: cameras, logins and page together, from start to SIGTERM."""

from __future__ import annotations

import logging
import os
import signal
import threading

from edgecam import __version__
from edgecam.config import NodeConfig
from edgecam.credentials import Logins
from edgecam.http import PageServer
from edgecam.log import setup
from edgecam.node import Node

_SIGNALS = (signal.SIGTERM, signal.SIGINT)
_STOP_TIMEOUT_S = 4.0
_LAST_MOMENT_S = 4.8  # whoever sent SIGTERM was promised an end within 5 s, whatever hangs

_log = logging.getLogger(__name__)


def run(config: NodeConfig, *, timeout_s: float | None = None) -> int:
    """Look after the cameras of `config` until SIGTERM or SIGINT; the exit code.

    To be called on the main thread.

    Args:
        config: What to do.
        timeout_s: Ends as if SIGTERM had come after so many seconds; None never does.

    Raises:
        InstallationError: the page's port is taken, or GStreamer is missing.
    """
    handler = setup(config.log)
    # Blocked before any thread is made, so that all inherit it and only sigwait receives them: no handler
    # ever runs in the middle of something else.
    signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    logins = Logins(config.cameras)
    node = Node(config, logins=logins)
    page = PageServer(node, config.http.port) if config.http.enabled else None
    _log.info("edgecam %s, %d cameras, pictures in %s", __version__, len(config.cameras), config.data_dir)
    node.start()
    logins.start(node.reconnect)
    if page is not None:
        page.start()

    _log.info("%s: ending", _awaited_end(timeout_s))
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})  # a second Ctrl-C does not wait
    last_moment = threading.Timer(_LAST_MOMENT_S, _give_up)
    last_moment.daemon = True
    last_moment.start()
    logins.stop()
    node.stop(timeout_s=_STOP_TIMEOUT_S)
    if page is not None:
        page.stop()
    _log.info("ended")
    handler.close()
    last_moment.cancel()
    return 0


def _awaited_end(timeout_s: float | None) -> str:
    """Sleeps until the node is to end; why it is, for the log."""
    if timeout_s is None:
        return signal.Signals(signal.sigwait(_SIGNALS)).name
    received = signal.sigtimedwait(_SIGNALS, timeout_s)
    return f"{timeout_s:g} s are over" if received is None else signal.Signals(received.si_signo).name


def _give_up() -> None:
    _log.error("expected to end within %.1f s, found something hanging: leaving it", _LAST_MOMENT_S)
    os._exit(1)
