"""One camera's life: connect, deliver, fail, wait, connect again. The only room that knows all the others.

`run` retries, `run_once` raises. Everything about one camera happens on its own thread and on the streaming
threads of its own pipelines, so that nothing it does can hold up another.
"""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from edgecam.capture.connection import Connection
from edgecam.capture.opening import tap_for
from edgecam.chunk import ChunkSink
from edgecam.clock import Clock
from edgecam.config.camera import Camera, Frames
from edgecam.credentials.login import LoginProvider
from edgecam.errors import (
    CommandError,
    EdgecamError,
    SourceBeyondReceiver,
    SourceEnded,
    SourceError,
    SourceReplaced,
)
from edgecam.frames.demand import FrameDemand
from edgecam.frames.writer import FrameWriter, NoFrame
from edgecam.node.camera_session import CameraSession
from edgecam.node.reconnects import Reconnects
from edgecam.node.watchdog import AWAITED, FirstPicture, Verdict, Watchdog
from edgecam.receiver.choice import ReceiverChoice
from edgecam.redaction import LONGEST_MESSAGE, SECRETS, redact
from edgecam.sources.interface import CameraSource
from edgecam.status.reception import Losses
from edgecam.status.reports import WAITING_REASON, CameraReport, CameraState, DecodeMode

if TYPE_CHECKING:
    from edgecam.recording.recorder import Recorder

log = logging.getLogger(__name__)

_DISK_REASON = "disk"
_STALL_POLL_S = 0.4
"""The poll period while a stall is waited out."""
_RECORDER_STOP_S = 1.0  # its chunk was finished when the connection ended
_TIMER_SLACK_S = 0.02  # so that a deadline has surely passed when it is checked


@dataclass(frozen=True)
class _CameraStatus:
    """The state as it is reported; replaced whole, so that readers need no lock."""

    state: CameraState
    since: datetime
    reason: str | None = None
    message: str | None = None


class CameraWorker:
    """Looks after one camera until it is stopped.

    Args:
        camera: What to look after.
        data_dir: Where pictures are that have no path of their own.
        logins: Knows its user name and password.
        clock: Time.
        chunks: Takes its recording, where it is recorded.
    """

    def __init__(
        self,
        camera: Camera,
        *,
        data_dir: str,
        logins: LoginProvider,
        clock: Clock,
        chunks: ChunkSink | None = None,
    ) -> None:
        self.camera = camera
        self._recorder: Recorder | None = None
        if camera.recording.enabled and chunks is not None:
            # The frame grabber's image does not have this room.
            from edgecam.recording.recorder import Recorder

            self._recorder = Recorder(camera, sink=chunks, clock=clock)
        self.path = camera.frame_path(data_dir)
        self._address = redact(camera.uri)
        self._logins = logins
        self._clock = clock
        self._stopping = threading.Event()
        self._woken = threading.Event()
        self._reconnects = Reconnects(is_fed_from_outside=camera.scheme.is_fed_from_outside)
        self._received_bytes = self._damaged = 0
        self._receiver = ReceiverChoice(camera)
        self._losses = Losses()
        self._demand = FrameDemand(camera.frames, clock)
        self._session: CameraSession | None = None
        self._successor: CameraSource | None = None
        self._status = _CameraStatus(CameraState.CONNECTING, clock.now())
        kind = FrameWriter if camera.frames.enabled else NoFrame
        self._writer = kind(
            camera_id=camera.id,
            path=self.path,
            stale_after_s=camera.frames.age_limit_s,
            frames=camera.frames,
        )
        self._thread = threading.Thread(target=self.run, name=f"camera-{camera.id}", daemon=True)

    def start(self) -> None:
        """Begin, on a thread of its own."""
        self._thread.start()

    def stop(self) -> None:
        """From any thread: end soon. `join` waits for it."""
        self._stopping.set()
        self._wake()

    def join(self, timeout_s: float) -> bool:
        """Whether the camera's thread has ended within `timeout_s` seconds."""
        self._thread.join(max(0.0, timeout_s))
        return not self._thread.is_alive()

    def reconnect(self) -> None:
        """From any thread: end the present connection, or the waiting, and connect again (the login has
        changed, or a command asks for it)."""
        self._wake()

    def change(self, *, frames: Frames, chunk_s: float) -> None:
        """From any thread, and on the same connection: pictures as often as `frames` says, chunks of
        `chunk_s` seconds from now on. Nothing else of `frames` may differ from the camera's."""
        self._demand.frames = frames
        self._writer.stale_after_s = frames.age_limit_s
        if self._recorder is not None:
            self._recorder.change(chunk_s)

    def snapshot(self, then: Callable[[], None]) -> None:
        """From any thread: a picture at once, however rarely they are wanted.

        Args:
            then: Called, on a thread that may not be held up, when it is in its file.

        Raises:
            CommandError: there can be none now, and why.
        """
        if not self.camera.frames.enabled:
            raise CommandError(
                f"{self.camera.id}: expected a camera with pictures, found frames.enabled: false"
            )
        state = self._status.state
        if state is not CameraState.CONNECTED:
            raise CommandError(
                f"{self.camera.id}: expected the camera to be connected, found it {state.value}"
            )
        self._demand.request_snapshot(then)

    def report(self) -> CameraReport:
        """How the camera is doing now; from any thread."""
        status, session, newest_s = self._status, self._session, self._writer.newest_s
        age_s = None if newest_s is None else max(0.0, self._clock.monotonic_s() - newest_s)
        losses = self._losses if session is None else self._losses.plus(session.source.losses)
        current_bytes = session.connection.received_bytes if session else 0
        return CameraReport(
            camera_id=self.camera.id,
            address=self._address,
            state=status.state,
            since=status.since,
            reason=status.reason or (_DISK_REASON if self._writer.problem else None),
            message=status.message or self._writer.problem,
            frame=self._writer.newest,
            frame_age_s=age_s,
            stale_after_s=self._demand.frames.age_limit_s,
            decode_mode=session.decode_mode if session else DecodeMode.NONE,
            frames_total=self._writer.written,
            reconnects_total=self._reconnects.total,
            received_bytes_total=self._received_bytes + current_bytes,
            recording=self._recorder.report() if self._recorder else None,
            makes_frames=self.camera.frames.enabled,
            damaged_total=self._damaged + (session.damaged_total if session else 0),
            receiver=self._receiver.name,
            receiver_reason=self._receiver.reason,
            losses=losses,
        )

    def run(self) -> None:
        """Retry until stopped. Nothing that one attempt raises ends it."""
        self._writer.open(self._clock.now())
        if self._recorder is not None:
            self._recorder.start()
        while not self._stopping.is_set():
            try:
                self.run_once()
            except EdgecamError as error:
                self._wait_after(error)
            except Exception as error:
                log.exception("unexpected fault", extra={"camera": self.camera.id})
                self._wait_after(error)
        if self._successor is not None:
            self._successor.close()
        if self._recorder is not None:
            self._recorder.stop(_RECORDER_STOP_S)
        self._enter(CameraState.DISCONNECTED)

    def run_once(self) -> None:
        """One connection, until the camera is to be stopped or connected again.

        Raises:
            SourceError: it failed, or there is nothing coming.
            CredentialsError: the login could not be had.
        """
        self._woken.clear()
        refresh = self._reconnects.begin()
        source, self._successor = self._successor, None
        if source is None:
            source = self._receiver.source(self._logins.login(self.camera, refresh=refresh))
        recorder = self._recorder
        tap = None if recorder is None else tap_for(source, on_end=recorder.wake, clock=self._clock)
        session = CameraSession(source, self._demand, self._writer, self._clock, tap)
        self._session = session
        try:
            began_s = self._clock.monotonic_s()
            session.connection.start()
            if recorder is not None and tap is not None:
                recorder.attach(tap)
            self._await_first_picture(session, began_s)
            self._watch(session)
            if not self._stopping.is_set():
                self._enter(CameraState.CONNECTING)
        except SourceBeyondReceiver as beyond:
            # Its next attempt is GStreamer's, and at once.
            self._receiver.fall_back(beyond)
            self._reconnects.taken_back()
        except SourceEnded as end:
            if not self.camera.scheme.is_fed_from_outside and not isinstance(end, SourceReplaced):
                raise
            self._reconnects.reset()
            self._enter(CameraState.CONNECTING)
            log.info("%s", end, extra={"camera": self.camera.id})
        finally:
            if recorder is not None:
                recorder.detach()
            session.close()
            self._successor = source.successor()
            self._received_bytes += session.connection.received_bytes
            self._damaged += session.damaged_total
            self._losses = self._losses.plus(source.losses)
            self._session = None

    def _await_first_picture(self, session: CameraSession, began_s: float) -> None:
        """Returns when a picture has come, or the camera is to be stopped."""
        first = FirstPicture(began_s, self.camera.connect_timeout_s)
        while not session.has_begun and not self._woken.is_set():
            now_s = self._clock.monotonic_s()
            if (awaited := session.source.waits(now_s)) is not None:
                first.restart(now_s)
                self._report_waiting(awaited, CameraState.CONNECTING)
            verdict = first.check(session.progress, now_s)
            if verdict in AWAITED:
                self._report_waiting(AWAITED[verdict], CameraState.CONNECTING)
            elif verdict is not Verdict.CONTINUE:
                raise session.error(verdict, self.camera.connect_timeout_s)
            self._wait(session.connection, first.poll_s(now_s))
        if session.has_begun:
            self._reconnects.connected(self._clock.monotonic_s())
            self._enter(CameraState.CONNECTED)
            log.info(self._greeting(), extra={"camera": self.camera.id})

    def _greeting(self) -> str:
        frame = self._writer.newest
        if frame is not None:
            return f"delivering {frame.width}x{frame.height}"
        return "connected, no picture written yet" if self.camera.frames.enabled else "connected"

    def _watch(self, session: CameraSession) -> None:
        """Returns when the camera is to be stopped or connected again."""
        tap = session.connection.tap
        watchdog = Watchdog(self._clock.monotonic_s(), session.limits.max_fps)
        while not self._woken.is_set():
            if tap is not None:
                tap.limit()
            if self._recorder is not None:
                self._recorder.watch()
            limits = session.limits
            verdict = watchdog.check(session.progress, limits, self._clock.monotonic_s())
            if verdict in AWAITED:
                self._report_waiting(AWAITED[verdict], CameraState.CONNECTED)
            elif verdict is Verdict.CONTINUE and self._status.reason == WAITING_REASON:
                self._enter(CameraState.CONNECTED)
            if verdict is Verdict.CONTINUE or verdict in AWAITED:
                self._wait(session.connection, limits.poll_s - _TIMER_SLACK_S)
                continue
            waited_s = limits.silence_s if verdict is Verdict.STALLED else limits.picture_s
            error = session.error(verdict, waited_s)
            if verdict is not Verdict.STALLED or not self.camera.scheme.is_fed_from_outside:
                raise error
            self._wait_out_stall(session, error)
            watchdog.resume(self._clock.monotonic_s())

    def _wait_out_stall(self, session: CameraSession, silence: SourceError) -> None:
        """Stalled, but not cut off: its producer may go on. Returns when more has come, or the camera is
        to be stopped or connected again."""
        connection, units = session.connection, session.connection.received_units
        self._enter(CameraState.STALLED, silence.reason, SECRETS.shown(str(silence), LONGEST_MESSAGE))
        log.warning("stalled: %s", silence, extra={"camera": self.camera.id, "reason": silence.reason})
        while connection.received_units == units and not self._woken.is_set():
            self._wait(connection, _STALL_POLL_S)
        if connection.received_units != units:
            self._enter(CameraState.CONNECTED)
            log.info("delivering again", extra={"camera": self.camera.id})

    def _report_waiting(self, awaited: str, state: CameraState) -> None:
        if self._status.message != awaited:
            self._enter(state, WAITING_REASON, awaited)
            log.info("%s", awaited, extra={"camera": self.camera.id})

    def _wait(self, connection: Connection, timeout_s: float) -> None:
        """Sleep until something happens to the connection, the picture grows stale, or `timeout_s` has
        passed."""
        stale_in_s = self._writer.stale_in_s(self._clock.monotonic_s())
        connection.wait(min(timeout_s, math.inf if stale_in_s is None else stale_in_s) + _TIMER_SLACK_S)
        self._writer.expire(self._clock.monotonic_s())

    def _wait_after(self, error: Exception) -> None:
        """Report what went wrong, and sleep until the next attempt is due."""
        now_s = self._clock.monotonic_s()
        retry = self._reconnects.failed(error, now_s)
        message = SECRETS.shown(str(error), LONGEST_MESSAGE)
        self._enter(retry.state, retry.reason, message)
        log.warning(
            "%s: %s%s; next attempt in %.1f s",
            retry.state.value,
            message,
            "; trying rarely, so that the camera does not lock the account" if retry.is_slowed else "",
            retry.delay_s,
            extra={"camera": self.camera.id, "reason": retry.reason},
        )
        self._sleep(now_s + retry.delay_s)

    def _sleep(self, until_s: float) -> None:
        """Until `until_s`, a stop or a reconnect; the picture grows stale meanwhile."""
        while not self._woken.is_set():
            now_s = self._clock.monotonic_s()
            self._writer.expire(now_s)
            if now_s >= until_s:
                return
            stale_in_s = self._writer.stale_in_s(now_s)
            left_s = until_s - now_s
            self._clock.wait(
                self._woken, left_s if stale_in_s is None else min(left_s, stale_in_s + _TIMER_SLACK_S)
            )

    def _wake(self) -> None:
        self._woken.set()
        session = self._session
        if session is not None:
            session.connection.wake()

    def _enter(self, state: CameraState, reason: str | None = None, message: str | None = None) -> None:
        was = self._status
        since = was.since if was.state is state else self._clock.now()
        self._status = _CameraStatus(state, since, reason, message)
        self._writer.set_state(state)
