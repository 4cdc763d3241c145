"""Component versions of Greengrass v2: immutable once created."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from sandbox.aws.ministack import host
from sandbox.aws.plugin import recipes
from sandbox.aws.plugin.failures import ConflictError, NotFoundError

DEPLOYABLE = "DEPLOYABLE"
FAILED = "FAILED"


@dataclass(kw_only=True)
class ComponentVersion:
    """One version of a component. `problems` maps an artifact's URI to what is wrong with it."""

    name: str
    version: str
    recipe: dict[str, Any]
    problems: dict[str, str]
    tags: dict[str, str] = field(default_factory=dict)
    created_s: float = field(default_factory=time.time)

    @property
    def component_arn(self) -> str:
        """ARN of the component, without a version."""
        return host.arn("greengrass", f"components:{self.name}")

    @property
    def arn(self) -> str:
        """ARN of this version."""
        return f"{self.component_arn}:versions:{self.version}"

    @property
    def state(self) -> str:
        """DEPLOYABLE, or FAILED when an artifact cannot be had."""
        return FAILED if self.problems else DEPLOYABLE

    def summary(self) -> dict[str, Any]:
        """The members that CreateComponentVersion and DescribeComponent share."""
        return {
            "arn": self.arn,
            "componentName": self.name,
            "componentVersion": self.version,
            "creationTimestamp": self.created_s,
            "status": {
                "componentState": self.state,
                "message": "; ".join(self.problems.values()) or "NONE",
                "errors": self.problems,
                "vendorGuidance": "ACTIVE",
            },
        }

    def description(self) -> dict[str, Any]:
        """The answer of DescribeComponent."""
        platforms = [
            {"attributes": {str(key): str(entry) for key, entry in platform.items()}}
            for manifest in recipes.value(self.recipe, "Manifests", [])
            if isinstance(platform := recipes.value(manifest, "Platform"), dict)
        ]
        return {
            **self.summary(),
            "publisher": recipes.value(self.recipe, "ComponentPublisher", ""),
            "description": recipes.value(self.recipe, "ComponentDescription", ""),
            "platforms": platforms,
            "tags": self.tags,
        }


_versions = host.scoped_store()


def create(
    recipe_text: str,
    tags: dict[str, str] | None,
    may_read: Callable[[str, str], bool] = lambda bucket, key: True,  # noqa: ARG005 - of the account
) -> ComponentVersion:
    """Register a version; ConflictError when name and version exist, whatever their recipe."""
    recipe = recipes.parse(recipe_text)
    problems = recipes.seal_artifacts(recipe, may_read)
    created = ComponentVersion(
        name=recipes.value(recipe, "ComponentName"),
        version=recipes.value(recipe, "ComponentVersion"),
        recipe=recipe,
        problems=problems,
        tags=dict(tags or {}),
    )
    if created.arn in _versions:
        existing: ComponentVersion = _versions[created.arn]
        raise ConflictError(
            f"Component [{created.name} : {created.version}] for account [{host.account_id()}] "
            f"already exists with state: [{existing.state}]",
            resourceId=created.arn,
            resourceType="component",
        )
    _versions[created.arn] = created
    return created


def get(version_arn: str) -> ComponentVersion:
    """The version with this ARN; NotFoundError."""
    if version_arn not in _versions:
        raise NotFoundError(
            f"The component version {version_arn} does not exist",
            resourceId=version_arn,
            resourceType="component",
        )
    found: ComponentVersion = _versions[version_arn]
    return found


def exists(name: str, version: str) -> ComponentVersion | None:
    """The named version, or None."""
    version_arn = host.arn("greengrass", f"components:{name}:versions:{version}")
    found: ComponentVersion | None = _versions.get(version_arn)
    return found


def delete(version_arn: str) -> None:
    """Remove a version; devices that run it go on running it."""
    get(version_arn)
    del _versions[version_arn]


def all_versions() -> list[ComponentVersion]:
    """Every version of the account and Region, newest first."""
    return sorted(_versions.values(), key=lambda version: version.created_s, reverse=True)
