"""Hosts and ports: what sockets and resolvers take as it is typed, and nothing else."""

from __future__ import annotations

import pytest

from edgecam.config.hosts import Address, authority_of, parse_authority, parse_host, parse_port


@pytest.mark.parametrize(
    ("text", "host", "port", "in_uri"),
    [
        ("10.0.0.21", "10.0.0.21", None, "10.0.0.21"),
        ("10.0.0.21:554", "10.0.0.21", 554, "10.0.0.21"),
        ("cam-1.local.:8554", "cam-1.local.", 8554, "cam-1.local."),
        ("cam_1", "cam_1", None, "cam_1"),
        ("_cams.example", "_cams.example", None, "_cams.example"),
        ("4th.example", "4th.example", None, "4th.example"),
        ("büro.example", "büro.example", None, "büro.example"),
        ("[fd00::21]", "fd00::21", None, "[fd00::21]"),
        ("[fd00:0:0::21]:65535", "fd00::21", 65535, "[fd00::21]"),
        ("[fe80::21%25eth0]:554", "fe80::21%eth0", 554, "[fe80::21%25eth0]"),
    ],
)
def test_host_and_port_are_distinguished(text: str, host: str, port: int | None, in_uri: str) -> None:
    address = parse_authority(text)
    assert address == Address(host, port)
    assert address.in_uri == in_uri


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("fd00::21:554", "IPv6 address in brackets"),
        ("::1", "IPv6 address in brackets"),
        ("[fd00::21", "IPv6 address in brackets"),
        ("fd00::21]:554", "IPv6 address in brackets"),
        ("[fd00::21]x", "IPv6 address in brackets"),
        ("[10.0.0.1]", "IPv6 address in the brackets"),
        ("[fd00::zz]", "IPv6 address in the brackets"),
        ("[fe80::21]", "a zone behind a link-local IPv6 address"),
        ("[fe80::21%eth0]", "behind %25"),
        ("[fe80::21%25]", "behind %25"),
        ("[fe80::21%25eth0/x]", "without scheme and path"),
        ("h:", "a port from 1 to 65535"),
        ("h:0", "a port from 1 to 65535"),
        ("h:65536", "a port from 1 to 65535"),
        ("h:abc", "a port from 1 to 65535"),
        ("h:0554", "a port from 1 to 65535"),
        ("h:+554", "a port from 1 to 65535"),
        ("h:\uff15\uff15\uff14", "a port from 1 to 65535"),
        ("[fd00::21]:99999", "a port from 1 to 65535"),
        ("10.0.0.256", "four numbers from 0 to 255"),
        ("10.1", "four numbers from 0 to 255"),
        ("010.0.0.1", "four numbers from 0 to 255"),
        ("167772161", "four numbers from 0 to 255"),
        ("0x7f.1", "four numbers from 0 to 255"),
        ("cam.7", "four numbers from 0 to 255"),
        ("", "the name of a host"),
        ("a..b", "the name of a host"),
        ("-a", "the name of a host"),
        ("a-", "the name of a host"),
        ("a b", "the name of a host"),
        ("a\u200bb", "the name of a host"),
        ("%41", "the name of a host"),
        ("a" * 64, "the name of a host"),
        (".".join(["a" * 60] * 5), "the name of a host"),
        ("a" * 100_000, "at most 253 characters"),
    ],
)
def test_what_is_no_host_is_named(text: str, expected: str) -> None:
    with pytest.raises(ValueError, match=r"^expected ") as raised:
        parse_authority(text)
    assert expected in str(raised.value)


def test_authority_is_found_in_a_uri_behind_its_login() -> None:
    assert authority_of("rtsp://guard:p@10.0.0.1:8554/a:b@c?d:e") == Address("10.0.0.1", 8554)
    assert authority_of("rtsp://[::1]?x") == Address("::1")


def test_host_alone_has_no_port() -> None:
    assert parse_host("[::1]").host == "::1"
    with pytest.raises(ValueError, match="without a port"):
        parse_host("mqtt.example:8883")
    with pytest.raises(ValueError, match="without scheme and path"):
        parse_host("https://mqtt.example")


def test_port_is_a_plain_number() -> None:
    assert parse_port("65535") == 65535
