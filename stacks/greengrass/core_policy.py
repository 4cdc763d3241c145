"""The IoT policy of a core's certificate: what its own thing needs, and nothing of any other.

Each certificate has a policy of its own, in which the thing's name stands as it is. Policy variables
(`${iot:Connection.Thing.ThingName}`) would make one policy do for all, but AWS does not support them for
core devices: they are known on MQTT connections only, and the nucleus also asks by HTTPS (Greengrass v2
developer guide, "Device authentication and authorization"). design/rights.md has the whole reasoning.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from edgecam.brokers.topics import topic_of

PLACEHOLDER = "NAME-OF-THE-CORE"
"""Stands for the thing's name in what is printed for a person to fill in."""

MOST_POLICY_CHARACTERS = 2048
"""Of an IoT policy, white space not counted (AWS IoT Core's quotas)."""

Arn = Callable[[str, str], str]
"""Kind and name of a resource of AWS IoT → its ARN."""

_DATA_PLANE = [
    "greengrass:GetComponentVersionArtifact",
    # For documents too large for a job, see stacks/greengrass/deployment.py.
    "greengrass:GetDeploymentConfiguration",
    "greengrass:ListThingGroupsForCoreDevice",
    "greengrass:ResolveComponentCandidates",
]
"""Reads, for which AWS documents no resource but `*`. A deployment's document is asked for by its id, which
is random; it holds no secret, but names of secrets."""


def core_policy(thing: str, *, arn: Arn, role_alias_arn: str) -> dict[str, Any]:
    """The policy document of one core.

    The minimal policy of the developer guide has `THING*` in place of a thing's name, which also is each
    thing whose name begins so. A nucleus names its further connections `THING#2`, and no thing has a `#`.

    Args:
        thing: Its name.
        arn: Makes ARNs of AWS IoT.
        role_alias_arn: What it gets AWS credentials by.
    """
    # Jobs, shadows (a deployment to a thing is one), health: the nucleus' topics are all below the thing.
    topics = f"$aws/things/{thing}/*"
    return {
        "Version": "2012-10-17",
        "Statement": [
            _allow("iot:Connect", arn("client", thing), arn("client", f"{thing}#*")),
            # A policy knows no +: a camera's id stands where the asterisk is.
            _allow(["iot:Publish", "iot:Receive"], arn("topic", topics), arn("topic", topic_of(thing, "*"))),
            _allow("iot:Subscribe", arn("topicfilter", topics)),
            # The same shadows by HTTPS, as the shadow manager asks for them.
            _allow(
                ["iot:GetThingShadow", "iot:UpdateThingShadow", "iot:DeleteThingShadow"],
                arn("thing", thing),
                arn("thing", f"{thing}/*"),
            ),
            _allow("iot:AssumeRoleWithCertificate", role_alias_arn),
            _allow(_DATA_PLANE, "*"),
        ],
    }


def in_template(document: dict[str, Any], parameter: str) -> dict[str, Any]:
    """`core_policy(PLACEHOLDER)` for a provisioning template, which fills in the value of `parameter`."""

    def filled_in(text: str) -> Any:
        before, found, after = text.partition(PLACEHOLDER)
        return {"Fn::Join": ["", [before, {"Ref": parameter}, after]]} if found else text

    return {
        **document,
        "Statement": [
            {**statement, "Resource": [filled_in(resource) for resource in statement["Resource"]]}
            for statement in document["Statement"]
        ],
    }


def characters(document: dict[str, Any]) -> int:
    """How much of `MOST_POLICY_CHARACTERS` a document takes."""
    return len(json.dumps(document, separators=(",", ":")))


def _allow(actions: str | list[str], *resources: str) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": actions, "Resource": list(resources)}
