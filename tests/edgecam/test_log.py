"""Logging: one line an event, no secret in any of them, repeats summarised."""

from __future__ import annotations

import json
import logging
import random
import string
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest
from reporting import Lines

from edgecam.clock import SystemClock
from edgecam.config.node import Log, LogFormat
from edgecam.log import LINE_EVERY_S, LINES_AT_ONCE, REPEAT_WINDOW_S, SummarisingHandler, setup
from edgecam.redaction import LONGEST_MESSAGE, LONGEST_TEXT, SECRETS, one_line

Setup = Callable[..., Lines]
log = logging.getLogger("edgecam.test")


class SteppedClock(SystemClock):
    now_s = 0.0

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.now_s, UTC)

    def monotonic_s(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> SteppedClock:
    return SteppedClock()


@pytest.fixture
def started(clock: SteppedClock) -> Iterator[Setup]:
    """Sets logging up into a buffer; afterwards everything is as it was."""
    root, hooks = logging.getLogger(), (sys.excepthook, threading.excepthook)
    before = (root.level, root.handlers[:])
    handlers = []

    def start(**settings: object) -> Lines:
        stream = Lines()
        handlers.append(setup(Log.model_validate(settings), stream=stream, clock=clock))
        return stream

    yield start
    root.setLevel(before[0])
    root.handlers[:] = before[1]
    sys.excepthook, threading.excepthook = hooks
    logging.captureWarnings(False)


def test_line_of_text_has_time_level_camera_message_and_fields(started: Setup) -> None:
    stream = started()
    log.warning("not delivering: %s", "refused", extra={"camera": "lobby", "reason": "refused"})
    (line,) = stream.lines()
    time, rest = line.split(" ", 1)
    assert datetime.fromisoformat(time).tzinfo == UTC
    assert len(time) == len("2026-11-21T09:45:35.123Z")
    assert rest == "WARNING camera lobby: not delivering: refused [reason=refused]"


def test_line_of_json_has_the_same_as_fields(started: Setup) -> None:
    stream = started(format="json")
    log.info("delivering %s", "640x360", extra={"camera": "lobby", "width": 640})
    event = json.loads(stream.getvalue())
    assert event.pop("time").endswith("Z")
    assert event == {
        "level": "info",
        "logger": "edgecam.test",
        "message": "delivering 640x360",
        "camera": "lobby",
        "width": 640,
    }


@pytest.mark.parametrize("form", LogFormat)
def test_event_is_one_line_whatever_is_in_it(started: Setup, form: LogFormat) -> None:
    stream = started(format=form)
    try:
        raise ValueError("two\nlines\x1b[31m\u2028three")
    except ValueError:
        log.exception("failed\r\nbadly", extra={"camera": "a\nb", "field": "x\ny"})
    assert len(stream.getvalue().split("\n")) == 2
    assert "\x1b" not in stream.getvalue()


def test_exception_in_text_says_what_and_where(started: Setup) -> None:
    stream = started()
    try:
        raise ValueError("no such thing")
    except ValueError:
        log.exception("failed")
    assert "failed [error=ValueError: no such thing at=test_log.py:" in stream.getvalue()


def test_exception_in_json_has_the_whole_traceback(started: Setup) -> None:
    stream = started(format="json")
    try:
        try:
            raise KeyError("inner")
        except KeyError as error:
            raise ValueError("outer") from error
    except ValueError:
        log.exception("failed")
    event = json.loads(stream.getvalue())
    assert event["error"] == "ValueError: outer"
    assert "KeyError: 'inner'" in event["traceback"]


@pytest.mark.parametrize("form", LogFormat)
def test_password_is_hidden_in_message_arguments_fields_and_exceptions(
    started: Setup, form: LogFormat
) -> None:
    stream = started(format=form, level="debug")
    chance = random.Random(1)
    for _ in range(200):
        password = "".join(chance.choices(string.ascii_letters + "\"'\\%{}<>&/@: ", k=14)).strip() + "Zq"
        SECRETS.remember(password)
        try:
            raise RuntimeError({"password was": password})
        except RuntimeError:
            log.exception("tried %s and %r", password, password, extra={"f": [password], "camera": password})
        text = stream.getvalue()
        assert password not in text
        assert password not in "".join(
            map(str, json.loads(text).values()) if form is LogFormat.JSON else text
        )
        stream.seek(0)
        stream.truncate()


def test_password_in_a_uri_is_hidden_though_nobody_remembered_it(started: Setup) -> None:
    stream = started()
    log.error("cannot open %s", "rtsp://admin:hushhush@10.0.0.1/x")
    assert "hushhush" not in stream.getvalue()
    assert "rtsp://***@10.0.0.1/x" in stream.getvalue()


def test_password_that_is_a_word_of_the_format_leaves_json_readable() -> None:
    code = (
        "from edgecam.log import setup; from edgecam.config.node import Log; import logging;"
        "from edgecam.redaction import SECRETS; SECRETS.remember('level'); SECRETS.remember('\"');"
        "setup(Log(format='json')); logging.getLogger('x').error('say \"level\"')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stderr)["message"] == "say *********"


def test_message_that_cannot_be_formatted_shows_no_argument(started: Setup) -> None:
    stream = started()
    (handler,) = [each for each in logging.getLogger().handlers if getattr(each, "stream", None) is stream]
    wrong = {"name": "edgecam.test", "levelno": logging.WARNING, "msg": "%d cameras", "args": ("hush-hush",)}
    for _ in range(2):
        handler.handle(logging.makeLogRecord(wrong))
    handler.close()
    assert "hush-hush" not in stream.getvalue()
    assert "a message of edgecam.test could not be written" in stream.getvalue()


def test_uncaught_exception_of_a_thread_is_logged_and_redacted(started: Setup) -> None:
    stream = started()

    def fail() -> None:
        raise RuntimeError("rtsp://a:hush@h/x")

    thread = threading.Thread(target=fail, name="camera-lobby")
    thread.start()
    thread.join()
    assert "uncaught exception in thread camera-lobby" in stream.getvalue()
    assert "rtsp://***@h/x" in stream.getvalue()


def test_libraries_that_write_whole_answers_stay_quiet_at_debug_level(started: Setup) -> None:
    stream = started(level="debug")
    log.debug("heard")
    for name in ("botocore.parsers", "awsiot.eventstreamrpc", "urllib3.connectionpool"):
        logging.getLogger(name).debug('{"SecretString": "hush"}')
    assert [line.split()[1:] for line in stream.lines()] == [["DEBUG", "heard"]]


@pytest.mark.parametrize(("level", "heard"), [("debug", 4), ("info", 3), ("warning", 2), ("error", 1)])
def test_level_says_how_much_is_heard(started: Setup, level: str, heard: int) -> None:
    stream = started(level=level)
    for each in (log.debug, log.info, log.warning, log.error):
        each("said %s", each.__name__)
    assert len(stream.lines()) == heard


def test_warning_that_repeats_is_counted_and_summed_up_after_the_window(
    started: Setup, clock: SteppedClock
) -> None:
    stream = started()
    for second in range(30):
        clock.now_s = float(second)
        log.warning("retry of %s in %.1f s", "lobby", 1.5 + second, extra={"camera": "lobby"})
    assert len(stream.lines()) == 1
    clock.now_s = REPEAT_WINDOW_S
    log.info("something else")
    assert len(stream.lines()) == 3
    assert "retry of lobby in 30.5 s (repeated 29 more times)" in stream.lines()[1]
    assert stream.lines()[1].startswith("1970-01-01T00:01:00.000Z WARNING camera lobby: ")


def test_warnings_that_differ_in_more_than_numbers_are_all_heard(started: Setup) -> None:
    stream = started()
    for camera in ("lobby", "gate"):
        for reason in ("refused", "silent"):
            log.warning("not delivering: %s", reason, extra={"camera": camera})
    assert len(stream.lines()) == 4


def test_failure_after_a_recovery_is_heard_at_once(started: Setup, clock: SteppedClock) -> None:
    stream = started()
    for _ in range(2):
        log.warning("away", extra={"camera": "lobby"})
        log.warning("away", extra={"camera": "lobby"})
        log.info("delivering", extra={"camera": "lobby"})
        log.warning("away", extra={"camera": "gate"})
        clock.now_s += 1
    shown = [line.split(" ", 1)[1] for line in stream.lines()]
    assert shown == [
        "WARNING camera lobby: away",
        "WARNING camera lobby: away (repeated once more) [repeated=1]",
        "INFO    camera lobby: delivering",
        "WARNING camera gate: away",
        "WARNING camera lobby: away",
        "WARNING camera lobby: away (repeated once more) [repeated=1]",
        "INFO    camera lobby: delivering",
    ]


def test_what_was_counted_is_said_at_the_end(started: Setup) -> None:
    stream = started()
    log.warning("away")
    log.warning("away")
    for handler in logging.getLogger().handlers[:]:
        if getattr(handler, "stream", None) is stream:
            handler.close()
    assert "repeated once more" in stream.lines()[-1]


def test_control_characters_are_written_out() -> None:
    assert one_line("a\nb\tc\x00") == "a\\nb\\tc\\x00"
    assert one_line("plain äß 漢") == "plain äß 漢"


def test_line_is_cut_however_much_there_is_to_say(started: Setup) -> None:
    for form in LogFormat:
        stream = started(format=form)
        SECRETS.remember("hush-hush-hush")
        log.warning(
            "said %s", "x" * (LONGEST_TEXT - 50) + "hush-hush-hush" * 100_000, extra={"f": "y" * 10**6}
        )
        (line,) = stream.lines()
        assert len(line) < 3 * LONGEST_TEXT
        assert "hush" not in line
        assert "more characters)" in line


def test_camera_that_says_something_else_each_time_is_summed_up(started: Setup, clock: SteppedClock) -> None:
    stream, day_s, every_s = started(), 24 * 3600, 2
    words = random.Random(8)
    for moment_s in range(0, day_s, every_s):
        clock.now_s = float(moment_s)
        texts = ["".join(words.choices(string.ascii_letters, k=20)) for _ in range(2)]
        log.warning("disconnected: %s", texts[0], extra={"camera": "gate"})
        log.info("delivering %s", texts[1], extra={"camera": "gate"})
    written = len(stream.lines())
    assert written <= LINES_AT_ONCE + 2 * day_s / LINE_EVERY_S
    for handler in logging.getLogger().handlers[:]:
        if getattr(handler, "stream", None) is stream:
            handler.close()
    left_out = sum(
        int(line.rpartition("left_out=")[2].rstrip("]")) for line in stream.lines() if "left_out=" in line
    )
    said = sum("left_out=" not in line and "repeated" not in line for line in stream.lines())
    assert said + left_out == 2 * day_s / every_s


def test_camera_that_floods_the_log_drowns_neither_its_own_errors_nor_others(started: Setup) -> None:
    stream = started()
    for number in range(10_000):
        log.warning("disconnected: %s", f"reason {number}", extra={"camera": "gate"})
        logging.getLogger("edgecam.store").warning("answered %s", f"id {number}")
    log.error("chunks are lost", extra={"camera": "gate"})
    log.warning("disconnected: %s", "refused", extra={"camera": "lobby"})
    log.warning("of the node itself")
    lines = stream.lines()
    assert len(lines) == 2 * LINES_AT_ONCE + 3
    assert [line.split(" ", 2)[2] for line in lines[-3:]] == [
        "  camera gate: chunks are lost",
        "camera lobby: disconnected: refused",
        "of the node itself",
    ]


def test_what_the_handler_remembers_of_a_flood_is_bounded(started: Setup, clock: SteppedClock) -> None:
    stream = started()
    (handler,) = [each for each in logging.getLogger().handlers if getattr(each, "stream", None) is stream]
    for number in range(5_000):
        log.warning("disconnected: %s", f"{number} " + "x" * 10_000, extra={"camera": "gate"})
    assert isinstance(handler, SummarisingHandler)
    seen = handler._seen
    assert len(seen) <= LINES_AT_ONCE
    assert sum(len(str(key)) for key in seen) < LINES_AT_ONCE * 3 * LONGEST_MESSAGE
    clock.now_s = 10**6
    log.info("quiet again")
    assert not seen
    assert not handler._allowances
