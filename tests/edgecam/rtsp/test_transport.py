"""Which channels a camera has chosen."""

from __future__ import annotations

import pytest

from edgecam.rtsp.faults import NotOurs
from edgecam.rtsp.transport import Channels, answered, asked

ASKED = Channels(0, 1)


def test_channels_are_asked_for() -> None:
    assert asked(Channels(2, 3)) == "RTP/AVP/TCP;unicast;interleaved=2-3"


@pytest.mark.parametrize(
    ("value", "channels"),
    [
        ("RTP/AVP/TCP;unicast;interleaved=0-1", (0, 1, None)),
        ("RTP/AVP/TCP;unicast;interleaved=4-5;ssrc=DEADBEEF;mode=play", (4, 5, 0xDEADBEEF)),
        ("RTP/AVP/TCP;unicast;interleaved = 4 - 5", (4, 5, None)),
        ("RTP/AVP/TCP; interleaved=2", (2, 3, None)),
        ("RTP/AVP/TCP;unicast", (0, 1, None)),
        ("RTP/AVP/TCP;unicast;ssrc=0x12", (0, 1, 0x12)),
        ("RTP/AVP/TCP;interleaved=255", (0, 1, None)),
        ("RTP/AVP/TCP;interleaved=7-7", (0, 1, None)),
        ("RTP/AVP/TCP;interleaved=300-301", (0, 1, None)),
        (None, (0, 1, None)),
    ],
)
def test_the_camera_chooses_the_channels(value: str | None, channels: tuple[int, int, int | None]) -> None:
    assert answered(value, ASKED) == channels


@pytest.mark.parametrize(
    "value", ["RTP/AVP;unicast;client_port=5000-5001;server_port=6000-6001", "RTP/AVP;multicast;port=1"]
)
def test_datagrams_are_for_gstreamer(value: str) -> None:
    with pytest.raises(NotOurs, match="UDP"):
        answered(value, ASKED)
