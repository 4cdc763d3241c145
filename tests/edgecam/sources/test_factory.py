"""From a uri to a source: settings that a uri carries, and their mistakes."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from edgecam.cli.probe import probe, take_picture
from edgecam.cli.probe_target import Target
from edgecam.config.camera import Camera
from edgecam.config.queries import PATTERNS
from edgecam.config.schemes import SCHEMES, Scheme
from edgecam.config.validation import validate
from edgecam.credentials.login import Login
from edgecam.errors import ConfigurationError, SourceNotFound, SourceUnsupported
from edgecam.gstreamer.gst import Gst
from edgecam.sources.factory import SOURCES, source_for
from edgecam.sources.images import numbered_files


def camera(uri: str, **settings: Any) -> Camera:
    return validate(Camera, {"id": "lobby", "uri": uri} | settings)


def rtspsrc(uri: str, login: Login | None = None, **settings: Any) -> Any:
    made = source_for(camera(uri, **settings), login).build()
    return next(element for element in made.children if element.get_factory().get_name() == "rtspsrc")


def test_each_scheme_has_a_class_and_each_class_a_scheme() -> None:
    assert set(SOURCES) == {scheme.name for scheme in SCHEMES}


@pytest.mark.parametrize("scheme", SCHEMES, ids=lambda scheme: scheme.name)
def test_each_scheme_has_a_source(scheme: Scheme, tmp_path: Path) -> None:
    (tmp_path / "s_1.jpg").write_bytes(b"")
    rest = {
        "images": f"//{tmp_path}/s_%d.jpg",
        "test": "//",
        "pipeline": "videotestsrc",
        "file": "///x",
        "pipe": "///x",
    }
    assert source_for(camera(f"{scheme.name}:{rest.get(scheme.name, '//10.0.0.1/x')}")) is not None


def test_rtsp_settings_reach_the_element() -> None:
    element = rtspsrc("rtsp://10.0.0.1/x", transport="udp", latency_ms=50, connect_timeout_s=3)
    assert element.get_property("protocols").value_nicks[-1] == "udp"
    assert element.get_property("latency") == 50
    assert element.get_property("tcp-timeout") == 3_000_000


def test_the_login_is_a_property_and_stands_nowhere_else() -> None:
    element = rtspsrc("rtsp://10.0.0.1/x?channel=1", Login("guard", "p@ss/1"))
    assert element.get_property("user-id") == "guard"
    assert element.get_property("user-pw") == "p@ss/1"
    assert element.get_property("location") == "rtsp://10.0.0.1/x?channel=1"


CREDENTIALS = {"username": "admin", "password_file": "/etc/password"}
AWKWARD = Login("ad min", 'p@ss/1&"x{username}')


def test_login_that_a_camera_wants_in_its_query_is_filled_in_there() -> None:
    uri = "rtsp://10.0.0.1/h264?username={username}&password={password}"
    element = rtspsrc(uri, Login("admin", "123456"), credentials=CREDENTIALS)
    assert element.get_property("location") == "rtsp://10.0.0.1/h264?username=admin&password=123456"
    element = rtspsrc(uri, AWKWARD, credentials=CREDENTIALS)
    assert element.get_property("location").endswith(
        "?username=ad%20min&password=p%40ss%2F1%26%22x%7Busername%7D"
    )


def test_login_of_a_pipeline_is_filled_into_properties_whatever_characters_it_has() -> None:
    uri = (
        'pipeline:rtspsrc location="rtsp://10.0.0.1/?user={username}&pwd={password}" user-id={username} '
        'user-pw="{password}" ! rtph264depay'
    )
    made = source_for(camera(uri, credentials=CREDENTIALS), AWKWARD).build()
    _, element = made.iterate_all_by_element_factory_name("rtspsrc").next()
    assert element.get_property("user-pw") == AWKWARD.password
    assert element.get_property("user-id") == AWKWARD.username
    assert element.get_property("location").endswith("?user=ad%20min&pwd=p%40ss%2F1%26%22x%7Busername%7D")


def test_place_of_a_login_where_a_pipeline_cannot_have_one_is_said() -> None:
    source = source_for(camera("pipeline:videotestsrc name={password}", credentials=CREDENTIALS), AWKWARD)
    with pytest.raises(SourceUnsupported, match="in properties that are texts") as caught:
        source.build()
    assert AWKWARD.password not in str(caught.value)


def test_places_need_a_login_and_a_login_of_a_pipeline_places() -> None:
    with pytest.raises(ConfigurationError, match="expected credentials, since"):
        camera("rtsp://10.0.0.1/{password}")
    with pytest.raises(ConfigurationError, match="expected credentials only with"):
        camera("pipeline:videotestsrc", credentials=CREDENTIALS)
    assert not camera("file:///films/{password}.mp4").has_login_places


def test_certificates_are_verified_unless_it_is_said_otherwise() -> None:
    assert int(rtspsrc("rtsps://10.0.0.1/x").get_property("tls-validation-flags")) != 0
    unverified = rtspsrc("rtsps://10.0.0.1/x", tls={"verify": False})
    assert int(unverified.get_property("tls-validation-flags")) == 0


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("pipeline:videotestsrc ! nonsense-element", 'no element "nonsense-element"'),
        ("pipeline:videotestsrc ! fakesink", "expected a description with one open end"),
        ("pipeline:videotestsrc audiotestsrc", "expected a description with one open end"),
    ],
)
def test_a_mistake_in_a_uri_is_named(uri: str, expected: str) -> None:
    with pytest.raises(SourceUnsupported) as caught:
        source_for(camera(uri)).build()
    assert expected in str(caught.value)


def test_a_file_that_is_not_there_is_not_found() -> None:
    with pytest.raises(SourceNotFound, match=r"/nowhere/film\.mp4"):
        source_for(camera("file:///nowhere/film.mp4")).build()


def test_patterns_of_a_test_picture_are_those_of_the_element() -> None:
    pattern = Gst.ElementFactory.make("videotestsrc").get_property("pattern")
    known = {value.value_nick for value in type(pattern).__enum_values__.values()}
    assert set(PATTERNS) == known


def test_numbered_files_are_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    for name in ("s_2.jpg", "s_10.jpg", "s_1.jpg", "s_x.jpg", "t_3.jpg", "s_4.png"):
        (tmp_path / name).write_bytes(b"")
    found = numbered_files("x", f"{tmp_path}/s_%d.jpg")
    assert [path.name for path in found] == ["s_1.jpg", "s_2.jpg", "s_10.jpg"]


def test_numbers_with_leading_zeros_need_not_begin_at_one(tmp_path: Path) -> None:
    for number in (41, 7, 1000):
        (tmp_path / f"s_{number:06d}.jpg").write_bytes(b"")
    (tmp_path / "s_5.jpg").write_bytes(b"")
    found = numbered_files("x", f"{tmp_path}/s_%06d.jpg")
    assert [path.name for path in found] == ["s_000007.jpg", "s_000041.jpg", "s_001000.jpg"]


def test_numbered_files_that_are_none_are_named(tmp_path: Path) -> None:
    with pytest.raises(SourceNotFound, match="expected numbered pictures"):
        numbered_files("x", f"{tmp_path}/s_%d.jpg")
    with pytest.raises(SourceNotFound, match="expected the folder"):
        numbered_files("x", f"{tmp_path}/gone/s_%d.jpg")


def test_a_pipeline_may_end_in_caps() -> None:
    made = source_for(camera("pipeline:videotestsrc ! video/x-raw,width=320,framerate=5/1")).build()
    assert isinstance(made, Gst.Bin)


@pytest.mark.parametrize(("caps", "fps"), [("image/jpeg", 5), ("image/jpeg,framerate=10/1", 10)])
def test_pictures_without_times_are_timed_and_paced(caps: str, fps: int, tmp_path: Path) -> None:
    picture = tmp_path / "s_0.jpg"
    picture.write_bytes(take_picture(target("test://?width=64&height=48")))
    began_s = time.monotonic()
    source = f"pipeline:multifilesrc location={tmp_path}/s_%d.jpg loop=true stop-index=0 caps={caps}"
    found = probe(target(source))
    assert found.failure is None
    assert (found.codec, found.fps) == ("JPEG", fps)
    # Three seconds of pictures take about as long, and not the moment in which they can be read.
    assert time.monotonic() - began_s > 2


def target(uri: str) -> Target:
    return Target(camera(uri), None, timeout_s=30)
