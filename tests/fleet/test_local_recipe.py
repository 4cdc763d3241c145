"""`edgecam-fleet recipe`: a site's component to try by hand, as a core reads it."""

from __future__ import annotations

import json
import random
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fleets import FLEET, SECRET

from edgecam.launch.settings import expanded
from fleet.command.__main__ import main
from sandbox.core import recipe as core

COMPONENT = "com.edgecam.frame-grabber"
SITES = FLEET.replace("  gate:\n", "  gate:\n    components: {aws.greengrass.Cli: 2.14.0}\n")

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """The command, in this process: its exit code and what it wrote."""

    def run(*arguments: object) -> tuple[int, str, str]:
        code = main(["recipe", *map(str, arguments)])
        return code, *capsys.readouterr()

    return run


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("local") / "fleet.yaml"
    path.write_text(SITES)
    return path


@pytest.fixture
def written(run: Run, fleet: Path, tmp_path: Path) -> tuple[str, dict[str, Any], list[list[str]]]:
    """What the command says for site `gate`: the recipe's path, the recipe, and the lines to type."""
    code, out, errors = run("gate", "--fleet", fleet, "--into", tmp_path)
    assert (code, errors) == (0, "")
    path, *lines = out.splitlines()
    commands = [shlex.split(line) for line in lines if line and not line.startswith("#")]
    return path, json.loads(Path(path).read_text()), commands


@pytest.mark.parametrize(("architecture", "docker"), [("amd64", "amd64"), ("aarch64", "arm64")])
@pytest.mark.parametrize("runtime", ["aws_nucleus_lite", "aws_nucleus_classic"])
def test_recipe_is_what_a_core_reads_with_the_settings_of_the_site(
    written: tuple[str, dict[str, Any], list[list[str]]], architecture: str, docker: str, runtime: str
) -> None:
    path, recipe, _ = written
    attributes = {"os": "linux", "architecture": architecture, "runtime": runtime}
    found = core.read(recipe, attributes)
    assert (found.name, found.artifacts) == (COMPONENT, ())
    assert Path(path).name == f"{found.name}-{found.version}.json"
    word = "".join(found.defaults["settings"].values())
    environment = expanded({"EDGECAM_SETTINGS": word})
    assert json.loads(environment["EDGECAM_NODE"])["cameras"][0]["credentials"] == {"secret": SECRET}
    assert json.loads(environment["EDGECAM_DOCKER"]) == {"memory": "512m"}
    # Of the recipe and of the deployment, beside each other.
    assert found.defaults["accessControl"].keys() == {
        "aws.greengrass.ipc.mqttproxy",
        "aws.greengrass.SecretManager",
    }
    assert found.run is not None
    archive = found.run.environment["EDGECAM_ARCHIVE"]
    assert archive.startswith("{artifacts:path}/")
    assert archive.endswith(f"-{docker}.tar.gz")


def test_lines_put_the_image_where_a_core_looks_for_it_and_deploy_both_parts(
    written: tuple[str, dict[str, Any], list[list[str]]], tmp_path: Path
) -> None:
    _, recipe, commands = written
    version = recipe["ComponentVersion"]
    *builds, lite, classic = commands
    archives = [
        manifest["Lifecycle"]["Setenv"]["EDGECAM_ARCHIVE"].partition("/")[2]
        for manifest in recipe["Manifests"]
    ]
    folder = tmp_path / "artifacts" / COMPONENT / version
    assert [build[-1] for build in builds] == [str(folder / archive) for archive in archives]
    assert [build[:5] for build in builds] == [
        ["container/build", "--variant", "frame-grabber", "--architecture", architecture]
        for architecture in ("amd64", "arm64")
    ]
    wanted = [f"{COMPONENT}={version}", "aws.greengrass.Cli=2.14.0", "aws.greengrass.SecretManager=2.2.9"]
    assert lite[1:7] == [
        *("ggl-cli", "deploy", "--recipe-dir", str(tmp_path / "recipes")),
        *("--artifacts-dir", str(tmp_path / "artifacts")),
    ]
    assert sorted(lite[8::2]) == sorted(wanted)
    assert set(lite[7::2]) == {"--add-component"}
    assert classic[2:8] == [
        *("deployment", "create", "--recipeDir", str(tmp_path / "recipes")),
        *("--artifactDir", str(tmp_path / "artifacts")),
    ]
    assert sorted(classic[9:-2:2]) == sorted(wanted)
    assert classic[-2:] == ["--update-config", str(tmp_path / "update-config.json")]
    update = json.loads((tmp_path / "update-config.json").read_text())
    assert update[COMPONENT] == {"RESET": [""]}
    assert update["aws.greengrass.SecretManager"]["MERGE"]["cloudSecrets"] == [{"arn": SECRET}]


def test_lines_pull_the_image_where_the_fleet_has_that_of_a_release(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "fleet.yaml"
    name = f"registry.example/acme/frame-grabber@sha256:{'a1' * 32}"
    path.write_text(f'{SITES}  released: {{frame-grabber: "{name}"}}\n')
    code, out, errors = run("gate", "--fleet", path, "--into", tmp_path / "out")
    assert (code, errors) == (0, "")
    builds = [shlex.split(line) for line in out.splitlines() if line.startswith("container/build")]
    assert [build[5:7] for build in builds] == [["--released", name]] * 2


def test_settings_that_only_a_deployed_component_finds_are_refused(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "fleet.yaml"
    # By random numbers, of which none is like another, and with a bucket whose name is known at synth.
    numbers = random.Random(1)
    cameras = "".join(
        f'      - {{id: c{number}, uri: "rtsp://192.0.2.1/{numbers.getrandbits(256):x}"}}\n'
        for number in range(150)
    )
    aws = "aws: {account: '123456789012', region: eu-central-1, artifact_bucket: our-artifacts}\n"
    path.write_text(f"{aws}sites:\n  lobby:\n    thing: core\n    cameras:\n{cameras}")
    code, out, errors = run("lobby", "--fleet", path, "--into", tmp_path / "out")
    assert (code, out) == (1, "")
    assert errors.startswith(
        "sites.lobby: expected settings that fit into a recipe to try by hand, found more"
    )
    assert not (tmp_path / "out").exists()


def test_version_is_none_that_a_stack_registers_and_changes_with_the_settings(
    run: Run, fleet: Path, tmp_path: Path
) -> None:
    def version(site: str) -> str:
        return str(json.loads(run(site, "--fleet", fleet, "--json")[1])["ComponentVersion"])

    assert version("lobby").startswith("0.")
    assert version("lobby") == version("lobby") != version("yard")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("more", "site", "complaint"),
    [
        ("", "attic", "sites: expected one of lobby, gate, yard, found attic\n"),
        (
            "  delivery: ecr\n",
            "lobby",
            "image.delivery: expected s3 for a recipe to try by hand, which has its image beside it, "
            "found ecr\n",
        ),
    ],
)
def test_what_cannot_be_tried_by_hand_is_refused(
    run: Run, tmp_path: Path, more: str, site: str, complaint: str
) -> None:
    path = tmp_path / "fleet.yaml"
    path.write_text(SITES + more)
    assert run(site, "--fleet", path, "--into", tmp_path / "out") == (1, "", complaint)
    assert not (tmp_path / "out").exists()
