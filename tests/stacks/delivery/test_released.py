"""`image.released`: a release's images in place of built ones, by each delivery."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from fleets import RECORDED, Synthesize, Templates, flat, of_type
from granted_rights import rights
from masked_templates import masked
from syrupy.assertion import SnapshotAssertion

VARIANTS = {"EdgecamFrameGrabber": "frame-grabber", "EdgecamGcsUploader": "gcs-uploader"}
DIGESTS = {"frame-grabber": f"sha256:{'a1' * 32}", "gcs-uploader": f"sha256:{'b2' * 32}"}
ARCHITECTURES = ("amd64", "arm64")


def released(delivery: str, registry: str = "registry.example:5000/acme", **digests: str) -> str:
    """A fleet of both variants whose images are those of a release; variants with _ for -."""
    chosen = {**DIGESTS, **{name.replace("_", "-"): digest for name, digest in digests.items()}}
    images = {variant: f"{registry}/{variant}:0.2.0@{digest}" for variant, digest in chosen.items()}
    image = {"delivery": delivery, "architectures": [*ARCHITECTURES], "released": images}
    return f"{RECORDED}image: {json.dumps(image)}\n"


def built(delivery: str) -> str:
    return f"{RECORDED}image: {{delivery: {delivery}, architectures: [amd64, arm64]}}\n"


@pytest.fixture
def pulled(synthesize: Synthesize) -> Templates:
    """Both variants, pulled by the cores from where they are released."""
    return synthesize(released("registry"))


def version(template: dict[str, Any]) -> str:
    (found,) = of_type(template, "Custom::GreengrassComponentVersion")
    text: str = found["ComponentVersion"]
    return text


def recipe(template: dict[str, Any]) -> dict[str, Any]:
    (found,) = of_type(template, "Custom::GreengrassComponentVersion")
    parsed: dict[str, Any] = json.loads(flat(found["Recipe"]))
    return parsed


def roles(template: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """What each role of a template may do, by the role's logical id; hashes of images are masked."""
    template = json.loads(
        re.sub(r"\b([0-9a-f]{64}|[0-9a-f]{12}(?=-a[mr][dm]64))\b", "HASH", json.dumps(template))
    )
    found = [name for name, entry in template["Resources"].items() if entry["Type"] == "AWS::IAM::Role"]
    return {name: rights(template, re.sub(r"[0-9A-F]{8}$", "", name)) for name in found}


def test_frame_grabber_pulled_from_its_release(pulled: Templates, snapshot: SnapshotAssertion) -> None:
    assert masked(pulled["EdgecamFrameGrabber"]) == snapshot


@pytest.mark.parametrize("stack", VARIANTS)
def test_cores_pull_a_release_by_its_digest_from_where_it_is(pulled: Templates, stack: str) -> None:
    name = f"registry.example:5000/acme/{VARIANTS[stack]}@{DIGESTS[VARIANTS[stack]]}"
    manifests = recipe(pulled[stack])["Manifests"]
    assert [manifest["Platform"]["architecture"] for manifest in manifests] == ["amd64", "aarch64"]
    for manifest in manifests:
        # Without the tag: a classic nucleus takes no name with both.
        assert manifest["Artifacts"] == [{"Uri": f"docker:{name}"}]
        environment = manifest["Lifecycle"]["Setenv"]
        assert (environment["EDGECAM_IMAGE"], environment["EDGECAM_ARCHIVE"]) == (name, "")
    assert "aws.greengrass.DockerApplicationManager" in recipe(pulled[stack])["ComponentDependencies"]


def test_release_that_cores_pull_takes_fewer_resources_and_rights(
    synthesize: Synthesize, pulled: Templates
) -> None:
    by_bucket = synthesize(built("s3"))
    # What the cores fetched before, they may fetch again.
    assert roles(pulled["EdgecamFoundation"]) == roles(by_bucket["EdgecamFoundation"])
    for stack in VARIANTS:
        types = {entry["Type"] for entry in pulled[stack]["Resources"].values()}
        assert not types & {"Custom::EdgecamArtifact", "Custom::EdgecamImage", "AWS::CodeBuild::Project"}
        before = roles(by_bucket[stack])
        for name, allowed in roles(pulled[stack]).items():
            assert set(allowed) <= set(before[name])
        assert len(roles(pulled[stack])) < len(before)
    assert "ecr:" not in json.dumps(pulled)


@pytest.mark.parametrize("delivery", ["s3", "ecr"])
def test_release_that_a_deploy_copies_takes_the_same_rights_as_a_built_image(
    synthesize: Synthesize, delivery: str
) -> None:
    here, there = synthesize(released(delivery)), synthesize(built(delivery))
    for stack in here:
        assert roles(here[stack]) == roles(there[stack])


@pytest.mark.parametrize("delivery", ["s3", "ecr", "registry"])
def test_version_is_that_of_the_released_image(synthesize: Synthesize, delivery: str) -> None:
    text = released(delivery)
    same = synthesize(text.replace("dock-core", "other-core"))
    other = synthesize(released(delivery, gcs_uploader=f"sha256:{'c3' * 32}"))
    here = synthesize(text)
    assert version(here["EdgecamGcsUploader"]) == version(same["EdgecamGcsUploader"])
    assert version(here["EdgecamGcsUploader"]) != version(other["EdgecamGcsUploader"])
    assert version(here["EdgecamFrameGrabber"]) == version(other["EdgecamFrameGrabber"])


@pytest.mark.parametrize(("delivery", "matters"), [("s3", False), ("ecr", False), ("registry", True)])
def test_registry_is_part_of_a_version_only_where_cores_pull_from_it(
    synthesize: Synthesize, delivery: str, matters: bool
) -> None:
    here = synthesize(released(delivery))["EdgecamFrameGrabber"]
    mirror = synthesize(released(delivery, registry="mirror.example/acme"))["EdgecamFrameGrabber"]
    assert (version(here) != version(mirror)) is matters


def test_nothing_that_deployed_stacks_import_is_taken_back_when_cores_pull_instead(
    synthesize: Synthesize, pulled: Templates
) -> None:
    assert set(synthesize(built("s3"))["EdgecamFoundation"]["Outputs"]) <= set(
        pulled["EdgecamFoundation"]["Outputs"]
    )


@pytest.mark.parametrize(("kind", "place"), [("ContainerImage", "files"), ("PublishedImage", "dockerImages")])
def test_released_image_is_pulled_at_publish_time_by_the_command_that_builds(
    tmp_path: Path, kind: str, place: str
) -> None:
    import aws_cdk as cdk

    from fleet.settings.image import Image
    from stacks.delivery import container_image

    chosen = Image(released={"frame-grabber": f"registry.example/f:0.2.0@{DIGESTS['frame-grabber']}"})
    app = cdk.App(
        outdir=str(tmp_path / "cdk.out"), analytics_reporting=False, builtin_cloud_formation_validation=False
    )
    made = getattr(container_image, kind)
    image = made(cdk.Stack(app, "S"), "I", variant="frame-grabber", architecture="arm64", image=chosen)
    app.synth()
    assets = json.loads((tmp_path / "cdk.out" / "S.assets.json").read_text())[place].values()
    (command,) = [asset["source"]["executable"] for asset in assets if "executable" in asset["source"]]
    assert command[0].endswith("container/build")
    assert command[1:9] == [
        *("--variant", "frame-grabber", "--architecture", "arm64", "--tag", image.tag),
        *("--released", f"registry.example/f@{DIGESTS['frame-grabber']}"),
    ]
