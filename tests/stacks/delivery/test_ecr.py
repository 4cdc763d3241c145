"""`image.delivery: ecr`: the templates, who may do what, and what a recipe says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from fleets import EXISTING, FLEET, RECORDED, Synthesize, Templates, flat, of_type
from granted_rights import Rights, rights
from masked_templates import masked
from syrupy.assertion import SnapshotAssertion

ARCHITECTURES = ("amd64", "arm64")
VARIANTS = {"EdgecamFrameGrabber": "frame-grabber", "EdgecamGcsUploader": "gcs-uploader"}
ECR_FLEET = FLEET.replace("image:\n", "image:\n  delivery: ecr\n")
ECR_RECORDED = RECORDED + "image: {delivery: ecr, architectures: [amd64, arm64]}\n"
REPOSITORY = "<EdgecamFoundation:ExportsOutputFnGetAttImagesRepositoryArn>"


@pytest.fixture
def delivered(synthesize: Synthesize) -> Templates:
    """Both variants for both architectures."""
    return synthesize(ECR_RECORDED)


@pytest.fixture(params=sorted(VARIANTS))
def stack(request: pytest.FixtureRequest, delivered: Templates) -> dict[str, Any]:
    """The template of each variant in turn."""
    return delivered[request.param]


def test_foundation_with_a_repository(synthesize: Synthesize, snapshot: SnapshotAssertion) -> None:
    assert masked(synthesize(ECR_FLEET)["EdgecamFoundation"]) == snapshot


def test_frame_grabber_by_ecr(synthesize: Synthesize, snapshot: SnapshotAssertion) -> None:
    assert masked(synthesize(ECR_FLEET)["EdgecamFrameGrabber"]) == snapshot


def test_gcs_uploader_by_ecr(delivered: Templates, snapshot: SnapshotAssertion) -> None:
    assert masked(delivered["EdgecamGcsUploader"]) == snapshot


def test_repository_keeps_every_image_that_has_a_tag_and_its_tag(delivered: Templates) -> None:
    resources = delivered["EdgecamFoundation"]["Resources"].values()
    (repository,) = [entry for entry in resources if entry["Type"] == "AWS::ECR::Repository"]
    assert (repository["DeletionPolicy"], repository["UpdateReplacePolicy"]) == ("Retain", "Retain")
    properties = repository["Properties"]
    assert properties["ImageTagMutability"] == "IMMUTABLE"
    assert properties["ImageScanningConfiguration"] == {"ScanOnPush": True}
    assert "EmptyOnDelete" not in properties
    rules = json.loads(properties["LifecyclePolicy"]["LifecyclePolicyText"])["rules"]
    assert [rule["selection"]["tagStatus"] for rule in rules] == ["untagged"]


def test_delivery_by_bucket_makes_no_repository(recorded: Templates) -> None:
    types = {entry["Type"] for template in recorded.values() for entry in template["Resources"].values()}
    assert not types & {"AWS::ECR::Repository", "AWS::CodeBuild::Project"}


def test_cores_may_log_in_and_pull_from_our_repository_only(delivered: Templates) -> None:
    core = rights(delivered["EdgecamFoundation"], "CoresRole")
    assert {actions: on for actions, on in core.items() if actions[0].startswith("ecr:")} == {
        ("ecr:GetAuthorizationToken",): ["*"],
        ("ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"): ["<ImagesRepository.Arn>"],
    }


def test_role_that_the_cores_have_already_gets_the_same_right(synthesize: Synthesize) -> None:
    template = synthesize(ECR_FLEET + EXISTING)["EdgecamFoundation"]
    existing = rights(template, "GreengrassV2TokenExchangeRole")
    assert existing["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"] == ["<ImagesRepository.Arn>"]


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_project_may_pull_what_was_published_push_to_ours_and_write_its_log(
    stack: dict[str, Any], architecture: str
) -> None:
    found = rights(stack, f"Images{architecture}DeploymentDockerImageDeployRole")
    published = "cdk-hnb659fds-container-assets-${AWS::AccountId}-${AWS::Region}"
    assert found == {
        ("ecr:GetAuthorizationToken",): ["*"],
        ("ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"): [
            f"arn:<AWS::Partition>:ecr:<AWS::Region>:<AWS::AccountId>:repository/{published}"
        ],
        (
            "ecr:BatchCheckLayerAvailability",
            "ecr:CompleteLayerUpload",
            "ecr:InitiateLayerUpload",
            "ecr:PutImage",
            "ecr:UploadLayerPart",
        ): [REPOSITORY],
        ("logs:CreateLogStream", "logs:PutLogEvents"): [f"<Images{architecture}Log.Arn>"],
    }


def test_copier_may_look_into_our_repository_and_start_its_projects(stack: dict[str, Any]) -> None:
    found: Rights = rights(stack, "ImagesCopierRole")
    assert found == {
        ("ecr:DescribeImages",): [REPOSITORY],
        ("codebuild:BatchGetBuilds", "codebuild:StartBuild"): [
            f"<Images{architecture}Project.Arn>" for architecture in ARCHITECTURES
        ],
        ("logs:CreateLogStream", "logs:PutLogEvents"): ["<ImagesCopierLog.Arn>"],
    }


def test_registrar_may_read_no_bucket(stack: dict[str, Any]) -> None:
    actions = {action for several in rights(stack, "ComponentRegistrarRole") for action in several}
    assert not [action for action in actions if action.startswith("s3:")]


def recipe(stack: dict[str, Any]) -> dict[str, Any]:
    """The recipe, with references between angle brackets."""
    (version,) = of_type(stack, "Custom::GreengrassComponentVersion")
    found: dict[str, Any] = json.loads(flat(version["Recipe"]))
    return found


def test_recipe_names_each_image_by_the_digest_that_arrived(stack: dict[str, Any]) -> None:
    for architecture, manifest in zip(ARCHITECTURES, recipe(stack)["Manifests"], strict=True):
        (artifact,) = manifest["Artifacts"]
        repository, _, digest = artifact["Uri"].removeprefix("docker:").partition("@")
        assert digest == f"<Images{architecture}Copy.Digest>"
        assert ".dkr.ecr." in repository
        environment = manifest["Lifecycle"]["Setenv"]
        assert environment["EDGECAM_IMAGE"] == f"{repository}@{digest}"
        assert environment["EDGECAM_IMAGE"].partition("@")[0] == repository
        assert environment["EDGECAM_ARCHIVE"] == ""


def test_recipe_depends_on_what_pulls_images_and_on_what_lets_it(stack: dict[str, Any]) -> None:
    dependencies = recipe(stack)["ComponentDependencies"]
    assert sorted(dependencies) == [
        "aws.greengrass.DockerApplicationManager",
        "aws.greengrass.TokenExchangeService",
    ]
    assert {entry["DependencyType"] for entry in dependencies.values()} == {"SOFT"}


def test_recipe_of_a_tarball_does_not(recorded: Templates) -> None:
    for name in VARIANTS:
        assert list(recipe(recorded[name])["ComponentDependencies"]) == [
            "aws.greengrass.TokenExchangeService"
        ]


def test_component_is_registered_when_its_images_are_there(stack: dict[str, Any]) -> None:
    (version,) = [
        entry
        for entry in stack["Resources"].values()
        if entry["Type"] == "Custom::GreengrassComponentVersion"
    ]
    copies = {name for name, entry in stack["Resources"].items() if entry["Type"] == "Custom::EdgecamImage"}
    assert copies <= set(version["DependsOn"])


def version(template: dict[str, Any]) -> str:
    (found,) = of_type(template, "Custom::GreengrassComponentVersion")
    text: str = found["ComponentVersion"]
    return text


def test_version_is_that_of_content_and_delivery_and_of_nothing_else(synthesize: Synthesize) -> None:
    versions = {
        name: version(synthesize(text)["EdgecamFrameGrabber"])
        for name, text in {
            "ecr": ECR_FLEET,
            "elsewhere": ECR_FLEET.replace("yard-core", "other-core"),
            "with a role": ECR_FLEET + "aws: {token_exchange_role: OurRole}\n",
            "s3": FLEET,
        }.items()
    }
    assert versions["ecr"] == versions["elsewhere"] == versions["with a role"]
    assert versions["ecr"] != versions["s3"]


def test_images_are_tagged_by_variant_content_and_architecture(delivered: Templates) -> None:
    tags = [
        masked(entry["Tag"])
        for name in VARIANTS
        for entry in of_type(delivered[name], "Custom::EdgecamImage")
    ]
    assert [tag.rpartition("-")[2] for tag in tags] == [*ARCHITECTURES] * 2
    assert {tag.rsplit("-", 2)[0] for tag in tags} == set(VARIANTS.values())


def test_images_are_built_at_publish_time_by_a_command_seen_from_the_assembly(tmp_path: Path) -> None:
    import aws_cdk as cdk

    from container.image.inputs import PROJECT
    from fleet.settings.image import Image
    from stacks.delivery.container_image import PublishedImage

    outdir = str(tmp_path / "cdk.out")
    app = cdk.App(outdir=outdir, analytics_reporting=False, builtin_cloud_formation_validation=False)
    chosen = Image(base="b")
    image = PublishedImage(
        cdk.Stack(app, "S"), "I", variant="frame-grabber", architecture="amd64", image=chosen
    )
    app.synth()
    (found,) = json.loads((tmp_path / "cdk.out" / "S.assets.json").read_text())["dockerImages"].values()
    program, *arguments = found["source"]["executable"]
    assert (tmp_path / "cdk.out" / program).resolve() == PROJECT / "container" / "build"
    assert arguments == [
        *("--variant", "frame-grabber", "--architecture", "amd64"),
        *("--tag", image.tag, "--base-image", "b", "--image"),
    ]


def test_nothing_that_deployed_stacks_import_is_taken_back_when_the_delivery_changes(
    synthesize: Synthesize,
) -> None:
    exports = [set(synthesize(text)["EdgecamFoundation"]["Outputs"]) for text in (FLEET, ECR_FLEET)]
    assert exports[0] < exports[1]


def test_everything_that_runs_has_a_runtime_that_is_looked_after(stack: dict[str, Any]) -> None:
    from stacks.functions.runtime import RUNTIME

    assert {function["Runtime"] for function in of_type(stack, "AWS::Lambda::Function")} == {RUNTIME}
    for project in of_type(stack, "AWS::CodeBuild::Project"):
        assert project["Environment"]["PrivilegedMode"] is False
        assert project["Environment"]["Image"].startswith("aws/codebuild/amazonlinux-")
        assert "docker" not in project["Source"]["BuildSpec"].replace("vnd.docker", "")
