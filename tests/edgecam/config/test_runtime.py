"""What a `config` message may hold, and how its mistakes are reported."""

from __future__ import annotations

import json

import pytest

from edgecam.config.camera import Camera, Frames
from edgecam.config.recording import Recording
from edgecam.config.runtime import (
    MOST_BYTES,
    RuntimeConfig,
    UploadLimits,
    read_runtime,
)
from edgecam.config.storage import Upload
from edgecam.config.validation import Model, validate
from edgecam.errors import ConfigurationError

RECORDED = Camera(id="lobby", uri="rtsp://127.0.0.1/", recording=Recording(enabled=True))
SEEN = Camera(id="gate", uri="rtsp://127.0.0.1/")
HEARD = Camera(
    id="yard",
    uri="rtsp://127.0.0.1/",
    frames=Frames(enabled=False),
    recording=Recording(enabled=True),
)
WHOLE = {"max_fps": 2, "chunk_s": 5, "upload": {"max_bytes_per_s": 1_000_000, "max_requests_per_s": 5}}


def read(document: object, camera: Camera = RECORDED, *, has_bucket: bool = True) -> RuntimeConfig:
    content = document if isinstance(document, bytes) else json.dumps(document).encode()
    return read_runtime(content, camera, has_bucket=has_bucket)


def mistakes(document: object, camera: Camera = RECORDED, *, has_bucket: bool = True) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        read(document, camera, has_bucket=has_bucket)
    return [str(mistake) for mistake in caught.value.mistakes]


def test_a_whole_document_is_read() -> None:
    limits = UploadLimits(max_bytes_per_s=1_000_000, max_requests_per_s=5.0)
    assert read(WHOLE) == RuntimeConfig(max_fps=2.0, chunk_s=5.0, upload=limits)


@pytest.mark.parametrize(
    "document", [b"", b" \n", b"{}", b'{"max_fps": null, "upload": {}}', b'{"upload": null}']
)
def test_what_is_not_said_is_as_it_was_deployed(document: bytes) -> None:
    settings = read(document)
    assert settings == RuntimeConfig()
    assert settings.frames_of(RECORDED) == RECORDED.frames
    assert settings.chunk_s_of(RECORDED) == RECORDED.recording.chunk_s


def test_whole_numbers_may_be_written_as_any_program_writes_them() -> None:
    settings = read(b'{"max_fps": 2e0, "chunk_s": 5.0, "upload": {"max_bytes_per_s": 1.5e6}}')
    assert settings.upload.max_bytes_per_s == 1_500_000
    assert mistakes(b'{"upload": {"max_bytes_per_s": 5000.5}}') == [
        "upload.max_bytes_per_s: expected a valid integer, found 5000.5"
    ]


def test_every_mistake_is_reported() -> None:
    document = {
        "max_fps": 31,
        "chunk_s": "5",
        "upload": {"max_bytes_per_s": 1, "max_request_per_s": 1},
        "codec": 1,
    }
    assert mistakes(document) == [
        "max_fps: expected a number less than or equal to 30, found 31",
        'chunk_s: expected a valid number, found "5"',
        "upload.max_bytes_per_s: expected a number greater than or equal to 4096, found 1",
        "upload.max_request_per_s: expected one of the keys max_bytes_per_s, max_requests_per_s "
        "(did you mean max_requests_per_s?), found an unknown key",
        "codec: expected one of the keys chunk_s, max_fps, upload, found an unknown key",
    ]


def test_true_is_no_number() -> None:
    assert mistakes({"max_fps": True}) == ["max_fps: expected a number, found true"]


@pytest.mark.parametrize(
    ("document", "mistake"),
    [
        (b"max_fps: 2", "expected JSON, found something else at character 0"),
        (b'{"max_fps": 2', "expected JSON, found something else at character 13"),
        (b"\xff\xfe{}", "expected JSON, found text that is not UTF-8 at byte 0"),
        (b'{"max_fps": NaN}', "expected JSON, found NaN, which is none"),
        (b'{"max_fps": 1, "max_fps": 2}', 'expected each key once, found "max_fps" again'),
        (b"[1, 2]", "expected a mapping, found a list of 2"),
        (b"2", "expected a mapping, found 2"),
        (b"null", "expected a mapping, found nothing"),
        (b"[" * MOST_BYTES, "expected JSON, found numbers or brackets beyond all measure"),
        (b"[" * 2000 + b"]" * 2000, "expected JSON, found numbers or brackets beyond all measure"),
        (b'{"a":' * 9 + b"1" + b"}" * 9, "expected JSON, found numbers or brackets beyond all measure"),
        (b" " * (MOST_BYTES + 1), "expected at most 4096 bytes, found more"),
    ],
)
def test_what_is_no_json_object_is_refused(document: bytes, mistake: str) -> None:
    assert mistakes(document) == [mistake]


def test_brackets_in_a_text_are_text() -> None:
    assert mistakes(rb'{"\"[[[[[[[[[[": 1}') == [
        '"[[[[[[[[[[: expected one of the keys chunk_s, max_fps, upload, found an unknown key'
    ]


@pytest.mark.parametrize("number", ["1e999", "-1e999", "9" * 400])
def test_a_number_beyond_all_measure_is_refused(number: str) -> None:
    (mistake,) = mistakes(b'{"max_fps": %s}' % number.encode())
    assert mistake.startswith("max_fps: expected ")


def test_a_setting_that_makes_no_sense_is_refused_beside_the_other_mistakes() -> None:
    assert mistakes({"max_fps": 2, "chunk_s": 1}, HEARD) == [
        "max_fps: expected it left out, since the camera makes no pictures, found 2",
        "chunk_s: expected a number greater than or equal to 2, found 1",
    ]
    assert mistakes({"chunk_s": 5}, SEEN) == [
        "chunk_s: expected it left out, since the camera is not recorded, found 5"
    ]
    assert mistakes({"upload": {"max_bytes_per_s": 5000}}, SEEN, has_bucket=False) == [
        "upload: expected it left out, since the node has no bucket, "
        "found a mapping with the keys max_bytes_per_s"
    ]


def test_pictures_too_rare_for_their_age_limit_are_refused_as_they_are_at_the_start() -> None:
    camera = Camera(id="lobby", uri="rtsp://127.0.0.1/", frames=Frames(stale_after_s=5))
    (mistake,) = mistakes({"max_fps": 0.1}, camera)
    with pytest.raises(ConfigurationError) as caught:
        validate(Frames, {"max_fps": 0.1, "stale_after_s": 5}, at=("frames",))
    assert mistake == str(caught.value)


def test_other_settings_of_the_pictures_stay() -> None:
    frames = Frames(quality=50, width=320, max_fps=1)
    camera = Camera(id="lobby", uri="rtsp://127.0.0.1/", frames=frames)
    assert read({"max_fps": 4}).frames_of(camera) == Frames(quality=50, width=320, max_fps=4)


def test_the_same_limits_hold_as_for_what_is_deployed() -> None:
    def limits(model: type[Model], name: str) -> list[object]:
        return model.model_fields[name].metadata

    def optional(model: type[Model], name: str) -> list[object]:
        inner = model.model_fields[name].annotation.__args__[0]  # type: ignore[union-attr]
        return list(inner.__metadata__[0].metadata)

    for deployed, changed, name in [
        (Frames, RuntimeConfig, "max_fps"),
        (Recording, RuntimeConfig, "chunk_s"),
        (Upload, UploadLimits, "max_bytes_per_s"),
        (Upload, UploadLimits, "max_requests_per_s"),
    ]:
        assert limits(deployed, name)
        assert limits(deployed, name) == optional(changed, name)


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("max_bytes_per_s", "1" + "0" * 400),
        ("max_bytes_per_s", "1e308"),
        ("max_bytes_per_s", "10000000001"),
        ("max_bytes_per_s", "-4096"),
        ("max_requests_per_s", "1e-300"),
        ("max_requests_per_s", "5e-324"),
        ("max_requests_per_s", "0.099"),
        ("max_requests_per_s", "1" + "0" * 400),
        ("max_requests_per_s", "1e999"),
    ],
)
def test_rate_that_would_stop_every_upload_is_refused(name: str, number: str) -> None:
    (mistake,) = mistakes(f'{{"upload": {{"{name}": {number}}}}}'.encode())
    assert "expected" in mistake
    assert len(mistake) < 300


@pytest.mark.parametrize("name", ["max_fps", "chunk_s"])
@pytest.mark.parametrize("number", ["1" + "0" * 400, "1e308", "1e-300", "0", "-1"])
def test_other_numbers_have_bounds_as_well(name: str, number: str) -> None:
    assert len(mistakes(f'{{"{name}": {number}}}'.encode())) == 1
