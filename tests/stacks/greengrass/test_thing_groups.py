"""Thing groups in templates: which are made, who is in them, and who may change them."""

from __future__ import annotations

from typing import Any

from fleets import FLEET, Synthesize, Templates, flat, of_type
from large_fleets import group_stacks

FOUNDATION = "EdgecamFoundation"
IOT = "arn:<AWS::Partition>:iot:<AWS::Region>:<AWS::AccountId>"


def members(template: dict[str, Any]) -> list[dict[str, Any]]:
    return of_type(template, "Custom::EdgecamGroupMembers")


def rights(template: dict[str, Any], policy: str) -> dict[str, list[str]]:
    """Of the policies whose logical ids begin so: what each statement is for."""
    return {
        statement["Sid"]: sorted(map(flat, several(statement["Resource"])))
        for logical_id, found in template["Resources"].items()
        if found["Type"] == "AWS::IAM::Policy" and logical_id.startswith(policy)
        for statement in found["Properties"]["PolicyDocument"]["Statement"]
    }


def several(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def test_each_thing_with_nucleus_lite_has_a_group_of_its_own(templates: Templates) -> None:
    template = templates[FOUNDATION]
    groups = [group["ThingGroupName"] for group in of_type(template, "AWS::IoT::ThingGroup")]
    assert sorted(groups) == ["edgecam-core-yard-core", "lobby-cores"]
    (joined,) = members(template)
    assert (joined["GroupPrefix"], joined["Things"]) == ("edgecam-core-", ["yard-core"])


def test_things_join_when_their_groups_are_there(templates: Templates) -> None:
    resources = templates[FOUNDATION]["Resources"]
    (joining,) = [found for found in resources.values() if found["Type"] == "Custom::EdgecamGroupMembers"]
    (group,) = [
        logical_id
        for logical_id, found in resources.items()
        if found["Properties"].get("ThingGroupName") == "edgecam-core-yard-core"
    ]
    assert group in joining["DependsOn"]


def test_joiner_may_make_these_things_and_change_these_groups_only(templates: Templates) -> None:
    found = rights(templates[FOUNDATION], "GroupMembersJoiner")
    assert found["MakeThings"] == [f"{IOT}:thing/yard-core"]
    assert found["JoinGroups"] == [f"{IOT}:thing/yard-core", f"{IOT}:thinggroup/edgecam-core-yard-core"]
    assert found.keys() == {"WriteOwnLog", "MakeThings", "JoinGroups"}


def test_joiner_of_many_things_is_bounded_by_the_groups_names(synthesize: Synthesize) -> None:
    sites = "".join(
        f'  s{number}: {{thing: t{number}-{"x" * 55}, nucleus: lite, cameras: [{{id: a, uri: "test://"}}]}}\n'
        for number in range(41)
    )
    found = rights(synthesize(f"sites:\n{sites}")[FOUNDATION], "GroupMembersJoiner")
    assert found["JoinGroups"] == [f"{IOT}:thing/*", f"{IOT}:thinggroup/edgecam-core-*"]


def test_fleet_of_classic_cores_has_no_joiner(synthesize: Synthesize) -> None:
    template = synthesize(FLEET.replace("    nucleus: lite\n", ""))[FOUNDATION]
    assert not members(template)
    assert not any(logical_id.startswith("GroupMembers") for logical_id in template["Resources"])


def test_things_are_in_the_stack_of_their_group(synthesize: Synthesize) -> None:
    templates = synthesize(FLEET + "aws: {site_stacks: 2}")
    (name,) = group_stacks(templates, "edgecam-core-yard-core")
    assert [joined["Things"] for joined in members(templates[name])] == [["yard-core"]]


def test_remover_may_make_the_group_of_its_site_again_and_no_thing(synthesize: Synthesize) -> None:
    text = FLEET.replace("    nucleus: lite\n", "    nucleus: lite\n    rollout: {remove_on_destroy: true}\n")
    template = synthesize(text)["EdgecamFrameGrabber"]
    (removal,) = of_type(template, "Custom::EdgecamRemoval")
    assert removal["OnlyThing"] == "yard-core"
    found = rights(template, "RemovalsRemover")
    assert found["MakeGroups"] == [f"{IOT}:thinggroup/edgecam-core-yard-core"]
    assert found["JoinGroups"] == [f"{IOT}:thing/yard-core"]
    assert "MakeThings" not in found
    # Not the cores of other sites, although the target is a group.
    assert [arn.rpartition(":")[2] for arn in found["SeeCores"]] == ["yard-core"]
