"""What a camera's uri may say, and the settings behind its `?`."""

from __future__ import annotations

from fractions import Fraction

import pytest

from edgecam.config.camera import Camera
from edgecam.config.queries import rate
from edgecam.config.uris import expect_uri, numbered_path
from edgecam.config.validation import validate


def query(uri: str) -> dict[str, str]:
    return validate(Camera, {"id": "lobby", "uri": uri}).query


def test_settings_of_a_query_stand_on_top_of_the_defaults() -> None:
    assert query("images:///srv/s_%06d.jpg") == {"fps": "5"}
    assert query("images:///srv/s_%06d.jpg?fps=0.5") == {"fps": "0.5"}
    assert query("test://?pattern=snow&width=320") == {
        "pattern": "snow",
        "width": "320",
        "height": "360",
        "fps": "15",
    }
    assert query("rtsp://10.0.0.1/x?channel=1&fps=fast") == {}


@pytest.mark.parametrize(
    ("text", "fps"), [("5", Fraction(5)), ("0.5", Fraction(1, 2)), ("30000/1001", Fraction(30000, 1001))]
)
def test_rates_may_be_whole_broken_or_fractions(text: str, fps: Fraction) -> None:
    assert rate(text) == fps


@pytest.mark.parametrize(
    "text", ["", "0", "121", "-5", "1/0", "fast", "1e9", "1e999999999", "9" * 5000, "1/" + "3" * 5000]
)
def test_rate_that_is_none_is_refused_without_work(text: str) -> None:
    with pytest.raises(ValueError, match="expected fps as a number up to 120"):
        rate(text)


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("test://?fps=5&fps=6", "each setting behind the ? once"),
        ("test://?" + "a=1&" * 5000, "at most 20 settings"),
        ("test://?height=7681", "height in pixels from 16 to 7680"),
        ("test://?width=0640", "width in pixels from 16 to 7680"),
        ("images:///srv/s_%099999999d.jpg", "a path such as /folder/seq_%06d.jpg"),
        ("images:///srv/s_%06d.gif", "a path such as /folder/seq_%06d.jpg"),
        ("images:///srv/s_%06d.jpg#5", "no #"),
        ("file:///srv/a#b.mp4", "no #"),
        ("pipe:///run/a?b", "no ?"),
        ("rtsp://10.0.0.1/a\tb", r"U\+0009"),
        (" rtsp://10.0.0.1/a", "begins with one of"),
        ("pipeline:videotestsrc ! x\u200by", r"U\+200B"),
    ],
)
def test_uri_that_is_none_is_named(uri: str, expected: str) -> None:
    with pytest.raises(ValueError, match=expected.replace("?", r"\?")):
        expect_uri(uri)


@pytest.mark.parametrize(
    "uri",
    [
        "file:///srv/a%23b%3Fc d.mp4",
        "pipe:///run/büro",
        'pipeline: videotestsrc ! capsfilter caps="video/x-raw\\,width=1" ',
        "rtsp://guard@10.0.0.1:554/a b?c=d#e",
        "rtsp://10.0.0.1",
        "test://",
    ],
)
def test_uri_as_cameras_and_files_have_it_is_taken(uri: str) -> None:
    expect_uri(uri)


def test_number_of_a_path_may_be_percent_encoded() -> None:
    path, number = numbered_path("/srv/s_%2506d.jpg")
    assert (str(path), number[0]) == ("/srv/s_%06d.jpg", "%06d")
