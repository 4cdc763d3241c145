"""cdk-docker-image-deployment, followed to the point where its constructor would bundle functions.

Its `DockerImageDeployment` makes the role of a CodeBuild project, binds source and destination to it, makes
the project; then it bundles two functions, which takes esbuild or Docker, a lock file and a certain TMPDIR. A
property injector of the CDK is called before the project is made and ends the constructor there: the same on
every machine, whatever is installed on it.
"""

from __future__ import annotations

from typing import Any

import aws_cdk as cdk
import jsii
from aws_cdk import aws_codebuild as codebuild
from aws_cdk import aws_ecr as ecr
from aws_cdk import aws_iam as iam
from cdk_docker_image_deployment import (
    Destination,
    DestinationConfig,
    DockerImageDeployment,
    LoginConfig,
    Source,
    SourceConfig,
)
from constructs import Construct


def role_of_project(
    scope: Construct, *, published: cdk.DockerImageAssetLocation, repository: ecr.IRepository, tag: str
) -> iam.IRole:
    """Begin the library's deployment of an image in `scope`, and return the role of its project.

    Args:
        scope: Of this one deployment.
        published: Where the CDK puts the image.
        repository: Where it is copied to.
        tag: The tag that it gets there.

    Raises:
        RuntimeError: the library is not as it was when this was written.
    """
    boundary, destination = _Boundary(), _OurProject(repository, tag)
    cdk.PropertyInjectors.of(scope).add(boundary)
    try:
        DockerImageDeployment(scope, "Deployment", source=_Published(published), destination=destination)
    except RuntimeError:  # what jsii makes of _StopConstructing
        if not boundary.reached:
            raise
    if destination.role is None:
        raise RuntimeError("cdk-docker-image-deployment: expected a role for its project, found none")
    return destination.role


class _StopConstructing(Exception):  # noqa: N818 - not an error: there is nothing to be had beyond
    """The library's constructor has come to its project."""


@jsii.implements(cdk.IPropertyInjector)
class _Boundary:
    """Injected before the library makes its CodeBuild project; ends the constructor there."""

    reached = False

    @property
    def construct_unique_id(self) -> str:
        """The construct before which it is called."""
        return codebuild.Project.PROPERTY_INJECTION_ID

    def inject(self, original_props: Any, *where: Any, **more: Any) -> Any:
        """Called by the CDK with the project's properties and place."""
        del original_props, where, more
        self.reached = True
        raise _StopConstructing


class _Published(Source):
    """An image that the CDK publishes: the library knows folders with a Dockerfile only."""

    def __init__(self, location: cdk.DockerImageAssetLocation) -> None:
        super().__init__()
        self._location = location

    def bind(self, scope: Construct, *context: Any, **more: Any) -> SourceConfig:
        """Where it is; rights are given in image_copy.py, no wider than they have to be."""
        del scope, context, more
        return SourceConfig(
            image_uri=self._location.image_uri,
            image_tag=self._location.image_tag or "",
            login_config=LoginConfig(login_command="true"),
        )


class _OurProject(Destination):
    """A tag in our repository. Keeps the role that the library made for its project."""

    role: iam.IRole | None = None

    def __init__(self, repository: ecr.IRepository, tag: str) -> None:
        super().__init__()
        self._repository, self._tag = repository, tag

    def bind(self, role: Any) -> DestinationConfig:
        """Where it goes; the library's own destination would let the project pull from there, too."""
        self.role = role
        return DestinationConfig(
            destination_uri=self._repository.repository_uri,
            destination_tag=self._tag,
            login_config=LoginConfig(login_command="true"),
        )
