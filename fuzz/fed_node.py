"""A long-lived node whose cameras are fed, one lot of inputs after another, and what has to hold."""

from __future__ import annotations

import http.client
import json
import re
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Protocol

from sandbox.cameras.film import FILM_FOLDER
from sandbox.cameras.hostile_camera import HostileCamera, plain_film
from sandbox.ports import free_port

ROOT = Path(__file__).resolve().parent.parent
GOOD = "good"
FED_WITHIN_S = 1.0
"""An input that keeps its connection open for longer has shown what it does; the next one follows."""
ANSWER_WITHIN_S = 20.0
"""Far more than a second: the machine may be lent to several, and a node that hangs hangs for ever."""
RECOVERS_WITHIN_S = 30.0
RECOVERY_EVERY = 25
"""After this many batches of bad input each camera is shown something good, and has to take it."""
_LOOK_EVERY_S = 0.02
_FAULTS = re.compile(r"Traceback|unexpected fault|uncaught exception|could not be written|left behind")
"""Words of a log that say of a mistake in edgecam, not in what came from outside."""


class NodeFault(AssertionError):  # noqa: N818 - its text says what is wrong
    """The node did what no input may make it do."""


class Feed(Protocol):
    """One camera's place in a lot."""

    @property
    def uri(self) -> str:
        """Of the camera."""

    def load(self, data: bytes) -> None:
        """This is what comes from now on."""

    def is_taken(self) -> bool:
        """Whether the node has had all of it."""


class FedNode:
    """The node and its cameras: the fed ones, and a good one that must not notice.

    Args:
        folder: For configuration, spool, bucket and log.
        feeds: By the name of their camera.
        good: What each takes gladly.
    """

    def __init__(self, folder: Path, feeds: Mapping[str, Feed], good: bytes) -> None:
        self._feeds = feeds
        self._good = good
        self._lots = 0
        self._port = free_port()
        self._log = folder / "node.log"
        self._said = 0
        self._stack = ExitStack()
        self._file = folder / "node.json"
        still = self._stack.enter_context(HostileCamera("good", film=plain_film(FILM_FOLDER)))
        self._file.write_text(json.dumps(self._configuration(folder, still.uri)))
        self._process = self._started()

    @property
    def pid(self) -> int:
        """Of the node as it runs now."""
        return self._process.pid

    def check(self, inputs: Sequence[bytes]) -> None:
        """Feed a lot; see `Subject.check`."""
        if self._process.poll() is not None:
            self._process = self._started()
        self._feed(inputs)
        self._lots += 1
        self._is_well()
        if self._lots % RECOVERY_EVERY == 0:
            self._recovers()

    def close(self) -> None:
        """End the node."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            self._process.wait(ANSWER_WITHIN_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._stack.close()

    def _feed(self, inputs: Sequence[bytes]) -> None:
        fed = dict(zip(self._feeds, inputs, strict=False))
        for name, data in fed.items():
            self._feeds[name].load(data)
        self._connect(fed)
        self._until(lambda: all(self._feeds[name].is_taken() for name in fed), FED_WITHIN_S)

    def _is_well(self) -> None:
        code = self._process.poll()
        if code is not None:
            raise NodeFault(
                f"the node has ended with {code}: {self._log.read_text(errors='replace')[-2000:]}"
            )
        good = self._cameras()[GOOD]
        if good["frame_age_s"] is not None and good["frame_age_s"] > ANSWER_WITHIN_S:
            raise NodeFault(f"the good camera's picture is {good['frame_age_s']} s old")
        with self._log.open("rb") as log:
            log.seek(self._said)
            new = log.read()
        self._said += len(new)
        for line in new.decode(errors="replace").splitlines():
            if _FAULTS.search(line):
                raise NodeFault(f"the node says: {line[:2000]}")

    def _recovers(self) -> None:
        """Whatever came before, what is good is shown."""
        before = {name: each["frames_total"] for name, each in self._cameras().items()}

        def has_shown() -> bool:
            now = self._cameras()
            late = [name for name in self._feeds if now[name]["frames_total"] == before[name]]
            for name in late:
                if self._feeds[name].is_taken():
                    self._feeds[name].load(self._good)
                    self._connect([name])
            return not late

        for name in self._feeds:
            self._feeds[name].load(self._good)
        self._connect(self._feeds)
        if not self._until(has_shown, RECOVERS_WITHIN_S, look_every_s=0.5):
            late = [
                f"{name}: {each['state']}, {each['message']}"
                for name, each in self._cameras().items()
                if name in self._feeds and each["frames_total"] == before[name]
            ]
            raise NodeFault(f"shown something good, these cameras have no picture: {late}")

    def _connect(self, names: Mapping[str, object] | Sequence[str]) -> None:
        if self._process.stdin is None:
            return
        try:
            self._process.stdin.write("".join(f"{name}\n" for name in names).encode())
            self._process.stdin.flush()
        except BrokenPipeError:
            return  # it has ended: the next look reports that

    def _cameras(self) -> dict[str, dict[str, Any]]:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=ANSWER_WITHIN_S)
        try:
            connection.request("GET", "/cameras")
            found = json.loads(connection.getresponse().read())
        except (OSError, http.client.HTTPException) as error:
            raise NodeFault(f"the node does not answer: {error!r}") from error
        finally:
            connection.close()
        return {each["id"]: each for each in found["cameras"]}

    def _started(self) -> subprocess.Popen[bytes]:
        with self._log.open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "fuzz.node", "--config", str(self._file)],
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
            )
        deadline_s = time.monotonic() + RECOVERS_WITHIN_S
        while True:
            try:
                if self._cameras()[GOOD]["frames_total"]:
                    break
            except NodeFault:
                pass
            if process.poll() is not None or time.monotonic() > deadline_s:
                process.kill()
                raise NodeFault(f"the node does not start: {self._log.read_text(errors='replace')[-2000:]}")
            time.sleep(_LOOK_EVERY_S)
        self._said = self._log.stat().st_size
        return process

    def _configuration(self, folder: Path, good_uri: str) -> dict[str, Any]:
        uris = {GOOD: good_uri, **{name: feed.uri for name, feed in self._feeds.items()}}
        recording = {"enabled": True, "chunk_s": 2}
        return {
            "cameras": [
                {
                    "id": name,
                    "uri": uri,
                    "connect_timeout_s": 10 if name == GOOD else 2,
                    "frames": {"max_fps": 5},
                    "recording": recording,
                }
                for name, uri in uris.items()
            ],
            "data_dir": str(folder / "data"),
            "bucket": f"file://{folder}/bucket",
            "spool": {"path": str(folder / "spool"), "max_bytes": 16_000_000, "keep_free_bytes": 0},
            "http": {"port": self._port},
        }

    def _until(
        self, condition: Callable[[], bool], within_s: float, *, look_every_s: float = _LOOK_EVERY_S
    ) -> bool:
        deadline_s = time.monotonic() + within_s
        while not condition():
            if time.monotonic() > deadline_s or self._process.poll() is not None:
                return False
            time.sleep(look_every_s)
        return True
