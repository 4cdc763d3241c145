"""`cdk synth` as a user runs it: as a process, with nothing around it that it should not need."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from fleets import EVERY_STACK, FLEET, PROJECT

PARTS = (
    "app.py",
    "cdk.json",
    "fleet.yaml",
    "pyproject.toml",
    "uv.lock",
    "fleet",
    "stacks",
    "recipes",
    "container",
)
IGNORED = shutil.ignore_patterns("__pycache__", "build", "*.pyc")
STACKS = ("EdgecamCloudIot", "EdgecamFoundation", "EdgecamFrameGrabber", "EdgecamGcsUploader")


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The project in another folder, without .git, and with sites of both variants."""
    target = tmp_path / "another machine"
    target.mkdir()
    for part in PARTS:
        if (PROJECT / part).is_dir():
            shutil.copytree(PROJECT / part, target / part, ignore=IGNORED)
        else:
            shutil.copy2(PROJECT / part, target / part)
    (target / "fleet.yaml").write_text(EVERY_STACK)
    return target


def bare(folder: Path) -> dict[str, str]:
    """An environment with Node.js, which jsii needs, and nothing else: no Docker, no git, no AWS, no home."""
    programs = folder / "bin"
    programs.mkdir()
    node = shutil.which("node")
    assert node
    (programs / "node").symlink_to(node)
    home = folder / "home"
    home.mkdir()
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "aws" / "jsii" / "package-cache"
    return {
        "PATH": str(programs),
        "HOME": str(home),
        # Unpacked once a machine: to do that again would take five seconds and say nothing.
        "JSII_RUNTIME_PACKAGE_CACHE_ROOT": str(cache),
        "CDK_VALIDATION": "false",
        "JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION": "20",
    }


def without_network() -> list[str]:
    """A command's beginning that leaves it no network, where the kernel lets us."""
    unshare = shutil.which("unshare") or "unshare"
    for prefix in ([unshare, "--net"], [unshare, "--map-root-user", "--net"]):
        with contextlib.suppress(FileNotFoundError):
            if subprocess.run([*prefix, "true"], capture_output=True, check=False).returncode == 0:
                return prefix
    return []


def on_another_day() -> list[str]:
    """A command's beginning that makes it another day, for Python and for Node.js."""
    faketime = shutil.which("faketime")
    assert faketime, "expected the program faketime: tools/install test installs it"
    return [faketime, "-f", "+40d"]


def synth(
    project: Path, outdir: Path, environment: dict[str, str], day: Sequence[str] = ()
) -> dict[str, dict[str, object]]:
    """Templates and asset manifests, by file name."""
    subprocess.run(
        [*without_network(), *day, sys.executable, "app.py"],
        cwd=project,
        env={**environment, "CDK_OUTDIR": str(outdir), "PYTHONDONTWRITEBYTECODE": "1"},
        check=True,
    )
    names = [f"{stack}.{kind}.json" for stack in STACKS for kind in ("template", "assets")]
    return {name: json.loads((outdir / name).read_text()) for name in names}


def test_synth_needs_no_docker_network_credentials_git_and_is_the_same_everywhere_and_any_day(
    copy: Path, tmp_path: Path
) -> None:
    environment = bare(tmp_path)
    here = synth(copy, tmp_path / "out", environment)
    other = tmp_path / "moved"
    copy.rename(other)
    (other / "stacks" / "__pycache__").mkdir(exist_ok=True)
    (other / "stacks" / "handlers" / "greengrass" / "__pycache__").mkdir()
    (other / "stacks" / "handlers" / "greengrass" / "__pycache__" / "left.pyc").write_bytes(b"x")
    elsewhere = environment | {"TZ": "Asia/Tokyo", "LANG": "C"}
    assert synth(other, tmp_path / "out again", elsewhere, on_another_day()) == here


def test_delivery_by_ecr_needs_no_more_than_that(copy: Path, tmp_path: Path) -> None:
    by_ecr = f"{EVERY_STACK}image: {{delivery: ecr, architectures: [amd64, arm64]}}\n"
    (copy / "fleet.yaml").write_text(by_ecr)
    environment = bare(tmp_path)
    here = synth(copy, copy / "cdk.out", environment)
    other = tmp_path / "moved"
    copy.rename(other)
    assert synth(other, other / "cdk.out", environment, on_another_day()) == here
    for stack in STACKS[2:]:
        images = json.loads(json.dumps(here[f"{stack}.assets.json"]["dockerImages"])).values()
        assert [image["source"]["executable"][0] for image in images] == ["../container/build"] * 2


@pytest.mark.parametrize(("delivery", "pulls"), [("s3", 1), ("registry", 0)])
def test_released_images_need_no_more_than_that(
    copy: Path, tmp_path: Path, delivery: str, pulls: int
) -> None:
    names = {
        name: f"registry.example/acme/{name}@sha256:{'a1' * 32}" for name in ("frame-grabber", "gcs-uploader")
    }
    image = json.dumps({"delivery": delivery, "released": names})
    (copy / "fleet.yaml").write_text(f"{EVERY_STACK}image: {image}\n")
    # A release is what it is, whatever the tree has become.
    with (copy / "container" / "edgecam" / "__init__.py").open("a") as program:
        program.write("\n# changed\n")
    environment = bare(tmp_path)
    here = synth(copy, tmp_path / "out", environment)
    (copy / "container" / "edgecam" / "__init__.py").write_text("")
    assert synth(copy, tmp_path / "out again", environment, on_another_day()) == here
    for stack in STACKS[2:]:
        files = json.loads(json.dumps(here[f"{stack}.assets.json"]["files"])).values()
        commands = [file["source"].get("executable", [""]) for file in files]
        assert [command[7] for command in commands if command[0] == "container/build"] == [
            "--released"
        ] * pulls


def test_images_and_packages_are_made_at_publish_time_by_commands_that_name_no_machine(
    copy: Path, tmp_path: Path
) -> None:
    found = synth(copy, tmp_path / "out", bare(tmp_path))
    programs = {}
    for stack in STACKS:
        files = json.loads(json.dumps(found[f"{stack}.assets.json"]["files"]))
        commands = [file["source"].get("executable") for file in files.values()]
        programs[stack] = sorted(command[0] for command in commands if command)
        assert not [part for command in commands if command for part in command if part.startswith("/")]
    assert programs == {
        "EdgecamCloudIot": ["stacks/gcp/build"],
        "EdgecamFoundation": [],
        "EdgecamFrameGrabber": ["container/build"],
        "EdgecamGcsUploader": ["container/build", "stacks/gcp/build"],
    }
    for program in ("container/build", "stacks/gcp/build"):
        assert (PROJECT / program).stat().st_mode & 0o111


def test_mistakes_end_synth_with_their_sentences_and_no_traceback(tmp_path: Path) -> None:
    fleet = tmp_path / "fleet.yaml"
    fleet.write_text(FLEET.replace("max_fps: 2", "max_fps: 50").replace("512m", "5"))
    done = subprocess.run(
        [sys.executable, "app.py"],
        cwd=PROJECT,
        env={**bare(tmp_path), "CDK_CONTEXT_JSON": json.dumps({"fleet": str(fleet)})},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "fleet.yaml: sites.lobby.cameras[0].frames.max_fps: "
        "expected a number less than or equal to 30, found 50",
        'fleet.yaml: sites.gate.docker.memory: expected a text such as "512m" or "1g", found 5',
    ]


def test_cdk_command_line_finds_the_app_and_another_fleet(tmp_path: Path) -> None:
    cdk = PROJECT / "node_modules" / ".bin" / "cdk"
    assert cdk.exists(), "npm ci installs the CDK's command line"
    fleet = tmp_path / "other.yaml"
    fleet.write_text('sites: {elsewhere: {thing: core, cameras: [{id: a, uri: "test://"}]}}')
    out = tmp_path / "cdk.out"
    subprocess.run(
        [str(cdk), "synth", "--quiet", "--context", f"fleet={fleet}", "--output", str(out), "--no-notices"],
        cwd=PROJECT,
        env={
            **{name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ},
            "CDK_DISABLE_CLI_TELEMETRY": "true",
            "CDK_VALIDATION": "false",
            "JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION": "20",
        },
        check=True,
        capture_output=True,
    )
    outputs = json.loads((out / "EdgecamFrameGrabber.template.json").read_text())["Outputs"]
    assert "DeploymentElsewhere" in outputs
