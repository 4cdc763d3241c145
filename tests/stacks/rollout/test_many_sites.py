"""Two thousand sites, as a user synthesizes them: within the limits, and one more touches no other."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from fleets import FLEET, PROJECT, Synthesize, Templates
from large_fleets import (
    DEPLOYMENT,
    GROUP,
    SITES,
    Assemblies,
    deployments,
    group_stacks,
    synth,
    templates,
)

from bench.many_sites import entry, write_fleet
from edgecam.errors import EdgecamError
from fleet.stack_placement import (
    OUTPUT_LIMIT,
    RESOURCE_LIMIT,
    TEMPLATE_LIMIT_BYTES,
    shard_of,
)
from stacks.rollout.template_limits import check_templates


@pytest.fixture(scope="module")
def assemblies(tmp_path_factory: pytest.TempPathFactory) -> Assemblies:
    folder = tmp_path_factory.mktemp("many")
    running = []
    for name in Assemblies._fields:
        fleet = write_fleet(folder / f"fleet-{name}", SITES, site_stacks=32)
        if name == "after":
            with (fleet.parent / "sites" / "district-07.yaml").open("a") as file:
                file.write(entry(SITES))
        running.append(synth(fleet, folder / name))
    for process in running:
        assert process.wait() == 0, process.communicate()[1]
        assert process.stderr is not None
        process.stderr.close()
    return Assemblies(folder / "before", folder / "after")


def test_every_site_has_its_deployment_in_stacks_within_the_limits(assemblies: Assemblies) -> None:
    found = templates(assemblies.before)
    assert len(deployments(found)) == SITES
    for name, template in found.items():
        assert len(template["Resources"]) <= RESOURCE_LIMIT
        assert len(template.get("Outputs", {})) <= OUTPUT_LIMIT
        assert (assemblies.before / f"{name}.template.json").stat().st_size <= TEMPLATE_LIMIT_BYTES


def test_one_more_site_is_a_deployment_and_a_group_and_touches_no_other_site(assemblies: Assemblies) -> None:
    before, after = templates(assemblies.before), templates(assemblies.after)
    assert before.keys() == after.keys()
    (site_stack, _) = deployments(after)["shop-2000"]
    (group_stack,) = group_stacks(after, "edgecam-core-shop-2000-core")
    changed = {name for name in before if before[name] != after[name]}
    assert changed == {site_stack, group_stack, "EdgecamFoundation"}
    # Which says which fleet it is by all of its targets.
    assert differing(before["EdgecamFoundation"], after["EdgecamFoundation"]) == ["Custom::EdgecamFleet"]
    # What lists the sites, or the things, of its stack has one more; nothing else has changed.
    assert differing(before[site_stack], after[site_stack]) == [DEPLOYMENT, "Custom::EdgecamGoingBack"]
    assert differing(before[group_stack], after[group_stack]) == [GROUP, "Custom::EdgecamGroupMembers"]
    assert deployments(after).items() >= deployments(before).items()


def differing(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """The types of the resources that differ; the rest of the templates is the same."""
    assert {**after, "Resources": {}} == {**before, "Resources": {}}
    assert before["Resources"].keys() <= after["Resources"].keys()
    return sorted(
        value["Type"] for key, value in after["Resources"].items() if before["Resources"].get(key) != value
    )


def test_cdk_diff_shows_that_deployment_and_who_watches_it(assemblies: Assemblies) -> None:
    stack, logical_id = deployments(templates(assemblies.after))["shop-2000"]
    done = subprocess.run(
        [
            *(PROJECT / "node_modules" / ".bin" / "cdk", "diff", stack, "--exclusively", "--no-notices"),
            *("--app", assemblies.after, "--template", assemblies.before / f"{stack}.template.json"),
        ],
        env={
            **{name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ},
            "AWS_EC2_METADATA_DISABLED": "true",
            "CDK_DISABLE_CLI_TELEMETRY": "true",
            "NO_COLOR": "1",
        },
        capture_output=True,
        text=True,
        check=True,
    )
    lines = (done.stdout + done.stderr).splitlines()
    added, changed = [line.strip() for line in lines if line.startswith("[")]
    assert added == f"[+] {DEPLOYMENT} Site-shop-2000/Deployment {logical_id}"
    assert changed.startswith("[~] Custom::EdgecamGoingBack GoingBack/Sites ")


def test_site_stacks_are_deployed_after_the_component_and_its_foundation(assemblies: Assemblies) -> None:
    artifacts = json.loads((assemblies.before / "manifest.json").read_text())["artifacts"]
    assert "EdgecamFoundation" in artifacts["EdgecamFrameGrabber"]["dependencies"]
    stacks = [name for name in artifacts if name.startswith("EdgecamFrameGrabber-Sites-") and "." not in name]
    assert len(stacks) == 32
    for name in stacks:
        assert "EdgecamFrameGrabber" in artifacts[name]["dependencies"]


def test_cores_of_many_sites_are_not_named_in_policies(assemblies: Assemblies) -> None:
    foundation = templates(assemblies.before)["EdgecamFoundation"]["Resources"].values()
    policies = json.dumps([found for found in foundation if found["Type"] == "AWS::IAM::Policy"])
    assert "shop-" not in policies
    assert ":secret:cameras/${credentials-iot:ThingName}/*" in policies


MAIN_AND_OTHERS = FLEET.replace("gate:\n", "gate:\n    stack: main\n") + "aws: {site_stacks: 4}\n"


def test_site_that_stays_in_the_main_stack_is_the_resource_that_it_was(
    synthesize: Synthesize, templates: Templates
) -> None:
    def gate(found: Templates) -> dict[str, Any]:
        stack, logical_id = deployments(found)["gate"]
        resource: dict[str, Any] = found[stack]["Resources"][logical_id]
        return {"stack": stack, "id": logical_id, "properties": resource["Properties"]}

    moved = synthesize(MAIN_AND_OTHERS)
    assert gate(moved) == gate(templates)
    assert {stack for name, (stack, _) in deployments(moved).items() if name != "gate"} == {
        f"EdgecamFrameGrabber-Sites-{shard_of(name, 4)}" for name in ("lobby", "yard")
    }


def test_thing_group_of_a_large_fleet_is_made_beside_the_foundation(synthesize: Synthesize) -> None:
    found = synthesize(MAIN_AND_OTHERS)
    made = [
        (stack, resource["Properties"]["ThingGroupName"])
        for stack, template in found.items()
        for resource in template["Resources"].values()
        if resource["Type"] == "AWS::IoT::ThingGroup"
    ]
    assert sorted(made, key=lambda each: each[1]) == [
        (f"EdgecamFoundation-Groups-{shard_of(group, 4)}", group)
        for group in ("edgecam-core-yard-core", "lobby-cores")
    ]


def test_template_that_is_too_large_is_named_with_its_largest_sites(tmp_path: Path) -> None:
    resources = {
        f"Site{name}": {
            "Type": DEPLOYMENT,
            "Properties": {"DeploymentName": f"edgecam {name}", "X": "x" * size},
        }
        for name, size in (("a", 10), ("b", 500_000), ("c", 600_000), ("d", 20))
    }
    outputs = {f"Output{number}": {"Value": ""} for number in range(201)}
    (tmp_path / "EdgecamX.template.json").write_text(json.dumps({"Resources": resources, "Outputs": outputs}))
    (tmp_path / "EdgecamY.template.json").write_text(json.dumps({"Resources": {}}))
    with pytest.raises(EdgecamError) as caught:
        check_templates(tmp_path)
    outputs_line, size_line = str(caught.value).splitlines()
    assert outputs_line.startswith("stack EdgecamX: expected at most 200 outputs, found 201; of its 4 sites ")
    assert size_line.startswith("stack EdgecamX: expected a template of at most 1,000,000 bytes, found 1,1")
    assert "the largest are c (600," in size_line
    assert size_line.endswith(
        "Say stack: NAME in new sites, or aws.site_stacks (and stack: main in the sites that are deployed "
        "already)"
    )
