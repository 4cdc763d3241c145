"""A release is built on a base image that is named by its digest."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from tiny_image import docker, push, tiny_image

from container.image.base import ensure_base_image
from edgecam.errors import ConfigurationError
from fleet.load import load_fleet
from fleet.settings.fleet import Fleet

SITE = 'sites: {a: {thing: c, cameras: [{id: a, uri: "rtsp://h/1"}]}}\n'
DIGEST = f"debian:trixie-slim@sha256:{'a1' * 32}"


def fleet(folder: Path, image: str) -> Fleet:
    path = folder / "fleet.yaml"
    path.write_text(SITE + f"image: {image}")
    return load_fleet(path)


def test_release_takes_a_base_with_its_digest(tmp_path: Path) -> None:
    assert fleet(tmp_path, f'{{pinned: true, base: "{DIGEST}"}}').image.base == DIGEST


@pytest.mark.parametrize("image", ["{pinned: true}", '{pinned: true, base: "debian:trixie-slim@sha256:a1"}'])
def test_release_without_digest_is_refused_with_the_way_to_find_it(tmp_path: Path, image: str) -> None:
    with pytest.raises(ConfigurationError, match=r"debian:trixie-slim@sha256:…, found debian") as refused:
        fleet(tmp_path, image)
    assert "`docker buildx imagetools inspect debian:trixie-slim`" in str(refused.value)


def test_digest_needs_no_release(tmp_path: Path) -> None:
    assert not fleet(tmp_path, f'{{base: "{DIGEST}"}}').image.pinned


@pytest.mark.usefixtures("docker_engine")
def test_base_with_its_digest_is_pulled_once(
    aws: Callable[[str], Any], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    ecr = aws("ecr")
    repository = f"bases-{uuid.uuid4().hex[:8]}"
    ecr.create_repository(repositoryName=repository)
    server = docker("version", "--format", "{{.Server.Arch}}")
    with tiny_image() as image:
        digest = push(image, ecr.meta.endpoint_url, f"{repository}:one")
    base = f"{urlsplit(ecr.meta.endpoint_url).netloc}/{repository}:one@{digest}"
    try:
        ensure_base_image(base, server, server)
        ensure_base_image(base, server, server)
    finally:
        docker("image", "rm", "--force", base.replace(":one@", "@"))
    assert [message for message in caplog.messages if "pulling" in message] == [
        f"pulling the base image {base}"
    ]
