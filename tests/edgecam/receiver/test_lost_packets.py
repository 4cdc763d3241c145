"""What a lost packet does to the pictures that are shown: nothing, but that some are missing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from itertools import takewhile
from typing import Any

from edgecam.clock import SystemClock
from edgecam.config.camera import Camera
from edgecam.config.validation import validate
from edgecam.errors import SourceEnded
from edgecam.frames.decoder import Picture
from edgecam.frames.demand import FrameDemand
from edgecam.node.camera_session import CameraSession
from edgecam.receiver.rtsp_receiver import RtspReceiver
from edgecam.status.reception import Losses
from sandbox.cameras.film import FILM_FOLDER, Film
from sandbox.cameras.hostile_camera import plain_film
from sandbox.cameras.rtp_packets import RtpPacket, lost
from sandbox.cameras.rtsp_habits import Habits
from sandbox.cameras.scripted_camera import ScriptedCamera

FILM = Film(320, 180, 10, keyframe_s=1, kbps=1500)
"""A dozen packets a picture."""
KEYFRAME_PICTURES = 10
PICTURES = 60
HURT = 33
"""The picture that loses a packet: seven are left before the next keyframe."""


class Album:
    """Keeps the pictures that a camera's file would have shown."""

    def __init__(self) -> None:
        self.jpegs: list[bytes] = []

    def write(self, picture: Picture) -> bool:
        self.jpegs.append(picture.jpeg)
        return True


def first_pictures(packets: Iterable[RtpPacket]) -> Iterator[RtpPacket]:
    """Those of the first `PICTURES`."""
    begin: list[int] = []

    def is_early(packet: RtpPacket) -> bool:
        begin[:] = begin or [packet.time]
        return packet.time - begin[0] < PICTURES * 9_000

    return takewhile(is_early, packets)


def watched(habits: Habits) -> tuple[list[bytes], Losses]:
    """Every picture that is shown of a camera until it hangs up."""
    album, clock = Album(), SystemClock()
    with ScriptedCamera(plain_film(FILM_FOLDER, FILM), replace(habits, hangs_up=True)) as camera:
        document = {"id": "cam", "uri": camera.uri, "frames": {"max_fps": 30, "decode": "all"}}
        settings = validate(Camera, document, name="test")
        source = RtspReceiver(settings)
        writer: Any = album
        session = CameraSession(source, FrameDemand(settings.frames, clock), writer, clock, None)
        session.connection.start()
        try:
            with suppress(SourceEnded):
                while True:
                    session.connection.wait(1)
        finally:
            session.close()
    return album.jpegs, source.losses


def test_one_lost_packet_costs_the_pictures_up_to_the_next_keyframe_and_no_other() -> None:
    """Of a stream of ten thousand packets and more, as long as nothing of the next ones is missing."""
    whole, _ = watched(Habits(packets=first_pictures, speed=3))
    numbers: list[int] = []

    def cut(right: Iterator[RtpPacket]) -> Iterator[RtpPacket]:
        for packet in first_pictures(right):
            if packet.picture == HURT and not packet.is_picture_end and not numbers:
                numbers.append(packet.number)
            else:
                yield packet

    shown, losses = watched(Habits(packets=cut, speed=3))
    assert losses.packets == 1
    assert losses.pictures == KEYFRAME_PICTURES - HURT % KEYFRAME_PICTURES
    assert set(shown) <= set(whole)
    assert len(whole) - len(shown) == losses.pictures


def test_a_lost_packet_damages_no_picture_that_is_shown_and_is_counted() -> None:
    whole, none = watched(Habits(packets=first_pictures, speed=3))
    assert none == Losses()
    assert len(whole) > PICTURES // 2
    numbers = set(range(30, 10_000, 97))
    shown, losses = watched(Habits(packets=lambda right: lost(first_pictures(right), numbers), speed=3))
    assert 3 < losses.packets < 20
    assert losses.pictures > losses.packets
    assert 5 < len(shown) < len(whole)
    assert set(shown) <= set(whole)
