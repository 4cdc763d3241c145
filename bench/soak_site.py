"""The site of the soak: the shipped program, six good cameras and ten bad ones, a bucket that goes away."""

from __future__ import annotations

import os
import sys
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

from sandbox.cameras.film import FILM_FOLDER
from sandbox.cameras.hostile_camera import (
    OTHER_FILM,
    HostileCamera,
    alternating_film,
    plain_film,
)
from sandbox.faults.harness import configuration
from sandbox.gcs import semantics
from sandbox.gcs.server import EmbeddedGcs
from sandbox.ports import free_port
from sandbox.process import Process
from sandbox.stoppable import Stoppable

ROOT = Path(__file__).resolve().parent.parent
GOOD = tuple(f"good-{number}" for number in range(1, 7))
BAD = {
    "off-1": "refused",
    "off-2": "refused",
    "off-3": "unanswered",
    "off-4": "unanswered",
    "flapping-1": "flap",
    "flapping-2": "flap",
    "trickling-1": "trickle",
    "trickling-2": "trickle",
    "alternating": "good",
    "garbage": "garbage",
}
"""Camera and how it behaves; `alternating` plays well what nobody should film."""
CHUNK_S = 10
SPOOL_BYTES = 64_000_000
"""What these cameras record in the longest absence of the bucket is an eighth of it: nothing has to go."""
AWAY_SHARE = 1 / 3
MOST_PERIOD_S = 180.0
LEAST_PERIODS = 3
"""In a short run the bucket comes and goes faster, so that it does at all."""
START_TIMEOUT_S = 180.0
END_TIMEOUT_S = 30.0
_LOOK_EVERY_S = 0.2
_SAVE_EVERY_S = 60.0
"""The embedded store's index of a long run is megabytes: written every second it would take a core."""


class Site(Stoppable):
    """Everything that runs beside each other, from entering to leaving.

    Args:
        folder: Where configuration, spool, bucket and logs lie.
        duration_s: How long it is to run, for the rhythm of the bucket.

    Attributes:
        node: `edgecam run`.
        gcs: The bucket's store.
        data: Where the pictures are.
        page_port: Of the node's page.
        away_s: How long the bucket has been away so far.
    """

    def __init__(self, folder: Path, duration_s: float) -> None:
        self._folder = folder
        self._period_s = min(MOST_PERIOD_S, duration_s / LEAST_PERIODS)
        self._stack = ExitStack()
        self._cameras = ExitStack()
        self._healing = threading.Event()
        self._rhythm = threading.Thread(target=self._come_and_go, name="bucket", daemon=True)
        self.page_port = free_port()
        self.data = folder / "data"
        self.away_s = 0.0

    def __enter__(self) -> Self:
        with self._stack:  # whatever fails here ends what was started before
            semantics.SAVE_EVERY_S = _SAVE_EVERY_S
            self.gcs = self._stack.enter_context(EmbeddedGcs(folder=self._folder / "gcs"))
            self._stack.callback(self.stop_cameras)
            file = self._folder / "node.json"
            file.write_text(self._configuration())
            command = [sys.executable, "-m", "edgecam", "run", "--config", str(file)]
            environment = {**os.environ, **self.gcs.environment()}
            self.node = Process("edgecam", command, log=self._folder / "node.log", env=environment, cwd=ROOT)
            self._stack.callback(self.node.stop)
            self._rhythm.start()
            self._stack.callback(self.heal)
            self._stack = self._stack.pop_all()
        return self

    def stop(self) -> None:
        """End node, cameras and store."""
        self._stack.close()

    def stop_cameras(self) -> None:
        """All of them, at once: no chunk is begun any more."""
        self._cameras.close()

    def heal(self) -> None:
        """The bucket is there and stays."""
        self._healing.set()
        self._rhythm.join()
        self.gcs.up()

    def stop_node(self) -> int | None:
        """SIGTERM; its exit code, or None where that was not enough."""
        return self.node.exit_code() if self.node.stop(END_TIMEOUT_S) else None

    @property
    def log_bytes(self) -> int:
        """Size of the node's log."""
        return self.node.log.stat().st_size

    def _configuration(self) -> str:
        config = configuration(
            self._folder,
            cameras=[*self._good_cameras(), *self._bad_cameras()],
            spool={"max_bytes": SPOOL_BYTES},
            http={"port": self.page_port},
        )
        return config.model_dump_json(exclude_defaults=True)

    def _good_cameras(self) -> list[dict[str, Any]]:
        port, log = free_port(), self._folder / "cameras.log"
        command = [sys.executable, "-m", "sandbox.cameras", "--port", str(port)]
        for number, name in enumerate(GOOD):
            # Not the same film twice: what is stored twice is found by its content.
            command += ["--camera", f"{name}:640x360@10:keyframe=1:kbps={100 + number}"]
        cameras = Process("test cameras", command, log=log, env=os.environ, cwd=ROOT)
        self._cameras.callback(cameras.stop, 0)
        deadline_s = time.monotonic() + START_TIMEOUT_S
        while '"port"' not in log.read_text():
            if cameras.exit_code() is not None or time.monotonic() > deadline_s:
                raise TimeoutError(
                    f"expected the test cameras within {START_TIMEOUT_S:g} s:\n{cameras.tail()}"
                )
            time.sleep(_LOOK_EVERY_S)
        return [_camera(name, f"rtsp://127.0.0.1:{port}/{name}") for name in GOOD]

    def _bad_cameras(self) -> list[dict[str, Any]]:
        plain = plain_film(FILM_FOLDER)
        films = {
            "alternating": alternating_film(FILM_FOLDER),
            "flapping-2": plain_film(FILM_FOLDER, OTHER_FILM),  # not that of flapping-1, as above
        }
        cameras = {
            name: self._cameras.enter_context(HostileCamera(mode, film=films.get(name, plain)))
            for name, mode in BAD.items()
        }
        return [_camera(name, camera.uri) for name, camera in cameras.items()]

    def _come_and_go(self) -> None:
        """On a thread of its own, until it is healed."""
        here_s = self._period_s * (1 - AWAY_SHARE)
        while not self._healing.wait(here_s):
            self.gcs.down()
            gone_s = time.monotonic()
            self._healing.wait(self._period_s - here_s)
            self.gcs.up()
            self.away_s += time.monotonic() - gone_s


def _camera(name: str, uri: str) -> dict[str, Any]:
    return {"id": name, "uri": uri, "recording": {"enabled": True, "chunk_s": CHUNK_S}}
