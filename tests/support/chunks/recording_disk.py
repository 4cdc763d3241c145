"""A recorder and its health on a disk that becomes read-only, then full, and well again each time.

Run under `unshare --mount`, so that nobody else sees the disk; prints what `/healthz` answered each time.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from reporting import ReportedNode, ReportedStorage, report
from studio import Studio

from edgecam.clock import SystemClock
from edgecam.config.storage import Spool as Settings
from edgecam.config.storage import WhenFull
from edgecam.formats import repair as media
from edgecam.spool.spool import Spool
from edgecam.web.routes import Routes

SIZE_BYTES = 8_000_000


def main() -> None:
    folder = Path(sys.argv[1])
    _mount("-t", "tmpfs", "-o", f"size={SIZE_BYTES}", "tmpfs", str(folder))
    settings = Settings(
        path=str(folder / "spool"), max_bytes=1_000_000_000, keep_free_bytes=0, when_full=WhenFull.STOP
    )
    spool = Spool(settings, clock=SystemClock(), recover=media.repair)
    spool.open()
    studio = Studio(folder, sink=spool)
    health_when = {"before": _health(studio, folder)}
    # The same folder once more above itself: a plain remount is refused while the spool's lock is open.
    _mount("--bind", settings.path, settings.path)
    _mount("-o", "remount,bind,ro", settings.path)
    health_when["read-only"] = _health(studio, folder)
    health_when["still read-only"] = _health(studio, folder)
    subprocess.run(["umount", settings.path], check=True)
    health_when["writable"] = _health(studio, folder)
    _fill(folder / "others")
    health_when["full"] = _health(studio, folder)
    (folder / "others").unlink()
    health_when["with room"] = _health(studio, folder)
    studio.recorder.stop(5)
    sys.stdout.write(json.dumps(health_when))


def _mount(*arguments: str) -> None:
    subprocess.run(["mount", *arguments], check=True)


def _fill(path: Path) -> None:
    """Somebody else takes all the room."""
    with path.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            os.fsync(file.fileno())


def _health(studio: Studio, folder: Path) -> dict[str, Any]:
    """What `/healthz` answers after the camera has delivered four seconds of film."""
    studio.film(4)
    studio.await_end()
    studio.cut()
    recorded = replace(report("c0"), recording=studio.recorder.report())
    answer = Routes(ReportedNode(folder, recorded), SystemClock(), ReportedStorage()).response("/healthz")
    return {"status": int(answer.status), "reasons": json.loads(answer.body)["reasons"]}


if __name__ == "__main__":
    main()
