"""Serve test cameras until SIGTERM: `python -m sandbox.cameras --port 8554 --camera door`."""

from __future__ import annotations

import argparse
import json
import logging
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from edgecam.gstreamer.gst import GLib
from sandbox.cameras.rtsp_server import DEFAULT_CAMERAS, PASSWORD_VARIABLE, CameraServer, log, parse_camera


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m sandbox.cameras", description=__doc__.partition("\n")[0])
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8554, help="0 takes a free one")
    parser.add_argument(
        "--camera", action="append", type=parse_camera, help="NAME:WIDTHxHEIGHT@FPS[:key=value]…"
    )
    parser.add_argument("--password-file", type=Path)
    parser.add_argument("--certificate", type=Path, help="PEM with certificate and key: serve rtsps")
    parser.add_argument("--ask-certificate", action="store_true", help="and let in who shows one")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    """Serve until SIGTERM or Ctrl-C."""
    logging.basicConfig(level=logging.INFO, format="cameras: %(message)s", stream=sys.stderr)
    arguments = _arguments(argv)
    password = os.environ.get(PASSWORD_VARIABLE)
    if arguments.password_file is not None:
        password = arguments.password_file.read_text(encoding="utf-8").splitlines()[0]
    cameras = arguments.camera or [parse_camera(text) for text in DEFAULT_CAMERAS]
    try:
        server = CameraServer(arguments.host, arguments.port, cameras, password)
        if arguments.certificate is not None:
            server.use_certificate(arguments.certificate)
        if arguments.ask_certificate:
            server.ask_for_certificates()
        port = server.attach()
    except OSError as error:
        log.error("port %d: %s", arguments.port, error)
        return 1
    loop = GLib.MainLoop()
    for number in (signal.SIGTERM, signal.SIGINT):
        GLib.unix_signal_add(GLib.PRIORITY_HIGH, number, loop.quit)
    sys.stdout.write(json.dumps({"port": port, "cameras": [camera.name for camera in cameras]}) + "\n")
    sys.stdout.flush()
    loop.run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
