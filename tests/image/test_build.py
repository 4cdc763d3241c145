"""`container/build`: one path on stdout, and plain words when something is in the way."""

from __future__ import annotations

import os
import re
import stat
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
from tiny_image import tiny_image

from container.image.build import check_made, ensure_image
from container.image.context import write_context, write_network_settings
from container.image.docker import BuildError, explain
from container.image.inputs import (
    PROJECT,
    image_hash,
    image_name,
    image_tag,
)
from container.image.tarball import save, tarball_holds

BUILD = PROJECT / "container/build"


def _build(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, str(BUILD), *arguments]
    return subprocess.run(
        line, env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )


def _refusal(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 1
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    return done.stderr


def test_the_script_can_be_run_as_it_is() -> None:
    assert BUILD.stat().st_mode & stat.S_IXUSR
    asked = subprocess.run([BUILD, "--help"], capture_output=True, text=True, check=True)
    assert "--variant {frame-grabber,gcs-uploader}" in asked.stdout


def test_a_machine_without_docker_is_asked_to_install_it(tmp_path: Path) -> None:
    refusal = _refusal(_build("--output", str(tmp_path / "image.tar.gz"), PATH=str(tmp_path)))
    assert "Docker is not installed" in refusal
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("docker_engine")  # its command, at least
def test_a_docker_that_is_not_running_is_named_with_its_address(tmp_path: Path) -> None:
    address = f"unix://{tmp_path}/docker.sock"
    refusal = _refusal(_build("--output", str(tmp_path / "image.tar.gz"), DOCKER_HOST=address))
    assert f"does not answer at {address}" in refusal
    assert "systemctl start docker" in refusal


def test_a_tag_that_the_files_do_not_make_is_refused(tmp_path: Path) -> None:
    refusal = _refusal(_build("--tag", "000000000000", "--output", str(tmp_path / "image.tar.gz")))
    assert "found 000000000000" in refusal
    assert "Synthesize again" in refusal


def test_a_tag_that_the_files_do_not_make_is_refused_for_an_image_without_a_tarball_too() -> None:
    assert "found 000000000000" in _refusal(_build("--tag", "000000000000", "--image"))


def test_a_base_image_out_of_reach_is_named(architecture: str) -> None:
    with pytest.raises(
        BuildError, match=r"base image registry\.invalid/base:1 cannot be pulled.*--base-image"
    ):
        ensure_image("frame-grabber", architecture, "registry.invalid/base:1")


def test_a_release_is_refused_on_a_base_without_digest(tmp_path: Path) -> None:
    refusal = _refusal(_build("--release", "--output", str(tmp_path / "image.tar.gz")))
    assert (
        "debian:trixie-slim@sha256:…, found debian:trixie-slim; `docker buildx imagetools inspect" in refusal
    )
    assert list(tmp_path.iterdir()) == []


def test_a_base_with_its_digest_is_pulled_and_never_made_of_packages(architecture: str) -> None:
    pinned = f"debian:trixie-slim@sha256:{'0' * 64}"
    with pytest.raises(BuildError, match=r"base image debian:trixie-slim@sha256:0+ cannot be pulled"):
        ensure_image("frame-grabber", architecture, pinned)


def test_an_image_for_another_architecture_than_asked_for_is_refused(architecture: str) -> None:
    foreign = {"amd64": "arm64", "arm64": "amd64"}[architecture]
    with tiny_image(edgecam_content="abc") as name:
        check_made(name, "abc", architecture, "base:1")
        with pytest.raises(
            BuildError, match=f"for {foreign}, found one for {architecture}: the base image base:1"
        ):
            check_made(name, "abc", foreign, "base:1")


def test_an_image_that_the_builder_keeps_is_missed(architecture: str) -> None:
    with pytest.raises(BuildError, match="the chosen builder keeps its images to itself"):
        check_made("edgecam/frame-grabber:never-built", "abc", architecture, "base:1")


def test_a_foreign_architecture_out_of_reach_is_met_with_advice(tmp_path: Path, architecture: str) -> None:
    foreign = {"amd64": "arm64", "arm64": "amd64"}[architecture]
    base = "--base-image=registry.invalid/base:1"
    refusal = _refusal(_build("--architecture", foreign, base, "--output", str(tmp_path / "image.tar.gz")))
    assert f"An image for {foreign} can be built only where" in refusal
    assert "qemu-user-static" in refusal


def test_a_tarball_that_is_there_is_not_made_again(tarball: Path) -> None:
    before = tarball.stat()
    done = _build("--output", str(tarball))
    assert done.stdout == f"{tarball}\n"
    after = tarball.stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_a_tarball_that_was_cut_short_is_made_again(tarball: Path, image: str, tmp_path: Path) -> None:
    damaged = tmp_path / tarball.name
    damaged.write_bytes(tarball.read_bytes()[: tarball.stat().st_size // 2])
    assert not tarball_holds(damaged, image)
    done = _build("--output", str(damaged))
    assert done.stdout == f"{damaged}\n", done.stderr
    assert tarball_holds(damaged, image)
    bill = tarball.name.replace(".tar.gz", ".cdx.json")
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([tarball.name, bill])


def test_the_tarball_is_the_image_under_its_content_tag(tarball: Path, image: str, architecture: str) -> None:
    assert image == image_name("frame-grabber", image_tag(image_hash("frame-grabber", architecture)))
    assert tarball_holds(tarball, image)
    assert not tarball_holds(tarball, "edgecam/frame-grabber:another")
    with tarfile.open(tarball) as archive:
        assert "manifest.json" in archive.getnames()


def test_the_image_can_be_had_without_a_tarball_and_is_named_on_stdout(image: str, architecture: str) -> None:
    done = _build("--architecture", architecture, "--image")
    assert (done.returncode, done.stdout) == (0, f"{image}\n")


def test_an_image_that_is_not_there_is_not_saved(tmp_path: Path, architecture: str) -> None:
    assert architecture
    with pytest.raises(BuildError, match="Docker has no such image"):
        save("edgecam/frame-grabber:never-built", tmp_path / "image.tar.gz")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("said", "advice"),
    [
        (
            "permission denied while trying to connect to the Docker daemon socket at unix:///var/run/docker.sock",
            "docker group",
        ),
        (
            "Got permission denied while trying to connect to the docker API at unix:///run/docker.sock",
            "docker group",
        ),
        (
            "Cannot connect to the Docker daemon at tcp://10.0.0.1:2375. Is it running?",
            "systemctl start docker",
        ),
        ("failed to connect to the docker API at unix:///var/run/docker.sock", "systemctl start docker"),
        ("write /var/lib/docker/tmp/1: no space left on device", "docker system prune"),
        ("exec /bin/true: exec format error", "qemu-user-static"),
        ("E: Unable to locate package gstreamer", "Unable to locate package gstreamer"),
    ],
)
def test_what_docker_says_becomes_advice(said: str, advice: str) -> None:
    assert advice in explain(said)


def test_the_context_holds_the_inputs_and_nothing_else(tmp_path: Path) -> None:
    write_context(tmp_path, "frame-grabber")
    names = _files(tmp_path)
    assert {
        "Dockerfile",
        "image/stage/prune.py",
        "image/stage/frame-grabber.toml",
        "image/stage/requirements.txt",
        "edgecam/config/camera.py",
    } <= names
    assert {"network/pip.conf"} <= names
    foreign = re.compile("__pycache__|gcs-|-gcs|edgecam/(bucket|spool|upload)/")
    assert not [name for name in names if foreign.search(name)]


def test_the_uploaders_context_is_the_frame_grabbers_and_more(tmp_path: Path) -> None:
    for variant in ("frame-grabber", "gcs-uploader"):
        (tmp_path / variant).mkdir()
        write_context(tmp_path / variant, variant)
    common, whole = _files(tmp_path / "frame-grabber"), _files(tmp_path / "gcs-uploader")
    own = {"image/stage/requirements-gcs.txt", "image/stage/gcs-uploader.toml", "edgecam/bucket/interface.py"}
    assert own <= whole - common
    for name in common:
        contents = [(tmp_path / variant / name).read_bytes() for variant in ("frame-grabber", "gcs-uploader")]
        assert contents[0] == contents[1], name


def _files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_this_machines_way_to_an_index_reaches_the_build(tmp_path: Path) -> None:
    authorities = tmp_path / "company.pem"
    authorities.write_text("authorities")
    (tmp_path / "pip.conf").write_text(
        "[global]\ntimeout = 7\nextra-index-url = file:///here https://b.example/simple"
    )
    write_network_settings(
        tmp_path / "network",
        {
            "PIP_CONFIG_FILE": str(tmp_path / "pip.conf"),
            "PIP_INDEX_URL": "https://user:word@a.example/simple",
            "PIP_CERT": str(authorities),
            "HOME": str(tmp_path),
        },
    )
    assert (tmp_path / "network/ca.pem").read_text() == "authorities"
    settings = (tmp_path / "network/pip.conf").read_text().splitlines()
    assert "index-url = https://user:word@a.example/simple" in settings
    assert "extra-index-url = https://b.example/simple" in settings
    assert "timeout = 7" in settings
    assert "cert = /network/ca.pem" in settings
