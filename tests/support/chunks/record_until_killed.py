"""A node that records a camera into one chunk a format, until it is killed: `URI FOLDER FORMAT…`."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from recorded import ChunkFolder

from edgecam.config.node import NodeConfig
from edgecam.config.validation import validate
from edgecam.credentials.logins import Logins
from edgecam.node.node import Node

CHUNK_S = 60
"""No chunk ends before the kill."""


def main(uri: str, folder: str, *formats: str) -> None:
    """Record until SIGKILL."""
    cameras = [
        {
            "id": each,
            "uri": uri,
            "frames": {"enabled": False},
            "recording": {"enabled": True, "chunk_s": CHUNK_S, "format": each},
        }
        for each in formats
    ]
    config = validate(NodeConfig, {"cameras": cameras, "bucket": "file:///nowhere"})
    Node(config, logins=Logins(config.cameras), chunks=ChunkFolder(Path(folder))).start()
    time.sleep(600)


if __name__ == "__main__":
    main(*sys.argv[1:])
