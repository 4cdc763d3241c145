"""Test cameras: an RTSP server whose moving pictures carry a clock.

    python -m sandbox.cameras --port 8554
    CAMERA_PASSWORD=… python -m sandbox.cameras --port 0 --camera yard:1280x720@15:user=guard

A camera is `NAME:WIDTHxHEIGHT@FPS` and settings: `user=NAME` (asks for that user and the password from
CAMERA_PASSWORD or --password-file; with `login=query` in its URI, `?username=…&password=…`),
`codec=h264|h265|mjpeg|vp8`, `keyframe=SECONDS`, `kbps=N`, `bframes=N`, `audio=yes`, `container=mpegts`,
`transport=tcp|udp|multicast` (which it sends over alone). When all of them can be reached, one line of JSON
with the port stands on standard output.
SIGTERM ends it.
"""

from __future__ import annotations

import argparse
import logging
import re
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import gi

from edgecam.gstreamer.gst import Gio, Gst
from sandbox.cameras.film import (
    FILM_FOLDER,
    FILM_S,
    CodedPicture,
    Film,
    load,
)

gi.require_version("GstRtsp", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GstRtsp, GstRtspServer  # noqa: E402 - the version has to be chosen first

log = logging.getLogger(__name__)

DEFAULT_CAMERAS = (
    "lobby:1920x1080@30",
    "yard:1280x720@15:user=guard",
    "yard-by-query:1280x720@15:user=guard:login=query",  # the same film, asked for as some cameras want it
)
PASSWORD_VARIABLE = "CAMERA_PASSWORD"

_PAYLOADERS = {
    "h264": (
        "video/x-h264,stream-format=byte-stream,alignment=au",
        "h264parse ! rtph264pay",
    ),
    "h265": (
        "video/x-h265,stream-format=byte-stream,alignment=au",
        "h265parse ! rtph265pay",
    ),
    "mjpeg": ("image/jpeg", "rtpjpegpay"),
    "vp8": ("video/x-vp8", "rtpvp8pay"),
}
_SETTINGS = frozenset(
    ("user", "login", "codec", "keyframe", "kbps", "bframes", "audio", "container", "transport")
)
_TRANSPORTS = {
    "tcp": GstRtsp.RTSPLowerTrans.TCP,
    "udp": GstRtsp.RTSPLowerTrans.UDP,
    "multicast": GstRtsp.RTSPLowerTrans.UDP_MCAST,
}
_AUDIO = (
    "audiotestsrc is-live=true wave=ticks ! audio/x-raw,rate=8000,channels=1 ! alawenc ! "
    "rtppcmapay name=pay1 pt=8"
)


@dataclass(frozen=True)
class TestCamera:
    """One mount of the server."""

    __test__ = False  # pytest takes every Test… for a test

    name: str
    film: Film
    user: str | None = None
    has_audio: bool = False
    has_login_in_query: bool = False
    is_mpegts: bool = False
    transport: str | None = None


def parse_camera(text: str) -> TestCamera:
    """A camera from `NAME:WIDTHxHEIGHT@FPS[:key=value]…`.

    Raises:
        argparse.ArgumentTypeError: says what is wrong.
    """
    name, _, rest = text.partition(":")
    size, *pairs = rest.split(":")
    match = re.fullmatch(r"(\d+)x(\d+)@(\d+)", size)
    settings = dict(pair.partition("=")[::2] for pair in pairs)
    unknown = settings.keys() - _SETTINGS
    has_query = settings.get("login") == "query"
    is_wrong = (
        settings.get("codec", "h264") not in _PAYLOADERS
        or (has_query and "user" not in settings)
        or settings.get("container", "mpegts") != "mpegts"
        or settings.get("transport", "tcp") not in _TRANSPORTS
    )
    if match is None or not name or unknown or is_wrong:
        raise argparse.ArgumentTypeError(
            "expected "
            "NAME:WIDTHxHEIGHT@FPS[:user=…][:login=query][:codec=…][:keyframe=…][:kbps=…][:bframes=…]"
            f"[:audio=yes][:container=mpegts][:transport=…], found {text}"
        )
    width, height, fps = map(int, match.groups())
    film = Film(
        width,
        height,
        fps,
        codec=settings.get("codec", "h264"),
        keyframe_s=float(settings.get("keyframe", 2)),
        kbps=int(settings.get("kbps", 0)),
        bframes=int(settings.get("bframes", 0)),
    )
    return TestCamera(
        name,
        film,
        settings.get("user"),
        settings.get("audio") == "yes",
        has_query,
        is_mpegts="container" in settings,
        transport=settings.get("transport"),
    )


@dataclass
class FrameFeeder:
    """Shows a film in step with the wall clock, on a thread of its own, into one appsrc."""

    pictures: Sequence[CodedPicture]
    film: Film
    feed: Any
    stopping: threading.Event = field(default_factory=threading.Event)

    def start(self) -> None:
        """Begin at the next keyframe."""
        threading.Thread(target=self._run, daemon=True).start()

    def stop(self) -> None:
        """End before the next picture."""
        self.stopping.set()

    def _run(self) -> None:
        # Before it plays the pipeline has no time that a picture could be given.
        while self.feed.get_state(0)[1] != Gst.State.PLAYING:
            if self.stopping.wait(_LOOK_EVERY_S):
                return
        minute_s = time.time() // FILM_S * FILM_S
        index, base_s = self._next_keyframe(time.time() - minute_s)
        # Durations by the clock that never steps; the wall clock is read once.
        origin_s = time.monotonic() - time.time() + minute_s + base_s
        first = self.pictures[index].number
        if self.stopping.wait(max(0.0, origin_s - time.monotonic())):
            return
        # Times have to agree with the pipeline's own, which RTCP sends to the viewers: ffmpeg believes it.
        begun_ns = self.feed.get_current_running_time()
        for shown in range(index, 1 << 62):
            picture = self.pictures[shown % len(self.pictures)]
            place = shown // len(self.pictures) * len(self.pictures)
            due_s = origin_s + (place + shown % len(self.pictures) - first) / self.film.fps
            if self.stopping.wait(max(0.0, due_s - time.monotonic())):
                return
            buffer = Gst.Buffer.new_wrapped(picture.data)
            shown_at = place + picture.number - first + _REORDER_DEPTH * bool(self.film.bframes)
            buffer.pts = begun_ns + round(shown_at * Gst.SECOND / self.film.fps)
            buffer.dts = begun_ns + round((shown - index) * Gst.SECOND / self.film.fps)
            if not picture.is_keyframe:
                buffer.set_flags(Gst.BufferFlags.DELTA_UNIT)
            if self.feed.emit("push-buffer", buffer) != Gst.FlowReturn.OK:
                return

    def _next_keyframe(self, second: float) -> tuple[int, float]:
        """Index of the first keyframe from `second` of the minute on, and its own second (60 is the next
        minute's 0)."""
        for index, picture in enumerate(self.pictures):
            if picture.is_keyframe and picture.number / self.film.fps >= second:
                return index, picture.number / self.film.fps
        return 0, float(FILM_S)


_LOOK_EVERY_S = 0.002
_REORDER_DEPTH = 2  # pictures by which showing has to lag behind decoding when there are B-frames


class CameraServer:
    """The RTSP server with all its mounts."""

    def __init__(self, host: str, port: int, cameras: Sequence[TestCamera], password: str | None) -> None:
        self._server = GstRtspServer.RTSPServer.new()
        self._server.set_address(host)
        self._server.set_service(str(port))
        self._cameras = cameras
        self._auth = GstRtspServer.RTSPAuth.new()
        self._keep: list[Any] = []
        self._password = password
        self._authorize(password)
        self._server.connect("client-connected", self._on_client)
        for camera in cameras:
            self._mount(camera, load(camera.film, FILM_FOLDER))
        self._server.set_auth(self._auth)

    def use_certificate(self, path: Path) -> None:
        """From now on every connection is `rtsps`. `path`: PEM with certificate and key."""
        self._auth.set_tls_certificate(Gio.TlsCertificate.new_from_file(str(path)))

    def ask_for_certificates(self) -> None:
        """From now on who connects has to show a certificate, which may be anybody's."""
        self._auth.set_tls_authentication_mode(Gio.TlsAuthenticationMode.REQUIRED)
        self._auth.connect("accept-certificate", lambda *_: True)

    def attach(self) -> int:
        """Listen; returns the port."""
        if not self._server.attach(None):
            raise OSError("expected a free port, found it in use")
        return int(self._server.get_bound_port())

    def _authorize(self, password: str | None) -> None:
        anyone = GstRtspServer.RTSPToken.new()
        anyone.set_string("media.factory.role", "anyone")
        self._auth.set_default_token(anyone)
        self._auth.set_supported_methods(2)  # digest, as most cameras do
        for user in {camera.user for camera in self._cameras if camera.user}:
            if not password:
                raise OSError(
                    f"expected the password of {user} in {PASSWORD_VARIABLE} or --password-file, found none"
                )
            token = GstRtspServer.RTSPToken.new()
            token.set_string("media.factory.role", user)
            self._auth.add_digest(user, password, token)

    def _on_client(self, _server: Any, client: Any) -> None:
        client.connect("pre-describe-request", self._on_describe)

    def _on_describe(self, _client: Any, context: Any) -> Any:
        """Whether a description is given: by the login in the query, where the camera wants it there."""
        camera = next((each for each in self._cameras if f"/{each.name}" == context.uri.abspath), None)
        if camera is None or not camera.has_login_in_query:
            return GstRtsp.RTSPStatusCode.OK
        wanted = {"username": [camera.user], "password": [self._password]}
        is_right = parse_qs(context.uri.query or "") == wanted
        return GstRtsp.RTSPStatusCode.OK if is_right else GstRtsp.RTSPStatusCode.UNAUTHORIZED

    def _mount(self, camera: TestCamera, pictures: Sequence[CodedPicture]) -> None:
        caps, payloader = _PAYLOADERS[camera.film.codec]
        film = camera.film
        factory = GstRtspServer.RTSPMediaFactory.new()
        pay, number = f"{payloader} name=pay0", 96
        if camera.is_mpegts:
            pay, number = f"{payloader.rpartition('!')[0]} ! mpegtsmux alignment=7 ! rtpmp2tpay name=pay0", 33
        factory.set_launch(
            f"( appsrc name=feed format=time is-live=true block=false max-bytes=0 "
            f"caps={caps},width={film.width},height={film.height},framerate={film.fps}/1 ! "
            f"{pay} pt={number} {_AUDIO if camera.has_audio else ''} )"
        )
        factory.set_shared(True)
        if camera.transport is not None:
            factory.set_protocols(_TRANSPORTS[camera.transport])
        if camera.transport == "multicast":
            factory.set_address_pool(_multicast_addresses())
        factory.set_permissions(_permissions(camera))
        factory.connect("media-configure", self._on_media, camera, pictures)
        self._server.get_mount_points().add_factory(f"/{camera.name}", factory)
        self._keep.append(factory)

    def _on_media(
        self, _factory: Any, media: Any, camera: TestCamera, pictures: Sequence[CodedPicture]
    ) -> None:
        feeder = FrameFeeder(pictures, camera.film, media.get_element().get_by_name_recurse_up("feed"))
        media.connect("unprepared", lambda _media: feeder.stop())
        feeder.start()


def _multicast_addresses() -> Any:
    """Of an organisation's own (RFC 2365, 6.2); nothing is sent there before somebody asks."""
    addresses = GstRtspServer.RTSPAddressPool.new()
    addresses.add_range("239.192.14.0", "239.192.14.9", 20_000, 20_019, 1)
    return addresses


def _permissions(camera: TestCamera) -> Any:
    permissions = GstRtspServer.RTSPPermissions.new()
    roles = ["anyone", *([camera.user] if camera.user else [])]
    for role in roles:
        permissions.add_role(role)
        permissions.add_permission_for_role(role, "media.factory.access", True)
        # Refusing to construct answers 401; refusing access would answer 404.
        permissions.add_permission_for_role(
            role,
            "media.factory.construct",
            role == camera.user or not camera.user or camera.has_login_in_query,
        )
    return permissions
