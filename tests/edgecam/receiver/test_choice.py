"""Which receiver a camera has."""

from __future__ import annotations

import pytest

from edgecam.config.camera import Camera
from edgecam.config.validation import validate
from edgecam.errors import SourceBeyondReceiver
from edgecam.receiver.choice import ReceiverChoice
from edgecam.receiver.rtsp_receiver import RtspReceiver
from edgecam.status.reception import ReceiverName


def camera(uri: str, **settings: object) -> Camera:
    return validate(Camera, {"id": "cam", "uri": uri} | settings, name="test")


@pytest.mark.parametrize(
    ("uri", "settings", "name", "reason"),
    [
        ("rtsp://127.0.0.1/x", {}, ReceiverName.OWN, None),
        ("rtsps://127.0.0.1/x", {"receiver": "auto"}, ReceiverName.OWN, None),
        ("rtsp://127.0.0.1/x", {"receiver": "gstreamer"}, ReceiverName.GSTREAMER, "receiver: gstreamer"),
        ("rtsp://127.0.0.1/x", {"transport": "udp"}, ReceiverName.GSTREAMER, "transport: udp"),
        ("test://", {}, ReceiverName.GSTREAMER, None),
    ],
)
def test_rtsp_over_tcp_is_received_by_edgecam(
    uri: str, settings: dict[str, str], name: ReceiverName, reason: str | None
) -> None:
    choice = ReceiverChoice(camera(uri, **settings))
    assert (choice.name, choice.reason) == (name, reason)
    assert isinstance(choice.source(None), RtspReceiver) is (name is ReceiverName.OWN)


def test_what_edgecam_does_not_read_is_gstreamers_from_then_on(caplog: pytest.LogCaptureFixture) -> None:
    choice = ReceiverChoice(camera("rtsp://127.0.0.1/x"))
    with caplog.at_level("INFO"):
        choice.fall_back(SourceBeyondReceiver("cam: JPEG over RTP", "JPEG over RTP"))
    assert (choice.name, choice.reason) == (ReceiverName.GSTREAMER, "JPEG over RTP")
    assert not isinstance(choice.source(None), RtspReceiver)
    assert [record.getMessage() for record in caplog.records] == [
        "received by GStreamer: JPEG over RTP is beyond edgecam's own receiver"
    ]
