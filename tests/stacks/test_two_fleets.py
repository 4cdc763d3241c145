"""Two fleets in one account and Region: side by side with a name, and never one over the other unasked."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from core_fleets import CORES, WATCH
from deployed_stacks import DeployedStack, synthesized
from embedded_aws import embedded
from fleets import EVERY_STACK, Synthesize, Templates, flat

from fleet.command.__main__ import main

PIPELINE = "aws: {pipeline: {repository: ours/cameras}}\n"
EVERYTHING = (
    EVERY_STACK.replace(
        "    variant: gcs-uploader\n", "    variant: gcs-uploader\n    aws_iot: {enabled: true}\n"
    )
    + CORES
    + WATCH
    + PIPELINE
)
NOT_UNIQUE = {
    # Of a role or a set of metrics, not of the account.
    ("AWS::IAM::Policy", "PolicyName"),
    ("AWS::CloudWatch::Alarm", "MetricName"),
}
IN_COMMON = {"/aws/greengrass/GreengrassSystemComponent/<AWS::Region>/System"}
"""The classic nucleus names it."""

PROD = """
sites:
  prod-1:
    thing: prod-core-1
    cameras: [{id: door, uri: "rtsp://192.0.2.1/s"}]
    rollout: {remove_on_destroy: true}
  prod-2: {thing: prod-core-2, cameras: [{id: door, uri: "rtsp://192.0.2.1/s"}]}
"""
STAGING = """
sites:
  stage-1: {thing: stage-core-1, cameras: [{id: door, uri: "rtsp://192.0.2.1/s"}]}
aws: {component_prefix: com.edgecam.staging}
"""
"""Neither has a name."""

FOUNDATION, GRABBER = "EdgecamFoundation", "EdgecamFrameGrabber"
Client = Callable[[str], Any]
Assemble = Callable[[str], Path]


def physical_names(templates: Templates) -> set[str]:
    """Every name that a template gives a resource or an export, and those of the stacks."""
    found = set(templates)
    for template in templates.values():
        for resource in template["Resources"].values():
            for member, value in resource.get("Properties", {}).items():
                is_name = member.endswith(("Name", "Alias", "Secret"))
                if is_name and (resource["Type"], member) not in NOT_UNIQUE:
                    found.add(flat(value))
                elif member == "Names":
                    found.update(map(flat, value))
        for output in template.get("Outputs", {}).values():
            if "Export" in output:
                found.add(flat(output["Export"]["Name"]))
    # A reference is to what CloudFormation has named, after the stack.
    return {
        name for name in found if not (name.startswith("<") and name.endswith(">") and name.count("<") == 1)
    }


def test_two_fleets_have_no_physical_name_in_common(synthesize: Synthesize) -> None:
    plain, named = (physical_names(synthesize(name + EVERYTHING)) for name in ("", "name: staging\n"))
    assert len(plain) == len(named)
    assert {"EdgecamWatch", "EdgecamCoreRoleAlias", "edgecam/devices/dock-core/ramp/key"} <= plain
    assert plain & named == IN_COMMON


def test_named_fleet_has_components_metrics_and_states_of_its_own(synthesize: Synthesize) -> None:
    named = json.dumps(synthesize("name: staging\n" + EVERYTHING))
    assert "com.edgecam.staging.frame-grabber" in named
    assert "WHERE fleet = 'staging'" in named
    for plain in ("com.edgecam.frame-grabber", "com.edgecam.gcs-uploader", '"Edgecam"', "edgecam/devices/"):
        assert plain not in named, plain


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """An embedded AWS of these tests alone: others deploy stacks of the same names."""
    with embedded(tmp_path_factory.mktemp("two-fleets")) as client:
        yield client


@pytest.fixture(scope="module")
def assemble(write_fleet: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Assemble:
    """Synthesizes a fleet's text."""
    return lambda text: synthesized(write_fleet(text), tmp_path_factory.mktemp("assembly"))


@pytest.fixture(scope="module")
def prod(cloud: Client, assemble: Assemble) -> dict[str, DeployedStack]:
    """The stacks of PROD, deployed."""
    assembly = assemble(PROD)
    return {name: DeployedStack(cloud, assembly, name) for name in (FOUNDATION, GRABBER)}


def newest(cloud: Client, thing: str) -> dict[str, Any] | None:
    """The deployment that a thing obeys."""
    target = f"arn:aws:iot:us-east-1:123456789012:thing/{thing}"
    listed = cloud("greengrassv2").list_deployments(targetArn=target, historyFilter="LATEST_ONLY")
    found: list[dict[str, Any]] = listed["deployments"]
    return found[0] if found else None


def test_another_fleets_file_is_refused_before_anything_is_taken_away(
    cloud: Client, assemble: Assemble, prod: dict[str, DeployedStack]
) -> None:
    before = [newest(cloud, f"prod-core-{number}") for number in (1, 2)]
    roles = cloud("iam").list_roles()["Roles"]
    staging = assemble(STAGING)
    assert prod[FOUNDATION].update(staging) == "UPDATE_ROLLBACK_COMPLETE"
    assert any(
        "expected one of its targets, thing/prod-core-1, thing/prod-core-2, found thing/stage-core-1. "
        "Nothing was changed. Give this fleet a name of its own" in reason
        for reason in prod[FOUNDATION].reasons()
    ), prod[FOUNDATION].reasons()
    assert [newest(cloud, f"prod-core-{number}") for number in (1, 2)] == before
    assert None not in before
    assert cloud("iam").list_roles()["Roles"] == roles


def test_every_stack_is_deployed_after_the_one_that_refuses(
    write_fleet: Callable[[str], Path], tmp_path: Path
) -> None:
    out = synthesized(write_fleet(EVERYTHING + "\n"), tmp_path)
    manifest = json.loads((out / "manifest.json").read_text())["artifacts"]
    stacks = {
        name: artifact
        for name, artifact in manifest.items()
        if artifact["type"] == "aws:cloudformation:stack"
    }

    def needed(name: str) -> set[str]:
        direct = {each for each in stacks[name].get("dependencies", []) if each in stacks}
        return direct.union(*map(needed, direct))

    assert [name for name in stacks if name != FOUNDATION and FOUNDATION not in needed(name)] == []
    assert needed(FOUNDATION) == set()


def test_in_the_stack_that_refuses_everything_waits_for_the_comparison(templates: Templates) -> None:
    resources = templates[FOUNDATION]["Resources"]
    (guard,) = (name for name, found in resources.items() if found["Type"] == "Custom::EdgecamFleet")
    own = {name for name in resources if name.startswith("Guard")}
    assert [
        name
        for name, found in resources.items()
        if name not in own and guard not in found.get("DependsOn", [])
    ] == []


def test_fleet_file_may_be_renamed_and_its_sites_may_come_and_go(
    assemble: Assemble, prod: dict[str, DeployedStack]
) -> None:
    changed = PROD.replace("prod-2: {thing: prod-core-2", "annex: {thing: annex-core")
    assert prod[FOUNDATION].update(assemble(changed)) == "UPDATE_COMPLETE", prod[FOUNDATION].reasons()
    assert prod[FOUNDATION].update(assemble(PROD)) == "UPDATE_COMPLETE", prod[FOUNDATION].reasons()


@pytest.mark.usefixtures("prod")
def test_fleet_with_a_name_lives_beside_the_other_and_goes_without_it(
    cloud: Client, assemble: Assemble
) -> None:
    before = newest(cloud, "prod-core-1")
    named = assemble("name: staging\n" + STAGING.partition("aws:")[0])
    stacks = [
        DeployedStack(cloud, named, f"Edgecam-staging-{kind}") for kind in ("Foundation", "FrameGrabber")
    ]
    found = newest(cloud, "stage-core-1")
    assert found is not None
    assert found["deploymentName"] == "edgecam staging: stage-1"
    assert newest(cloud, "prod-core-1") == before
    components = {each["componentName"] for each in cloud("greengrassv2").list_components()["components"]}
    assert {"com.edgecam.frame-grabber", "com.edgecam.staging.frame-grabber"} <= components
    for stack in reversed(stacks):
        stack.destroy()
    components = {each["componentName"] for each in cloud("greengrassv2").list_components()["components"]}
    assert "com.edgecam.frame-grabber" in components
    assert "com.edgecam.staging.frame-grabber" not in components
    assert newest(cloud, "prod-core-1") == before


@pytest.mark.usefixtures("prod")
def test_diff_of_another_fleets_file_says_that_it_is_refused(
    cloud: Client,
    write_fleet: Callable[[str], Path],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name, value in credentials(cloud).items():
        monkeypatch.setenv(name, value)
    assert main(["diff", "--fleet", str(write_fleet(STAGING))]) == 1
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err == (
        "the deployed stacks of these names are those of another fleet: expected one of its targets, "
        "thing/prod-core-1, thing/prod-core-2, found thing/stage-core-1. A deploy is refused: give this "
        "fleet a name of its own (name: …, at the top of its file), or say -c replace-fleet=true with cdk "
        "deploy where it is to take the other one's place\n"
    )


def credentials(cloud: Client) -> dict[str, str]:
    client = cloud("cloudformation")
    found = client._request_signer._credentials
    return {
        "AWS_ENDPOINT_URL": client.meta.endpoint_url,
        "AWS_ACCESS_KEY_ID": found.access_key,
        "AWS_SECRET_ACCESS_KEY": found.secret_key,
        "AWS_DEFAULT_REGION": client.meta.region_name,
    }


def test_replacement_that_fails_goes_back_and_one_that_does_not_takes_the_place(
    cloud: Client, prod: dict[str, DeployedStack], write_fleet: Callable[[str], Path], tmp_path: Path
) -> None:
    """The last one: afterwards the stacks are those of STAGING."""
    staging = synthesized(write_fleet(STAGING), tmp_path / "asked-for", {"replace-fleet": "true"})
    broken = shutil.copytree(staging, tmp_path / "broken")
    cloud("iot").create_role_alias(roleAlias="taken", roleArn="arn:aws:iam::123456789012:role/nobody")
    _add_role_alias(broken / f"{FOUNDATION}.template.json", "taken")
    assert prod[FOUNDATION].update(broken) == "UPDATE_ROLLBACK_COMPLETE", prod[FOUNDATION].reasons()
    assert prod[FOUNDATION].update(staging) == "UPDATE_COMPLETE", prod[FOUNDATION].reasons()
    assert prod[FOUNDATION].update(synthesized(write_fleet(STAGING), tmp_path / "again")) == "UPDATE_COMPLETE"


def _add_role_alias(template: Path, name: str) -> None:
    """A resource that cannot be made, since there is one of its name."""
    document = json.loads(template.read_text())
    (guard,) = (
        key for key, found in document["Resources"].items() if found["Type"] == "Custom::EdgecamFleet"
    )
    document["Resources"]["Taken"] = {
        "Type": "AWS::IoT::RoleAlias",
        "Properties": {"RoleAlias": name, "RoleArn": "arn:aws:iam::123456789012:role/nobody"},
        "DependsOn": [guard],
    }
    template.write_text(json.dumps(document))
