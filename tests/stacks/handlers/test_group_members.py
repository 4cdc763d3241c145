"""Custom::EdgecamGroupMembers against an embedded AWS."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import pytest

from stacks.handlers.cloudformation import RequestFailed
from stacks.handlers.greengrass import group_members

PREFIX = "edgecam-core-"


@pytest.fixture
def iot(aws: Callable[[str], Any]) -> Any:
    return aws("iot")


@pytest.fixture
def thing(iot: Any) -> str:
    """The name of a thing that is not there; its group is."""
    name = f"core-{uuid.uuid4().hex[:8]}"
    iot.create_thing_group(thingGroupName=f"{PREFIX}{name}")
    return name


def apply(iot: Any, *things: str, kind: str = "Create") -> None:
    properties = {"GroupPrefix": PREFIX, "Things": list(things)}
    event = {"RequestType": kind, "ResourceProperties": properties}
    assert group_members.apply(event, iot).physical_id == "members of groups of one"


def members(iot: Any, thing: str) -> list[str]:
    found: list[str] = iot.list_things_in_thing_group(thingGroupName=f"{PREFIX}{thing}")["things"]
    return found


def test_thing_joins_its_group_and_stays_what_it_is(iot: Any, thing: str) -> None:
    iot.create_thing(thingName=thing, attributePayload={"attributes": {"floor": "3"}})
    apply(iot, thing)
    assert members(iot, thing) == [thing]
    assert iot.describe_thing(thingName=thing)["attributes"] == {"floor": "3"}


def test_thing_that_is_not_there_is_made(iot: Any, thing: str) -> None:
    apply(iot, thing)
    assert members(iot, thing) == [thing]


@pytest.mark.parametrize("kind", ["Create", "Update"])
def test_what_is_so_already_may_be_asked_for_again(iot: Any, thing: str, kind: str) -> None:
    apply(iot, thing)
    apply(iot, thing, kind=kind)
    assert members(iot, thing) == [thing]


def test_thing_with_a_core_stays_when_the_stack_goes(iot: Any, thing: str) -> None:
    apply(iot, thing)
    apply(iot, thing, kind="Delete")
    assert iot.describe_thing(thingName=thing)["thingName"] == thing


def test_refusal_names_thing_and_group(iot: Any) -> None:
    name = f"core-{uuid.uuid4().hex[:8]}"
    with pytest.raises(
        RequestFailed, match=rf"^AWS IoT does not take {name} into its thing group {PREFIX}{name}: "
    ):
        apply(iot, name)
