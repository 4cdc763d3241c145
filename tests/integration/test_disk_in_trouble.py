"""A node whose disk becomes read-only, then full: it says so, and records again when the disk is well."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from camera_process import ROOT, CameraProcess
from node_process import NodeProcess
from nucleus_socket import NucleusSocket

Eventually = Callable[..., Any]
DISK_OF_NODE = ROOT / "tests" / "support" / "node" / "disk_of_node.py"


class Rig:
    """A recording node, its disk, and a nucleus that takes its states."""

    def __init__(self, folder: Path, camera_uri: str) -> None:
        self._disk = folder / "disk"
        self._bucket = folder / "bucket"
        self._disk.mkdir()
        self._bucket.mkdir()
        self.nucleus = NucleusSocket(folder / "ipc.socket")
        self.node = NodeProcess(
            folder,
            self.nucleus.environment,
            cameras=[{"id": "door", "uri": camera_uri, "recording": {"enabled": True, "chunk_s": 2}}],
            bucket=f"file://{self._bucket}",
            spool={"path": str(self._disk / "spool"), "keep_free_bytes": 0},
        )
        self.node.command = [
            *("unshare", "--user", "--map-root-user", "--mount"),
            *(sys.executable, str(DISK_OF_NODE), str(self._disk), *self.node.command),
        ]
        self.node.pipes = subprocess.PIPE
        self.node.start()

    @property
    def process(self) -> subprocess.Popen[bytes]:
        assert self.node.process is not None
        return self.node.process

    def disk(self, word: str) -> None:
        """What happens to the disk; see `disk_of_node.py`."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{word}\n".encode())
        self.process.stdin.flush()
        assert self.process.stdout.readline().strip() == word.encode()

    def stored(self) -> int:
        """Chunks in the bucket."""
        return len([path for path in self._bucket.rglob("*.mp4") if not path.name.startswith(".")])

    def state(self) -> dict[str, Any]:
        """What AWS IoT Core was sent last."""
        published: dict[str, Any] = json.loads(self.nucleus.published[-1].payload)
        return published

    def is_well(self) -> bool:
        return self.node.health()[0] == 200 and self.state()["reason"] is None

    def is_in_trouble(self, reason: str) -> bool:
        status, document = self.node.health()
        named = [each for each in document.get("reasons", []) if each.get("recording") == reason]
        return status == 503 and bool(named) and self.state()["reason"] == reason

    def end(self) -> int:
        """The node's exit code."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        self.process.stdout.close()
        return self.process.wait(40)

    def close(self) -> None:
        if self.process.poll() is None:
            self.end()
        self.nucleus.close()


@pytest.fixture
def rig(tmp_path: Path, test_cameras: Callable[..., CameraProcess]) -> Iterator[Rig]:
    made = Rig(tmp_path, test_cameras("door:160x90@15:keyframe=1").uri("door"))
    yield made
    made.close()


@pytest.mark.parametrize(
    ("breaks", "repairs", "reason"), [("protect", "release", "disk"), ("fill", "empty", "spool-full")]
)
def test_node_says_that_its_disk_is_in_trouble_and_records_again_by_itself(
    rig: Rig, eventually: Eventually, breaks: str, repairs: str, reason: str
) -> None:
    eventually(lambda: rig.stored() >= 2)
    eventually(rig.is_well)
    rig.disk(breaks)
    eventually(lambda: rig.is_in_trouble(reason), within_s=60)
    before = rig.stored()
    rig.disk(repairs)
    eventually(rig.is_well, within_s=60)
    eventually(lambda: rig.stored() >= before + 2)
    assert rig.end() == 0
