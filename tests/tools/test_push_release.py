"""Images of a release on their way into a registry, which is one of this machine here."""

from __future__ import annotations

import json
import subprocess
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tiny_image import docker, new_repository, tiny_image

from container.image.inputs import ARCHITECTURES, image_name, image_tag
from container.image.pull import pull_released
from container.image.released import ReleasedImage
from container.image.tarball import save
from tools.push_release import main

VARIANT = "frame-grabber"


@pytest.fixture
def repository(aws: Callable[[str], Any], docker_engine: str) -> str:
    assert docker_engine
    return new_repository(aws("ecr"), f"acme-{uuid.uuid4().hex[:8]}/{VARIANT}")


@pytest.fixture
def tarballs(docker_engine: str, tmp_path: Path) -> Iterator[dict[str, Path]]:
    """As `container/build` makes them, by architecture; the engine has none of the images."""
    assert docker_engine
    made, names = {}, []
    for architecture in ARCHITECTURES:
        name = f"edgecam-tiny-{uuid.uuid4().hex[:8]}:made"
        with tiny_image(name, architecture, edgecam_variant=VARIANT):
            made[architecture] = tmp_path / f"edgecam-{VARIANT}-{architecture}.tar.gz"
            save(name, made[architecture])
        names.append(name)
    yield made
    for name in names:
        subprocess.run(["docker", "image", "rm", "--force", name], capture_output=True, check=False)


def outputs(text: str) -> dict[str, str]:
    return dict(line.split("=") for line in text.splitlines())


def manifest(repository: str, reference: str) -> dict[str, Any]:
    registry, _, path = repository.partition("/")
    accepted = (
        "application/vnd.docker.distribution.manifest.list.v2+json",
        "application/vnd.oci.image.index.v1+json",
    )
    request = urllib.request.Request(
        f"http://{registry}/v2/{path}/manifests/{reference}", headers={"Accept": ", ".join(accepted)}
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        found: dict[str, Any] = json.load(answer)
    return found


def test_both_architectures_stand_under_one_digest_that_a_fleet_pulls(
    tarballs: dict[str, Path], repository: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--insecure", repository, "0.2.0", *map(str, tarballs.values())]) == 0
    pushed = outputs(capsys.readouterr().out)
    assert set(pushed) == {*ARCHITECTURES, "digest"}
    index = manifest(repository, pushed["digest"])
    assert {part["platform"]["architecture"]: part["digest"] for part in index["manifests"]} == {
        architecture: pushed[architecture] for architecture in ARCHITECTURES
    }
    assert manifest(repository, "0.2.0") == index
    image = ReleasedImage(name=repository, digest=pushed["digest"])
    for architecture in ARCHITECTURES:
        name = image_name(VARIANT, image_tag(image.content_hash(VARIANT, architecture)))
        try:
            assert pull_released(VARIANT, architecture, image) == name
            assert docker("image", "inspect", "--format", "{{.Architecture}}", name) == architecture
        finally:
            subprocess.run(["docker", "image", "rm", "--force", name], capture_output=True, check=False)


def test_a_second_try_pushes_the_same(
    tarballs: dict[str, Path], repository: str, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--insecure", repository, "0.2.0", *map(str, tarballs.values())]
    assert main(arguments) == 0
    first = outputs(capsys.readouterr().out)
    # As an earlier try leaves it that ended between the images and their index.
    docker("manifest", "create", "--insecure", f"{repository}:0.2.0", f"{repository}@{first['amd64']}")
    assert main(arguments) == 0
    assert outputs(capsys.readouterr().out) == first


def test_two_images_for_one_architecture_are_refused(
    tarballs: dict[str, Path], repository: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    again = tmp_path / "again.tar.gz"
    again.write_bytes(tarballs["amd64"].read_bytes())
    assert main(["--insecure", repository, "0.2.0", str(tarballs["amd64"]), str(again)]) == 1
    assert "expected one image for amd64, found " in capsys.readouterr().err


def test_registry_out_of_reach_is_said_and_nothing_stays_here(
    tarballs: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["registry.invalid/acme/a", "0.2.0", *map(str, tarballs.values())]) == 1
    refused = capsys.readouterr()
    assert refused.out == ""
    assert "registry.invalid" in refused.err
    assert docker("image", "ls", "--quiet", "registry.invalid/acme/a") == ""
