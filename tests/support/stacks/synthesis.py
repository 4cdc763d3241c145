"""Fixtures that turn a fleet's text into CloudFormation templates, for the tests of fleets and of stacks."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from fleets import DEVICES, FLEET, PROJECT, RECORDED, Synthesize, Templates

# Node's age is not what these tests are about, and jsii prints pages about it.
os.environ.setdefault("JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION", "20")


def pinned_hash(variant: str, architecture: str, base: str) -> str:
    """Stands in for the hash of the program's files: a template's test is not about their content."""
    return hashlib.sha256(f"{variant} {architecture} {base}".encode()).hexdigest()


@pytest.fixture(scope="session")
def write_fleet(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """A function that writes a fleet file."""

    def write(text: str) -> Path:
        path = tmp_path_factory.mktemp("fleet") / "fleet.yaml"
        path.write_text(text)
        return path

    return write


@pytest.fixture(scope="session")
def synthesize(write_fleet: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Synthesize:
    """A function that turns a fleet's text into templates, with cdk-nag looking on: it fails on findings."""
    done: dict[str, Templates] = {}

    def synthesize(text: str) -> Templates:
        if text not in done:
            done[text] = _templates(write_fleet(text), tmp_path_factory.mktemp("cdk.out"))
        return done[text]

    return synthesize


@pytest.fixture(scope="session")
def warnings_of(
    write_fleet: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], list[str]]:
    """A function that says what synth warns of for a fleet's text."""

    def warnings_of(text: str) -> list[str]:
        assembly = _assembly(write_fleet(text), tmp_path_factory.mktemp("cdk.out"))
        return [
            str(message.entry.data)
            for stack in assembly.stacks
            for message in stack.messages
            if message.level.name == "WARNING"
        ]

    return warnings_of


def _templates(fleet: Path, outdir: Path) -> Templates:
    return {stack.stack_name: stack.template for stack in _assembly(fleet, outdir).stacks}


def _assembly(fleet: Path, outdir: Path) -> Any:
    # Imported here: it takes seconds, and tests of settings and handlers do without.
    import aws_cdk as cdk
    import cdk_nag

    from app import build
    from fleet.load import load_fleet

    context = json.loads((PROJECT / "cdk.json").read_text())["context"]
    app = cdk.App(outdir=str(outdir), context=context, analytics_reporting=False)
    cdk.Validations.of(app).add_plugins(cdk_nag.AwsSolutionsChecks(app))
    with (
        mock.patch("stacks.delivery.container_image.image_hash", pinned_hash),
        mock.patch("stacks.gcp.bucket.content_hash", return_value=pinned_hash("gcs-bucket", "", "")),
        mock.patch("stacks.gcp.registry.content_hash", return_value=pinned_hash("cloud-iot", "", "")),
    ):
        build(app, load_fleet(fleet))
    return app.synth()


@pytest.fixture(scope="session")
def templates(synthesize: Synthesize) -> Templates:
    """The templates of FLEET, by stack."""
    return synthesize(FLEET)


@pytest.fixture(scope="session")
def recorded(synthesize: Synthesize) -> Templates:
    """The templates of RECORDED, by stack."""
    return synthesize(RECORDED)


@pytest.fixture(scope="session")
def devices(synthesize: Synthesize) -> Templates:
    """The templates of DEVICES, by stack."""
    return synthesize(DEVICES)
