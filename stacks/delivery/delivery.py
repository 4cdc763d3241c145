"""How the images of a variant reach the cores: as tarballs in the artifact bucket, from a repository of ours,
or from the registry in which they were released."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from aws_cdk import aws_ecr as ecr
from aws_cdk import aws_s3 as s3
from constructs import Construct, IDependable

from fleet.settings.image import Image
from stacks.delivery.artifact_store import ArtifactCopier, StoredArtifact
from stacks.delivery.container_image import ContainerImage, PublishedImage
from stacks.greengrass.recipe import Artifact


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """What a recipe names, and what has to be there before the recipe is registered."""

    artifacts: Sequence[Artifact]
    needed: Sequence[IDependable]


def by_bucket(
    scope: Construct, *, variant: str, image: Image, bucket: s3.IBucket, key: str | None = None
) -> Delivery:
    """Tarballs in the artifact bucket, one for each architecture; `key` of the user's encrypts them."""
    images = [
        ContainerImage(
            scope, f"Image-{architecture}", variant=variant, architecture=architecture, image=image
        )
        for architecture in image.architectures
    ]
    keys = {image.architecture: f"{variant}/{image.archive}" for image in images}
    copier = ArtifactCopier(
        scope,
        "ArtifactCopier",
        copies={keys[image.architecture]: image.location for image in images},
        bucket_arn=bucket.bucket_arn,
        key=key,
    )
    stored = [
        StoredArtifact(
            scope,
            f"Artifact-{image.architecture}",
            function=copier,
            source=image.location,
            bucket_name=bucket.bucket_name,
            key=keys[image.architecture],
        )
        for image in images
    ]
    artifacts = [
        Artifact(
            architecture=image.architecture,
            image=image.name,
            key=keys[image.architecture],
            content_hash=image.content_hash,
        )
        for image in images
    ]
    return Delivery(artifacts=artifacts, needed=stored)


def by_repository(scope: Construct, *, variant: str, image: Image, repository: ecr.IRepository) -> Delivery:
    """Images in our repository, one for each architecture, named by their digests."""
    # Imported here: the library takes a second, which a delivery by bucket does not need.
    from stacks.delivery.image_copy import CopiedImages, ImageToCopy

    images = [
        PublishedImage(
            scope, f"Image-{architecture}", variant=variant, architecture=architecture, image=image
        )
        for architecture in image.architectures
    ]
    copied = CopiedImages(
        scope,
        "Images",
        images=[
            ImageToCopy(
                name=image.architecture,
                published=image.location,
                tag=f"{variant}-{image.tag}-{image.architecture}",
            )
            for image in images
        ],
        repository=repository,
    )
    artifacts = [
        Artifact(
            architecture=image.architecture,
            image=f"{repository.repository_uri}@{copied.digests[image.architecture]}",
            content_hash=image.content_hash,
        )
        for image in images
    ]
    return Delivery(artifacts=artifacts, needed=copied.resources)


def by_registry(*, variant: str, image: Image) -> Delivery:
    """The released image where it is: cores pull it themselves, and nothing is made, copied or allowed.

    Raises:
        ValueError: none is released, which a fleet's checks find before.
    """
    released = image.release_of(variant)
    if released is None:
        raise ValueError(f"image.released: expected an image of {variant}, found none")
    artifacts = [
        Artifact(
            architecture=architecture,
            image=str(released),
            content_hash=released.content_hash(variant, architecture),
            known=True,
        )
        for architecture in image.architectures
    ]
    return Delivery(artifacts=artifacts, needed=())
