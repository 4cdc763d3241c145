"""A recipe as a core reads it: with Nucleus Lite's casing, which the classic nucleus takes too."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sandbox.errors import RecipeError

DEFAULT_STEP_TIMEOUT_S = 120.0
"""Of install; run has none (AWS IoT Greengrass v2, recipe reference)."""

IGNORED_STEPS = ("shutdown", "recover")
"""Lite does not run these; a component that needs them leaks what they would clean."""

UNSUPPORTED_STEPS = ("startup", "bootstrap")
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "aarch64", "armv7l": "arm"}
TOKEN_EXCHANGE = "aws.greengrass.TokenExchangeService"
DOCKER_MANAGER = "aws.greengrass.DockerApplicationManager"
PROVIDED_PREFIX = "aws.greengrass."


@dataclass(frozen=True, kw_only=True)
class Step:
    """One lifecycle step; `timeout_s` None means that it may take for ever."""

    script: str
    environment: Mapping[str, str] = field(default_factory=dict)
    timeout_s: float | None = None
    privileged: bool = False


@dataclass(frozen=True, kw_only=True)
class Artifact:
    """One artifact; `digest` is base64 of SHA-256, empty when the recipe has none."""

    uri: str
    digest: str = ""

    @property
    def pulled(self) -> bool:
        """Whether it is an image that the core pulls from a registry."""
        return self.uri.startswith("docker:")


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """What a core needs of a recipe, for this machine's platform."""

    name: str
    version: str
    defaults: Mapping[str, Any]
    dependencies: tuple[str, ...]
    hard_dependencies: tuple[str, ...]
    """Those that say `HARD` themselves: it is the default for the classic nucleus, and none for Lite."""
    artifacts: tuple[Artifact, ...]
    install: Step | None
    run: Step | None
    ignored_steps: tuple[str, ...]

    @property
    def exchanges_tokens(self) -> bool:
        """Whether the component gets the address of the token exchange."""
        return TOKEN_EXCHANGE in self.dependencies

    @property
    def missing_to_pull(self) -> str:
        """The components that pulling from ECR takes and the recipe does not name."""
        needed = (DOCKER_MANAGER, TOKEN_EXCHANGE) if any(entry.pulled for entry in self.artifacts) else ()
        return " and ".join(name for name in needed if name not in self.dependencies)


def this_platform() -> dict[str, str]:
    """The attributes that a manifest's Platform is compared with."""
    machine = platform.machine()
    return {
        "os": platform.system().lower(),
        "architecture": ARCHITECTURES.get(machine, machine),
        "runtime": "aws_nucleus_lite",
    }


def read(document: Mapping[str, Any], attributes: Mapping[str, str] | None = None) -> Recipe:
    """What the first manifest for this platform asks for; RecipeError when none fits."""
    name = _required(document, "ComponentName", str, "the recipe")
    configuration = _optional(document, "ComponentConfiguration", dict, name)
    dependencies = _optional(document, "ComponentDependencies", dict, name)
    manifest = _choose(document, attributes or this_platform(), name)
    lifecycle = _required(manifest, "Lifecycle", dict, f"{name}'s manifest")
    common = _environment(lifecycle, name)
    for step in UNSUPPORTED_STEPS:
        if step in lifecycle:
            raise RecipeError(f"{name} has a {step} step, which this core does not run: use install and run")
    steps = {
        step: _step(lifecycle[step], common, f"{name}'s {step}", step)
        for step in ("install", "run")
        if step in lifecycle
    }
    if not steps:
        raise RecipeError(
            f"{name} has neither install nor run (lower case); "
            f"its lifecycle has {', '.join(lifecycle) or 'nothing'}"
        )
    return Recipe(
        name=name,
        version=_required(document, "ComponentVersion", str, name),
        defaults=_optional(configuration, "DefaultConfiguration", dict, name),
        dependencies=tuple(dependencies),
        hard_dependencies=tuple(
            other
            for other, entry in dependencies.items()
            if isinstance(entry, dict) and entry.get("DependencyType") == "HARD"
        ),
        artifacts=tuple(_artifact(entry, name) for entry in _required(manifest, "Artifacts", list, name)),
        install=steps.get("install"),
        run=steps.get("run"),
        ignored_steps=tuple(step for step in IGNORED_STEPS if step in lifecycle),
    )


def _choose(document: Mapping[str, Any], attributes: Mapping[str, str], name: str) -> dict[str, Any]:
    manifests = _required(document, "Manifests", list, name)
    for manifest in manifests:
        wanted = _required(manifest, "Platform", dict, f"{name}'s manifest")
        if all(_fits(str(value), attributes.get(key)) for key, value in wanted.items()):
            chosen: dict[str, Any] = manifest
            return chosen
    raise RecipeError(
        f"{name} has no manifest for {dict(attributes)}; "
        f"it has {[entry.get('Platform') for entry in manifests]}"
    )


def _fits(wanted: str, found: str | None) -> bool:
    return found is not None and wanted in ("*", found)


def _step(value: Any, common: Mapping[str, str], place: str, kind: str) -> Step:
    timeout_s = DEFAULT_STEP_TIMEOUT_S if kind == "install" else None
    if isinstance(value, str):
        return Step(script=value, environment=common, timeout_s=timeout_s)
    if not isinstance(value, dict):
        raise RecipeError(f"{place} must be a script or an object, found {type(value).__name__}")
    if "Timeout" in value:
        timeout_s = float(value["Timeout"])
    return Step(
        script=_required(value, "Script", str, place),
        environment={**common, **_environment(value, place)},
        timeout_s=timeout_s,
        privileged=str(value.get("RequiresPrivilege", False)).lower() == "true",
    )


def _environment(owner: Mapping[str, Any], place: str) -> dict[str, str]:
    return {key: str(value) for key, value in _optional(owner, "Setenv", dict, place).items()}


def _artifact(entry: Any, name: str) -> Artifact:
    if not isinstance(entry, dict):
        raise RecipeError(f"An artifact of {name} must be an object, found {type(entry).__name__}")
    unarchive = entry.get("Unarchive", "NONE")
    if unarchive != "NONE":
        raise RecipeError(f"An artifact of {name} asks for Unarchive {unarchive}: this core unpacks nothing")
    return Artifact(
        uri=_required(entry, "Uri", str, f"an artifact of {name}"), digest=entry.get("Digest", "")
    )


def _required(owner: Mapping[str, Any], key: str, kind: type, place: str) -> Any:
    if key not in owner:
        other = next((found for found in owner if found.lower() == key.lower()), None)
        hint = f"; it has {other}, but Nucleus Lite minds the case" if other else ""
        raise RecipeError(f"{place} has no {key}{hint}")
    return _checked(owner[key], key, kind, place)


def _optional(owner: Mapping[str, Any], key: str, kind: type, place: str) -> Any:
    found = owner.get(key)
    return kind() if found is None else _checked(found, key, kind, place)


def _checked(value: Any, key: str, kind: type, place: str) -> Any:
    if not isinstance(value, kind):
        raise RecipeError(f"{key} of {place} must be a {kind.__name__}, found {type(value).__name__}")
    return value
