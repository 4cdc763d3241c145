"""Images on their way to our repository: the construct in CloudFormation, its step, its handler."""

from __future__ import annotations

import io
import json
import uuid
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from fleets import PROJECT
from tiny_image import docker, push, tiny_image

from stacks.functions.code import FunctionCode
from stacks.handlers.cloudformation import RequestFailed
from stacks.handlers.greengrass import image_copy

ACCOUNT, REGION = "123456789012", "us-east-1"
ASSET_REPOSITORY = f"cdk-hnb659fds-container-assets-{ACCOUNT}-{REGION}"
ASSET_BUCKET = f"cdk-hnb659fds-assets-{ACCOUNT}-{REGION}"
ENDED = ("COMPLETE", "FAILED")
Aws = Callable[[str], Any]


@pytest.fixture(scope="module")
def image(docker_engine: str) -> Iterator[str]:
    assert docker_engine
    with tiny_image() as name:
        yield name


@pytest.fixture(scope="module")
def published(aws: Aws, image: str) -> tuple[str, str]:
    """Tag and digest of an image in the CDK's repository."""
    ecr = aws("ecr")
    ecr.create_repository(repositoryName=ASSET_REPOSITORY)
    tag = uuid.uuid4().hex
    return tag, push(image, ecr.meta.endpoint_url, f"{ASSET_REPOSITORY}:{tag}")


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], dict[str, Any]]:
    """A function that makes the template of a stack with a repository and one image copied to it."""
    import aws_cdk as cdk

    from stacks.delivery.image_copy import CopiedImages, ImageToCopy
    from stacks.delivery.image_repository import ImageRepository

    def make(tag: str) -> dict[str, Any]:
        app = cdk.App(outdir=str(tmp_path_factory.mktemp("cdk.out")), analytics_reporting=False)
        stack = cdk.Stack(app, "Copying")
        published = stack.synthesizer.add_docker_image_asset(source_hash=tag, executable=["unused"])
        repository = ImageRepository(stack, "Repository").repository
        image = ImageToCopy(name="amd64", published=published, tag="tiny-one")
        copied = CopiedImages(stack, "Images", images=[image], repository=repository)
        cdk.CfnOutput(stack, "Digest", value=copied.digests["amd64"])
        cdk.CfnOutput(stack, "RepositoryName", value=repository.repository_name)
        made: dict[str, Any] = app.synth().get_stack_by_name("Copying").template
        return {key: made[key] for key in ("Resources", "Outputs")}

    return make


@pytest.fixture
def deploy(aws: Aws, eventually: Callable[..., Any]) -> Callable[[str, str, dict[str, Any]], dict[str, Any]]:
    """A function that creates or updates a stack and returns how that ended."""
    client = aws("cloudformation")

    def act(kind: str, name: str, template: dict[str, Any]) -> dict[str, Any]:
        getattr(client, f"{kind}_stack")(
            StackName=name, TemplateBody=json.dumps(template), Capabilities=["CAPABILITY_IAM"]
        )

        def ended() -> dict[str, Any] | None:
            found: dict[str, Any] = client.describe_stacks(StackName=name)["Stacks"][0]
            return found if found["StackStatus"].endswith(ENDED) else None

        result: dict[str, Any] = eventually(ended)
        events = client.describe_stack_events(StackName=name)["StackEvents"]
        reasons = [entry["ResourceStatusReason"] for entry in events if entry.get("ResourceStatusReason")]
        assert result["StackStatus"] in ("CREATE_COMPLETE", "UPDATE_COMPLETE"), reasons
        return result

    return act


def upload_handlers(s3: Any, template: dict[str, Any]) -> None:
    """Put the functions' code where the template says."""
    (function,) = [
        resource["Properties"]
        for resource in template["Resources"].values()
        if resource["Type"] == "AWS::Lambda::Function"
    ]
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for entry, path in FunctionCode(module="greengrass.image_copy").files():
            archive.write(path, entry)
    s3.create_bucket(Bucket=ASSET_BUCKET)
    s3.put_object(Bucket=ASSET_BUCKET, Key=function["Code"]["S3Key"], Body=content.getvalue())


def outputs(stack: dict[str, Any]) -> dict[str, str]:
    return {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}


def test_image_is_copied_once_with_its_digest_and_with_the_rights_of_the_template(
    aws: Aws,
    image: str,
    published: tuple[str, str],
    template: Callable[[str], dict[str, Any]],
    deploy: Callable[[str, str, dict[str, Any]], dict[str, Any]],
) -> None:
    tag, digest = published
    made, name = template(tag), f"copying-{uuid.uuid4().hex[:8]}"
    upload_handlers(aws("s3"), made)
    stack = deploy("create", name, made)
    assert outputs(stack)["Digest"] == digest
    repository = outputs(stack)["RepositoryName"]
    # What arrived is the image: Docker takes it from there.
    registry = aws("ecr").meta.endpoint_url.removeprefix("http://")
    docker("pull", "--quiet", f"{registry}/{repository}@{digest}")
    assert docker("image", "inspect", "--format", "{{.Id}}", f"{registry}/{repository}@{digest}") == docker(
        "image", "inspect", "--format", "{{.Id}}", image
    )
    builds = aws("codebuild").list_builds()["ids"]
    with pytest.raises(ClientError, match="No updates"):
        deploy("update", name, made)
    # Something else of the resource has changed: it is asked again, and the image is there.
    (copy,) = [entry for entry in made["Resources"].values() if entry["Type"] == "Custom::EdgecamImage"]
    copy["Properties"]["ServiceTimeout"] = "800"
    copy["Properties"]["Anything"] = "else"
    assert outputs(deploy("update", name, made))["Digest"] == digest
    assert aws("codebuild").list_builds()["ids"] == builds


@pytest.fixture
def event(aws: Aws) -> dict[str, Any]:
    """A request to copy into a new repository, by a project that does nothing yet."""
    name = f"ours-{uuid.uuid4().hex[:8]}"
    aws("ecr").create_repository(repositoryName=name, imageTagMutability="IMMUTABLE")
    properties = {"Repository": name, "Tag": "one", "Project": project(aws, "true")}
    return {"RequestType": "Create", "ResourceProperties": properties}


def project(aws: Aws, *commands: str, **variables: str) -> str:
    """The name of a new project that runs these commands."""
    name = f"project-{uuid.uuid4().hex[:8]}"
    service = {
        "Effect": "Allow",
        "Principal": {"Service": "codebuild.amazonaws.com"},
        "Action": "sts:AssumeRole",
    }
    role = aws("iam").create_role(
        RoleName=name, AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [service]})
    )["Role"]["Arn"]
    everything = {"Effect": "Allow", "Action": "ecr:*", "Resource": "*"}
    aws("iam").put_role_policy(
        RoleName=name,
        PolicyName="All",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [everything]}),
    )
    specification = {"version": "0.2", "phases": {"build": {"commands": list(commands)}}}
    aws("codebuild").create_project(
        name=name,
        source={"type": "NO_SOURCE", "buildspec": json.dumps(specification)},
        artifacts={"type": "NO_ARTIFACTS"},
        environment={
            "type": "LINUX_CONTAINER",
            "image": "any",
            "computeType": "BUILD_GENERAL1_SMALL",
            "environmentVariables": [{"name": key, "value": value} for key, value in variables.items()],
        },
        serviceRole=role,
        timeoutInMinutes=5,
    )
    return name


def apply(aws: Aws, event: dict[str, Any]) -> Any:
    return image_copy.apply(event, aws("codebuild"), aws("ecr"))


def step(aws: Aws, source: str, target: str) -> str:
    """A project that runs the step."""
    from stacks.delivery.image_copy import build_specification

    (command,) = build_specification()["phases"]["build"]["commands"]
    return project(aws, command, SOURCE=source, TARGET=target)


def test_image_that_is_there_is_not_copied_again(aws: Aws, event: dict[str, Any]) -> None:
    properties = event["ResourceProperties"]
    manifest = json.dumps({"schemaVersion": 2, "unique": properties["Repository"]})
    aws("ecr").put_image(repositoryName=properties["Repository"], imageManifest=manifest, imageTag="one")
    answer = apply(aws, {**event, "RequestType": "Update"})
    assert answer.physical_id == f"{properties['Repository']}:one"
    assert answer.attributes["Digest"].startswith("sha256:")
    assert aws("codebuild").list_builds_for_project(projectName=properties["Project"])["ids"] == []


def test_deleting_keeps_the_image(aws: Aws, event: dict[str, Any]) -> None:
    repository = event["ResourceProperties"]["Repository"]
    aws("ecr").put_image(repositoryName=repository, imageManifest='{"schemaVersion": 2}', imageTag="one")
    apply(aws, {**event, "RequestType": "Delete"})
    assert len(aws("ecr").list_images(repositoryName=repository)["imageIds"]) == 1


def test_build_that_fails_is_reported_with_its_reason_and_its_log(aws: Aws, event: dict[str, Any]) -> None:
    event["ResourceProperties"]["Project"] = name = project(aws, "exit 3")
    with pytest.raises(
        RequestFailed, match=rf"one could not be copied: .*FAILED: .*status 3\. Its log: {name}:"
    ):
        apply(aws, event)


def test_build_that_copies_nothing_is_reported(aws: Aws, event: dict[str, Any]) -> None:
    with pytest.raises(RequestFailed, match=r"ours-\w+:one is not there, although project-\w+ succeeded"):
        apply(aws, event)


@pytest.mark.usefixtures("published")
def test_image_that_was_never_published_fails_with_the_registrys_words(
    aws: Aws, event: dict[str, Any]
) -> None:
    properties = event["ResourceProperties"]
    properties["Project"] = step(aws, f"{ASSET_REPOSITORY}:none", f"{properties['Repository']}:one")
    with pytest.raises(RequestFailed):
        apply(aws, event)
    log = aws("logs").filter_log_events(logGroupName=f"/aws/codebuild/{properties['Project']}")
    said = "".join(entry["message"] for entry in log["events"])
    assert f"{ASSET_REPOSITORY}:none to {properties['Repository']}:one: the registry answers 404" in said


def test_index_is_copied_with_the_images_that_it_names(
    aws: Aws, event: dict[str, Any], published: tuple[str, str]
) -> None:
    ecr, (tag, digest) = aws("ecr"), published
    found = ecr.batch_get_image(repositoryName=ASSET_REPOSITORY, imageIds=[{"imageTag": tag}])["images"][0]
    child = {
        "mediaType": found["imageManifestMediaType"],
        "digest": digest,
        "size": len(found["imageManifest"]),
    }
    kind = "application/vnd.oci.image.index.v1+json"
    index = json.dumps({"schemaVersion": 2, "mediaType": kind, "manifests": [child]})
    ecr.put_image(
        repositoryName=ASSET_REPOSITORY,
        imageManifest=index,
        imageManifestMediaType=kind,
        imageTag=f"index-{tag}",
    )
    properties = event["ResourceProperties"]
    properties["Project"] = step(aws, f"{ASSET_REPOSITORY}:index-{tag}", f"{properties['Repository']}:one")
    answer = apply(aws, event)
    images = ecr.describe_images(repositoryName=properties["Repository"])["imageDetails"]
    assert {entry["imageDigest"] for entry in images} == {digest, answer.attributes["Digest"]}


def test_step_is_one_heredoc_that_nothing_in_it_ends_early() -> None:
    lines = Path(PROJECT / "stacks/delivery/copy_image_step.py").read_text().splitlines()
    assert "END_OF_STEP" not in lines
