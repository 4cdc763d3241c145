"""Custom::EdgecamLogGroups against the embedded CloudWatch Logs."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import pytest

from stacks.handlers.cloudformation import RequestFailed
from stacks.handlers.greengrass.log_groups import apply

Event = dict[str, Any]


@pytest.fixture
def logs(aws: Callable[[str], Any]) -> Any:
    return aws("logs")


@pytest.fixture
def name() -> str:
    return f"/aws/greengrass/UserComponent/us-east-1/com.example.{uuid.uuid4().hex[:8]}"


def request(*names: str, kind: str = "Create", days: int = 14) -> Event:
    """As CloudFormation sends it."""
    return {"RequestType": kind, "ResourceProperties": {"Names": list(names), "RetentionDays": str(days)}}


def retentions(logs: Any, name: str) -> list[int | None]:
    """Days of each group whose name begins so, by name."""
    found = logs.describe_log_groups(logGroupNamePrefix=name)["logGroups"]
    return [group.get("retentionInDays") for group in found]


def test_groups_are_made_with_an_end_to_what_they_keep(logs: Any, name: str) -> None:
    apply(request(name, f"{name}-2"), logs)
    assert retentions(logs, name) == [14, 14]


def test_group_that_a_core_has_made_is_adopted_with_its_lines(logs: Any, name: str) -> None:
    logs.create_log_group(logGroupName=name)
    logs.create_log_stream(logGroupName=name, logStreamName="core")
    apply(request(name), logs)
    assert retentions(logs, name) == [14]
    assert logs.describe_log_streams(logGroupName=name)["logStreams"]


def test_another_retention_is_set_and_what_was_named_before_stays(logs: Any, name: str) -> None:
    apply(request(name, f"{name}-2"), logs)
    apply(request(f"{name}-2", kind="Update", days=30), logs)
    assert retentions(logs, name) == [14, 30]


def test_deleting_keeps_everything(logs: Any, name: str) -> None:
    apply(request(name), logs)
    apply(request(name, kind="Delete"), logs)
    assert retentions(logs, name) == [14]


class Busy:
    """CloudWatch Logs while a core makes the same group: it aborts the first requests for it."""

    def __init__(self, logs: Any, times: int) -> None:
        self.exceptions = logs.exceptions
        self.put_retention_policy = logs.put_retention_policy
        self._logs, self._times = logs, times

    def create_log_group(self, **request: Any) -> None:
        if self._times > 0:
            self._times -= 1
            words = "A conflicting operation is currently in progress against this resource."
            error = {"Error": {"Code": "OperationAbortedException", "Message": words}}
            raise self.exceptions.OperationAbortedException(error, "CreateLogGroup")
        self._logs.create_log_group(**request)


def test_group_that_a_core_is_making_at_this_moment_is_asked_for_again(logs: Any, name: str) -> None:
    slept: list[float] = []
    apply(request(name), Busy(logs, 2), slept.append)
    assert (retentions(logs, name), slept) == ([14], [1.0, 1.0])


def test_group_that_stays_busy_is_named(logs: Any, name: str) -> None:
    with pytest.raises(RequestFailed, match=f"{name} is being changed by somebody else: deploy again"):
        apply(request(name), Busy(logs, 9), lambda _: None)


def test_refusal_is_the_stores_own_words_and_the_groups_name(logs: Any, name: str) -> None:
    with pytest.raises(RequestFailed, match=f"CloudWatch Logs refuses log group {name}: .*"):
        apply(request(name, days=15), logs)
