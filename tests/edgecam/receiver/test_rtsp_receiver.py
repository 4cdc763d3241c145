"""What cameras do on the wire, with a camera by script at the other end of a socket."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from probe_options import options
from viewer import Viewer, viewing

from edgecam.cli.probe import probe
from edgecam.cli.probe_target import Target
from edgecam.codecs.video import H264
from edgecam.config.camera import Tls
from edgecam.credentials.login import Login as Ours
from edgecam.errors import (
    SourceBeyondReceiver,
    SourceEnded,
    SourceError,
    SourceNotFound,
    SourceRedirected,
    SourceRefused,
    SourceTransport,
    SourceUnauthorized,
    SourceUnreachable,
    SourceUnsupported,
)
from edgecam.receiver.dialing import dial
from edgecam.rtsp.urls import location_of
from sandbox.cameras.hostile_camera import UNANSWERED, HostileCamera, plain_film
from sandbox.cameras.rtp_packets import RtpPacket, lost, other_source
from sandbox.cameras.rtsp_habits import Asked, Basic, Digest, Habits, Login, Reply, description
from sandbox.cameras.scripted_camera import ScriptedCamera, sender_report
from sandbox.ports import free_port

Eventually = Callable[..., Any]
QUICK = Habits(speed=10)
"""A second of the film in a tenth."""
ENOUGH = 25
"""Pictures: two and a half keyframe intervals."""
ME = Ours("viewer", "correct horse")


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    return plain_film(tmp_path_factory.mktemp("film"))


def watch(
    camera: ScriptedCamera, eventually: Eventually, login: Ours | None = None, **settings: Any
) -> Viewer:
    """What came of the camera until there was enough of it, or it failed."""
    with viewing(camera.uri, login, **settings) as viewer:
        eventually(lambda: len(viewer.received) >= ENOUGH or viewer.fault)
        return viewer


def expect_film(viewer: Viewer) -> None:
    """Nothing is missing, doubled or damaged."""
    assert viewer.fault is None
    assert viewer.codec is H264
    assert viewer.stamps_s == [each / 10 for each in range(len(viewer.received))]
    assert not any(each.picture.is_damaged for each in viewer.received)
    assert [each.picture.is_keyframe for each in viewer.received[:11]] == [True, *[False] * 9, True]


def failure(
    camera: ScriptedCamera, eventually: Eventually, login: Ours | None = None, **settings: Any
) -> SourceError:
    with viewing(camera.uri, login, **settings) as viewer:
        return eventually(lambda: viewer.fault)


def answering(method: str, *headers: str, without: str = "") -> Callable[[Asked, Reply], Reply]:
    """Other headers in the answer to this method."""

    def reply(asked: Asked, usual: Reply) -> Reply:
        if asked.method != method:
            return usual
        return (usual.without(without) if without else usual).having(*headers)

    return reply


def woven_in(between: Callable[[int], bytes]) -> Callable[[Iterator[RtpPacket]], Iterator[RtpPacket | bytes]]:
    """These bytes behind each packet, by its place."""

    def packets(right: Iterator[RtpPacket]) -> Iterator[RtpPacket | bytes]:
        for place, packet in enumerate(right):
            yield packet
            yield between(place)

    return packets


REQUESTS = {
    0: b"OPTIONS rtsp://x/ RTSP/1.0\r\nCSeq: 3\r\n\r\n",
    4: b"GET_PARAMETER * RTSP/1.0\r\nCSeq: 4\r\nContent-Length: 4\r\n\r\nname",
}
SOUND = b"$\x02\0\x0e\x80\0" + bytes(12)
SEVERAL = (Basic(), Digest("MD5"), Digest("SHA-256", qop=True))
CAMERAS = {
    "plain": QUICK,
    "control is an address": replace(QUICK, control="rtsp://127.0.0.1/elsewhere/1"),
    "no base": replace(QUICK, reply=answering("DESCRIBE", without="Content-Base")),
    "SETUP without channels": replace(QUICK, transport=lambda _: "RTP/AVP/TCP;unicast"),
    "channels between blanks": replace(
        QUICK, transport=lambda _: "RTP/AVP/TCP; unicast; interleaved= 0 - 1 "
    ),
    "other channels": replace(QUICK, transport=lambda _: "RTP/AVP/TCP;unicast;interleaved=6-7"),
    "source that is not sent": replace(QUICK, transport=lambda each: f"{each};ssrc=0BADCAFE"),
    "no session": replace(QUICK, reply=answering("PLAY", without="Session")),
    "lines end in line feeds": replace(QUICK, reply=lambda _, usual: replace(usual, line_end="\n")),
    "text between packets": replace(QUICK, packets=woven_in(lambda n: b"-- log --\n" if n % 7 == 3 else b"")),
    "bytes between packets": replace(QUICK, packets=woven_in(lambda n: bytes([n & 0xFF]) * (n % 11))),
    "requests between packets": replace(QUICK, packets=woven_in(lambda n: REQUESTS.get(n % 9, b""))),
    "sound that is not asked for": replace(
        QUICK, packets=woven_in(lambda _: b"$\x02\0\x0e\x80\0" + bytes(12))
    ),
    "another source": replace(QUICK, packets=lambda right: other_source(right, 77, from_picture=12)),
    "MD5": replace(QUICK, login=Login()),
    "SHA-256 alone": replace(QUICK, login=Login(challenges=(Digest("SHA-256", qop=True),))),
    "several challenges": replace(
        QUICK, login=Login(challenges=(Basic(), Digest("MD5"), Digest("SHA-256", qop=True)))
    ),
    "Basic": replace(QUICK, login=Login(challenges=(Basic(),))),
    "a nonce for each request": replace(QUICK, login=Login(nonce_requests=1)),
    "nonces that nobody calls stale": replace(
        QUICK, login=Login(challenges=(Digest(stale=None),), nonce_requests=1)
    ),
    "a realm for each nonce": replace(QUICK, login=Login(nonce_requests=2, realms=("a", "b"))),
}


@pytest.mark.parametrize("habits", CAMERAS.values(), ids=CAMERAS)
def test_cameras_of_all_habits_are_received_whole(
    habits: Habits, film: list[bytes], eventually: Eventually
) -> None:
    with ScriptedCamera(film, habits) as camera:
        expect_film(watch(camera, eventually, ME if habits.login else None))
    if habits.login is not None:
        assert habits.login.refused == 0


SDPS = {
    "line feeds": {"line_end": "\n"},
    "blanks at the end of lines": {"line_end": " \r\n"},
    "no parameter sets": {"has_sets": False},
    "three streams": {
        "more": "m=audio 0 RTP/AVP 8\r\na=control:t2\r\nm=application 0 RTP/AVP 107\r\na=control:t3\r\n"
    },
}


@pytest.mark.parametrize("settings", SDPS.values(), ids=SDPS)
def test_descriptions_of_all_forms_are_read(
    settings: dict[str, Any], film: list[bytes], eventually: Eventually
) -> None:
    with ScriptedCamera(film, replace(QUICK, sdp=description(film, **settings))) as camera:
        expect_film(watch(camera, eventually))
        assert camera.methods.count("SETUP") == 1


def test_bytes_between_packets_are_counted(film: list[bytes], eventually: Eventually) -> None:
    habits = replace(QUICK, packets=woven_in(lambda n: b"-- log --\n" if n < 3 else b""))
    with ScriptedCamera(film, habits) as camera, viewing(camera.uri) as viewer:
        eventually(lambda: len(viewer.received) >= ENOUGH)
        assert viewer.receiver.losses == (0, 0, 30)
    assert viewer.receiver.losses == (0, 0, 30), "still known once the connection is closed"


def test_bytes_between_packets_are_noted_by_probe(film: list[bytes]) -> None:
    habits = replace(QUICK, packets=woven_in(lambda n: b"-- log --\n" if n < 3 else b""))
    with ScriptedCamera(film, habits) as camera:
        found = probe(Target.from_options(options(camera.uri)))
    assert found.failure is None
    assert [note for note in found.notes if "30 bytes between the packets" in note]


def test_a_wrong_password_is_sent_once(film: list[bytes], eventually: Eventually) -> None:
    wrong = Ours("viewer", "wrong")
    for challenges in ((Digest(),), (Digest("SHA-256"), Digest(), Basic()), (Basic(),)):
        login = Login(challenges=challenges, nonce_requests=1)
        with ScriptedCamera(film, replace(QUICK, login=login)) as camera:
            assert isinstance(failure(camera, eventually, wrong), SourceUnauthorized)
            assert camera.connections == 1
        assert login.refused == 1


def test_a_session_is_kept_while_packets_flow(film: list[bytes], eventually: Eventually) -> None:
    habits = Habits(session="7;timeout=2", idle_s=1.8)
    with ScriptedCamera(film, habits) as camera, viewing(camera.uri) as viewer:
        eventually(lambda: camera.methods.count("GET_PARAMETER") >= 4 or viewer.fault)
        assert viewer.fault is None
        assert {each.headers.get("session") for each in camera.requests[-3:]} == {"7"}


def test_a_session_is_torn_down(film: list[bytes], eventually: Eventually) -> None:
    with ScriptedCamera(film, QUICK) as camera:
        watch(camera, eventually)
        eventually(lambda: camera.methods[-1] == "TEARDOWN")
        eventually(lambda: camera.open_connections == 0)


def test_reports_are_sent_and_those_of_the_camera_tell_its_time(
    film: list[bytes], eventually: Eventually
) -> None:
    begin_s = 1_600_000_000.0

    def with_reports(right: Iterator[RtpPacket]) -> Iterator[RtpPacket | bytes]:
        for place, packet in enumerate(right):
            if place == 0:
                yield sender_report(packet, unix_s=begin_s)
            yield packet

    habits = Habits(packets=with_reports, reports_every_s=0)
    with ScriptedCamera(film, habits) as camera, viewing(camera.uri) as viewer:
        eventually(lambda: camera.client_packets)
        channel, report = camera.client_packets[0]
        assert (channel, report[0] >> 6, report[1]) == (1, 2, 201), "a receiver report (RFC 3550, 6.4.2)"
        assert len(viewer.received) > 1
        for each, at_s in zip(viewer.received, viewer.stamps_s, strict=True):
            assert each.taken_ns is not None
            assert abs(each.taken_ns / 1e9 - begin_s - at_s) < 0.001


def test_a_camera_that_says_goodbye_has_ended(film: list[bytes], eventually: Eventually) -> None:
    def leaves(right: Iterator[RtpPacket]) -> Iterator[RtpPacket | bytes]:
        for place, packet in enumerate(right):
            yield packet
            if place == 60:
                yield sender_report(packet, has_bye=True)
                return

    with ScriptedCamera(film, replace(QUICK, packets=leaves)) as camera:
        error = failure(camera, eventually)
    assert isinstance(error, SourceEnded)
    assert "BYE" in str(error)


def test_the_last_picture_comes_before_the_end(film: list[bytes], eventually: Eventually) -> None:
    habits = replace(QUICK, packets=lambda right: _first(right, 15), hangs_up=True)
    with ScriptedCamera(film, habits) as camera, viewing(camera.uri) as viewer:
        assert isinstance(eventually(lambda: viewer.fault), SourceEnded)
        assert viewer.stamps_s == [each / 10 for each in range(15)]


def _first(right: Iterator[RtpPacket], pictures: int) -> Iterator[RtpPacket]:
    times: set[int] = set()
    for packet in right:
        times.add(packet.time)
        if len(times) > pictures:
            return
        yield packet


def test_a_lost_packet_damages_what_needs_it_and_nothing_else(
    film: list[bytes], eventually: Eventually
) -> None:
    habits = replace(QUICK, packets=lambda right: lost(right, {14}))
    with ScriptedCamera(film, habits) as camera, viewing(camera.uri) as viewer:
        eventually(lambda: len(viewer.received) >= ENOUGH)
        losses = viewer.receiver.losses
    assert losses.packets == 1
    damaged = [
        stamp for stamp, each in zip(viewer.stamps_s, viewer.received, strict=True) if each.picture.is_damaged
    ]
    assert damaged
    assert losses.pictures == len(damaged)
    assert damaged == [stamp for stamp in viewer.stamps_s if damaged[0] <= stamp < 1], (
        "up to the next keyframe"
    )
    assert [each.picture.has_hole for each in viewer.received].count(True) == 1


REFUSALS = {
    "no such stream": ("404 Not Found", SourceNotFound, "404"),
    "not for this user": ("403 Forbidden", SourceUnauthorized, "403"),
    "no TCP": ("461 Unsupported Transport", SourceTransport, "transport: udp"),
    "too many viewers": ("453 Not Enough Bandwidth", SourceError, "too many viewers"),
    "broken": ("500 Internal Server Error", SourceError, "500 Internal Server Error"),
}


@pytest.mark.parametrize(("status", "kind", "text"), REFUSALS.values(), ids=REFUSALS)
def test_a_refusal_says_what_to_do(
    status: str, kind: type[SourceError], text: str, film: list[bytes], eventually: Eventually
) -> None:
    def refuse(asked: Asked, usual: Reply) -> Reply:
        return Reply(status) if asked.method == "SETUP" else usual

    with ScriptedCamera(film, replace(QUICK, reply=refuse)) as camera:
        error = failure(camera, eventually)
    assert type(error) is kind
    assert text in str(error)


BEYOND = {
    "JPEG": (b"m=video 0 RTP/AVP 26\r\na=control:t1\r\n", "JPEG over RTP"),
    "MPEG-TS": (b"m=video 0 RTP/AVP 33\r\na=control:t1\r\n", "MP2T over RTP"),
    "encrypted": (b"m=video 0 RTP/SAVP 96\r\na=rtpmap:96 H264/90000\r\n", "encrypted packets"),
    "interleaved units": (
        b"m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=fmtp:96 packetization-mode=2\r\n",
        "",
    ),
}


@pytest.mark.parametrize(("sdp", "text"), BEYOND.values(), ids=BEYOND)
def test_what_is_not_read_here_is_left_to_gstreamer(
    sdp: bytes, text: str, film: list[bytes], eventually: Eventually
) -> None:
    with ScriptedCamera(film, replace(QUICK, sdp=sdp)) as camera:
        error = failure(camera, eventually)
    assert isinstance(error, SourceBeyondReceiver)
    assert text in error.what


def test_datagrams_are_left_to_gstreamer(film: list[bytes], eventually: Eventually) -> None:
    udp = "RTP/AVP;unicast;client_port=5000-5001;server_port=6000-6001"
    with ScriptedCamera(film, replace(QUICK, transport=lambda _: udp)) as camera:
        assert isinstance(failure(camera, eventually), SourceBeyondReceiver)


def test_a_stream_that_nobody_reads_is_named(film: list[bytes], eventually: Eventually) -> None:
    sdp = b"m=video 0 RTP/AVP 96\r\na=rtpmap:96 VP8/90000\r\nm=audio 0 RTP/AVP 0\r\n"
    with ScriptedCamera(film, replace(QUICK, sdp=sdp)) as camera:
        error = failure(camera, eventually)
    assert type(error) is SourceUnsupported
    assert "video VP8, audio PCMU" in str(error)


def sends_to(uri: str) -> Habits:
    """A camera that is elsewhere."""

    def reply(asked: Asked, usual: Reply) -> Reply:
        return Reply("302 Found", (f"Location: {uri}",)) if asked.method == "DESCRIBE" else usual

    return Habits(reply=reply)


def test_a_login_goes_with_a_redirect_to_the_same_host(film: list[bytes], eventually: Eventually) -> None:
    guarded = replace(QUICK, login=Login())
    with ScriptedCamera(film, guarded) as there, ScriptedCamera(film, sends_to(there.uri)) as here:
        expect_film(watch(here, eventually, ME))


def test_a_login_does_not_go_with_a_redirect_to_another_host(
    film: list[bytes], eventually: Eventually
) -> None:
    with HostileCamera(_asks_for_a_login) as other:
        elsewhere = other.uri.replace("127.0.0.1", "localhost")
        with ScriptedCamera(film, sends_to(elsewhere)) as here:
            error = failure(here, eventually, ME)
    assert isinstance(error, SourceUnauthorized)
    assert "without a login" in str(error)


def _asks_for_a_login(connection: Any) -> None:
    while True:
        request = connection.request()
        assert "authorization" not in request.head.lower()
        connection.answer(request, "401 Unauthorized", ['WWW-Authenticate: Basic realm="x"'])


@pytest.mark.parametrize("sent_by", ["10.0.0.7", "192.168.1.9", "::ffff:10.0.0.7"])
@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0"])
def test_a_camera_may_not_send_us_to_ourselves(sent_by: str, host: str) -> None:
    with pytest.raises(SourceRedirected, match="this core itself"):
        dial("cam", location_of(f"rtsp://{host}/live"), Tls(), 5, sent_by=sent_by)
    assert dial("cam", location_of("rtsp://10.0.0.8/live"), Tls(), 5, sent_by=sent_by).addresses


def test_redirects_do_not_go_on_for_ever(film: list[bytes], eventually: Eventually) -> None:
    def reply(asked: Asked, usual: Reply) -> Reply:
        return Reply("302 Found", (f"Location: {asked.uri}",)) if asked.method == "DESCRIBE" else usual

    with ScriptedCamera(film, Habits(reply=reply)) as camera:
        error = failure(camera, eventually)
        assert isinstance(error, SourceRedirected)
        assert camera.connections == 4


def test_a_port_where_nobody_listens_is_named(eventually: Eventually) -> None:
    with viewing(f"rtsp://127.0.0.1:{free_port()}/live") as viewer:
        assert isinstance(eventually(lambda: viewer.fault), SourceRefused)


def test_a_host_that_does_not_answer_is_given_up(eventually: Eventually) -> None:
    with HostileCamera(UNANSWERED) as camera, viewing(camera.uri, connect_timeout_s=1) as viewer:
        assert isinstance(eventually(lambda: viewer.fault), SourceUnreachable)


def test_a_name_without_an_address_is_named(eventually: Eventually) -> None:
    with viewing("rtsp://no-such-camera.invalid/live") as viewer:
        error = eventually(lambda: viewer.fault)
    assert isinstance(error, SourceUnreachable)
    assert "DNS" in str(error)


def test_another_protocol_is_named(film: list[bytes], eventually: Eventually) -> None:
    habits = Habits(reply=lambda *_: b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
    with ScriptedCamera(film, habits) as camera:
        error = failure(camera, eventually)
    assert isinstance(error, SourceUnsupported)
    assert "found HTTP" in str(error)


def test_closing_while_a_camera_is_silent_takes_no_time(film: list[bytes], eventually: Eventually) -> None:
    with ScriptedCamera(film, Habits(reply=lambda *_: None)) as camera, viewing(camera.uri) as viewer:
        eventually(lambda: camera.requests)
    assert viewer.fault is None
    eventually(lambda: camera.open_connections == 0)
