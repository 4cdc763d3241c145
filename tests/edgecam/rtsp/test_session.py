"""A session's conversation, without a socket: each request, and what follows each answer."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from edgecam.credentials.login import Login
from edgecam.errors import (
    SourceEnded,
    SourceError,
    SourceNotFound,
    SourceRedirected,
    SourceTransport,
    SourceUnauthorized,
)
from edgecam.rtsp.authentication import Authentication
from edgecam.rtsp.bounds import CAMERA_REQUESTS
from edgecam.rtsp.faults import NotOurs, TooMuch
from edgecam.rtsp.messages import CameraRequest, Headers, Response, parse_head
from edgecam.rtsp.sdp import Description
from edgecam.rtsp.session import Chosen, Session
from edgecam.rtsp.urls import location_of

SDP = (
    b"v=0\na=control:*\nm=audio 0 RTP/AVP 0\na=control:track2\n"
    b"m=video 0 RTP/AVP 96\na=rtpmap:96 H264/90000\na=control:track1\n"
)
URL = "rtsp://cam/live"
LOGIN = Login("me", "geheim")
DIGEST = 'Digest realm="cam", nonce="n1"'


class Dialogue:
    """A session, and the camera's part by hand."""

    def __init__(self, url: str = URL, login: Login | None = None, kinds: Sequence[str] = ("video",)) -> None:
        def choose(description: Description) -> list[Chosen]:
            return [Chosen(each, each.formats[0]) for each in description.media if each.kind in kinds]

        self.session = Session("cam", location_of(url), Authentication(login), choose)
        self.session.begin()
        self.now_s = 1000.0

    def asked(self) -> tuple[str, str, Headers]:
        """The next request: method, address, headers."""
        head = self.session.take_outgoing().partition(b"\r\n\r\n")[0]
        assert head, "expected a request, found none"
        found = parse_head(head)
        assert isinstance(found, CameraRequest)
        return found.method, head.split()[1].decode(), found.headers

    def answer(
        self, status: int = 200, *fields: tuple[str, str], body: bytes = b"", sequence: str | None = None
    ) -> None:
        number = [("cseq", sequence)] if sequence is not None else []
        self.session.handle(Response(status, "", Headers((*number, *fields)), body), self.now_s)

    def exchange(
        self, method: str, *fields: tuple[str, str], status: int = 200, body: bytes = b""
    ) -> tuple[str, Headers]:
        """The next request, which is to be of `method`, is answered; returns what it was."""
        found, url, headers = self.asked()
        assert found == method
        self.answer(status, *fields, body=body, sequence=headers.get("cseq"))
        return url, headers

    def shake_hands(self, *, session: str = "12345;timeout=60", public: str = "GET_PARAMETER, PLAY") -> None:
        self.exchange("OPTIONS", ("public", public))
        self.exchange("DESCRIBE", body=SDP)
        self.exchange("SETUP", ("session", session), ("transport", "RTP/AVP/TCP;interleaved=0-1"))
        self.exchange("PLAY")

    def kept_alive(self, after_s: float) -> str | None:
        """What is asked for so many seconds later."""
        self.now_s += after_s
        self.session.tick(self.now_s)
        out = self.session.take_outgoing()
        return out.split()[0].decode() if out else None


def test_a_session_goes_from_options_to_play() -> None:
    camera = Dialogue()
    assert camera.exchange("OPTIONS", ("public", "PLAY"))[0] == URL
    url, headers = camera.exchange("DESCRIBE", body=SDP)
    assert (url, headers.get("accept"), headers.get("session")) == (URL, "application/sdp", None)
    url, headers = camera.exchange("SETUP", ("session", " 12 ; timeout=5 "), ("transport", "interleaved=8-9"))
    assert (url, headers.get("transport")) == (f"{URL}/track1", "RTP/AVP/TCP;unicast;interleaved=0-1")
    assert camera.session.agreed_channels == (8, 9)
    url, headers = camera.exchange("PLAY")
    assert (url, headers.get("session"), headers.get("range")) == (URL, "12", "npt=0.000-")
    assert camera.session.is_playing
    camera.session.tear_down()
    method, url, headers = camera.asked()
    assert (method, url, headers.get("session")) == ("TEARDOWN", URL, "12")


def test_chosen_streams_are_set_up_one_after_the_other_and_played_together() -> None:
    camera = Dialogue(kinds=("audio", "video"))
    camera.exchange("OPTIONS")
    camera.exchange("DESCRIBE", body=SDP)
    first = camera.exchange("SETUP", ("session", "1"))
    second = camera.exchange("SETUP", ("session", "1"))
    assert (first[0], second[0]) == (f"{URL}/track2", f"{URL}/track1")
    assert second[1].get("session") == "1"
    assert camera.session.agreed_channels == (0, 1, 2, 3)
    assert camera.exchange("PLAY")[0] == URL


@pytest.mark.parametrize(
    ("fields", "sdp", "setup", "play"),
    [
        ([("content-base", f"{URL}/base/")], SDP, f"{URL}/base/track1", f"{URL}/base/"),
        ([("content-location", "rtsp://cam/there")], SDP, "rtsp://cam/there/track1", "rtsp://cam/there"),
        ([], SDP.replace(b"track1", b"rtsp://10.0.0.2/t1"), "rtsp://10.0.0.2/t1", URL),
        (
            [],
            SDP.replace(b"control:*", b"control:rtsp://cam/all/"),
            "rtsp://cam/all/track1",
            "rtsp://cam/all/",
        ),
        ([], SDP.replace(b"a=control:*\n", b""), f"{URL}/track1", URL),
        ([], SDP.replace(b"a=control:track1\n", b""), URL, URL),
    ],
    ids=["base", "location", "absolute", "aggregate", "no aggregate", "none"],
)
def test_controls_name_what_is_set_up_and_played(
    fields: list[tuple[str, str]], sdp: bytes, setup: str, play: str
) -> None:
    camera = Dialogue()
    camera.exchange("OPTIONS")
    camera.exchange("DESCRIBE", *fields, body=sdp)
    assert camera.exchange("SETUP", ("session", "1"))[0] == setup
    assert camera.exchange("PLAY")[0] == play


def test_a_camera_without_an_aggregate_is_asked_for_its_streams() -> None:
    camera = Dialogue()
    camera.exchange("OPTIONS")
    camera.exchange("DESCRIBE", body=SDP)
    camera.exchange("SETUP", ("session", "1"))
    camera.exchange("PLAY", status=460)
    assert camera.exchange("PLAY")[0] == f"{URL}/track1"
    assert camera.session.is_playing


@pytest.mark.parametrize("status", [400, 404, 405, 501, 551])
def test_a_camera_that_knows_no_options_is_described_all_the_same(status: int) -> None:
    camera = Dialogue()
    camera.exchange("OPTIONS", status=status)
    camera.exchange("DESCRIBE", body=SDP)


@pytest.mark.parametrize(
    ("public", "session", "after_s", "method"),
    [
        ("OPTIONS, get_parameter", "1;timeout=10", 5, "GET_PARAMETER"),
        ("OPTIONS,PLAY", "1;timeout=10", 5, "OPTIONS"),
        ("GET_PARAMETER", "1", 30, "GET_PARAMETER"),
        ("GET_PARAMETER", "1; Timeout = 20", 10, "GET_PARAMETER"),
        ("GET_PARAMETER", "1;timeout=0", 30, "GET_PARAMETER"),
        ("GET_PARAMETER", "1;timeout=x", 30, "GET_PARAMETER"),
        ("GET_PARAMETER", "1;timeout=1", 1, "GET_PARAMETER"),
        ("GET_PARAMETER", "1;timeout=999999", 300, "GET_PARAMETER"),
    ],
)
def test_a_session_is_kept_alive_at_half_of_its_timeout(
    public: str, session: str, after_s: float, method: str
) -> None:
    camera = Dialogue()
    camera.shake_hands(session=session, public=public)
    assert camera.session.due_s == camera.now_s + after_s
    assert camera.kept_alive(after_s - 0.1) is None
    assert camera.kept_alive(0.1) == method
    assert camera.kept_alive(after_s - 0.1) is None
    assert camera.kept_alive(0.1) == method, "an unanswered request is no reason to stop"


@pytest.mark.parametrize("status", [405, 451, 501, 400])
def test_a_camera_that_claims_to_know_get_parameter_is_asked_for_options(status: int) -> None:
    camera = Dialogue()
    camera.shake_hands()
    camera.now_s += 30
    camera.session.tick(camera.now_s)
    camera.exchange("GET_PARAMETER", status=status)
    assert camera.kept_alive(30) == "OPTIONS"


def test_a_session_that_the_camera_no_longer_knows_has_ended() -> None:
    camera = Dialogue()
    camera.shake_hands()
    camera.now_s += 30
    camera.session.tick(camera.now_s)
    with pytest.raises(SourceEnded, match="454"):
        camera.exchange("GET_PARAMETER", status=454)


def test_an_answer_to_an_earlier_request_is_passed_over() -> None:
    camera = Dialogue()
    camera.shake_hands()
    assert camera.kept_alive(30) == "GET_PARAMETER"
    assert camera.kept_alive(30) == "GET_PARAMETER"
    camera.answer(454, sequence="5")
    with pytest.raises(SourceEnded):
        camera.answer(454, sequence="6")


def test_an_answer_twice_is_taken_once() -> None:
    camera = Dialogue()
    camera.exchange("OPTIONS")
    camera.answer(200, sequence="1")
    camera.exchange("DESCRIBE", body=SDP)
    assert camera.asked()[0] == "SETUP"


@pytest.mark.parametrize("sequence", [None, "0", "x", "99"])
def test_the_number_of_an_answer_does_not_matter_while_one_is_awaited(sequence: str | None) -> None:
    camera = Dialogue()
    assert camera.asked()[0] == "OPTIONS"
    camera.answer(200, sequence=sequence)
    assert camera.asked()[0] == "DESCRIBE"


def test_an_answer_that_says_wait_is_none() -> None:
    camera = Dialogue()
    assert camera.asked()[0] == "OPTIONS"
    camera.answer(100, sequence="1")
    assert not camera.session.take_outgoing()
    camera.answer(200, sequence="1")
    assert camera.asked()[0] == "DESCRIBE"


@pytest.mark.parametrize("method", ["OPTIONS", "DESCRIBE"])
def test_a_login_is_sent_once_it_is_asked_for_and_from_then_on(method: str) -> None:
    camera = Dialogue(login=LOGIN)
    if method == "DESCRIBE":
        camera.exchange("OPTIONS")
    assert camera.exchange(method, ("www-authenticate", DIGEST), status=401)[1].get("authorization") is None
    if method == "OPTIONS":
        camera.exchange("OPTIONS")
    for each, body in (("DESCRIBE", SDP), ("SETUP", b""), ("PLAY", b"")):
        assert 'nonce="n1"' in (camera.exchange(each, body=body)[1].get("authorization") or "")


@pytest.mark.parametrize("login", [LOGIN, None])
def test_a_login_is_tried_once(login: Login | None) -> None:
    camera = Dialogue(login=login)
    camera.exchange("OPTIONS")
    logins = []

    def refuse_for_ever() -> None:
        while True:
            headers = camera.exchange("DESCRIBE", ("www-authenticate", DIGEST), status=401)[1]
            logins.append(headers.get("authorization"))

    with pytest.raises(SourceUnauthorized) as caught:
        refuse_for_ever()
    assert len([each for each in logins if each is not None]) <= 1
    assert ("without a login" in str(caught.value)) is (login is None)
    assert "geheim" not in str(caught.value)


def test_a_nonce_for_each_request_is_answered() -> None:
    camera = Dialogue(login=LOGIN)
    camera.exchange("OPTIONS")
    for number, (method, body) in enumerate((("DESCRIBE", SDP), ("SETUP", b""), ("PLAY", b""))):
        challenge = ("www-authenticate", f'Digest realm="cam", nonce="n{number}"')
        camera.exchange(method, challenge, status=401)
        assert f'nonce="n{number}"' in (camera.exchange(method, body=body)[1].get("authorization") or "")
    assert camera.session.is_playing


def test_a_keep_alive_with_an_old_nonce_is_repeated() -> None:
    camera = Dialogue(login=LOGIN)
    camera.exchange("OPTIONS", ("www-authenticate", DIGEST), status=401)
    camera.shake_hands()
    camera.now_s += 30
    camera.session.tick(camera.now_s)
    camera.exchange("GET_PARAMETER", ("www-authenticate", f'{DIGEST[:-3]}n2", stale=true'), status=401)
    assert 'nonce="n2"' in (camera.exchange("GET_PARAMETER")[1].get("authorization") or "")


def test_a_challenge_that_is_not_understood_is_named() -> None:
    camera = Dialogue(login=LOGIN)
    camera.exchange("OPTIONS")
    with pytest.raises(SourceUnauthorized, match="Digest SHA3"):
        camera.exchange("DESCRIBE", ("www-authenticate", f"{DIGEST}, algorithm=SHA3"), status=401)


@pytest.mark.parametrize(
    ("status", "kind", "text"),
    [
        (403, SourceUnauthorized, "403"),
        (404, SourceNotFound, "404"),
        (461, SourceTransport, "transport: udp"),
        (453, SourceError, "too many viewers"),
        (500, SourceError, "found 500"),
        (401, SourceUnauthorized, "401"),
    ],
)
def test_each_refusal_has_its_cause(status: int, kind: type[SourceError], text: str) -> None:
    camera = Dialogue()
    camera.exchange("OPTIONS")
    with pytest.raises(kind, match=text):
        camera.exchange("DESCRIBE", status=status)


def test_datagrams_in_place_of_channels_are_for_gstreamer() -> None:
    camera = Dialogue()
    camera.exchange("OPTIONS")
    camera.exchange("DESCRIBE", body=SDP)
    with pytest.raises(NotOurs):
        camera.exchange("SETUP", ("transport", "RTP/AVP;unicast;client_port=1-2;server_port=3-4"))


@pytest.mark.parametrize("status", [301, 302, 303, 305, 307, 308])
def test_a_camera_may_send_on(status: int) -> None:
    camera = Dialogue()
    camera.exchange("OPTIONS")
    camera.exchange("DESCRIBE", ("location", "rtsp://other:8554/x"), status=status)
    redirect = camera.session.redirect
    assert redirect is not None
    assert (redirect.host, redirect.port) == ("other", 8554)
    assert not camera.session.take_outgoing()
    camera.session.tear_down()
    assert not camera.session.take_outgoing()


def test_a_camera_that_sends_on_while_it_plays_ends_the_connection() -> None:
    camera = Dialogue()
    camera.shake_hands()
    camera.session.tick(camera.now_s + 31)
    with pytest.raises(SourceEnded, match="sends on to another address"):
        camera.exchange("GET_PARAMETER", ("location", "rtsp://other/x"), status=302)
    assert camera.session.redirect is None


@pytest.mark.parametrize("to", ["", "/elsewhere", "http://cam/", "rtsp://cam:0/", "rtsp://ca m/"])
def test_a_camera_that_sends_to_no_place_is_refused(to: str) -> None:
    camera = Dialogue()
    camera.exchange("OPTIONS")
    with pytest.raises(SourceRedirected, match="to a host and port"):
        camera.exchange("DESCRIBE", ("location", to), status=302)


def test_a_camera_that_sends_to_less_protection_is_refused() -> None:
    camera = Dialogue(url="rtsps://cam/live")
    camera.exchange("OPTIONS")
    with pytest.raises(SourceRedirected, match="as well protected"):
        camera.exchange("DESCRIBE", ("location", "rtsp://cam/live"), status=302)


@pytest.mark.parametrize(
    ("method", "status"),
    [
        ("OPTIONS", b"200 OK"),
        ("GET_PARAMETER", b"200 OK"),
        ("SET_PARAMETER", b"200 OK"),
        ("ANNOUNCE", b"501 "),
    ],
)
def test_a_camera_that_asks_is_answered(method: str, status: bytes) -> None:
    camera = Dialogue()
    camera.shake_hands()
    camera.session.handle(CameraRequest(method, Headers((("cseq", "42"),))), camera.now_s)
    assert camera.session.take_outgoing().startswith(b"RTSP/1.0 " + status)


@pytest.mark.parametrize("method", ["TEARDOWN", "REDIRECT"])
def test_a_camera_may_end_the_session(method: str) -> None:
    camera = Dialogue()
    camera.shake_hands()
    with pytest.raises(SourceEnded, match=method):
        camera.session.handle(CameraRequest(method), camera.now_s)


def test_a_camera_that_does_nothing_but_ask_is_refused() -> None:
    camera = Dialogue()
    camera.shake_hands()
    asked = CameraRequest("OPTIONS")
    for _ in range(CAMERA_REQUESTS):
        camera.session.handle(asked, camera.now_s)
    camera.session.packets_came()
    camera.session.take_outgoing()
    for _ in range(CAMERA_REQUESTS):
        camera.session.handle(asked, camera.now_s)
    with pytest.raises(TooMuch, match="requests of the camera"):
        camera.session.handle(asked, camera.now_s)
