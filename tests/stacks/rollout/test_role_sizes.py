"""No role of a fleet's stacks has more in its policies than IAM takes, whatever the fleet's names are."""

from __future__ import annotations

import json
from typing import Any

import pytest
from fleets import Synthesize, Templates, flat

ROLE_CHARACTERS, MANAGED_CHARACTERS = 10_240, 6_144
"""IAM user guide, "IAM and AWS STS quotas"; white space does not count."""

LONGEST = {"AWS::Partition": "aws-us-gov", "AWS::Region": "ap-southeast-1", "AWS::AccountId": "123456789012"}
SITE = """
  s{number:02}:
    thing: {thing}
    nucleus: {nucleus}
    rollout: {{remove_on_destroy: {removed}}}
    cameras: [{{id: a, uri: "rtsp://192.0.2.1/1", credentials: {{secret: "cameras/{thing}"}}}}]
"""


def fleet(nucleus: str, count: int, *, removed: bool = True, waves: bool = False) -> str:
    sites = "".join(
        SITE.format(
            number=number,
            thing=f"{number:02}-".ljust(60, "x"),
            nucleus=nucleus,
            removed=str(removed).lower(),
        )
        for number in range(count)
    )
    return f"sites:{sites}" + ("waves: [{sites: ['s*']}]\n" if waves else "")


def deployed(value: Any, stack: str) -> Any:
    """What CloudFormation makes of it, at its longest."""
    if isinstance(value, list):
        return [deployed(each, stack) for each in value]
    if not isinstance(value, dict):
        return value
    if len(value) == 1:
        ((function, argument),) = value.items()
        if function == "Fn::Join":
            return argument[0].join(deployed(part, stack) for part in argument[1])
        if function == "Ref":
            return LONGEST.get(argument) or f"{stack}-{argument}-XXXXXXXXXXXXX"
        if function == "Fn::GetAtt":
            region = ":".join(LONGEST.values())
            return f"arn:service:{region}:log-group:{stack}-{argument[0]}-XXXXXXXXXXXXX:*"
        if function in ("Fn::Sub", "Fn::ImportValue"):
            return "x" * 150
    return {key: deployed(each, stack) for key, each in value.items()}


def characters(document: Any, stack: str) -> int:
    return len(json.dumps(deployed(document, stack), separators=(",", ":")))


def inline_characters(templates: Templates) -> dict[str, int]:
    """Of the policies of each role."""
    found: dict[str, int] = {}
    for stack, template in templates.items():
        for logical_id, resource in template["Resources"].items():
            kind, properties = resource["Type"], resource["Properties"]
            if kind == "AWS::IAM::Role":
                roles, documents = (
                    [{"Ref": logical_id}],
                    [policy["PolicyDocument"] for policy in properties.get("Policies", [])],
                )
            elif kind == "AWS::IAM::Policy":
                roles, documents = properties["Roles"], [properties["PolicyDocument"]]
            else:
                continue
            for role in map(flat, roles):
                size = sum(characters(document, stack) for document in documents)
                found[role] = found.get(role, 0) + size
    return found


FLEETS = [
    *(fleet("lite", count) for count in (9, 12, 15, 40)),
    *(fleet("lite", count, removed=False) for count in (18, 40)),
    *(fleet("classic", count, waves=True) for count in (15, 20, 40)),
]


@pytest.mark.parametrize("text", FLEETS, ids=[str(number) for number in range(len(FLEETS))])
def test_every_role_is_one_that_iam_takes(synthesize: Synthesize, text: str) -> None:
    templates = synthesize(text)
    sizes = inline_characters(templates)
    assert any("Remover" in role or "Waiter" in role for role in sizes)
    assert {role: size for role, size in sizes.items() if size > ROLE_CHARACTERS} == {}
    for stack, template in templates.items():
        for resource in template["Resources"].values():
            if resource["Type"] == "AWS::IAM::ManagedPolicy":
                document = resource["Properties"]["PolicyDocument"]
                assert characters(document, stack) <= MANAGED_CHARACTERS


@pytest.mark.parametrize(("count", "named"), [(5, True), (40, False)])
def test_targets_are_named_where_there_is_room(synthesize: Synthesize, count: int, named: bool) -> None:
    resources = synthesize(fleet("lite", count))["EdgecamFrameGrabber"]["Resources"]
    (arns,) = (
        sorted(map(flat, statement["Resource"]))
        for logical_id, found in resources.items()
        if found["Type"] == "AWS::IAM::Policy" and logical_id.startswith("RemovalsRemover")
        for statement in found["Properties"]["PolicyDocument"]["Statement"]
        if statement["Sid"] == "MakeJobs"
    )
    # The cores of other fleets' groups are none of theirs, however many sites there are.
    groups = [arn.rpartition("/")[2] for arn in arns if ":thinggroup/" in arn]
    assert all(group.startswith("edgecam-core-") for group in groups)
    assert (len(groups) == count) is named
