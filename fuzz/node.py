"""A node to be fed: the shipped parts, put together as `edgecam run` does, reconnected on demand.

    python -m fuzz.node --config NODE.json

Each line on standard input is the name of a camera that is to connect at once, so that no delay between two
attempts costs time. The end of standard input ends it.
"""

from __future__ import annotations

import argparse
import ctypes
import faulthandler
import signal
import sys
from pathlib import Path

from edgecam.config.load import load_file
from edgecam.credentials.logins import Logins
from edgecam.log import setup
from edgecam.node.node import Node
from edgecam.upload.service import UploadService
from edgecam.web.server import PageServer

_DIES_WITH_PARENT = 1  # PR_SET_PDEATHSIG: one that hangs would not notice the end of its input


def main() -> int:
    """Run until there is no more input."""
    parser = argparse.ArgumentParser(prog="python -m fuzz.node")
    parser.add_argument("--config", type=Path, required=True)
    config = load_file(parser.parse_args().config)
    ctypes.CDLL(None).prctl(_DIES_WITH_PARENT, signal.SIGKILL)
    faulthandler.register(signal.SIGUSR1)
    setup(config.log)
    uploading = UploadService(config)
    node = Node(config, logins=Logins(config.cameras), chunks=uploading.chunks)
    page = PageServer(node, config.http.port, storage=uploading)
    uploading.open()
    node.start()
    uploading.start(node)
    page.start()
    for line in sys.stdin:
        node.reconnect(line.strip())
    node.stop()
    uploading.stop(1.0)
    page.stop()
    return 0


if __name__ == "__main__":
    faulthandler.enable()
    sys.exit(main())
