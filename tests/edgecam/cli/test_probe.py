"""Probing: what is taken from the command line, and what is shown of the result."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path
from typing import Any

import pytest
import yaml
from probe_options import options

from edgecam.cli.probe import probe, take_picture
from edgecam.cli.probe_result import (
    Failure,
    ProbeResult,
    audio_names,
    notes_on,
    reception_notes,
)
from edgecam.cli.probe_target import Target, camera_id
from edgecam.clock import SystemClock
from edgecam.codecs.video import CODECS
from edgecam.config.camera import Camera
from edgecam.credentials.login import split_login
from edgecam.errors import ConfigurationError, CredentialsError, SourceNotFound
from edgecam.status.reception import Losses
from sandbox.cameras.hostile_camera import HostileCamera
from sandbox.cameras.rtsp_connection import Connection


@pytest.mark.parametrize(
    ("uri", "rest", "login"),
    [
        ("rtsp://guard:open-1@h/x", "rtsp://h/x", ("guard", "open-1")),
        ("rtsp://guard:op%40en%2F1@h:554/x", "rtsp://h:554/x", ("guard", "op@en/1")),
        ("rtsp://guard:op@en-1@h/x", "rtsp://h/x", ("guard", "op@en-1")),
        ("rtsp://guard:op/en-1@h/x", "rtsp://h/x", ("guard", "op/en-1")),
        ("rtsp://guard:op:en?1@h/x", "rtsp://h/x", ("guard", "op:en?1")),
        ("rtsps://guard@h/x", "rtsps://h/x", ("guard", "")),
        (
            "rtsp://h/user=guard_password=open_1_channel=1_stream=0.sdp?real_stream",
            "rtsp://h/user={username}_password={password}_channel=1_stream=0.sdp?real_stream",
            ("guard", "open_1"),
        ),
        (
            "rtsp://h/x?loginuse=guard&loginpas=open-1",
            "rtsp://h/x?loginuse={username}&loginpas={password}",
            ("guard", "open-1"),
        ),
        ("rtsp://h/x", "rtsp://h/x", None),
        ("rtsp://h:8554/a@b", "rtsp://h:8554/a@b", None),
        ("rtsp://[fe80::1]:8554/a@b", "rtsp://[fe80::1]:8554/a@b", None),
        ("test://?pattern=ball", "test://?pattern=ball", None),
    ],
)
def test_login_is_taken_out_of_a_uri_as_it_was_typed(
    uri: str, rest: str, login: tuple[str, str] | None
) -> None:
    found_rest, found = split_login(uri)
    assert found_rest == rest
    assert (None if found is None else (found.username, found.password)) == login


@pytest.mark.parametrize(
    ("uri", "name"),
    [
        ("rtsp://10.0.0.21:554/stream1", "10-0-0-21-stream1"),
        ("rtsp://Lobby.example/Main?channel=1", "lobby-example-main"),
        ("file:///films/summer/my%20film.MP4", "20film"),
        ("pipe:///run/edgecam/door.flv", "door-flv"),
        ("images:///pictures/yard/seq_%06d.jpg?fps=5", "yard-seq"),
        ("test://", "test-camera"),
        ("pipeline:videotestsrc ! x264enc", "pipeline-camera"),
        ("rtsp://h/" + "x" * 100, "h-" + "x" * 61),
    ],
)
def test_name_that_is_suggested_is_one_that_the_configuration_takes(uri: str, name: str) -> None:
    if "my%20film" in uri:
        name = "my-20film"
    assert camera_id(uri) == name
    assert Camera(id=name, uri="test://").id == name


def test_password_parameter_is_allowed_by_hand_and_the_camera_gets_it() -> None:
    uri = "rtsp://h/user=admin&password=by-hand-1&channel=1"
    target = Target.from_options(options(uri))
    assert target.login is not None
    assert "by-hand" not in target.camera.uri
    assert target.login.filled_into(target.camera.uri) == uri
    assert (
        "by-hand" not in target.camera.id
    )  # a name made of the URI would be no password any more, nor hidden


def test_login_of_the_options_wins_over_the_one_in_the_uri(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("from-file-1\n")
    file.chmod(0o600)
    given = options("rtsp://old:old-word-1@h/x", username="guard", password_file=str(file))
    target = Target.from_options(given)
    assert target.login is not None
    assert (target.login.username, target.login.password) == ("guard", "from-file-1")
    assert target.camera.uri == "rtsp://h/x"


@pytest.mark.parametrize(
    ("given", "place"),
    [
        ({"timeout_s": 0.5}, "--timeout-s"),
        ({"timeout_s": float("nan")}, "--timeout-s"),
        ({"username": "u"}, "--username"),
        ({"password_env": "HOME"}, "--username"),
        ({"insecure": True}, "expected tls only with rtsps://"),
        ({"ca_file": "relative.pem"}, "tls.ca_file"),
    ],
)
def test_options_that_make_no_sense_are_named(given: dict[str, Any], place: str) -> None:
    with pytest.raises(ConfigurationError, match=place):
        Target.from_options(options("rtsp://h/x", **given))


@pytest.mark.parametrize("typed", ["password", "./typed-word-1", "typed//word-1", "--password-file-x"])
def test_password_file_that_is_missing_is_named_by_its_option_and_never_by_what_was_typed(
    typed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CredentialsError) as refused:
        Target.from_options(options("rtsp://h/x", username="guard", password_file=typed))
    expected = f"expected a file that the user {os.geteuid()} can read"
    assert str(refused.value) == f"--password-file: {expected}, found: No such file or directory"


@pytest.mark.parametrize("uri", ["10.0.0.21/stream1", "http://10.0.0.21/stream1", "/films/lobby.mp4", ""])
def test_address_of_no_scheme_is_the_one_mistake(uri: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        Target.from_options(options(uri))
    assert [mistake.path for mistake in refused.value.mistakes] == ["uri"]


def test_sound_is_named_as_people_know_it() -> None:
    offered = [
        "video H264",
        "audio MPEG4-GENERIC",
        "audio pcmu",
        "audio SPEEX",
        "application VND.ONVIF.METADATA",
    ]
    assert audio_names(offered) == ("AAC", "G.711 µ-law", "SPEEX")
    assert audio_names(["video/x-h264", "audio/x-alaw"]) == ("G.711 A-law",)


@pytest.mark.parametrize(
    ("interval_s", "says"),
    [
        (None, "no second keyframe within 12.0 s"),
        (30.0, "a keyframe comes only every 30.0 s"),
        (2.002, "frames.max_fps up to 0.5 decodes keyframes only"),
        (1.0, "frames.max_fps up to 1 decodes keyframes only: least work"),
        (0.2, "frames.max_fps up to 5 decodes keyframes only: least work"),
    ],
)
def test_keyframe_interval_is_shown_as_what_it_means(interval_s: float | None, says: str) -> None:
    (note,) = notes_on(interval_s, 12.0, is_intra=False)
    assert note.startswith(says)
    is_rare = interval_s is None or interval_s > 10
    assert ("switch H.264+ or H.265+ (smart codec) off" in note) is is_rare
    assert notes_on(interval_s, 12.0, is_intra=True) == ()


def test_a_result_is_text_for_people_and_json_for_programs() -> None:
    result = ProbeResult(
        uri="rtsp://h/x",
        codec="H.264",
        profile="high level 4.1",
        width=1920,
        height=1080,
        fps=29.97,
        keyframe_interval_s=2.0,
        bit_rate_bps=4_180_000,
        audio=("AAC",),
        first_picture_s=0.812,
        observed_s=4.2,
        suggestion={"id": "x", "uri": "rtsp://h/x"},
        notes=("good to know",),
    )
    text = result.text()
    for line in (
        "codec:                H.264, high level 4.1",
        "size:                 1920x1080",
        "frame rate:           29.97 a second",
        "keyframe every:       2.00 s",
        "bit rate:             4.18 Mbit/s",
        "audio:                AAC",
        "first picture after:  0.81 s",
        "note: good to know",
        "  - id: x",
    ):
        assert line in text.splitlines()
    shown = json.loads(result.json_text())
    assert (shown["width"], shown["bit_rate_bps"], shown["failure"]) == (1920, 4_180_000, None)


def test_failure_is_shown_with_its_one_word() -> None:
    result = ProbeResult(uri="rtsp://h/x", failure=Failure("refused", "nobody listens there"))
    assert "refused: nobody listens there" in result.text().splitlines()
    assert json.loads(result.json_text())["failure"]["reason"] == "refused"


def test_source_that_needs_no_camera_is_probed() -> None:
    result = probe(Target.from_options(options("test://?width=320&height=240&fps=10")))
    assert result.failure is None
    assert (result.codec, result.width, result.height) == ("raw video", 320, 240)
    assert result.fps == pytest.approx(10, rel=0.05)
    assert result.suggestion is not None
    Camera.model_validate(result.suggestion)


def test_coded_source_is_shown_with_profile_rate_and_keyframe_interval() -> None:
    description = (
        "pipeline:videotestsrc is-live=true ! video/x-raw,width=320,height=240,framerate=20/1 ! x264enc "
        "key-int-max=20 tune=zerolatency speed-preset=ultrafast ! h264parse"
    )
    result = probe(Target.from_options(options(description)))
    assert result.failure is None
    assert (result.codec, result.width, result.height) == ("H.264", 320, 240)
    assert result.profile is not None
    assert "level" in result.profile
    assert result.fps == pytest.approx(20, rel=0.05)
    assert result.keyframe_interval_s == pytest.approx(1, rel=0.05)
    assert result.bit_rate_bps is not None
    assert result.bit_rate_bps > 10_000
    assert result.first_picture_s is not None
    entry = yaml.safe_load(result.text().split("under cameras:")[1])[0]
    assert Camera.model_validate(entry).uri == description


def test_picture_of_a_source_that_is_not_there_is_an_error() -> None:
    with pytest.raises(SourceNotFound):
        take_picture(Target.from_options(options("file:///nowhere/film.mp4")))


class ShortPauses(SystemClock):
    """A pause of a second takes no time, and the clock has gone on by it; connections are waited for."""

    def __init__(self) -> None:
        self._waited_s = 0.0

    def monotonic_s(self) -> float:
        return super().monotonic_s() + self._waited_s

    def wait(self, event: threading.Event, timeout_s: float) -> bool:
        if timeout_s < 1.0:
            return super().wait(event, timeout_s)
        self._waited_s += timeout_s
        return event.is_set()


class NoTransports:
    """A camera's script: describes itself, or answers that question with a status, and refuses each SETUP.

    Args:
        answers: To the descriptions asked for, one after the other; the last holds from then on.

    Attributes:
        asked: How many times.
    """

    def __init__(self, *answers: str) -> None:
        self._answers = answers
        self.asked = 0

    def __call__(self, connection: Connection) -> None:
        while True:
            request = connection.request()
            status = "461 Unsupported Transport" if request.method == "SETUP" else "200 OK"
            if request.method == "DESCRIBE":
                status = self._answers[min(self.asked, len(self._answers) - 1)]
                self.asked += 1
            if status == "200 OK":
                connection.answer_well(request)
            else:
                connection.answer(request, status)


GOOD, BUSY = "200 OK", "503 Service Unavailable"


@pytest.mark.parametrize("asked", ["tcp", "udp"])
@pytest.mark.parametrize("answers", [(GOOD, BUSY, GOOD), (BUSY, GOOD, GOOD)], ids=["second", "first"])
def test_camera_that_is_busy_is_asked_the_question_again(answers: tuple[str, ...], asked: str) -> None:
    script = NoTransports(*answers)
    with HostileCamera(script) as camera:
        result = probe(Target.from_options(options(camera.uri, transport=asked)), clock=ShortPauses())
    assert result.failure is not None
    assert result.failure.reason == "transport"
    assert "it sends by multicast alone" in result.failure.message
    assert script.asked == 3


@pytest.mark.parametrize(
    ("answer", "reason", "is_asked_again"),
    [
        (BUSY, "failed", True),
        ("401 Unauthorized", "unauthorized", False),
        ("404 Not Found", "not-found", False),
    ],
)
def test_what_the_second_question_fails_of_stands_beside_the_refusal(
    answer: str, reason: str, *, is_asked_again: bool
) -> None:
    script = NoTransports(GOOD, answer)
    with HostileCamera(script) as camera:
        result = probe(Target.from_options(options(camera.uri, transport="udp")), clock=ShortPauses())
    assert result.failure is not None
    assert result.failure.reason == "transport"
    assert "expected the camera to send over udp" in result.failure.message
    (note,) = result.notes
    assert note.startswith(f"transport: tcp was tried as well: {reason}: rtsp://127.0.0.1:")
    assert answer.partition(" ")[0] in note
    assert (script.asked > 2) is is_asked_again


@pytest.mark.parametrize(
    ("answer", "reason", "is_asked_again"),
    [(BUSY, "failed", True), ("401 Unauthorized", "unauthorized", False)],
)
def test_only_what_may_pass_is_asked_again_at_first(
    answer: str, reason: str, *, is_asked_again: bool
) -> None:
    script = NoTransports(answer)
    with HostileCamera(script) as camera:
        result = probe(Target.from_options(options(camera.uri)), clock=ShortPauses())
    assert result.failure is not None
    assert result.failure.reason == reason
    assert (script.asked > 1) is is_asked_again


def test_every_codec_has_a_name_for_people() -> None:
    assert all(codec.name for codec in CODECS)


@pytest.mark.parametrize(
    ("reason", "losses", "words"),
    [
        (None, Losses(), []),
        ("JPEG over RTP", Losses(), []),
        ("receiver: gstreamer", Losses(), ["leave receiver out"]),
        (None, Losses(packets=3, pictures=40), ["3 packets never came, which has cost 40 pictures"]),
        (None, Losses(skipped_bytes=7), ["7 bytes between the packets belong to none"]),
    ],
)
def test_what_is_wrong_on_the_wire_is_noted(reason: str | None, losses: Losses, words: list[str]) -> None:
    found = reception_notes(reason, losses)
    assert len(found) == len(words)
    assert all(word in note for word, note in zip(words, found, strict=True))
