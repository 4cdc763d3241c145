"""One object that the bucket refuses, and everything else that goes on: a real node, the embedded GCS."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from camera_process import CameraProcess
from node_process import NodeProcess

from sandbox.gcs.server import EmbeddedGcs

Eventually = Callable[..., Any]
CAMERA = "160x90@15:keyframe=1"


@pytest.fixture
def gcs(tmp_path: Path) -> Iterator[EmbeddedGcs]:
    with EmbeddedGcs(folder=tmp_path / "gcs") as running:
        yield running


@pytest.fixture
def node(
    tmp_path: Path, gcs: EmbeddedGcs, test_cameras: Callable[..., CameraProcess]
) -> Iterator[NodeProcess]:
    cameras = test_cameras(f"door:{CAMERA}", f"gate:{CAMERA}")
    running = NodeProcess(
        tmp_path,
        gcs.environment(),
        cameras=[
            {"id": name, "uri": cameras.uri(name), "recording": {"enabled": True, "chunk_s": 2}}
            for name in ("door", "gate")
        ],
        bucket="gs://recordings",
        spool={"path": str(tmp_path / "spool"), "keep_free_bytes": 0},
        latest={"every_s": 1},
        status={"every_s": 2},
        aws_iot={"enabled": False},
    )
    running.start()
    yield running
    running.kill()


def written(gcs: EmbeddedGcs, name: str) -> int:
    """How often an object was stored."""
    requests = gcs.traffic.requests
    return sum(seen.status == 200 and seen.bucket_object == f"recordings/{name}" for seen in requests)


def chunks(gcs: EmbeddedGcs, camera_id: str) -> int:
    return len(gcs.objects(f"{camera_id}/"))


def test_one_object_under_hold_is_named_and_everything_else_goes_on(
    gcs: EmbeddedGcs, node: NodeProcess, eventually: Eventually
) -> None:
    eventually(lambda: written(gcs, "status/door.json") and written(gcs, "status/gate.json"))
    eventually(lambda: chunks(gcs, "door") and chunks(gcs, "gate"))
    gcs.restrictions.hold("status/door.json")
    reason = eventually(lambda: next((each for each in node.reasons() if "object" in each), None))
    assert reason["object"] == "status/door.json"
    assert "under active Temporary hold" in reason["message"]
    assert "release the hold" in reason["message"]
    others = ("status/gate.json", "latest/door.jpg", "latest/gate.jpg")
    before = {name: written(gcs, name) for name in others}
    recorded = {name: chunks(gcs, name) for name in ("door", "gate")}
    eventually(lambda: all(written(gcs, name) >= before[name] + 3 for name in others))
    eventually(lambda: all(chunks(gcs, name) >= recorded[name] + 2 for name in recorded))
    status, document = node.health()
    assert status == 503
    assert [set(each) for each in document["reasons"]] == [{"object", "message"}]
    assert node.end() == 0
    assert node.log().count("status/door.json was answered 403") == 1


def test_camera_whose_chunks_are_refused_keeps_them_in_the_spool_and_the_other_goes_on(
    gcs: EmbeddedGcs, node: NodeProcess, tmp_path: Path, eventually: Eventually
) -> None:
    gcs.restrictions.deny("door/")
    eventually(lambda: chunks(gcs, "gate") >= 3)
    eventually(lambda: len(list((tmp_path / "spool" / "door").glob("*.mp4"))) >= 2)
    eventually(lambda: any(each.get("object", "").startswith("door/") for each in node.reasons()))
    assert chunks(gcs, "door") == 0
    before = written(gcs, "status/door.json")
    eventually(lambda: written(gcs, "status/door.json") > before)
