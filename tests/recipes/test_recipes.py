"""The recipes: what both nuclei, and the service, ask of them, and what they have in common."""

from __future__ import annotations

import difflib
import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edgecam.brokers.topics import ACCESS_OPERATION, ACCESS_SERVICE, topic_of
from sandbox.core.access_control import allows
from sandbox.core.recipe import read

RECIPES = Path(__file__).resolve().parents[2] / "recipes"

# Casing as Nucleus Lite reads it (its source, and the recipe reference of Greengrass v2).
TOP_LEVEL = {
    "RecipeFormatVersion",
    "ComponentName",
    "ComponentVersion",
    "ComponentType",
    "ComponentDescription",
    "ComponentPublisher",
    "ComponentDependencies",
    "ComponentConfiguration",
    "Manifests",
}
STEPS = {"install", "run", "shutdown"}
STEP = {"Script", "Setenv", "Timeout", "RequiresPrivilege"}
VARIABLE = re.compile(r"\{(artifacts:path|configuration:(/[a-z_]+))\}")
MAX_RECIPE_BYTES = 16_000
DEFAULT_SHUTDOWN_TIMEOUT_S = 15  # Greengrass v2 developer guide, recipe reference
MAX_LITE_SCRIPT_BYTES = 10_000


def scripts(recipe: dict[str, Any]) -> Iterator[tuple[str, str]]:
    lifecycle = recipe["Manifests"][0]["Lifecycle"]
    for step in sorted(STEPS):
        yield step, lifecycle[step]["Script"]


def strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, (dict, list)):
        for entry in [*value, *value.values()] if isinstance(value, dict) else value:
            yield from strings(entry)


def lines(variant: str) -> list[str]:
    """A recipe without its comments."""
    text = (RECIPES / f"{variant}.yaml").read_text()
    return [line for line in text.splitlines() if not line.lstrip().startswith("#")]


def test_uploaders_recipe_differs_from_the_frame_grabbers_in_the_time_to_end_only() -> None:
    # There is no template language: two readable recipes, and this to hold them together.
    differing = [
        (line[2:].strip(), line[0])
        for line in difflib.ndiff(lines("frame-grabber"), lines("gcs-uploader"))
        if line[0] in "+-"
    ]
    removed = [text for text, sign in differing if sign == "-"]
    added = [text for text, sign in differing if sign == "+"]
    seconds = re.compile(r"(?<=--time )10|(?<=--stop-timeout )10")
    assert [seconds.sub("30", text) for text in removed if not text.startswith("ComponentDescription")] == [
        text for text in added if not text.startswith(("ComponentDescription", "Timeout"))
    ]
    assert len(added) == len(removed) + 1


def test_container_has_time_to_end_before_any_timeout(recipe: dict[str, Any]) -> None:
    steps = recipe["Manifests"][0]["Lifecycle"]
    text = steps["run"]["Script"] + steps["shutdown"]["Script"]
    granted = {int(seconds) for seconds in re.findall(r"--(?:stop-timeout|time) (\d+)", text)}
    (container,) = granted  # the same wherever it is said
    assert container < steps["shutdown"].get("Timeout", DEFAULT_SHUTDOWN_TIMEOUT_S)


def test_no_placeholder_is_left(recipe: dict[str, Any], variant: str) -> None:
    assert re.search(r"<<[A-Z_]+>>", "".join(lines(variant)))
    assert [text for text in strings(recipe) if re.search(r"<<[A-Z_]+>>", text)] == []


def test_recipe_with_both_architectures_is_under_the_services_limit(recipe: dict[str, Any]) -> None:
    text = json.dumps(recipe, ensure_ascii=False, separators=(",", ":"))
    assert len(text.encode()) < MAX_RECIPE_BYTES


def test_scripts_reach_the_core_without_the_comments_of_the_readable_recipe(
    recipe: dict[str, Any], variant: str
) -> None:
    assert "          # A nucleus that was killed" in (RECIPES / f"{variant}.yaml").read_text()
    lines = [line.strip() for _, script in scripts(recipe) for line in script.splitlines()]
    assert len(lines) > 80
    assert [line for line in lines if not line or line.startswith("#")] == []


def test_keys_are_known_and_cased_as_nucleus_lite_reads_them(recipe: dict[str, Any]) -> None:
    assert set(recipe) == TOP_LEVEL
    assert set(recipe["ComponentConfiguration"]) == {"DefaultConfiguration"}
    for dependency in recipe["ComponentDependencies"].values():
        assert set(dependency) == {"VersionRequirement", "DependencyType"}
    for manifest in recipe["Manifests"]:
        assert set(manifest) == {"Platform", "Artifacts", "Lifecycle"}
        assert set(manifest["Lifecycle"]) == {"Setenv", *STEPS}
        for step in STEPS:
            assert set(manifest["Lifecycle"][step]) <= STEP
        for artifact in manifest["Artifacts"]:
            assert set(artifact) == {"Uri"}


def test_platform_names_any_runtime_so_that_lite_takes_it(recipe: dict[str, Any]) -> None:
    assert [manifest["Platform"] for manifest in recipe["Manifests"]] == [
        {"os": "linux", "architecture": "amd64", "runtime": "*"},
        {"os": "linux", "architecture": "aarch64", "runtime": "*"},
    ]


def test_scripts_have_no_brace_since_lite_would_take_it_for_a_variable(recipe: dict[str, Any]) -> None:
    assert [step for step, script in scripts(recipe) if "{" in script or "}" in script] == []


def test_environment_refers_only_to_what_both_nuclei_know(recipe: dict[str, Any]) -> None:
    for value in recipe["Manifests"][0]["Lifecycle"]["Setenv"].values():
        assert isinstance(value, str)  # Lite refuses anything else
        assert "{" not in VARIABLE.sub("", value)


def test_each_pointer_has_a_default_so_that_the_component_starts(recipe: dict[str, Any]) -> None:
    defaults = recipe["ComponentConfiguration"]["DefaultConfiguration"]
    values = recipe["Manifests"][0]["Lifecycle"]["Setenv"].values()
    pointers = {match[2] for value in values for match in VARIABLE.finditer(value) if match[2]}
    assert pointers == {f"/{key}" for key in defaults} - {"/accessControl"}  # which the nucleus itself reads


@pytest.mark.parametrize("thing", ["gate-core", "Core_7:a", "c" * 128])
@pytest.mark.parametrize("camera", ["lobby", "c" * 63])
def test_component_may_publish_the_states_of_its_cameras(
    recipe: dict[str, Any], thing: str, camera: str
) -> None:
    access = recipe["ComponentConfiguration"]["DefaultConfiguration"]["accessControl"]
    assert allows(access, ACCESS_SERVICE, ACCESS_OPERATION, topic_of(thing, camera))


def test_component_may_do_nothing_else_by_way_of_the_nucleus(recipe: dict[str, Any]) -> None:
    access = recipe["ComponentConfiguration"]["DefaultConfiguration"]["accessControl"]
    for topic in (
        "edgecam/gate-core/lobby",
        "edgecam/gate-core/lobby/state/more",
        "edgecam/gate-core/lobby/config",
        "edgecam/gate-core/state",
        "other/gate-core/lobby/state",
        "$aws/things/gate-core/shadow/update",
        "edgecam/#",
    ):
        assert not allows(access, ACCESS_SERVICE, ACCESS_OPERATION, topic), topic
    assert not allows(access, ACCESS_SERVICE, "aws.greengrass#SubscribeToIoTCore", topic_of("c", "lobby"))
    assert list(access) == [ACCESS_SERVICE]


def test_name_of_a_policy_is_the_components_own_since_it_must_be_alone_on_a_core(
    recipe: dict[str, Any],
) -> None:
    access = recipe["ComponentConfiguration"]["DefaultConfiguration"]["accessControl"]
    assert [name.partition(":")[0] for name in access[ACCESS_SERVICE]] == [recipe["ComponentName"]]


def test_defaults_hold_neither_nulls_nor_empty_objects(recipe: dict[str, Any]) -> None:
    # Nuclei keep configuration as a tree of values: an empty branch has nothing to be remembered by.
    assert not re.search(r"null|\{\}", json.dumps(recipe["ComponentConfiguration"]))


def test_version_is_plain_so_that_lite_finds_the_recipes_file(recipe: dict[str, Any]) -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+", recipe["ComponentVersion"])


def test_token_exchange_is_a_hard_dependency(recipe: dict[str, Any]) -> None:
    assert recipe["ComponentDependencies"]["aws.greengrass.TokenExchangeService"]["DependencyType"] == "HARD"


def test_install_has_time_to_load_a_large_image(recipe: dict[str, Any]) -> None:
    assert recipe["Manifests"][0]["Lifecycle"]["install"]["Timeout"] >= 600
    assert "Timeout" not in recipe["Manifests"][0]["Lifecycle"]["run"]


def test_manifests_differ_only_in_platform_and_image(recipe: dict[str, Any]) -> None:
    first, second = recipe["Manifests"]
    for step in STEPS:
        assert first["Lifecycle"][step] == second["Lifecycle"][step]
    assert first["Artifacts"] != second["Artifacts"]


@pytest.mark.parametrize("shell", [["sh", "-n"], ["bash", "--posix", "-n"]])
def test_scripts_are_valid_for_a_posix_shell(recipe: dict[str, Any], shell: list[str]) -> None:
    for _, script in scripts(recipe):
        done = subprocess.run(shell, input=script, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")


def test_scripts_fit_into_lites_buffer(recipe: dict[str, Any]) -> None:
    assert max(len(script.encode()) for _, script in scripts(recipe)) < MAX_LITE_SCRIPT_BYTES


def test_container_runs_in_the_foreground_in_place_of_the_shell(recipe: dict[str, Any]) -> None:
    run = recipe["Manifests"][0]["Lifecycle"]["run"]["Script"]
    last = run.rstrip().replace("\\\n", "").splitlines()[-1]
    assert last.startswith("exec docker run ")
    assert not re.search(r"\s(-d|--detach)\s", last)


@pytest.mark.parametrize("architecture", ["amd64", "aarch64"])
def test_sandbox_core_reads_the_recipe_as_a_nucleus_does(recipe: dict[str, Any], architecture: str) -> None:
    found = read(recipe, {"os": "linux", "architecture": architecture, "runtime": "aws_nucleus_lite"})
    assert found.install is not None
    assert found.run is not None
    assert found.exchanges_tokens
    assert len(found.artifacts) == 1
