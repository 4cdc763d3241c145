"""Images on their way from the CDK's asset repository to our own, by cdk-docker-image-deployment.

The CDK's repository holds everybody's images, `cdk gc` may empty it, and cores have no rights there.

What the library gets wrong, and what is done about it here. test_image_deployment_library.py has a test
for each, which fails once the library has repaired it, so that our workaround can go.

- It bundles its functions at synth, which takes esbuild, a package lock and a TMPDIR below the project. Its
  constructor is left before that (image_deployment_library.py); what comes after is replaced anyway.
- Those functions run on Node.js 16, with an SDK that later versions lack. Ours is one of the handlers.
- Its custom resource has the time in its logical id: no two templates are equal, every deploy copies again.
- It returns no digest of what it copied.
- Its project is privileged, for Docker's sake, and Docker may pack layers again, which changes the digest.
  Ours passes them on as they are (copy_image_step.py), in an image that AWS still looks after.
- Its project may do more than it has to: pull what it pushes, write to other logs, make test reports.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_codebuild as codebuild
from aws_cdk import aws_ecr as ecr
from aws_cdk import aws_iam as iam
from aws_cdk import aws_logs
from constructs import Construct

from stacks.delivery.image_deployment_library import role_of_project
from stacks.functions.code import FunctionCode
from stacks.functions.custom_resource_function import FunctionSpec, HandlerFunction
from stacks.functions.nag import acknowledge, acknowledge_wildcard

STEP = Path(__file__).with_name("copy_image_step.py")
BUILD_IMAGE = "aws/codebuild/amazonlinux-x86_64-standard:5.0"
BUILD_PYTHON = "3.13"
"""One that the image has (aws/aws-codebuild-docker-images)."""

_BUILD_TIMEOUT_MIN = 8
_QUEUE_TIMEOUT_MIN = 5  # the least that CodeBuild takes
_COPY_TIMEOUT = cdk.Duration.minutes(15)
"""Lambda's longest, and longer than both of the above. A copy takes a minute, most of it to get a machine."""


@dataclass(frozen=True, kw_only=True)
class ImageToCopy:
    """Where an image is published, and the tag that it gets in our repository.

    Attributes:
        name: Unique in the stack.
        published: Where the CDK puts it.
        tag: Names its content.
    """

    name: str
    published: cdk.DockerImageAssetLocation
    tag: str


class CopiedImages(Construct):
    """Images in our repository, each copied once.

    Attributes:
        digests: Of each image, by its name, as CloudFormation will know it: `sha256:…`.
        resources: The custom resources that copy.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        images: Sequence[ImageToCopy],
        repository: ecr.IRepository,
    ) -> None:
        super().__init__(scope, construct_id)
        projects = [CopyProject(self, image.name, image=image, repository=repository) for image in images]
        copier = HandlerFunction(
            self,
            "Copier",
            FunctionSpec(
                description="Copies images to the repository from which cores pull them.",
                code=FunctionCode(module="greengrass.image_copy"),
                timeout=_COPY_TIMEOUT,
                statements=_copier_statements(projects, repository),
            ),
        )
        self.resources = [
            _copy(project, project.project.ref, image.tag, repository, copier)
            for image, project in zip(images, projects, strict=True)
        ]
        self.digests: Mapping[str, str] = {
            image.name: resource.get_att_string("Digest")
            for image, resource in zip(images, self.resources, strict=True)
        }


class CopyProject(Construct):
    """The library's deployment of an image, put right: a CodeBuild project that copies one image.

    Attributes:
        project: The project.
    """

    def __init__(
        self, scope: Construct, construct_id: str, *, image: ImageToCopy, repository: ecr.IRepository
    ) -> None:
        super().__init__(scope, construct_id)
        role = role_of_project(self, published=image.published, repository=repository, tag=image.tag)
        log_group = aws_logs.CfnLogGroup(self, "Log", retention_in_days=30)
        log_group.apply_removal_policy(cdk.RemovalPolicy.DESTROY)
        rights = iam.Policy(
            self, "Rights", roles=[role], statements=_build_statements(self, image, repository, log_group)
        )
        acknowledge_wildcard(
            rights, "*", "ecr:GetAuthorizationToken knows no resources: it logs in to the account's registry."
        )
        self.project = codebuild.CfnProject(
            self,
            "Project",
            description=f"Copies the image for {image.name} to the repository from which cores pull it.",
            service_role=role.role_arn,
            artifacts=codebuild.CfnProject.ArtifactsProperty(type="NO_ARTIFACTS"),
            source=codebuild.CfnProject.SourceProperty(
                type="NO_SOURCE", build_spec=cdk.Stack.of(self).to_json_string(build_specification())
            ),
            environment=codebuild.CfnProject.EnvironmentProperty(
                type="LINUX_CONTAINER",
                compute_type="BUILD_GENERAL1_SMALL",
                image=BUILD_IMAGE,
                privileged_mode=False,
                environment_variables=[
                    codebuild.CfnProject.EnvironmentVariableProperty(name=name, value=value)
                    for name, value in (
                        ("SOURCE", f"{image.published.repository_name}:{image.published.image_tag}"),
                        ("TARGET", f"{repository.repository_name}:{image.tag}"),
                    )
                ],
            ),
            logs_config=codebuild.CfnProject.LogsConfigProperty(
                cloud_watch_logs=codebuild.CfnProject.CloudWatchLogsConfigProperty(
                    status="ENABLED", group_name=log_group.ref
                )
            ),
            timeout_in_minutes=_BUILD_TIMEOUT_MIN,
            queued_timeout_in_minutes=_QUEUE_TIMEOUT_MIN,
        )
        self.project.node.add_dependency(rights)
        acknowledge(
            self.project,
            "AwsSolutions-CB4",
            "It has no artifacts, the only thing that the project's key would encrypt.",
        )


def build_specification() -> dict[str, Any]:
    """What the project runs: the step's text itself, so that no file has to be fetched first."""
    step = STEP.read_text(encoding="utf-8")
    return {
        "version": "0.2",
        "phases": {
            "install": {"runtime-versions": {"python": BUILD_PYTHON}},
            "build": {"commands": [f"python3 - <<'END_OF_STEP'\n{step}END_OF_STEP"]},
        },
    }


def _build_statements(
    scope: Construct, image: ImageToCopy, repository: ecr.IRepository, log_group: aws_logs.CfnLogGroup
) -> list[iam.PolicyStatement]:
    published = cdk.Stack.of(scope).format_arn(
        service="ecr", resource="repository", resource_name=image.published.repository_name
    )
    return [
        iam.PolicyStatement(sid="LogIn", actions=["ecr:GetAuthorizationToken"], resources=["*"]),
        iam.PolicyStatement(
            sid="PullPublished",
            actions=["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"],
            resources=[published],
        ),
        iam.PolicyStatement(
            sid="PushOurs",
            actions=[
                "ecr:BatchCheckLayerAvailability",
                "ecr:CompleteLayerUpload",
                "ecr:InitiateLayerUpload",
                "ecr:PutImage",
                "ecr:UploadLayerPart",
            ],
            resources=[repository.repository_arn],
        ),
        iam.PolicyStatement(
            sid="WriteOwnLog",
            actions=["logs:CreateLogStream", "logs:PutLogEvents"],
            resources=[log_group.attr_arn],
        ),
    ]


def _copier_statements(
    projects: Sequence[CopyProject], repository: ecr.IRepository
) -> list[iam.PolicyStatement]:
    return [
        iam.PolicyStatement(
            sid="SeeImages", actions=["ecr:DescribeImages"], resources=[repository.repository_arn]
        ),
        iam.PolicyStatement(
            sid="Copy",
            actions=["codebuild:StartBuild", "codebuild:BatchGetBuilds"],
            resources=[project.project.attr_arn for project in projects],
        ),
    ]


def _copy(
    scope: Construct, project: str, tag: str, repository: ecr.IRepository, copier: HandlerFunction
) -> cdk.CustomResource:
    resource = cdk.CustomResource(
        scope,
        "Copy",
        resource_type="Custom::EdgecamImage",
        service_token=copier.function.attr_arn,
        service_timeout=_COPY_TIMEOUT,
        properties={"Project": project, "Repository": repository.repository_name, "Tag": tag},
    )
    resource.node.add_dependency(copier)
    return resource
