"""The state of a device: what brokers have of a camera.

One JSON object; Cloud IoT Core gets it on `/devices/<device>/state`, AWS IoT Core on
`edgecam/<thing>/<camera>/state`:

    {"id": "lobby", "state": "connected", "since": "2026-01-01T12:00:00.000Z",
     "reason": null, "message": null, "frame_age_s": 0.4 or null,
     "chunks_recorded": 9, "chunks_stored": 7, "chunks_waiting": 2, "chunks_lost": 0,
     "newest_chunk": "2026-01-01T12:00:00.000Z" or null,
     "spool_bytes": 10485760, "spool_limit_bytes": 10737418240,
     "version": "0.1.0", "key_version": "1" or null, "previous_end": "clean", "unclean" or null,
     "config": {"in_force": {"max_fps": 1.0}, "refused": null or "a sentence"},
     "sent_at": "2026-01-01T12:00:05.000Z", "every_s": 60.0}

`state` is one of connecting, connected, stalled, disconnected; a node that ends leaves `disconnected` behind.
`reason` and `message` are the camera's, else its recording's.
The `chunks_`, `newest_chunk` and the `spool_` are null where nothing is recorded; the chunks count since the
node started, `newest_chunk` is when the newest of them ends, and the spool is the whole node's, with
`spool_limit_bytes` the most that may wait. `key_version` is that of the key with which the device shows who
it is, null where none is known. `previous_end` is how the node ended before it started this time
(`last_run.py`). `config.in_force` has the form of a `config` message. A fleet with a name has
`"fleet": "staging"` beside these, by which its watch knows its own. A reader takes a node for away when
`sent_at` is older than `every_s` and what the network may take.

Texts have their secrets hidden and are cut at `LONGEST_MESSAGE`: Nucleus Lite takes 10,000 bytes a message.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from edgecam import __version__
from edgecam.brokers.interface import DeviceState, RuntimeSettings, StateSource
from edgecam.clock import Clock, utc_text
from edgecam.redaction import LONGEST_MESSAGE, SECRETS
from edgecam.status.last_run import LastShutdown
from edgecam.status.reports import (
    CameraReport,
    SpoolReport,
    StorageReporter,
    UploadReport,
)
from edgecam.status.serialize import (
    as_ended,
    change_key_of,
    recording_values,
)

_KEPT_S = 0.2
"""Many devices ask many times a second: within this time all have the same moment."""

_CHUNKS = ("chunks_recorded", "chunks_stored", "chunks_waiting", "chunks_lost", "newest_chunk")
_NOT_RECORDED: Mapping[str, Any] = dict.fromkeys((*_CHUNKS, "reason", "problem"))

KeyVersion = Callable[[str], str | None]


@dataclass(frozen=True)
class _Moment:
    """What node and storage reported at one moment."""

    taken_s: float
    ended_at: datetime | None
    reports: Mapping[str, CameraReport]
    spool: SpoolReport | None
    upload: UploadReport | None


class NodeStates:
    """The states of all cameras of a node. Safe to use from any thread.

    Args:
        reports: How every camera is doing.
        clock: Time.
        storage: Knows spool and uploads, where anything is recorded.
        settings: Knows what settings are in force; None where nothing can change them.
        fleet: The fleet's name, where it has one.
    """

    def __init__(
        self,
        reports: Callable[[], Sequence[CameraReport]],
        *,
        clock: Clock,
        storage: StorageReporter | None = None,
        settings: RuntimeSettings | None = None,
        fleet: str | None = None,
    ) -> None:
        self._reports = reports
        self._clock = clock
        self._storage = storage
        self._previous_end: LastShutdown | None = None
        self._settings = settings
        # Left out without a name: the rule of a fleet without one takes what has no such member.
        self._fleet = {} if fleet is None else {"fleet": fleet}
        self._key_version: KeyVersion = lambda _: None
        self._moment: _Moment | None = None
        self._ended_at: datetime | None = None

    def set_key_versions(self, key_version: KeyVersion) -> None:
        """From now on `key_version` knows which key a camera's device authenticates with."""
        self._key_version = key_version

    def begin(self, previous_end: LastShutdown | None) -> None:
        """The node starts, and this is how it ended last time."""
        self._previous_end = previous_end

    def end(self) -> None:
        """The cameras have ended: each state is `disconnected` from now on, whatever hangs."""
        self._ended_at = self._ended_at or self._clock.now()

    def states_every(self, every_s: float) -> StateSource:
        """The states for a transport that publishes them every `every_s` seconds."""
        return _States(self, every_s)

    def state(self, camera_id: str, every_s: float) -> DeviceState:
        """The state as it is now.

        Raises:
            KeyError: the node has no such camera.
        """
        moment = self._now()
        report = moment.reports[camera_id]
        key_version, config = self._key_version(camera_id), self._config(camera_id)
        change_key = (*change_key_of(report), key_version, config["refused"], repr(config["in_force"]))
        return DeviceState(self._values(report, moment, key_version, config, every_s), change_key)

    def _now(self) -> _Moment:
        # Without a lock: who waits for a spool that hangs must not keep the end of the node waiting.
        moment, now_s, ended_at = self._moment, self._clock.monotonic_s(), self._ended_at
        if moment is None or moment.ended_at != ended_at or not 0 <= now_s - moment.taken_s < _KEPT_S:
            moment = self._moment = self._taken(now_s, ended_at)
        return moment

    def _taken(self, now_s: float, ended_at: datetime | None) -> _Moment:
        reports: Sequence[CameraReport] = self._reports()
        if ended_at is not None:
            reports = [as_ended(report, ended_at) for report in reports]
        spool = self._storage.spool_report() if self._storage is not None else None
        upload = self._storage.upload_report() if self._storage is not None else None
        return _Moment(now_s, ended_at, {report.camera_id: report for report in reports}, spool, upload)

    def _config(self, camera_id: str) -> dict[str, Any]:
        if self._settings is None:
            return {"in_force": {}, "refused": None}
        return {
            "in_force": dict(self._settings.in_force(camera_id)),
            "refused": _short(self._settings.refused(camera_id)),
        }

    def _values(
        self,
        report: CameraReport,
        moment: _Moment,
        key_version: str | None,
        config: Mapping[str, Any],
        every_s: float,
    ) -> Mapping[str, Any]:
        # Written out, not all of camera_values(): a hundred devices ask, four times a second.
        recording = recording_values(report, moment.spool, moment.upload) or _NOT_RECORDED
        return {
            "id": report.camera_id,
            "state": str(report.state),
            "since": utc_text(report.since),
            "reason": report.reason or recording["reason"],
            "message": _short(report.message or recording["problem"]),
            "frame_age_s": None if report.frame_age_s is None else round(report.frame_age_s, 3),
            **{name: recording[name] for name in _CHUNKS},
            "spool_bytes": moment.spool.spool_bytes if moment.spool is not None else None,
            "spool_limit_bytes": moment.spool.limit_bytes if moment.spool is not None else None,
            "version": __version__,
            "key_version": key_version,
            "previous_end": None if self._previous_end is None else str(self._previous_end),
            "config": config,
            "sent_at": utc_text(self._clock.now()),
            "every_s": every_s,
            **self._fleet,
        }


@dataclass(frozen=True)
class _States:
    """See `NodeStates.states_every`."""

    node: NodeStates
    every_s: float

    def state(self, camera_id: str) -> DeviceState:
        return self.node.state(camera_id, self.every_s)


def _short(text: str | None) -> str | None:
    return None if text is None else SECRETS.shown(text, LONGEST_MESSAGE)
