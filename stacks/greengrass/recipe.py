"""The recipe of a component: rendered from `recipes/`, its version made of its content. Without AWS CDK."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from fleet.settings.names import DEFAULT_COMPONENT_PREFIX

RECIPES = Path(__file__).resolve().parents[2] / "recipes"

MAX_RECIPE_BYTES = 8_196
"""Of the file that nucleus lite 2.6.0 reads; the quota of AWS IoT Greengrass v2 is 16,000."""

MAX_ENCODED_BYTES = 16_384
"""Of the recipe in base64, as the service sends it to nucleus lite."""

ADDED_BYTES = {"s3": 180, "docker": 80}
"""What the service adds to an artifact, by its URI: digest and algorithm, permissions, `Unarchive`."""

NUCLEUS_ARCHITECTURES = {"amd64": "amd64", "arm64": "aarch64"}
"""Docker's words for a processor, and a nucleus' words."""

DOCKER_MANAGER = "aws.greengrass.DockerApplicationManager"

_VERSION_NUMBERS = 1_000_000
"""A number of a component version has at most six digits (AWS::GreengrassV2::ComponentVersion)."""

_LONGEST_VERSION = "1.999999.999999"
_LONGEST_BUCKET_NAME = 63
_LONGEST_REPOSITORY = 140
"""Of a repository with its registry, at most 54, and what CloudFormation makes of the stack's name."""


@dataclass(frozen=True, kw_only=True)
class Artifact:
    """The image of one architecture, as a recipe names it.

    Attributes:
        architecture: In Docker's words.
        image: Name and tag; of an image that Greengrass pulls, name and digest.
        key: Key of the tarball in the artifact bucket; empty for an image that Greengrass pulls.
        content_hash: What identifies the image's content.
        known: Whether the whole name is known at synth: then it is part of the version.
    """

    architecture: str
    image: str
    key: str = ""
    content_hash: str
    known: bool = False

    def named(self, repository: str) -> Artifact:
        """The same under a name that is known at synth, where it is pulled from `repository`."""
        return self if self.key or self.known else replace(self, image=f"{repository}@sha256:{'0' * 64}")


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """What a recipe is made of, apart from what CloudFormation alone knows.

    Attributes:
        variant: Names the file below `recipes/`.
        name: The component's name.
        artifacts: One for each architecture.
        known_bucket: The artifact bucket where settings name it: then it is part of the version.
    """

    variant: str
    name: str
    artifacts: Sequence[Artifact]
    known_bucket: str | None = None

    @property
    def version(self) -> str:
        """The version of this content, the same on every machine and in every account."""
        stable = self._named("images").render(version="0.0.0", bucket=self.known_bucket or "artifacts")
        return content_version(stable, [artifact.content_hash for artifact in self.artifacts])

    def render(self, *, version: str, bucket: str) -> str:
        """The recipe as JSON; its manifest is repeated for each artifact.

        Comments and indentation are for who reads the file: a core's recipe has to be small.
        """
        template = yaml.safe_load((RECIPES / f"{self.variant}.yaml").read_text(encoding="utf-8"))
        (manifest,) = template.pop("Manifests")
        for step in manifest["Lifecycle"].values():
            if "Script" in step:
                step["Script"] = _condensed(step["Script"])
        known = {
            "COMPONENT_NAME": self.name,
            "COMPONENT_VERSION": version,
            "CONTAINER": container_name(self.name),
            "VARIANT": self.variant,
        }
        recipe = _filled(template, known)
        if not all(artifact.key for artifact in self.artifacts):
            # Pulls `docker:` artifacts, with credentials of the token exchange service. SOFT as that one: on
            # nucleus lite a HARD dependency ends the component with what it depends on, and for good.
            recipe["ComponentDependencies"][DOCKER_MANAGER] = {
                "VersionRequirement": ">=2.0.0",
                "DependencyType": "SOFT",
            }
        recipe["Manifests"] = [
            _filled(manifest, {**known, **_artifact_values(artifact, bucket)}) for artifact in self.artifacts
        ]
        return json.dumps(recipe, ensure_ascii=False, separators=(",", ":"))

    def check_size(self) -> None:
        """Expect that the recipe fits, however long the names are that CloudFormation fills in.

        Raises:
            ValueError: it may be larger than nucleus lite takes.
        """
        longest = self._named("r" * _LONGEST_REPOSITORY).render(
            version=_LONGEST_VERSION, bucket="b" * _LONGEST_BUCKET_NAME
        )
        size_bytes = len(longest.encode())
        size_bytes += sum(ADDED_BYTES["s3" if each.key else "docker"] for each in self.artifacts)
        for expected, found, what in (
            (MAX_RECIPE_BYTES, size_bytes, "bytes"),
            (MAX_ENCODED_BYTES, -(-size_bytes // 3) * 4, "bytes in base64"),
        ):
            if found > expected:
                raise ValueError(
                    f"recipe of {self.name}: expected at most {expected} {what}, which is all that nucleus "
                    f"lite takes, found {found}; choose a shorter aws.component_prefix, or leave one "
                    "architecture out of image.architectures"
                )

    def _named(self, repository: str) -> Recipe:
        return replace(self, artifacts=[artifact.named(repository) for artifact in self.artifacts])


def container_name(component: str) -> str:
    """The name of a component's container: com.edgecam.frame-grabber runs as edgecam-frame-grabber.

    Components of another prefix run beside those, on one core or one machine: no two have the same container,
    since only a name without the default prefix has a dot.
    """
    prefix, _, variant = component.rpartition(".")
    return f"edgecam-{variant if prefix == DEFAULT_COMPONENT_PREFIX else component}"


def content_version(recipe: str, image_hashes: Iterable[str]) -> str:
    """A version that is the same whenever recipe and images are, and another one when they are not.

    Three plain numbers: Nucleus Lite cannot deploy a version with a prerelease in it. `recipe` has to be
    rendered with names that do not depend on account or machine.
    """
    digest = hashlib.sha256("\n".join([recipe, *image_hashes]).encode()).digest()
    numbers = [int.from_bytes(digest[start : start + 8], "big") % _VERSION_NUMBERS for start in (0, 8)]
    return f"1.{numbers[0]}.{numbers[1]}"


def _artifact_values(artifact: Artifact, bucket: str) -> dict[str, str]:
    return {
        "NUCLEUS_ARCHITECTURE": NUCLEUS_ARCHITECTURES[artifact.architecture],
        "IMAGE": artifact.image,
        "ARCHIVE": f"{{artifacts:path}}/{artifact.key.rpartition('/')[2]}" if artifact.key else "",
        "ARTIFACT_URI": f"s3://{bucket}/{artifact.key}" if artifact.key else f"docker:{artifact.image}",
    }


def _condensed(script: str) -> str:
    """The script without indentation and the lines that are comments or empty."""
    lines = (line.strip() for line in script.splitlines())
    return "".join(f"{line}\n" for line in lines if line and not line.startswith("#"))


def _filled(value: Any, known: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        for placeholder, content in known.items():
            value = value.replace(f"<<{placeholder}>>", content)
        return value
    if isinstance(value, dict):
        return {_filled(key, known): _filled(entry, known) for key, entry in value.items()}
    return [_filled(entry, known) for entry in value] if isinstance(value, list) else value
