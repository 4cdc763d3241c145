"""Serve until SIGTERM: `python -m sandbox.gcs --port 9023 --folder build/gcs`."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from pathlib import Path

from sandbox.errors import StartError
from sandbox.gcs.server import BUCKET, EmbeddedGcs


def main() -> None:
    """Start, say where, wait, stop."""
    parser = argparse.ArgumentParser(prog="python -m sandbox.gcs", description=__doc__)
    parser.add_argument("--port", type=int, required=True, help="on 127.0.0.1")
    parser.add_argument("--folder", type=Path, required=True, help="where the objects lie")
    parser.add_argument("--bucket", action="append", help=f"made when it is not there; default {BUCKET}")
    parser.add_argument("--tls", action="store_true", help="with a certificate that is made below the folder")
    options = parser.parse_args()
    ending = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ending.set())
    buckets = tuple(options.bucket or (BUCKET,))
    try:
        with EmbeddedGcs(folder=options.folder, port=options.port, buckets=buckets, tls=options.tls) as gcs:
            sys.stdout.write(f"embedded GCS: {gcs.url}\n")
            sys.stdout.flush()
            ending.wait()
    except StartError as error:
        parser.exit(1, f"{error}\n")


if __name__ == "__main__":
    main()
