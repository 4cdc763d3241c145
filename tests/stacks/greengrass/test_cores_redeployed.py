"""The foundation with `cores.logs` is destroyed and deployed again: the log groups outlive it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from deployed_stacks import DeployedStack

from sandbox.aws.server import EmbeddedAws
from sandbox.ports import free_port

GROUP = "/aws/greengrass/systemLogs"


@pytest.fixture
def account(tmp_path: Path) -> Iterator[EmbeddedAws]:
    """An account of its own: names of the foundation are fixed."""
    with EmbeddedAws(port=free_port(), folder=tmp_path) as aws:
        yield aws


def test_lines_outlive_the_stack_and_the_next_one_takes_their_groups_over(
    account: EmbeddedAws, assembly: Path
) -> None:
    logs = account.client("logs")
    # A core that was faster than the first deploy.
    logs.create_log_group(logGroupName=GROUP)
    logs.create_log_stream(logGroupName=GROUP, logStreamName="yard-core")
    DeployedStack(account.client, assembly, "EdgecamFoundation").destroy()
    DeployedStack(account.client, assembly, "EdgecamFoundation")
    groups = logs.describe_log_groups(logGroupNamePrefix="/aws/greengrass/")["logGroups"]
    assert {group["logGroupName"]: group.get("retentionInDays") for group in groups} == {
        "/aws/greengrass/GreengrassSystemComponent/us-east-1/System": 14,
        "/aws/greengrass/UserComponent/us-east-1/com.edgecam.frame-grabber": 14,
        "/aws/greengrass/UserComponent/us-east-1/com.edgecam.gcs-uploader": 14,
        GROUP: 14,
    }
    assert logs.describe_log_streams(logGroupName=GROUP)["logStreams"]
