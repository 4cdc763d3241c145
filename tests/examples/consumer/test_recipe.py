"""The recipe of the examples' consumer: what both nuclei ask of it, and what it grants."""

from __future__ import annotations

import re
import subprocess
from typing import Any

import pytest
import yaml
from fleets import PROJECT
from recipe_scripts import SHELLS

from sandbox.core.access_control import allows
from sandbox.core.recipe import read

FOLDER = PROJECT / "examples/consumer"
PUBLISH = ("aws.greengrass.ipc.mqttproxy", "aws.greengrass#PublishToIoTCore")
X86 = {"os": "linux", "architecture": "amd64", "runtime": "aws_nucleus_lite"}


@pytest.fixture(scope="module")
def recipe() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((FOLDER / "recipe.yaml").read_text(encoding="utf-8"))
    return found


@pytest.fixture(scope="module")
def lifecycle(recipe: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = recipe["Manifests"][0]["Lifecycle"]
    return found


def test_core_reads_it_and_runs_install_and_run(recipe: dict[str, Any]) -> None:
    found = read(recipe, X86)
    assert found.install is not None
    assert found.run is not None
    assert found.ignored_steps == ()


def test_scripts_have_no_brace_and_are_valid_for_both_shells(lifecycle: dict[str, Any]) -> None:
    for step in ("install", "run"):
        script = lifecycle[step]["Script"]
        assert not re.search(r"[{}]", script)
        for shell in SHELLS.values():
            done = subprocess.run([*shell, "-n"], input=script, capture_output=True, text=True, check=False)
            assert (done.returncode, done.stderr) == (0, "")


def test_each_variable_that_is_read_has_a_default(recipe: dict[str, Any], lifecycle: dict[str, Any]) -> None:
    defaults = recipe["ComponentConfiguration"]["DefaultConfiguration"]
    pointers = re.findall(r"\{configuration:/(\w+)\}", str(lifecycle["Setenv"]))
    assert {*pointers, "accessControl"} == defaults.keys()
    # Words that Nucleus Lite 2.6.0 may hand to a shell without quotes.
    assert all(re.fullmatch(r"[\w/.-]+", defaults[name]) for name in pointers)


def test_it_may_publish_its_own_topics_and_nothing_else(recipe: dict[str, Any]) -> None:
    access = recipe["ComponentConfiguration"]["DefaultConfiguration"]["accessControl"]
    assert allows(access, *PUBLISH, "motion/gate-core/lobby")
    for topic in ("edgecam/gate-core/lobby/state", "motion/gate-core", "motion/gate-core/lobby/more"):
        assert not allows(access, *PUBLISH, topic), topic


def test_it_names_itself_alike_everywhere(recipe: dict[str, Any], lifecycle: dict[str, Any]) -> None:
    name, version = recipe["ComponentName"], recipe["ComponentVersion"]
    run = lifecycle["run"]["Script"]
    assert run.rstrip().endswith(f" {name}:{version}")
    assert f"--name {name} " in run
    assert f"/{name}/{version}/" in recipe["Manifests"][0]["Artifacts"][0]["Uri"]
    assert f"build -t {name}:{version} examples/consumer" in (FOLDER / "Dockerfile").read_text()


def test_frames_are_mounted_read_only_by_their_folder_which_docker_does_not_make(
    lifecycle: dict[str, Any],
) -> None:
    run = lifecycle["run"]["Script"]
    assert '--mount "type=bind,source=$FRAMES,target=/frames,readonly"' in run
    # `--volume` would make what is not there.
    assert not re.search(r"(-v|--volume)[ =]", run)
