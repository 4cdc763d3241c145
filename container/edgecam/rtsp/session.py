"""One session with a camera: from OPTIONS to PLAY, kept alive, and torn down. Messages in, requests out.

One request is under way at a time. What the camera itself asks is answered.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import NamedTuple

from edgecam.errors import SourceEnded, SourceRedirected
from edgecam.rtsp.authentication import Authentication
from edgecam.rtsp.bounds import CAMERA_REQUESTS, OUTGOING_BYTES, SESSION_CHARACTERS
from edgecam.rtsp.faults import TooMuch
from edgecam.rtsp.messages import CameraRequest, Message, Response, answer, request
from edgecam.rtsp.refusals import bad_redirect, refused, unauthorized
from edgecam.rtsp.sdp import Description, Format, Medium, parse_description
from edgecam.rtsp.transport import Channels, answered, asked
from edgecam.rtsp.urls import Location, base_of, controlled, location_of

USUAL_TIMEOUT_S = 60
"""Of a session whose camera names none (RFC 2326, 12.37)."""
_KEEP_ALIVE_S = (1.0, 300.0)
"""Time-outs below two seconds are mistakes; once in five minutes keeps the way through routers open."""
_TIMEOUT = re.compile(r"timeout\s*=\s*(\d{1,6})", re.IGNORECASE)
_REDIRECTS = (301, 302, 303, 305, 307, 308)
_UNKNOWN_METHODS = (400, 404, 405, 406, 451, 455, 500, 501, 551)
"""By which a camera says that it does not know GET_PARAMETER; some say the oddest."""
_NO_AGGREGATE = (404, 405, 455, 459, 460)
_OWN_METHODS = "OPTIONS, GET_PARAMETER, SET_PARAMETER, TEARDOWN"


class Stage(Enum):
    """What is asked for now."""

    OPTIONS = auto()
    DESCRIBE = auto()
    SETUP = auto()
    PLAY = auto()
    PLAYING = auto()


class Chosen(NamedTuple):
    """One stream that is wanted, in one of the forms it is offered in."""

    medium: Medium
    format: Format


@dataclass
class Track:
    """A chosen stream, and how it is reached.

    Attributes:
        chosen: As it was described.
        url: As requests name it.
        channels: Where its packets come.
    """

    chosen: Chosen
    url: str
    channels: Channels


@dataclass
class _Pending:
    """The request that waits for its answer."""

    sequence: int
    method: str
    url: str
    headers: tuple[tuple[str, str], ...]
    has_login: bool
    refusals: int = 0


class Session:
    """The conversation on one connection. Not safe for threads.

    Args:
        name: The camera's, for messages, redacted.
        location: Where the stream is.
        authentication: Who we are.
        choose: Which of the described streams are wanted, at least one; raises what says why none is.

    Attributes:
        description: The streams, once they are known.
        tracks: The chosen ones; their channels are known one after the other.
        stage: What is asked for now.
        redirect: Where the camera sends on; nothing more comes from this connection then.
        has_answers: Whether the camera has said anything.
    """

    def __init__(
        self,
        name: str,
        location: Location,
        authentication: Authentication,
        choose: Callable[[Description], Sequence[Chosen]],
    ) -> None:
        self._name = name
        self._location = location
        self._authentication = authentication
        self._choose = choose
        self._outgoing = bytearray()
        self._sequence = 0
        self._pending: _Pending | None = None
        self._session_id: str | None = None
        self._timeout_s: float = USUAL_TIMEOUT_S
        self._methods: frozenset[str] = frozenset()
        self._base = self._aggregate = location.url
        self._asks_each_track = False
        self._camera_requests = 0
        self._set_up = self._played = 0
        self._keep_alive_s: float | None = None
        self.description: Description | None = None
        self.tracks: list[Track] = []
        self.stage = Stage.OPTIONS
        self.redirect: Location | None = None
        self.has_answers = False

    @property
    def is_playing(self) -> bool:
        """Whether the camera sends its streams."""
        return self.stage is Stage.PLAYING

    @property
    def agreed_channels(self) -> tuple[int, ...]:
        """The channels on which packets may come by now."""
        known = self.tracks[: self._set_up]
        return tuple(number for track in known for number in track.channels[:2])

    @property
    def due_s(self) -> float | None:
        """When `tick` is to be called, by the clock that never steps; None where there is nothing to do."""
        return self._keep_alive_s

    def begin(self) -> None:
        """The connection is there."""
        self._ask("OPTIONS", self._location.url)

    def take_outgoing(self) -> bytes:
        """What is to be sent now; it counts as sent."""
        taken = bytes(self._outgoing)
        self._outgoing.clear()
        return taken

    def handle(self, message: Message, now_s: float) -> None:
        """Take the camera's next message.

        Raises:
            SourceError: the camera does not let us have the stream, and why.
            NotOurs: it offers what this receiver does not read.
            TooMuch: it asks more than cameras do.
        """
        self.has_answers = True
        if isinstance(message, CameraRequest):
            self._answer(message)
            return
        pending = self._matching(message)
        if pending is None or message.status < 200:
            return
        self._pending = None
        if message.status == 401:
            self._log_in(pending, message)
            return
        if pending.has_login:
            self._authentication.accepted()
        if message.status in _REDIRECTS:
            self._be_redirected(message)
        elif message.status >= 300:
            self._be_refused(pending, message)
        else:
            self._go_on(pending, message, now_s)

    def packets_came(self) -> None:
        """Packets of a chosen stream have come."""
        self._camera_requests = 0

    def tick(self, now_s: float) -> None:
        """Ask for something where the session would end by its time-out otherwise: also while packets flow,
        since cameras count requests alone."""
        if self._keep_alive_s is None or now_s < self._keep_alive_s:
            return
        self._keep_alive_s = now_s + self._keep_alive_period_s
        method = "GET_PARAMETER" if "GET_PARAMETER" in self._methods else "OPTIONS"
        self._ask(method, self._aggregate)

    def tear_down(self) -> None:
        """End the session; the answer is not waited for."""
        if self._session_id is not None and self.redirect is None:
            self._ask("TEARDOWN", self._aggregate)

    @property
    def _keep_alive_period_s(self) -> float:
        least_s, most_s = _KEEP_ALIVE_S
        return max(least_s, min(self._timeout_s / 2, most_s))

    def _ask(self, method: str, url: str, *headers: tuple[str, str], refusals: int = 0) -> None:
        self._sequence += 1
        own = tuple(headers)
        login = self._authentication.header(method, url)
        sent = [*own, *([] if self._session_id is None else [("Session", self._session_id)])]
        sent += [] if login is None else [("Authorization", login)]
        self._pending = _Pending(self._sequence, method, url, own, login is not None, refusals)
        self._queue(request(method, url, self._sequence, sent))

    def _queue(self, data: bytes) -> None:
        if len(self._outgoing) + len(data) > OUTGOING_BYTES:
            raise TooMuch(f"expected requests to be read, found {len(self._outgoing)} bytes of them waiting")
        self._outgoing += data

    def _matching(self, response: Response) -> _Pending | None:
        """The request that `response` answers. During the handshake it is the one under way, whatever number
        the camera gives; afterwards a late answer to an earlier one is passed over."""
        sequence = response.headers.number("cseq")
        pending = self._pending
        if pending is None or (self.is_playing and sequence not in (None, pending.sequence)):
            return None
        return pending if sequence is None or sequence >= pending.sequence or sequence == 0 else None

    def _answer(self, asked_for: CameraRequest) -> None:
        self._camera_requests += 1
        if self._camera_requests > CAMERA_REQUESTS:
            raise TooMuch(f"expected at most {CAMERA_REQUESTS} requests of the camera, found more")
        if asked_for.method in ("OPTIONS", "GET_PARAMETER", "SET_PARAMETER", "TEARDOWN", "REDIRECT"):
            headers = [("Public", _OWN_METHODS)] if asked_for.method == "OPTIONS" else []
            self._queue(answer(asked_for, "200 OK", headers))
        else:
            self._queue(answer(asked_for, "501 Not Implemented"))
        if asked_for.method in ("TEARDOWN", "REDIRECT"):
            raise SourceEnded(
                f"{self._name}: expected the stream to go on, found that the camera ends it "
                f"({asked_for.method})"
            )

    def _log_in(self, pending: _Pending, response: Response) -> None:
        refusals = pending.refusals + pending.has_login
        values = response.headers.all("www-authenticate")
        if self._authentication.challenged(values, was_sent=pending.has_login, tries=refusals):
            self._ask(pending.method, pending.url, *pending.headers, refusals=refusals)
        elif not self.is_playing:
            raise unauthorized(self._name, response, self._authentication)

    def _be_redirected(self, response: Response) -> None:
        if self.is_playing:
            raise SourceEnded(
                f"{self._name}: expected the stream to go on, found that the camera sends on to another "
                f"address ({response.status})"
            )
        try:
            target = location_of(response.headers.get("location") or "")
        except ValueError:
            raise bad_redirect(self._name) from None
        if self._location.takes_tls and not target.takes_tls:
            raise SourceRedirected(
                f"{self._name}: expected a redirect to be as well protected, found one to rtsp:// at "
                f"{target.host}; give the address that it leads to as uri"
            )
        self.redirect = target

    def _be_refused(self, pending: _Pending, response: Response) -> None:
        if pending.method == "OPTIONS" and self.stage is Stage.OPTIONS:
            # Some know no OPTIONS; what they do know, shows.
            self._describe()
        elif pending.method == "PLAY" and not self._asks_each_track and response.status in _NO_AGGREGATE:
            # Some know no aggregate of their streams.
            self._asks_each_track = True
            self._play()
        elif self.is_playing:
            if response.status == 454:
                raise refused(self._name, pending.method, response)
            if pending.method == "GET_PARAMETER" and response.status in _UNKNOWN_METHODS:
                self._methods -= {"GET_PARAMETER"}
        else:
            raise refused(self._name, pending.method, response)

    def _go_on(self, pending: _Pending, response: Response, now_s: float) -> None:
        if pending.method == "OPTIONS" and self.stage is Stage.OPTIONS:
            public = response.headers.all("public") + response.headers.all("allow")
            self._methods = frozenset(re.findall(r"[A-Z_]+", ",".join(public).upper()))
            self._describe()
        elif pending.method == "DESCRIBE":
            self._take_description(pending.url, response)
        elif pending.method == "SETUP":
            self._take_setup(response)
        elif pending.method == "PLAY":
            self._played += 1
            if self._asks_each_track and self._played < len(self.tracks):
                self._play()
                return
            self.stage = Stage.PLAYING
            self._keep_alive_s = now_s + self._keep_alive_period_s

    def _describe(self) -> None:
        self.stage = Stage.DESCRIBE
        self._ask("DESCRIBE", self._location.url, ("Accept", "application/sdp"))

    def _take_description(self, url: str, response: Response) -> None:
        self.description = parse_description(response.body)
        headers = response.headers
        self._base = base_of(url, headers.get("content-base"), headers.get("content-location"))
        self._aggregate = controlled(self._base, self.description.control)
        # A control of the whole that is an address is what those of the streams are relative to.
        base = self._aggregate if "://" in (self.description.control or "") else self._base
        for number, chosen in enumerate(self._choose(self.description)):
            track_url = controlled(base, chosen.medium.control)
            self.tracks.append(Track(chosen, track_url, Channels(2 * number, 2 * number + 1)))
        self.stage = Stage.SETUP
        self._setup()

    def _setup(self) -> None:
        track = self.tracks[self._set_up]
        self._ask("SETUP", track.url, ("Transport", asked(track.channels)))

    def _take_setup(self, response: Response) -> None:
        track = self.tracks[self._set_up]
        track.channels = answered(response.headers.get("transport"), track.channels)
        session = response.headers.get("session")
        if session is not None:
            identifier, _, options = session[:SESSION_CHARACTERS].partition(";")
            self._session_id = identifier.strip()
            found = _TIMEOUT.search(options)
            if found is not None and int(found[1]):
                self._timeout_s = int(found[1])
        self._set_up += 1
        if self._set_up < len(self.tracks):
            self._setup()
        else:
            self._play()

    def _play(self) -> None:
        self.stage = Stage.PLAY
        url = self.tracks[self._played].url if self._asks_each_track else self._aggregate
        self._ask("PLAY", url, ("Range", "npt=0.000-"))
