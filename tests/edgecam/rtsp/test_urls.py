"""Which addresses requests name."""

from __future__ import annotations

import pytest

from edgecam.rtsp.urls import Location, base_of, controlled, location_of


@pytest.mark.parametrize(
    ("url", "host", "port", "wire"),
    [
        ("rtsp://cam/live", "cam", 554, "rtsp://cam/live"),
        ("rtsps://cam:8322/live?x=1#y", "cam", 8322, "rtsps://cam:8322/live?x=1"),
        ("rtsps://cam/", "cam", 322, "rtsps://cam/"),
        ("rtsp://user:p%40ss@cam:8554/a b", "cam", 8554, "rtsp://cam:8554/a%20b"),
        ("rtsp://[fe80::1%25eth0]:8554/x", "fe80::1%eth0", 8554, "rtsp://[fe80::1%25eth0]:8554/x"),
        ("RTSP://Cam/Straße", "Cam", 554, "rtsp://Cam/Stra%C3%9Fe"),
    ],
)
def test_a_location_is_host_port_and_address_without_a_login(
    url: str, host: str, port: int, wire: str
) -> None:
    found = location_of(url)
    assert (found.host, found.port, found.url) == (host, port, wire)


@pytest.mark.parametrize(
    "url", ["", "http://cam/", "/live", "rtsp:", "rtsp://cam:0/", "rtsp://cam:99999/", "rtsp://a b/"]
)
def test_what_names_no_place_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="expected"):
        location_of(url)


@pytest.mark.parametrize(
    ("base", "control", "url"),
    [
        ("rtsp://h/live", "trackID=1", "rtsp://h/live/trackID=1"),
        ("rtsp://h/live/", "trackID=1", "rtsp://h/live/trackID=1"),
        ("rtsp://h/live/", "/trackID=1", "rtsp://h/live/trackID=1"),
        ("rtsp://h/live?a=b", "trackID=1", "rtsp://h/live?a=b/trackID=1"),
        ("rtsp://h/live", "?ctype=video", "rtsp://h/live?ctype=video"),
        ("rtsp://h/live", "rtsp://10.0.0.2/other/track1", "rtsp://10.0.0.2/other/track1"),
        ("rtsp://h/live", "*", "rtsp://h/live"),
        ("rtsp://h/live", None, "rtsp://h/live"),
        ("rtsp://h/live", "track 1", "rtsp://h/live/track%201"),
        ("rtsp://h/live", "x" * 10_000, "rtsp://h/live"),
    ],
)
def test_a_control_is_appended_or_an_address_of_its_own(base: str, control: str | None, url: str) -> None:
    assert controlled(base, control) == url


def test_controls_are_relative_to_what_the_camera_says_where_that_is_an_address() -> None:
    url = "rtsp://h/live"
    assert base_of(url, "rtsp://h/live/base/ ", None) == "rtsp://h/live/base/%20"
    assert base_of(url, None, "rtsp://h/location") == "rtsp://h/location"
    assert base_of(url, "rtsp://h/base", "rtsp://h/location") == "rtsp://h/base"
    assert base_of(url, "/base/", "live/") == url
    assert base_of(url, None, None) == url


def test_a_login_is_for_one_host_and_not_for_less_protection() -> None:
    plain, secure = Location("rtsp", "Cam", 554, ""), Location("rtsps", "cam", 322, "")
    other = Location("rtsp", "other", 554, "")
    assert plain.is_same_host(secure)
    assert not secure.is_same_host(plain)
    assert not plain.is_same_host(other)
