"""The container image of a variant: named at synth, built at publish time."""

from __future__ import annotations

import aws_cdk as cdk
from constructs import Construct

from container.image_inputs import DEFAULT_BASE_IMAGE, image_hash, image_name, image_tag

IMAGE_FOLDER = "build/images"
"""Where tarballs are built, below the folder in which the CDK command line runs (that of cdk.json)."""


class ContainerImage(Construct):
    """A file asset whose file is the compressed `docker save` of an image.

    Synth only hashes what enters the image. `cdk deploy` asks whether the asset bucket has a file of that
    name, and runs `container/build` when it has not: an unchanged tree builds nothing, and synth needs no
    Docker. Delivery through ECR joins beside this class: same hash, another kind of asset.

    Attributes:
        location: Where the asset bucket will have the tarball.
    """

    def __init__(
        self, scope: Construct, construct_id: str, *, variant: str, architecture: str, base: str
    ) -> None:
        super().__init__(scope, construct_id)
        self.content_hash = image_hash(variant, architecture, base)
        self.architecture = architecture
        self.tag = image_tag(self.content_hash)
        self.name = image_name(variant, self.tag)
        self.archive = f"{self.tag}-{architecture}.tar.gz"
        self.location: cdk.FileAssetLocation = cdk.Stack.of(self).synthesizer.add_file_asset(
            source_hash=self.content_hash,
            executable=_command(variant, architecture, self.tag, base, f"{variant}-{self.archive}"),
            display_name=f"image of {variant} for {architecture}",
        )


def _command(variant: str, architecture: str, tag: str, base: str, file_name: str) -> list[str]:
    command = ["container/build", "--variant", variant, "--architecture", architecture, "--tag", tag]
    if base != DEFAULT_BASE_IMAGE:
        command += ["--base-image", base]
    return [*command, "--output", f"{IMAGE_FOLDER}/{file_name}"]
