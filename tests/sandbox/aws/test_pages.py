"""Lists come in short pages, and whole to who reads all of them."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from sandbox.aws.clients import ACCOUNT, listed
from sandbox.aws.server import EmbeddedAws

NAMES = [f"{uuid.uuid4().hex[:8]}-{number}" for number in range(5)]


@pytest.fixture
def iot(embedded_aws: EmbeddedAws) -> Any:
    return embedded_aws.client("iot")


def test_things_of_a_group_come_in_pages(iot: Any) -> None:
    group = f"group-{uuid.uuid4().hex[:8]}"
    iot.create_thing_group(thingGroupName=group)
    for name in NAMES:
        iot.create_thing(thingName=name)
        iot.add_thing_to_thing_group(thingGroupName=group, thingName=name)
    first = iot.list_things_in_thing_group(thingGroupName=group)
    assert len(first["things"]) < len(NAMES)
    assert sorted(listed(iot, "list_things_in_thing_group", thingGroupName=group)) == sorted(NAMES)


def test_certificates_of_a_thing_come_in_pages(iot: Any) -> None:
    thing = f"thing-{uuid.uuid4().hex[:8]}"
    iot.create_thing(thingName=thing)
    arns = [iot.create_keys_and_certificate(setAsActive=True)["certificateArn"] for _ in range(3)]
    for arn in arns:
        iot.attach_thing_principal(thingName=thing, principal=arn)
    assert "nextToken" in iot.list_thing_principals(thingName=thing)
    assert sorted(listed(iot, "list_thing_principals", thingName=thing)) == sorted(arns)


def test_role_aliases_come_in_pages(iot: Any) -> None:
    for name in NAMES:
        iot.create_role_alias(roleAlias=name, roleArn=f"arn:aws:iam::{ACCOUNT}:role/core")
    assert "nextMarker" in iot.list_role_aliases()
    assert set(NAMES) <= set(listed(iot, "list_role_aliases"))
    for name in NAMES:
        iot.delete_role_alias(roleAlias=name)


def test_deployments_come_in_pages(embedded_aws: EmbeddedAws, iot: Any) -> None:
    greengrass = embedded_aws.client("greengrassv2")
    target = iot.create_thing(thingName=f"thing-{uuid.uuid4().hex[:8]}")["thingArn"]
    for _ in range(3):
        greengrass.create_deployment(targetArn=target, components={})
    request = {"targetArn": target, "historyFilter": "ALL"}
    assert "nextToken" in greengrass.list_deployments(**request)
    assert len(listed(greengrass, "list_deployments", **request)) == 3
