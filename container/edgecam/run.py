"""The node as a process: cameras, logins and page together, from start to SIGTERM."""

from __future__ import annotations

import logging
import os
import signal
import threading
from typing import TYPE_CHECKING

from edgecam import __version__
from edgecam.config import NodeConfig
from edgecam.credentials import Logins
from edgecam.errors import InstallationError
from edgecam.http import PageServer
from edgecam.log import setup
from edgecam.node import Node

if TYPE_CHECKING:
    from edgecam.store.uploading import Uploading

_SIGNALS = (signal.SIGTERM, signal.SIGINT)
_STOP_TIMEOUT_S = 4.0
_LAST_MOMENT_S = 4.8  # whoever sent SIGTERM was promised an end within 5 s, whatever hangs
_LAST_UPLOADS_S = 2.0
"""What a recording node may take beyond that, to send what is just finished; the rest waits in the spool."""

_log = logging.getLogger(__name__)


def run(config: NodeConfig, *, timeout_s: float | None = None) -> int:
    """Look after the cameras of `config` until SIGTERM or SIGINT; the exit code.

    To be called on the main thread.

    Args:
        config: What to do.
        timeout_s: Ends as if SIGTERM had come after so many seconds; None never does.

    Raises:
        InstallationError: the page's port is taken, GStreamer is missing, or this edgecam cannot record.
        SpoolError: the spool cannot be used.
    """
    handler = setup(config.log)
    # Blocked before any thread is made, so that all inherit it and only sigwait receives them: no handler
    # ever runs in the middle of something else.
    signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    logins = Logins(config.cameras)
    storage = _storage(config)
    node = Node(config, logins=logins, chunks=storage.chunks if storage else None)
    page = PageServer(node, config.http.port, storage=storage) if config.http.enabled else None
    _log.info("edgecam %s, %d cameras, pictures in %s", __version__, len(config.cameras), config.data_dir)
    if storage is not None:
        storage.open()
    node.start()
    if storage is not None:
        storage.start(node)
    logins.start(node.reconnect)
    if page is not None:
        page.start()

    _log.info("%s: ending", _awaited_end(timeout_s))
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})  # a second Ctrl-C does not wait
    last_moment_s = _LAST_MOMENT_S + (_LAST_UPLOADS_S if storage else 0)
    last_moment = threading.Timer(last_moment_s, _give_up, (last_moment_s,))
    last_moment.daemon = True
    last_moment.start()
    logins.stop()
    node.stop(timeout_s=_STOP_TIMEOUT_S)
    if storage is not None:
        storage.stop(timeout_s=_LAST_UPLOADS_S)
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


def _storage(config: NodeConfig) -> Uploading | None:
    """Spool and upload, where a bucket is named.

    Raises:
        InstallationError: this edgecam is without them.
    """
    if config.bucket is None:
        return None
    try:
        from edgecam.store.uploading import Uploading
    except ImportError as error:
        raise InstallationError(
            f"bucket: expected the variant gcs-uploader, found one without recording ({error}). "
            "Set the site's variant to gcs-uploader, or take out bucket and recording; "
            "outside of a container: pip install edgecam[gcs]"
        ) from error
    return Uploading(config)


def _give_up(after_s: float) -> None:
    _log.error("expected to end within %.1f s, found something hanging: leaving it", after_s)
    os._exit(1)
