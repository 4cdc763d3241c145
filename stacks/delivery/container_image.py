"""The container image of a variant: named at synth, built or pulled at publish time."""

from __future__ import annotations

import os

import aws_cdk as cdk
from constructs import Construct

from container.image.inputs import (
    PROJECT,
    image_hash,
    image_name,
    image_tag,
    tarball_path,
)
from fleet.settings.image import Image


def content_of(image: Image, variant: str, architecture: str) -> str:
    """What names the content of a variant's image, at synth: the hash of all that it is built from, or of
    the digest of a release."""
    released = image.release_of(variant)
    if released is not None:
        return released.content_hash(variant, architecture)
    return image_hash(variant, architecture, image.base)


class ContainerImage(Construct):
    """A file asset whose file is the compressed `docker save` of an image.

    Synth only hashes what enters the image. `cdk deploy` asks whether the asset bucket has a file of that
    name, and runs `container/build` when it has not: an unchanged tree builds nothing, and synth needs no
    Docker.

    Attributes:
        location: Where the asset bucket will have the tarball.
    """

    def __init__(
        self, scope: Construct, construct_id: str, *, variant: str, architecture: str, image: Image
    ) -> None:
        super().__init__(scope, construct_id)
        self.content_hash = content_of(image, variant, architecture)
        self.architecture = architecture
        self.tag = image_tag(self.content_hash)
        self.name = image_name(variant, self.tag)
        self.archive = f"{self.tag}-{architecture}.tar.gz"
        self.location: cdk.FileAssetLocation = cdk.Stack.of(self).synthesizer.add_file_asset(
            source_hash=self.content_hash,
            executable=[
                "container/build",
                *_arguments(variant, architecture, self.tag, image),
                *("--output", tarball_path(variant, self.tag, architecture)),
            ],
            display_name=f"image of {variant} for {architecture}",
        )


class PublishedImage(Construct):
    """A Docker image asset: the same image, named by the same hash, in the CDK's own image repository.

    Attributes:
        location: Where that repository will have it.
    """

    def __init__(
        self, scope: Construct, construct_id: str, *, variant: str, architecture: str, image: Image
    ) -> None:
        super().__init__(scope, construct_id)
        self.content_hash = content_of(image, variant, architecture)
        self.architecture = architecture
        self.tag = image_tag(self.content_hash)
        self.location: cdk.DockerImageAssetLocation = cdk.Stack.of(self).synthesizer.add_docker_image_asset(
            source_hash=self.content_hash,
            executable=[
                _seen_from_assembly(self, "container/build"),
                *_arguments(variant, architecture, self.tag, image),
                "--image",
            ],
            display_name=f"image of {variant} for {architecture}",
        )


def _arguments(variant: str, architecture: str, tag: str, image: Image) -> list[str]:
    arguments = ["--variant", variant, "--architecture", architecture, "--tag", tag]
    return [*arguments, *image.build_arguments(variant)]


def _seen_from_assembly(scope: Construct, program: str) -> str:
    """The path of a program of the project, seen from the folder with the templates.

    There the CDK runs the programs of Docker assets; those of file assets, where its command line started.
    """
    stage = cdk.Stage.of(scope)
    if stage is None:
        raise ValueError(f"{scope.node.path}: expected an app around it, found none")
    return os.path.relpath(PROJECT / program, os.path.realpath(stage.outdir))
