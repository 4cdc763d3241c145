"""A node as a component of Nucleus Lite: a daemon dies, the node ends, systemd starts it with what holds now.

`test_dead_daemons.py` has the node's side alone, with the recordings; here the units, the IPC daemon and the
token exchange service are those of the sandbox's core.
"""

from __future__ import annotations

import json
import sys
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sandbox.aws.topics import Topics
from sandbox.ports import free_port

Until = Callable[..., Any]
BUCKET = "com.example.recordings"
EXCHANGE = {
    "aws.greengrass.TokenExchangeService": {"VersionRequirement": ">=0.0.0", "DependencyType": "SOFT"}
}
MAY_PUBLISH = {
    "accessControl": {
        "aws.greengrass.ipc.mqttproxy": {
            "states": {
                "operations": ["aws.greengrass#PublishToIoTCore"],
                "resources": ["edgecam/+/+/state"],
            }
        }
    }
}


class NodeOnLite:
    """A core with Lite whose component is a node: states to AWS IoT Core, status objects to S3."""

    def __init__(self, core: Any, component: str, folder: Path) -> None:
        self.core = core
        self._port = free_port()
        configuration = folder / "node.json"
        document = {
            "cameras": [{"id": "ball", "uri": "test://?pattern=ball&fps=10", "frames": {"max_fps": 5}}],
            "data_dir": str(folder / "frames"),
            "aws_iot": {"enabled": True, "every_s": 1},
            "bucket": f"s3://{BUCKET}/{core.thing}",
            "spool": {"path": str(folder / "spool"), "keep_free_bytes": 0},
            "status": {"every_s": 1},
            "latest": {"enabled": False},
            "http": {"port": self._port},
        }
        configuration.write_text(json.dumps(document))
        core.register(
            component,
            "1.0.0",
            f"exec {sys.executable} -m edgecam run --config {configuration}",
            ComponentDependencies=EXCHANGE,
            ComponentConfiguration={"DefaultConfiguration": MAY_PUBLISH},
        )
        self._s3 = core.aws.client("s3")
        core.finished(core.deploy({component: {"componentVersion": "1.0.0"}}))

    def reason(self) -> dict[str, Any] | None:
        """What /healthz says of the nucleus, with 503."""
        try:
            urllib.request.urlopen(f"http://localhost:{self._port}/healthz", timeout=5).close()
        except urllib.error.HTTPError as error:
            reasons = json.load(error)["reasons"]
            return next((each for each in reasons if "nucleus" in each), None)
        except OSError:
            pass
        return None

    def is_well(self) -> bool:
        """Whether /healthz is 200."""
        try:
            with urllib.request.urlopen(f"http://localhost:{self._port}/healthz", timeout=5):
                return True
        except OSError:
            return False

    def status_written(self) -> str:
        """When the status object in the bucket was written; empty while there is none."""
        try:
            answer = self._s3.get_object(Bucket=BUCKET, Key=f"{self.core.thing}/status/ball.json")
        except self._s3.exceptions.NoSuchKey:
            return ""
        return str(json.loads(answer["Body"].read())["written_at"])

    def starts(self) -> int:
        """How often systemd has started it."""
        return int(self.core.process.log.read_text().count(": started\n"))


@pytest.fixture
def node(core_as: Callable[..., Any], component_name: str, tmp_path: Path) -> NodeOnLite:
    core = core_as(None, nucleus="lite-2.6.0")
    iam, s3 = core.aws.client("iam"), core.aws.client("s3")
    objects = {
        "Effect": "Allow",
        "Action": ["s3:PutObject", "s3:GetObject"],
        "Resource": f"arn:aws:s3:::{BUCKET}/*",
    }
    iam.put_role_policy(
        RoleName="SandboxTestCore",
        PolicyName="Recordings",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [objects]}),
    )
    s3.create_bucket(Bucket=BUCKET)
    return NodeOnLite(core, component_name, tmp_path)


@pytest.mark.parametrize(
    ("dies", "reason"), [("kill-ggipcd", "token"), ("kill-token-exchange", "credentials-port")]
)
def test_node_is_back_with_states_and_credentials_after_a_daemons_death(
    node: NodeOnLite, until: Until, dies: str, reason: str
) -> None:
    topic = f"edgecam/{node.core.thing}/ball/state"
    with Topics(node.core.aws.url, "edgecam/+/+/state") as topics:
        until(lambda: topics.newest(topic), "the first state is in the cloud")
        until(node.status_written, "the first status object is in the bucket")
        until(node.is_well, "the node is healthy")
        starts = node.starts()
        node.core.command(dies)
        found = until(node.reason, "the node says what is dead")
        assert found["nucleus"] == reason
        until(lambda: node.starts() == starts + 1, "systemd has started it again")
        topics.messages.clear()
        before = node.status_written()
        until(lambda: topics.newest(topic), "a state is in the cloud again")
        until(lambda: node.status_written() > before, "a status object is in the bucket again")
        until(node.is_well, "the node is healthy again")
    assert node.starts() == starts + 1
    assert set(node.core.states().values()) == {"RUNNING"}
