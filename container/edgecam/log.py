"""What the node says on standard error: one line an event, no secrets, repeats summarised."""

from __future__ import annotations

import json
import logging
import sys
import threading
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import PurePath
from types import TracebackType
from typing import Any, TextIO

from edgecam.clock import Clock, SystemClock
from edgecam.config import Log, LogFormat
from edgecam.redaction import SECRETS

REPEAT_WINDOW_S = 60.0
"""A warning that comes again within this time is counted, not written: a camera that is away for a night,
retried every half minute, must not fill a disk."""

_CHATTY = ("asyncio", "awscrt", "awsiot", "boto3", "botocore", "urllib3")
"""Libraries that write whole answers, secrets included, at debug level: never below warning."""

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
        return one_line(SECRETS.hide(line))


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


class SummarisingHandler(logging.StreamHandler[TextIO]):
    """Writes a warning or error once, then counts what comes again within `REPEAT_WINDOW_S`.

    Numbers in a message do not make it another message ("retry in 3.1 s"). What is said at info level about a
    camera ends the counting for that camera, so that the next failure after a recovery is seen at once.
    """

    def __init__(self, stream: TextIO, clock: Clock) -> None:
        super().__init__(stream)
        self._clock = clock
        self._seen: dict[tuple[object, ...], _Repeats] = {}

    def emit(self, record: logging.LogRecord) -> None:
        """Called by `handle`, which holds the handler's lock. A record with a mistake is said, not raised."""
        try:
            self._emit(record)
        except Exception:
            self.handleError(record)

    def _emit(self, record: logging.LogRecord) -> None:
        now_s = self._clock.monotonic_s()
        self._forget(lambda seen: now_s - seen.first_s >= REPEAT_WINDOW_S)
        camera = _camera(record)
        if record.levelno < logging.WARNING:
            if camera is not None and record.levelno >= logging.INFO:
                self._forget(lambda seen: _camera(seen.last) == camera)
            super().emit(record)
            return
        key = (camera, record.name, record.levelno, record.msg, *_texts(record))
        seen = self._seen.get(key)
        if seen is None:
            self._seen[key] = _Repeats(now_s, record)
            super().emit(record)
        else:
            seen.count += 1
            seen.last = record

    def close(self) -> None:
        with self.lock or threading.RLock():
            self._forget(lambda _: True)
        super().close()

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - the name is logging's
        """Not logging's own, which writes the message's arguments as they are."""
        try:
            self.stream.write(f"{_time(record)} ERROR   a message of {record.name} could not be written\n")
        except (OSError, ValueError):
            return  # standard error is gone: nobody is left to be told

    def _forget(self, is_over: Callable[[_Repeats], bool]) -> None:
        for key in [key for key, seen in self._seen.items() if is_over(seen)]:
            seen = self._seen.pop(key)
            if seen.count:
                super().emit(_summary(seen, self._clock.now().timestamp()))


def _summary(seen: _Repeats, now_s: float) -> logging.LogRecord:
    times = "once more" if seen.count == 1 else f"{seen.count} more times"
    summary = logging.makeLogRecord(seen.last.__dict__)
    summary.msg = f"{seen.last.msg} (repeated {times})"
    summary.repeated = seen.count
    summary.created = now_s
    return summary


def _texts(record: logging.LogRecord) -> list[str]:
    values = record.args.values() if isinstance(record.args, Mapping) else record.args or ()
    return [str(value) for value in values if not isinstance(value, (int, float))]


def _camera(record: logging.LogRecord) -> str | None:
    camera = getattr(record, "camera", None)
    return None if camera is None else str(camera)


def _extras(record: logging.LogRecord) -> dict[str, object]:
    return {
        name: value for name, value in record.__dict__.items() if name not in _STANDARD and name != "camera"
    }


def _time(record: logging.LogRecord) -> str:
    moment = datetime.fromtimestamp(record.created, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _error_text(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"


def _frames(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    return " > ".join(f"{PurePath(frame.filename).name}:{frame.lineno}" for frame in frames) or "unknown"


def one_line(text: str) -> str:
    """`text` with line ends and other control characters written out: one event, one line."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def hide_values(value: Any) -> Any:
    """`value` as JSON can carry it, with the secrets in every text of it hidden."""
    if isinstance(value, Mapping):
        return {SECRETS.hide(str(key)): hide_values(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [hide_values(inner) for inner in value]
    if value is None or isinstance(value, (bool, int, float)):
        return value
    return SECRETS.hide(str(value))
