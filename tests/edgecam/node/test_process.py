"""The node as a process, and whom it tells how its cameras are doing."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from node_process import NodeProcess
from nucleus_socket import THING, NucleusSocket

from sandbox.ports import free_port

Eventually = Callable[..., Any]
BALL = f"edgecam/{THING}/ball/state"


@pytest.fixture
def nucleus(tmp_path: Path) -> Iterator[NucleusSocket]:
    started = NucleusSocket(tmp_path / "ipc.socket")
    yield started
    started.close()


@pytest.fixture
def node(tmp_path: Path, nucleus: NucleusSocket) -> Iterator[Callable[..., NodeProcess]]:
    made: list[NodeProcess] = []

    def make(**settings: Any) -> NodeProcess:
        made.append(NodeProcess(tmp_path, nucleus.environment, **settings))
        return made[-1]

    yield make
    for each in made:
        each.kill()


def published_states(nucleus: NucleusSocket) -> list[dict[str, Any]]:
    assert set(nucleus.topics()) <= {BALL}
    return [json.loads(each.payload) for each in nucleus.published]


def is_connected(nucleus: NucleusSocket) -> bool:
    return bool(nucleus.published) and published_states(nucleus)[-1]["state"] == "connected"


def test_node_tells_what_its_camera_does_until_its_clean_end_and_the_next_start_knows(
    nucleus: NucleusSocket, node: Callable[..., NodeProcess], eventually: Eventually
) -> None:
    running = node()
    running.start()
    eventually(lambda: is_connected(nucleus))
    assert published_states(nucleus)[-1]["previous_end"] is None
    assert published_states(nucleus)[-1]["config"] == {"in_force": {"max_fps": 5.0}, "refused": None}
    assert running.end() == 0
    assert published_states(nucleus)[-1]["state"] == "disconnected"
    assert nucleus.states == ["RUNNING"]

    nucleus.published.clear()
    running.start()
    eventually(lambda: is_connected(nucleus))
    assert published_states(nucleus)[-1]["previous_end"] == "clean"


def test_node_that_was_killed_says_so_at_its_next_start(
    nucleus: NucleusSocket, node: Callable[..., NodeProcess], eventually: Eventually
) -> None:
    running = node()
    running.start()
    eventually(lambda: is_connected(nucleus))
    running.end(signal.SIGKILL)
    assert published_states(nucleus)[-1]["state"] == "connected"  # nobody was left to say more
    nucleus.published.clear()
    running.start()
    eventually(lambda: bool(nucleus.published))
    assert published_states(nucleus)[0]["previous_end"] == "unclean"


def test_recording_node_keeps_how_it_ended_on_the_disk_of_its_spool(
    tmp_path: Path, nucleus: NucleusSocket, node: Callable[..., NodeProcess], eventually: Eventually
) -> None:
    (tmp_path / "bucket").mkdir()
    spool = tmp_path / "spool"
    running = node(bucket=f"file://{tmp_path / 'bucket'}", spool={"path": str(spool)})
    running.start()
    eventually(lambda: is_connected(nucleus))
    assert published_states(nucleus)[-1]["spool_bytes"] == 0
    running.end(signal.SIGKILL)
    assert (spool / ".node.json").exists()
    nucleus.published.clear()
    running.start()
    eventually(lambda: bool(nucleus.published))
    assert published_states(nucleus)[0]["previous_end"] == "unclean"
    assert running.end() == 0
    assert "other files" not in running.log()


def test_fault_of_the_node_is_reported_to_the_nucleus(
    nucleus: NucleusSocket, node: Callable[..., NodeProcess]
) -> None:
    running = node()
    with socket.create_server(("127.0.0.1", running.port)):
        running.start()
        assert running.process is not None
        assert running.process.wait(20) == 2
    assert nucleus.states == ["ERRORED"]


def test_camera_that_is_away_is_a_state_and_no_fault_of_the_node(
    nucleus: NucleusSocket, node: Callable[..., NodeProcess], eventually: Eventually
) -> None:
    running = node(cameras=[{"id": "ball", "uri": f"rtsp://127.0.0.1:{free_port()}/none"}])
    running.start()
    eventually(lambda: bool(nucleus.published) and published_states(nucleus)[-1]["reason"] == "refused")
    assert running.end() == 0
    assert nucleus.states == ["RUNNING"]


def test_brokers_that_are_away_are_named_and_the_node_ends_in_time(
    nucleus: NucleusSocket, node: Callable[..., NodeProcess], tmp_path: Path, eventually: Eventually
) -> None:
    nucleus.close()
    key = tmp_path / "key.pem"
    subprocess.run(
        ["openssl", "ecparam", "-genkey", "-name", "prime256v1", "-noout", "-out", str(key)], check=True
    )
    running = node(
        cameras=[{"id": "ball", "uri": "test://?pattern=ball&fps=10", "device": {"key": {"file": str(key)}}}],
        cloud_iot={
            "project": "our-project",
            "region": "europe-west1",
            "registry": "cameras",
            "host": "127.0.0.1",
            "port": free_port(),
        },
    )
    running.start()
    away = eventually(lambda: {each["broker"]: each["reason"] for each in running.brokers_away()})
    assert set(away) == {"aws-iot", "cloud-iot"}
    eventually(lambda: all(each["reason"] for each in running.brokers_away()))
    assert running.end() == 0
    assert "something hanging" not in running.log()


def test_broker_that_is_away_changes_nothing_for_the_cameras(
    nucleus: NucleusSocket, node: Callable[..., NodeProcess], tmp_path: Path, eventually: Eventually
) -> None:
    nucleus.close()
    running = node()
    running.start()
    eventually((tmp_path / "frames" / "ball" / "frame.jpg").exists)
    assert running.end() == 0
    assert "AWS IoT Core takes no states" in running.log()
