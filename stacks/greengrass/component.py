"""A Greengrass component: recipe, version from content, registration."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import yaml
from aws_cdk import aws_iam as iam
from constructs import Construct

from stacks.functions.code import FunctionCode
from stacks.functions.custom_resource_function import HandlerFunction
from stacks.functions.nag import acknowledge_wildcard

RECIPES = Path(__file__).resolve().parents[2] / "recipes"

MAX_RECIPE_BYTES = 16_000
"""Quota of AWS IoT Greengrass v2 for a recipe, as bytes."""

NUCLEUS_ARCHITECTURES = {"amd64": "amd64", "arm64": "aarch64"}
"""Docker's words for a processor, and a nucleus' words."""

DOCKER_MANAGER = "aws.greengrass.DockerApplicationManager"

_VERSION_NUMBERS = 1_000_000
"""A number of a component version has at most six digits (AWS::GreengrassV2::ComponentVersion)."""

_LONGEST_BUCKET_NAME = 63
_LONGEST_REPOSITORY = 200
"""Of a repository with its registry; CloudFormation makes names of half that length."""

_REGISTRATION_TIMEOUT = cdk.Duration.minutes(10)


@dataclass(frozen=True, kw_only=True)
class Artifact:
    """The image of one architecture, as a recipe names it.

    Attributes:
        architecture: In Docker's words.
        image: Name and tag; of an image that Greengrass pulls, name and digest.
        key: Key of the tarball in the artifact bucket; empty for an image that Greengrass pulls.
        content_hash: What identifies the image's content.
    """

    architecture: str
    image: str
    key: str = ""
    content_hash: str

    def named(self, repository: str) -> Artifact:
        """The same under a name that is known at synth, where it is pulled from `repository`."""
        return self if self.key else replace(self, image=f"{repository}@sha256:{'0' * 64}")


def render_recipe(
    variant: str, *, name: str, version: str, bucket: str, artifacts: Sequence[Artifact]
) -> str:
    """The recipe of `variant`, filled in, as JSON; the manifest is repeated for each artifact.

    Comments are for who reads the file: with both architectures they would not fit into a recipe.
    """
    template = yaml.safe_load((RECIPES / f"{variant}.yaml").read_text(encoding="utf-8"))
    (manifest,) = template.pop("Manifests")
    for step in manifest["Lifecycle"].values():
        if "Script" in step:
            step["Script"] = _without_comments(step["Script"])
    known = {"COMPONENT_NAME": name, "COMPONENT_VERSION": version, "VARIANT": variant}
    recipe = _filled(template, known)
    if not all(artifact.key for artifact in artifacts):
        # Pulls `docker:` artifacts, with credentials of the token exchange service, which is there already.
        recipe["ComponentDependencies"][DOCKER_MANAGER] = {
            "VersionRequirement": ">=2.0.0",
            "DependencyType": "HARD",
        }
    recipe["Manifests"] = [
        _filled(manifest, {**known, **_artifact_values(artifact, bucket)}) for artifact in artifacts
    ]
    return json.dumps(recipe, ensure_ascii=False, separators=(",", ":"))


def content_version(recipe: str, image_hashes: Iterable[str]) -> str:
    """A version that is the same whenever recipe and images are, and another one when they are not.

    Three plain numbers: Nucleus Lite cannot deploy a version with a prerelease in it. `recipe` has to be
    rendered with names that do not depend on account or machine.
    """
    digest = hashlib.sha256("\n".join([recipe, *image_hashes]).encode()).digest()
    numbers = [int.from_bytes(digest[start : start + 8], "big") % _VERSION_NUMBERS for start in (0, 8)]
    return f"1.{numbers[0]}.{numbers[1]}"


class Component(Construct):
    """A component version, registered or adopted.

    `AWS::GreengrassV2::ComponentVersion` is not used: versions are kept when they are superseded (a rollback
    on a core needs the former one), so that going back to an earlier tree would create a version that exists,
    which ends in a conflict. The custom resource adopts it
    (stacks/handlers/greengrass/component_version.py says how).

    Attributes:
        resource: The custom resource; what deploys this version depends on it.
        name: The component's name.
        version: Its version, known at synth, so that `cdk diff` shows it.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        variant: str,
        name: str,
        bucket_name: str,
        known_bucket: str | None,
        artifacts: Sequence[Artifact],
    ) -> None:
        """Register the component.

        Args:
            scope: The stack.
            construct_id: The construct's id.
            variant: Names the recipe.
            name: The component's name.
            bucket_name: The artifact bucket, as CloudFormation will know it.
            known_bucket: Its name where settings give it: part of the recipe, hence of the version.
            artifacts: One for each architecture.
        """
        super().__init__(scope, construct_id)
        self.name = name
        stable = render_recipe(
            variant,
            name=name,
            version="0.0.0",
            bucket=known_bucket or "artifacts",
            artifacts=[artifact.named("images") for artifact in artifacts],
        )
        self.version = content_version(stable, [artifact.content_hash for artifact in artifacts])
        longest = render_recipe(
            variant,
            name=name,
            version="1.999999.999999",
            bucket="b" * _LONGEST_BUCKET_NAME,
            artifacts=[artifact.named("r" * _LONGEST_REPOSITORY) for artifact in artifacts],
        )
        if len(longest.encode()) > MAX_RECIPE_BYTES:
            raise ValueError(
                f"recipe of {name}: expected at most {MAX_RECIPE_BYTES} bytes, found {len(longest)}"
            )
        function = HandlerFunction(
            self,
            "Registrar",
            description="Registers versions of a Greengrass component.",
            code=FunctionCode(module="greengrass.component_version"),
            timeout=_REGISTRATION_TIMEOUT,
            statements=_statements(self, name, bucket_name, artifacts),
        )
        acknowledge_wildcard(
            function.policy,
            f"{_component_arn(self, name)}:versions:*",
            "A version is derived from content: this role registers and removes versions of one component.",
        )
        self.resource = cdk.CustomResource(
            self,
            "Version",
            resource_type="Custom::GreengrassComponentVersion",
            service_token=function.function.attr_arn,
            service_timeout=_REGISTRATION_TIMEOUT,
            properties={
                "ComponentArn": _component_arn(self, name),
                "ComponentName": name,
                "ComponentVersion": self.version,
                "Recipe": render_recipe(
                    variant, name=name, version=self.version, bucket=bucket_name, artifacts=artifacts
                ),
            },
        )
        self.resource.node.add_dependency(function)


def _statements(
    scope: Construct, name: str, bucket_name: str, artifacts: Sequence[Artifact]
) -> list[iam.PolicyStatement]:
    component = _component_arn(scope, name)
    objects = [
        cdk.Stack.of(scope).format_arn(
            service="s3", region="", account="", resource=bucket_name, resource_name=artifact.key
        )
        for artifact in artifacts
        if artifact.key
    ]
    register = [
        iam.PolicyStatement(
            sid="RegisterVersions",
            actions=[
                "greengrass:CreateComponentVersion",
                "greengrass:DeleteComponent",
                "greengrass:DescribeComponent",
                "greengrass:ListComponentVersions",
                "greengrass:TagResource",
            ],
            resources=[component, f"{component}:versions:*"],
        ),
    ]
    if not objects:
        return register
    # Greengrass reads the artifacts with the caller's rights, to write their digests into the recipe.
    return [*register, iam.PolicyStatement(sid="ReadArtifacts", actions=["s3:GetObject"], resources=objects)]


def _component_arn(scope: Construct, name: str) -> str:
    """ARN of the component, without a version."""
    return cdk.Stack.of(scope).format_arn(
        service="greengrass",
        resource="components",
        resource_name=name,
        arn_format=cdk.ArnFormat.COLON_RESOURCE_NAME,
    )


def _artifact_values(artifact: Artifact, bucket: str) -> dict[str, str]:
    return {
        "ARCHITECTURE": artifact.architecture,
        "NUCLEUS_ARCHITECTURE": NUCLEUS_ARCHITECTURES[artifact.architecture],
        "IMAGE": artifact.image,
        "REPOSITORY": artifact.image.rpartition(":" if artifact.key else "@")[0],
        "ARCHIVE": f"{{artifacts:path}}/{artifact.key.rpartition('/')[2]}" if artifact.key else "",
        "ARTIFACT_URI": f"s3://{bucket}/{artifact.key}" if artifact.key else f"docker:{artifact.image}",
    }


def _without_comments(script: str) -> str:
    """The script without the lines that are comments or empty."""
    lines = (line for line in script.splitlines() if line.strip() and not line.lstrip().startswith("#"))
    return "".join(f"{line}\n" for line in lines)


def _filled(value: Any, known: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        for placeholder, content in known.items():
            value = value.replace(f"<<{placeholder}>>", content)
        return value
    if isinstance(value, dict):
        return {_filled(key, known): _filled(entry, known) for key, entry in value.items()}
    return [_filled(entry, known) for entry in value] if isinstance(value, list) else value
