"""Recipes as the core reads them."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from sandbox.core.recipe import read
from sandbox.errors import RecipeError

HERE = {"os": "linux", "architecture": "amd64", "runtime": "aws_nucleus_lite"}
RECIPE: dict[str, Any] = {
    "ComponentName": "com.example.a",
    "ComponentVersion": "1.0.0",
    "ComponentConfiguration": {"DefaultConfiguration": {"a": 1}},
    "ComponentDependencies": {"aws.greengrass.TokenExchangeService": {"VersionRequirement": ">=2.0.0"}},
    "Manifests": [
        {
            "Platform": {"os": "linux", "architecture": "aarch64", "runtime": "*"},
            "Lifecycle": {"run": "other"},
            "Artifacts": [],
        },
        {
            "Platform": {"os": "linux", "architecture": "amd64", "runtime": "*"},
            "Lifecycle": {
                "Setenv": {"COMMON": "1", "BOTH": "1"},
                "install": {"Script": "load", "Timeout": 600, "RequiresPrivilege": True},
                "run": {"Script": "go", "Setenv": {"BOTH": "2"}},
                "shutdown": "stop",
            },
            "Artifacts": [{"Uri": "s3://bucket/key", "Digest": "x"}],
        },
    ],
}


def changed(path: list[Any], value: Any = None, rename: str | None = None) -> dict[str, Any]:
    """The recipe with one value replaced, or one key renamed."""
    recipe = copy.deepcopy(RECIPE)
    owner: Any = recipe
    for part in path[:-1]:
        owner = owner[part]
    if rename:
        owner[rename] = owner.pop(path[-1])
    else:
        owner[path[-1]] = value
    return recipe


def test_manifest_of_this_platform_is_chosen() -> None:
    recipe = read(RECIPE, HERE)
    assert recipe.run is not None
    assert recipe.run.script == "go"
    assert recipe.run.environment == {"COMMON": "1", "BOTH": "2"}
    assert recipe.run.timeout_s is None
    assert recipe.install is not None
    assert (recipe.install.timeout_s, recipe.install.privileged) == (600, True)
    assert (recipe.defaults, recipe.exchanges_tokens) == ({"a": 1}, True)
    assert [artifact.uri for artifact in recipe.artifacts] == ["s3://bucket/key"]
    assert recipe.ignored_steps == ("shutdown",)


def test_install_has_two_minutes_when_the_recipe_says_nothing() -> None:
    recipe = read(changed(["Manifests", 1, "Lifecycle", "install"], "load"), HERE)
    assert recipe.install is not None
    assert recipe.install.timeout_s == 120


def test_platform_without_manifest_is_reported_with_what_there_is() -> None:
    with pytest.raises(RecipeError, match=r"riscv64.*aarch64"):
        read(RECIPE, {**HERE, "architecture": "riscv64"})


def test_runtime_that_is_named_must_fit() -> None:
    recipe = changed(["Manifests", 1, "Platform", "runtime"], "aws_nucleus_classic")
    with pytest.raises(RecipeError, match="no manifest"):
        read(recipe, HERE)


@pytest.mark.parametrize(
    ("path", "wrong"),
    [
        (["Manifests"], "manifests"),
        (["Manifests", 1, "Platform"], "platform"),
        (["Manifests", 1, "Lifecycle"], "lifecycle"),
        (["Manifests", 1, "Artifacts"], "artifacts"),
        (["Manifests", 1, "Artifacts", 0, "Uri"], "URI"),
        (["Manifests", 1, "Lifecycle", "run", "Script"], "script"),
    ],
)
def test_key_in_the_wrong_case_is_refused_as_on_lite(path: list[Any], wrong: str) -> None:
    with pytest.raises(RecipeError, match=f"it has {wrong}, but Nucleus Lite minds the case"):
        read(changed(path, rename=wrong), HERE)


@pytest.mark.parametrize(
    ("path", "value", "complaint"),
    [
        (["Manifests", 1, "Lifecycle"], {"Run": "go"}, "neither install nor run"),
        (["Manifests", 1, "Lifecycle", "startup"], "go", "startup"),
        (["Manifests", 1, "Lifecycle", "run"], ["go"], "script or an object"),
        (["Manifests", 1, "Artifacts", 0, "Unarchive"], "ZIP", "Unarchive"),
        (["Manifests", 1, "Artifacts"], {}, "must be a list"),
    ],
)
def test_what_this_core_cannot_run_is_refused(path: list[Any], value: Any, complaint: str) -> None:
    with pytest.raises(RecipeError, match=complaint):
        read(changed(path, value), HERE)
