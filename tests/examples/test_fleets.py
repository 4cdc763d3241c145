"""The fleets of `examples/`: each synthesizes, says how it is deployed, and is what its first lines say."""

from __future__ import annotations

import re
from fnmatch import fnmatch
from typing import Any

import pytest
from fleets import PROJECT, Synthesize, Templates, of_type, settings_in

from fleet.bucket_parts import sites_without_writers
from fleet.command.__main__ import main
from fleet.load import load_fleet

EXAMPLES = PROJECT / "examples"

DEPLOYMENT = "AWS::GreengrassV2::Deployment"

STACKS = {
    "clearblade": {"EdgecamFoundation", "EdgecamCloudIot", "EdgecamFrameGrabber"},
    "ecr-arm64": {"EdgecamFoundation", "EdgecamFrameGrabber"},
    "one-camera": {"EdgecamFoundation", "EdgecamFrameGrabber"},
    "recording": {"EdgecamFoundation", "EdgecamGcsUploader"},
    "shop-chain": {"EdgecamFoundation", "EdgecamFrameGrabber", "EdgecamWatch"},
}
"""By example, what it deploys."""


def text_of(name: str) -> str:
    return (EXAMPLES / f"{name}.yaml").read_text(encoding="utf-8")


def first_lines(text: str) -> str:
    """The comment at the beginning."""
    return text[: text.index("\n\n")]


def cameras_of(templates: Templates, stack: str, component: str) -> dict[str, list[dict[str, Any]]]:
    """The cameras of each deployment, by its name."""
    found = of_type(templates[stack], DEPLOYMENT)
    return {each["DeploymentName"]: settings_in(each, component)["node"]["cameras"] for each in found}


def test_each_fleet_of_the_folder_is_here() -> None:
    assert {path.stem for path in EXAMPLES.glob("*.yaml")} == set(STACKS)


@pytest.mark.parametrize("name", STACKS)
def test_example_synthesizes_to_these_stacks(synthesize: Synthesize, name: str) -> None:
    assert set(synthesize(text_of(name))) == STACKS[name]


@pytest.mark.parametrize("name", STACKS)
def test_its_first_lines_are_a_comment_with_the_command_that_deploys_it(name: str) -> None:
    comment = first_lines(text_of(name))
    assert all(line.startswith("#") for line in comment.splitlines())
    file, stacks = re.findall(r"npx cdk deploy -c fleet=(\S+) (.+)$", comment, re.MULTILINE)[0]
    assert file == f"examples/{name}.yaml"
    # What they need is deployed with them.
    named = [pattern.strip("'") for pattern in stacks.split()]
    found = {stack for stack in STACKS[name] for pattern in named if fnmatch(stack, pattern)}
    assert found | {"EdgecamFoundation"} == STACKS[name]
    assert [pattern for pattern in named if not any(fnmatch(stack, pattern) for stack in found)] == []


@pytest.mark.parametrize("name", STACKS)
def test_commands_of_its_first_lines_that_need_no_cloud_run(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(PROJECT)
    commands = re.findall(r"edgecam-fleet (.+)$", first_lines(text_of(name)), re.MULTILINE)
    assert commands
    for command in commands:
        assert f"--fleet examples/{name}.yaml" in command
        assert main(command.split()) == 0, capsys.readouterr().err


@pytest.mark.parametrize("name", STACKS)
def test_every_core_of_it_may_store_what_it_records(name: str) -> None:
    assert sites_without_writers(load_fleet(EXAMPLES / f"{name}.yaml")) == []


def test_one_camera_is_one_deployment_to_a_thing(synthesize: Synthesize) -> None:
    templates = synthesize(text_of("one-camera"))
    (deployment,) = of_type(templates["EdgecamFrameGrabber"], DEPLOYMENT)
    assert "thing/hq-core" in str(deployment["TargetArn"])
    ((camera,),) = cameras_of(templates, "EdgecamFrameGrabber", "com.edgecam.frame-grabber").values()
    assert (camera["id"], camera["credentials"]) == ("lobby", {"secret": "cameras/lobby"})


def test_shop_chain_gives_each_shop_its_own_cameras_and_secret(synthesize: Synthesize) -> None:
    templates = synthesize(text_of("shop-chain"))
    found = cameras_of(templates, "EdgecamFrameGrabber", "com.edgecam.frame-grabber")
    assert sorted(len(cameras) for cameras in found.values()) == [3, 3, 3, 8]
    assert {(each[0]["uri"], each[0]["credentials"]["secret"]) for each in found.values()} == {
        ("rtsp://10.11.0.1/stream1", "cameras/berlin-1-core/doors"),
        ("rtsp://10.12.0.1/stream1", "cameras/berlin-2-core/doors"),
        ("rtsp://10.21.0.1/stream1", "cameras/hamburg-1-core/doors"),
        ("rtsp://10.22.0.1/stream1", "cameras/hamburg-2-core/doors"),
    }


def test_recording_is_federated_and_has_no_key(synthesize: Synthesize) -> None:
    templates = synthesize(text_of("recording"))
    (deployment,) = of_type(templates["EdgecamGcsUploader"], DEPLOYMENT)
    node = settings_in(deployment, "com.edgecam.gcs-uploader")["node"]
    assert set(node["google"]) == {"audience"}
    assert [camera["id"] for camera in node["cameras"] if camera.get("recording")] == ["dock", "ramp"]
    (bucket,) = of_type(templates["EdgecamGcsUploader"], "Custom::EdgecamGcsBucket")
    assert "workloadIdentityPools" in str(bucket)
    assert "credentials_file" not in str(templates)


def test_ecr_on_arm64_makes_a_repository_and_a_recipe_for_nothing_else(synthesize: Synthesize) -> None:
    templates = synthesize(text_of("ecr-arm64"))
    assert of_type(templates["EdgecamFoundation"], "AWS::ECR::Repository")
    (version,) = of_type(templates["EdgecamFrameGrabber"], "Custom::GreengrassComponentVersion")
    recipe = str(version)
    assert "aarch64" in recipe
    assert "amd64" not in recipe
    assert "docker:" in recipe


def test_clearblade_makes_a_device_of_each_camera(synthesize: Synthesize) -> None:
    devices = of_type(synthesize(text_of("clearblade"))["EdgecamCloudIot"], "Custom::EdgecamCloudIotDevice")
    assert {each["Device"] for each in devices} == {"warehouse-hall", "ramp-camera"}
