"""The node's log on standard error: one line an event, no secrets, repeats and floods summarised."""

from __future__ import annotations

import json
import logging
import math
import sys
import threading
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import PurePath
from types import TracebackType
from typing import Any, TextIO

from edgecam.clock import Clock, SystemClock, utc_text
from edgecam.config.node import Log, LogFormat
from edgecam.redaction import LONGEST_MESSAGE, SECRETS, one_line

REPEAT_WINDOW_S = 60.0
"""A warning that comes again within this time is counted, not written: a camera that is away for a night,
retried every half minute, must not fill a disk."""

LINES_AT_ONCE = 20
"""Lines about one camera, or of one part of the program, that are written as they come: enough for a camera
that goes and comes back a few times."""
LINE_EVERY_S = 30.0
"""After those, one in this time, with how many were left out: a camera with another message at each
attempt writes a few MB a day, whatever it sends."""

_CHATTY = ("asyncio", "awscrt", "awsiot", "boto3", "botocore", "urllib3")
"""Libraries that write whole answers, secrets included, at debug level: never below warning."""

_LEFT_OUT = "%d more lines were left out: after %d at once, one is written every %g s"

_STANDARD = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}

_log = logging.getLogger(__name__)


def setup(settings: Log, *, stream: TextIO | None = None, clock: Clock | None = None) -> logging.Handler:
    """Send everything that is logged to `stream` (standard error), in the format and from the level on of
    `settings`; also warnings and uncaught exceptions, whose texts would otherwise go out unredacted."""
    handler = SummarisingHandler(stream or sys.stderr, clock or SystemClock())
    handler.setFormatter(JsonFormatter() if settings.format is LogFormat.JSON else TextFormatter())
    root = logging.getLogger()
    for old in [old for old in root.handlers if isinstance(old, SummarisingHandler)]:
        root.removeHandler(old)
        old.close()
    root.addHandler(handler)
    root.setLevel(settings.level.upper())
    for name in _CHATTY:
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.captureWarnings(True)
    sys.excepthook = _uncaught
    threading.excepthook = lambda args: _uncaught(args.exc_type, args.exc_value, args.exc_traceback)
    return handler


def _uncaught(kind: type[BaseException], error: BaseException | None, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        return
    where = threading.current_thread().name
    _log.critical("uncaught exception in thread %s", where, exc_info=(kind, error or kind(), trace))


class TextFormatter(logging.Formatter):
    """`2026-11-21T09:45:35.123Z WARNING camera north: not delivering [reason=refused]`."""

    def format(self, record: logging.LogRecord) -> str:
        camera = _camera(record)
        subject = f"camera {camera}: " if camera else ""
        details = [f"{name}={value}" for name, value in _extras(record).items()]
        if record.exc_info and record.exc_info[1] is not None:
            details += [f"error={_error_text(record.exc_info[1])}", f"at={_frames(record.exc_info[1])}"]
        suffix = f" [{' '.join(details)}]" if details else ""
        line = f"{_time(record)} {record.levelname:<7} {subject}{record.getMessage()}{suffix}"
        return one_line(SECRETS.shown(line))


class JsonFormatter(logging.Formatter):
    """A JSON object a line: time, level, logger, message, and camera, error, traceback, further fields."""

    def format(self, record: logging.LogRecord) -> str:
        event: dict[str, Any] = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if camera := _camera(record):
            event["camera"] = camera
        if record.exc_info and record.exc_info[1] is not None:
            event["error"] = _error_text(record.exc_info[1])
            event["traceback"] = "".join(traceback.format_exception(record.exc_info[1]))
        event |= {name: value for name, value in _extras(record).items() if name not in event}
        # Hidden before it is encoded: afterwards a quote in a password would stand there as \", unrecognised,
        # and a password such as `level` would take the document apart.
        return json.dumps(hide_values(event), ensure_ascii=False)


@dataclass
class _Repeats:
    first_s: float
    last: logging.LogRecord
    count: int = 0


class _Allowance:
    """How many lines may still be written about one thing. `left_out` counts what was not."""

    def __init__(self, first: logging.LogRecord, now_s: float) -> None:
        self._last = first
        self._lines, self._counted_s = float(LINES_AT_ONCE), now_s
        self.left_out = 0

    def lines_at(self, now_s: float) -> float:
        """How many may be written now."""
        return min(LINES_AT_ONCE, self._lines + (now_s - self._counted_s) / LINE_EVERY_S)

    def takes(self, record: logging.LogRecord, now_s: float) -> bool:
        """Whether `record` may be written."""
        lines = self.lines_at(now_s)
        if lines < 1:
            self.left_out += 1
            self._last = record
            return False
        self._lines, self._counted_s = lines - 1, now_s
        return True

    def summary(self, now_s: float) -> logging.LogRecord:
        """What was left out, as a line; starts a new count."""
        line = logging.makeLogRecord(_only_about(self._last) | {"msg": _LEFT_OUT, "created": now_s})
        line.args = (self.left_out, LINES_AT_ONCE, LINE_EVERY_S)
        line.left_out, self.left_out = self.left_out, 0
        return line


class SummarisingHandler(logging.StreamHandler[TextIO]):
    """Writes a warning or error once, then counts what comes again within `REPEAT_WINDOW_S`.

    Numbers in a message do not make it another message ("retry in 3.1 s"). A line at info level about a
    camera ends the counting for that camera, so that the next failure after a recovery is seen at once.

    What differs each time has an allowance for each camera and, where it is about none, for each logger;
    errors have one of their own, so that nothing drowns them. What exceeds it is counted, and the count is
    written with the next line that the allowance has room for.
    """

    def __init__(self, stream: TextIO, clock: Clock) -> None:
        super().__init__(stream)
        self._clock = clock
        self._seen: dict[tuple[object, ...], _Repeats] = {}  # no more than the allowances let through
        self._allowances: dict[tuple[object, ...], _Allowance] = {}

    def emit(self, record: logging.LogRecord) -> None:
        """Called by `handle`, which holds the handler's lock. A record's mistake is reported, not raised."""
        try:
            self._emit(record)
        except Exception:
            self.handleError(record)

    def _emit(self, record: logging.LogRecord) -> None:
        now_s = self._clock.monotonic_s()
        self._forget(lambda seen: now_s - seen.first_s >= REPEAT_WINDOW_S)
        self._write_summaries(now_s)
        camera = _camera(record)
        key = (camera, record.name, record.levelno, *_texts(record))
        seen = self._seen.get(key)
        if seen is not None:
            seen.count += 1
            seen.last = record
        elif self._allows(record, camera, now_s):
            if record.levelno >= logging.WARNING:
                self._seen[key] = _Repeats(now_s, record)
            elif camera is not None and record.levelno >= logging.INFO:
                self._forget(lambda seen: _camera(seen.last) == camera)
            super().emit(record)

    def _allows(self, record: logging.LogRecord, camera: str | None, now_s: float) -> bool:
        """Whether `record` is to be written; counts it where not."""
        is_unasked = record.levelno >= (logging.INFO if camera is not None else logging.WARNING)
        if not is_unasked:
            return True  # the program's own course, or what somebody wants to see who asked for debug
        is_error = record.levelno >= logging.ERROR
        key = (camera, is_error) if camera is not None else (None, is_error, record.name)
        allowance = self._allowances.setdefault(key, _Allowance(record, now_s))
        return allowance.takes(record, now_s)

    def _write_summaries(self, now_s: float) -> None:
        """Write the counts of what was left out, where the allowance has room again; drop full allowances."""
        for key, allowance in list(self._allowances.items()):
            lines = allowance.lines_at(now_s)
            if allowance.left_out and lines >= 1:
                super().emit(allowance.summary(self._clock.now().timestamp()))
            if lines >= LINES_AT_ONCE:
                del self._allowances[key]

    def close(self) -> None:
        with self.lock or threading.RLock():
            self._forget(lambda _: True)
            self._write_summaries(math.inf)
        super().close()

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - the name is logging's
        """Not logging's own, which writes the message's arguments as they are."""
        try:
            self.stream.write(f"{_time(record)} ERROR   a message of {record.name} could not be written\n")
        except (OSError, ValueError):
            return  # standard error is gone: there is nowhere to report it

    def _forget(self, is_over: Callable[[_Repeats], bool]) -> None:
        for key in [key for key, seen in self._seen.items() if is_over(seen)]:
            seen = self._seen.pop(key)
            if seen.count:
                super().emit(_summary(seen, self._clock.now().timestamp()))


def _only_about(record: logging.LogRecord) -> dict[str, object]:
    """The subject of the record, without its message."""
    about = {"name": record.name, "levelno": record.levelno, "levelname": record.levelname}
    return about if (camera := _camera(record)) is None else about | {"camera": camera}


def _summary(seen: _Repeats, now_s: float) -> logging.LogRecord:
    times = "once more" if seen.count == 1 else f"{seen.count} more times"
    summary = logging.makeLogRecord(seen.last.__dict__)
    summary.msg = f"{seen.last.msg} (repeated {times})"
    summary.repeated = seen.count
    summary.created = now_s
    return summary


def _texts(record: logging.LogRecord) -> list[str]:
    """What makes a record another one; short, for it is kept."""
    values = record.args.values() if isinstance(record.args, Mapping) else record.args or ()
    texts = [record.msg, *(value for value in values if not isinstance(value, (int, float)))]
    return [str(text)[:LONGEST_MESSAGE] for text in texts]


def _camera(record: logging.LogRecord) -> str | None:
    camera = getattr(record, "camera", None)
    return None if camera is None else str(camera)


def _extras(record: logging.LogRecord) -> dict[str, object]:
    return {
        name: value for name, value in record.__dict__.items() if name not in _STANDARD and name != "camera"
    }


def _time(record: logging.LogRecord) -> str:
    return utc_text(datetime.fromtimestamp(record.created, UTC))


def _error_text(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"


def _frames(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    return " > ".join(f"{PurePath(frame.filename).name}:{frame.lineno}" for frame in frames) or "unknown"


def hide_values(value: Any) -> Any:
    """`value` as JSON can carry it, with the secrets in every text of it hidden, and each text cut."""
    if isinstance(value, Mapping):
        return {SECRETS.shown(str(key)): hide_values(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [hide_values(inner) for inner in value]
    if value is None or isinstance(value, (bool, int, float)):
        return value
    return SECRETS.shown(str(value))
