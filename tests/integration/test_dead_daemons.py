"""The nucleus' daemons die under a running node: it says so, ends, and the next start has all of it again.

The IPC server and the token exchange service are the sandbox core's; the node is a process.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from camera_process import CameraProcess
from node_process import NodeProcess
from nucleus_socket import NucleusSocket
from small_s3 import SmallS3

from edgecam.credentials.token_exchange import TOKEN_VARIABLE, URI_VARIABLE
from sandbox.aws.clients import Credentials
from sandbox.core.token_exchange import TokenExchange
from sandbox.errors import SandboxError

Eventually = Callable[..., Any]
ENDS_WITHIN_S = 120.0
"""The node looks every 5 s, and ends when the fault has lasted for 30 s."""
CAMERA = "160x90@15:keyframe=1"


def credentials(name: str) -> Credentials:
    """Such as have to be renewed at once: the AWS SDK renews what ends within ten minutes at each use."""
    until = datetime.now(UTC) + timedelta(minutes=5)
    return Credentials(f"AKID{name}", "secret-of-the-test", "token", until.strftime("%Y-%m-%dT%H:%M:%SZ"))


class Core:
    """What a core offers to the node, and takes away."""

    def __init__(self, folder: Path) -> None:
        self.nucleus = NucleusSocket(folder / "ipc.socket")
        self.starts = 0
        self.start_exchange()

    def start_exchange(self) -> None:
        """A token exchange service, on a port of its own."""
        self.starts += 1
        name = str(self.starts)

        def provider() -> Credentials:
            if int(name) != self.starts:  # asked over a connection that a process would have taken with it
                raise SandboxError("this service has ended")
            return credentials(name)

        self.exchange = TokenExchange(provider)

    def environment(self) -> dict[str, str]:
        """What a component that starts now is passed."""
        passed = {URI_VARIABLE: self.exchange.url, TOKEN_VARIABLE: self.exchange.issue()}
        return self.nucleus.environment | passed

    def close(self) -> None:
        self.exchange.stop()
        self.nucleus.close()


@pytest.fixture
def s3() -> Iterator[SmallS3]:
    running = SmallS3()
    yield running
    running.stop()


@pytest.fixture
def core(tmp_path: Path) -> Iterator[Core]:
    running = Core(tmp_path)
    yield running
    running.close()


@pytest.fixture
def recording(
    tmp_path: Path, s3: SmallS3, test_cameras: Callable[..., CameraProcess]
) -> Iterator[NodeProcess]:
    """A node that records to S3; started by the test."""
    cameras = test_cameras(f"door:{CAMERA}")
    node = NodeProcess(
        tmp_path,
        {"AWS_ENDPOINT_URL_S3": s3.url, "AWS_REGION": "eu-west-1", "AWS_EC2_METADATA_DISABLED": "true"},
        cameras=[{"id": "door", "uri": cameras.uri("door"), "recording": {"enabled": True, "chunk_s": 2}}],
        bucket="s3://recordings",
        spool={"path": str(tmp_path / "spool"), "keep_free_bytes": 0},
        aws_iot={"enabled": False},
    )
    yield node
    node.kill()


def nucleus_reason(node: NodeProcess) -> dict[str, Any] | None:
    return next((each for each in node.reasons() if "nucleus" in each), None)


def chunks(s3: SmallS3, key: str) -> list[str]:
    """The chunks that came with that access key."""
    return [path for path, used in s3.keys.items() if path.endswith(".mp4") and used == f"AKID{key}"]


def exit_code(node: NodeProcess) -> int | None:
    assert node.process is not None
    return node.process.poll()


@pytest.mark.parametrize("hangs_up", [True, False], ids=["lite", "classic"])
def test_node_whose_token_the_nucleus_has_forgotten_ends_and_its_next_start_publishes_again(
    tmp_path: Path, eventually: Eventually, hangs_up: bool
) -> None:
    nucleus = NucleusSocket(tmp_path / "ipc.socket", hangs_up=hangs_up)
    node = NodeProcess(tmp_path, nucleus.environment)
    try:
        node.start()
        eventually(lambda: nucleus.published)
        nucleus.forget()
        reason = eventually(lambda: nucleus_reason(node))
        assert node.health()[0] == 503
        assert reason["nucleus"] == "token"
        assert "The node ends in" in reason["message"]
        eventually(lambda: exit_code(node) is not None, within_s=ENDS_WITHIN_S)
        assert exit_code(node) == 1
        assert "expected the nucleus to know the token" in node.log()
        nucleus.published.clear()
        node.start(**nucleus.environment)
        eventually(lambda: nucleus.published)
        eventually(lambda: node.health()[0] == 200)
        assert node.end() == 0
    finally:
        node.kill()
        nucleus.close()


def test_node_whose_credentials_port_has_died_ends_and_its_next_start_uploads_what_was_recorded(
    tmp_path: Path, core: Core, s3: SmallS3, recording: NodeProcess, eventually: Eventually
) -> None:
    before = core.environment()
    recording.start(**before)
    eventually(lambda: chunks(s3, "1"))
    core.exchange.stop()
    core.start_exchange()
    reason = eventually(lambda: nucleus_reason(recording))
    assert recording.health()[0] == 503
    assert reason["nucleus"] == "credentials-port"
    assert before[URI_VARIABLE] in reason["message"]
    eventually(lambda: exit_code(recording) is not None, within_s=ENDS_WITHIN_S)
    assert exit_code(recording) == 1
    spooled = {path.name for path in (tmp_path / "spool" / "door").glob("*.mp4")}
    assert spooled  # what could not be sent is there
    assert list((tmp_path / "spool" / ".incoming").iterdir()) == []  # and what was being recorded is finished

    # Started by a nucleus that has not noticed, it says so again, and waits for more than an hour.
    recording.start(**before)
    reason = eventually(lambda: nucleus_reason(recording))
    assert "in 36" in reason["message"]
    assert recording.end() == 0

    recording.start(**core.environment())
    eventually(lambda: len(chunks(s3, "2")) >= len(spooled))
    eventually(lambda: not {path.name for path in (tmp_path / "spool" / "door").glob("*.mp4")} & spooled)
    eventually(lambda: recording.health()[0] == 200)
    assert recording.end() == 0


def test_node_whose_token_the_exchange_service_refuses_ends(
    core: Core, s3: SmallS3, recording: NodeProcess, eventually: Eventually
) -> None:
    environment = core.environment()
    recording.start(**environment)
    eventually(lambda: chunks(s3, "1"))
    core.exchange.revoke(environment[TOKEN_VARIABLE])
    reason = eventually(lambda: nucleus_reason(recording))
    assert reason["nucleus"] == "token"
    eventually(lambda: exit_code(recording) is not None, within_s=ENDS_WITHIN_S)
    assert exit_code(recording) == 1
    recording.start(**core.environment())
    sent = len(chunks(s3, "1"))
    eventually(lambda: len(chunks(s3, "1")) > sent)
    assert recording.end() == 0
