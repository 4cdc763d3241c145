"""The node as a process: cameras, logins, uploads, brokers and page together, from start to SIGTERM."""

from __future__ import annotations

import functools
import logging
import os
import signal
import threading
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from edgecam import __version__, heap
from edgecam.brokers.state_document import NodeStates
from edgecam.clock import Clock, SystemClock
from edgecam.config.node import NodeConfig
from edgecam.credentials.logins import Logins
from edgecam.errors import InstallationError, NucleusError
from edgecam.greengrass_ipc import THING_VARIABLE, TOKEN_REFUSED, report_errored
from edgecam.log import setup
from edgecam.node.control import Control
from edgecam.node.node import Node
from edgecam.node.nucleus_identity import IdentityWatch, Needs, Signs
from edgecam.node.transports import AWS_IOT, Transports
from edgecam.redaction import redact
from edgecam.status.last_run import SPOOL_MARKER, RunMarker, marker_in
from edgecam.web.location import Location
from edgecam.web.server import ADDRESS, PageServer

if TYPE_CHECKING:
    from edgecam.upload.service import UploadService

_SIGNALS = (signal.SIGTERM, signal.SIGINT)
_STOP_TIMEOUT_S = 4.0
_LAST_MOMENT_S = 4.8  # a stopped node has to be gone within 5 s, whatever hangs
_LAST_STATES_S = 1.5
"""What a node may take beyond that to publish that its cameras are disconnected: a second, since no
device may publish two states in one, and a way to the broker and back."""
_LAST_UPLOADS_S = 2.0
"""What a recording node may take beyond that, to send what is just finished; the rest waits in the spool."""

_LOGIN_REASONS = frozenset({"credentials", "unauthorized", "key"})
"""Of a camera or its device: a secret may be what cannot be had."""

_log = logging.getLogger(__name__)


def run(config: NodeConfig, *, timeout_s: float | None = None, page_address: str = ADDRESS) -> int:
    """Look after the cameras of `config` until SIGTERM or SIGINT; the exit code.

    To be called on the main thread.

    Args:
        config: What to do.
        timeout_s: Ends as if SIGTERM had come after this many seconds; None never does.
        page_address: Where the page listens.

    Raises:
        InstallationError: the page's port is taken, GStreamer is missing, or this edgecam cannot record.
        SpoolError: the spool cannot be used.
        NucleusError: only another start gets a token or credentials that the nucleus accepts; all has ended
            as on SIGTERM.
    """
    heap.configure()
    handler = setup(config.log)
    # Blocked before any thread is made, so that all inherit it and only sigwait receives them: no handler
    # ever runs in the middle of something else.
    signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    try:
        running = _Running(config, page_address)
        running.start()
        _log.info("%s: ending", _awaited_end(timeout_s))
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})  # a second Ctrl-C does not wait
        running.stop()
        if running.fault is not None:
            raise running.fault
    except Exception:
        report_errored(os.environ)
        raise
    _log.info("ended")
    handler.close()
    return 0


class _Running:
    """What runs, in the order in which it is made, started and stopped.

    Raises:
        InstallationError: as `run` says.
    """

    def __init__(self, config: NodeConfig, page_address: str) -> None:
        self._config = config
        self._clock: Clock = SystemClock()
        self._logins = Logins(config.cameras)
        self._storage = _storage(config)
        self._node = Node(config, logins=self._logins, chunks=self._storage.chunks if self._storage else None)
        control = Control(self._node, config, self._storage)
        self._marker = RunMarker(_marker_path(config))
        self._states = NodeStates(
            self._node.reports,
            clock=self._clock,
            storage=self._storage,
            settings=control,
            fleet=config.aws_iot.fleet,
        )
        self._transports = Transports(
            config, states=self._states, control=control, environment=os.environ, clock=self._clock
        )
        self.fault: NucleusError | None = None
        self._identity = IdentityWatch(
            Needs.of(config, os.environ),
            Signs(self._is_failing, self._is_token_refused),
            marker=self._marker,
            end=self._end,
            clock=self._clock,
        )
        self._page = (
            PageServer(
                self._node,
                config.http.port,
                address=page_address,
                storage=self._storage,
                links=self._transports.reports,
                identity=self._identity.report,
                location=_location(config, os.environ),
            )
            if config.http.enabled
            else None
        )

    def start(self) -> None:
        """Begin with everything; returns at once.

        Raises:
            SpoolError: as `run` says.
        """
        config, storage = self._config, self._storage
        _log.info("edgecam %s, %d cameras, pictures in %s", __version__, len(config.cameras), config.data_dir)
        if storage is not None:
            storage.open()
        self._states.begin(self._marker.begin())  # the spool is ours alone from here on
        self._node.start()
        if storage is not None:
            storage.start(self._node)
        self._logins.start(self._node.reconnect)
        self._transports.start()
        self._identity.start()
        if self._page is not None:
            self._page.start()

    def stop(self) -> None:
        """The cameras first; then the final states are published, then what was just recorded is sent."""
        last_moment_s = _LAST_MOMENT_S + (_LAST_UPLOADS_S if self._storage else 0)
        last_moment_s += _LAST_STATES_S if self._transports else 0
        last_moment = threading.Timer(last_moment_s, _give_up, (last_moment_s,))
        last_moment.daemon = True
        last_moment.start()
        self._identity.stop()
        self._logins.stop()
        self._node.stop(timeout_s=_STOP_TIMEOUT_S)
        self._transports.stop(timeout_s=_LAST_STATES_S)
        if self._storage is not None:
            self._storage.stop(timeout_s=_LAST_UPLOADS_S)
        self._marker.end()  # at once: the spool is open to the next node
        if self._page is not None:
            self._page.stop()
        last_moment.cancel()

    def _is_failing(self) -> bool:
        """Whether anything fails that AWS credentials may be for: uploads, logins of cameras, brokers."""
        if self._storage is not None and self._storage.upload_report().reason is not None:
            return True
        if any(report.reason in _LOGIN_REASONS for report in self._node.reports()):
            return True
        links = self._transports.reports().values()
        return any(link.reason in _LOGIN_REASONS for cameras in links for link in cameras.values())

    def _is_token_refused(self) -> bool:
        links = self._transports.reports().get(AWS_IOT, {}).values()
        return any(link.reason == TOKEN_REFUSED for link in links)

    def _end(self, fault: NucleusError) -> None:
        """End as on SIGTERM, and say why. Called from a thread of the node's own."""
        self.fault = fault
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGTERM)


def _awaited_end(timeout_s: float | None) -> str:
    """Sleeps until the node is to end; why it is, for the log."""
    if timeout_s is None:
        return signal.Signals(signal.sigwait(_SIGNALS)).name
    received = signal.sigtimedwait(_SIGNALS, timeout_s)
    return f"{timeout_s:g} s are over" if received is None else signal.Signals(received.si_signo).name


def _marker_path(config: NodeConfig) -> Path:
    """On the spool's disk where there is one; see `status/last_run.py`."""
    if config.bucket is not None:
        return Path(config.spool.path) / SPOOL_MARKER
    return marker_in(config.data_dir, config.cameras[0].id)


def _storage(config: NodeConfig) -> UploadService | None:
    """Spool and upload, where a bucket is named.

    Raises:
        InstallationError: this edgecam is without them.
    """
    if config.bucket is None:
        return None
    try:
        from edgecam.upload.service import UploadService
    except ImportError as error:
        raise InstallationError(
            f"bucket: expected the variant gcs-uploader, found one without recording ({error}). "
            "Set the site's variant to gcs-uploader, or take out bucket and recording; "
            "outside of a container: pip install edgecam[gcs]"
        ) from error
    return UploadService(config)


def _location(config: NodeConfig, environment: Mapping[str, str]) -> Location:
    """What the page says of where this node is."""
    here = Location(core=environment.get(THING_VARIABLE) or None, site=config.site)
    if config.bucket is None:
        return here
    from edgecam.bucket.console import console_url  # of the variant gcs-uploader, as the bucket is

    url = functools.partial(console_url, config.bucket, environment)
    return replace(here, bucket=redact(config.bucket), recordings_url=url)


def _give_up(after_s: float) -> None:
    _log.error("expected to end within %.1f s, found something hanging: leaving it", after_s)
    os._exit(1)
