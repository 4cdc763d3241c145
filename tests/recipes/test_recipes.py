"""The recipes: what both nuclei, and the service, ask of them, and what they have in common."""

from __future__ import annotations

import base64
import copy
import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from recipe_scripts import SHELLS

from container.image.inputs import VARIANTS
from edgecam.brokers.topics import ACCESS_OPERATION, ACCESS_SERVICE, topic_of
from edgecam.launch.start_script import start_script
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
VARIABLE = re.compile(r"\{(artifacts:path|configuration:(/[a-z_]+/[0-9]))\}")
MAX_LITE_RECIPE_BYTES = 8_196  # of nucleus lite 2.6.0, as a file
MAX_LITE_ENCODED_BYTES = 16_384  # of the same, as the service sends it
MAX_LITE_INSTALL_S = 300  # however long the recipe says
DEFAULT_SHUTDOWN_TIMEOUT_S = 15  # Greengrass v2 developer guide, recipe reference
ADDED_TO_ARTIFACT = {
    "Unarchive": "NONE",
    "Permission": {"Read": "OWNER", "Execute": "NONE"},
    "Digest": "q" * 44,
    "Algorithm": "SHA-256",
}
"""What the service adds to an artifact of a registered recipe."""


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


def test_uploaders_recipe_differs_from_the_frame_grabbers_in_its_description_only() -> None:
    # There is no template language: two readable recipes, and this to hold them together.
    both = ([text for text in lines(variant) if "ComponentDescription" not in text] for variant in VARIANTS)
    assert next(both) == next(both)


def test_container_has_time_to_end_before_any_timeout(recipe: dict[str, Any]) -> None:
    steps = recipe["Manifests"][0]["Lifecycle"]
    text = start_script() + steps["shutdown"]["Script"]
    granted = {int(seconds) for seconds in re.findall(r"(?:grace_s=|--(?:stop-timeout|time) )(\d+)", text)}
    (container,) = granted  # the same wherever it is said
    assert container < steps["shutdown"].get("Timeout", DEFAULT_SHUTDOWN_TIMEOUT_S)


def test_no_placeholder_is_left(recipe: dict[str, Any], variant: str) -> None:
    assert re.search(r"<<[A-Z_]+>>", "".join(lines(variant)))
    assert [text for text in strings(recipe) if re.search(r"<<[A-Z_]+>>", text)] == []


def test_recipe_with_both_architectures_is_one_that_nucleus_lite_reads(recipe: dict[str, Any]) -> None:
    registered = copy.deepcopy(recipe)
    for artifact in (entry for manifest in registered["Manifests"] for entry in manifest["Artifacts"]):
        pulled = artifact["Uri"].startswith("docker:")
        artifact |= {
            key: value
            for key, value in ADDED_TO_ARTIFACT.items()
            if not pulled or key in ("Unarchive", "Permission")
        }
    text = json.dumps(registered, ensure_ascii=False, separators=(",", ":")).encode()
    assert len(text) <= MAX_LITE_RECIPE_BYTES
    assert len(base64.b64encode(text)) <= MAX_LITE_ENCODED_BYTES


def test_scripts_reach_the_core_without_comments_and_indentation_of_the_readable_recipe(
    recipe: dict[str, Any], variant: str
) -> None:
    assert "          # Three ends within an hour" in (RECIPES / f"{variant}.yaml").read_text()
    lines = [line for _, script in scripts(recipe) for line in script.splitlines()]
    assert len(lines) > 50
    assert [line for line in lines if not line or line.startswith(("#", " "))] == []


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
    assert pointers == {f"/settings/{piece}" for piece in defaults["settings"]}
    assert defaults.keys() == {"settings", "accessControl"}  # of which the nucleus itself reads the latter
    assert set(defaults["settings"].values()) == {""}


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


def test_no_dependency_ends_the_component_for_good_on_nucleus_lite(recipe: dict[str, Any]) -> None:
    """There a HARD one is systemd's BindsTo: what dies takes the component along, and comes back alone."""
    dependencies = recipe["ComponentDependencies"]
    assert "aws.greengrass.TokenExchangeService" in dependencies
    assert {entry["DependencyType"] for entry in dependencies.values()} == {"SOFT"}


def test_install_ends_before_nucleus_lite_gives_a_deployment_up(recipe: dict[str, Any]) -> None:
    install = recipe["Manifests"][0]["Lifecycle"]["install"]
    longest_s = max(int(seconds) for seconds in re.findall(r"-ge (\d+)", install["Script"]))
    assert longest_s + 30 <= install["Timeout"] <= MAX_LITE_INSTALL_S
    assert "Timeout" not in recipe["Manifests"][0]["Lifecycle"]["run"]


def test_manifests_differ_only_in_platform_and_image(recipe: dict[str, Any]) -> None:
    first, second = recipe["Manifests"]
    for step in STEPS:
        assert first["Lifecycle"][step] == second["Lifecycle"][step]
    assert first["Artifacts"] != second["Artifacts"]


@pytest.mark.parametrize("shell", SHELLS.values(), ids=SHELLS.keys())
def test_scripts_are_valid_for_a_posix_shell(recipe: dict[str, Any], shell: tuple[str, ...]) -> None:
    for script in (start_script(), *(script for _, script in scripts(recipe))):
        done = subprocess.run([*shell, "-n"], input=script, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")


def test_container_stays_a_child_of_the_script(recipe: dict[str, Any]) -> None:
    for script in (start_script(), *(script for _, script in scripts(recipe))):
        assert not re.search(r"docker run .*\s(-d|--detach)\s", script.replace("\\\n", ""))


@pytest.mark.parametrize("architecture", ["amd64", "aarch64"])
def test_sandbox_core_reads_the_recipe_as_a_nucleus_does(recipe: dict[str, Any], architecture: str) -> None:
    found = read(recipe, {"os": "linux", "architecture": architecture, "runtime": "aws_nucleus_lite"})
    assert found.install is not None
    assert found.run is not None
    assert found.exchanges_tokens
    assert len(found.artifacts) == 1
