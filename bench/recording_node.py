"""A node that records into its spool and uploads nothing, until SIGINT: `bench.recording_node FILE`."""

from __future__ import annotations

import signal
import sys
import threading
from pathlib import Path

from edgecam import heap
from edgecam.clock import SystemClock
from edgecam.config.load import load_file
from edgecam.credentials.logins import Logins
from edgecam.node.node import Node
from edgecam.spool.spool import Spool


def main(file: str) -> None:
    """Record what the node configuration in `file` says."""
    heap.configure()  # as the program does
    config = load_file(Path(file))
    spool = Spool(config.spool, clock=SystemClock())
    spool.open()
    node = Node(config, logins=Logins(config.cameras), chunks=spool)
    node.start()
    over = threading.Event()
    signal.signal(signal.SIGINT, lambda *_: over.set())
    over.wait()
    node.stop()
    spool.close()


if __name__ == "__main__":
    main(sys.argv[1])
