"""What GStreamer and GLib write on their own, which quotes the camera, is written like anything else."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from sandbox.cameras.hostile_camera import HostileCamera
from sandbox.cameras.rtsp_connection import Connection

Eventually = Callable[..., object]
SECRET = "abcpassword"
FIELDS = f";rtsp://viewer:{SECRET}@host/" + ";a" * 1900
"""Of a transport, none of which GStreamer knows: a warning for each."""


def talks(connection: Connection) -> None:
    while True:
        request = connection.request()
        if request.method == "SETUP":
            transport = f"Transport: RTP/AVP/TCP;unicast;interleaved=0-1{FIELDS}"
            connection.answer(request, headers=["Session: 1", transport])
            return
        connection.answer_well(request)


def test_warnings_of_the_library_are_redacted_and_summed_up(tmp_path: Path, eventually: Eventually) -> None:
    log, file = tmp_path / "node.log", tmp_path / "node.json"
    with HostileCamera(talks) as camera:
        document = {
            "cameras": [{"id": "door", "uri": camera.uri, "receiver": "gstreamer"}],
            "data_dir": str(tmp_path / "data"),
            "http": {"enabled": False},
        }
        file.write_text(json.dumps(document))
        with log.open("wb") as said:
            command = [sys.executable, "-m", "edgecam", "run", "--config", str(file)]
            node = subprocess.Popen(command, stderr=said)
        try:
            eventually(lambda: camera.connections >= 4)
        finally:
            node.terminate()
            node.wait(20)
    text = log.read_text()
    assert "unknown transport field" in text, "what the library says is said"
    assert SECRET not in text
    assert len(text) < 30_000
    assert all(line.startswith("20") for line in text.splitlines()), "every line is one of our own"


def test_words_of_the_library_that_are_no_text_are_said_in_words(tmp_path: Path) -> None:
    """A camera writes whatever bytes it likes, and GLib passes them on."""
    program = (
        "import ctypes, logging\n"
        "logging.basicConfig()\n"
        "import edgecam.gstreamer.gst\n"
        "glib = ctypes.CDLL('libglib-2.0.so.0')\n"
        "glib.g_log(b'Camera', 16, b'%s', b'odd \\xff\\xfe bytes')\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, cwd=tmp_path)
    assert "Camera: odd" in done.stderr.decode()
