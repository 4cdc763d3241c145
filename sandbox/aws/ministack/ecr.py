"""Repositories and images of ECR."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ministack.services import ecr  # type: ignore[import-not-found]

from sandbox.aws.ministack.host import Operation


def replace_operations(
    repository_uri: Callable[[str], str],
    wrap_token: Callable[[Operation], Operation],
    wrap_describe_images: Callable[[Operation], Operation],
) -> None:
    """Exchange three functions of ECR, which ministack looks up by name at each request."""
    ecr._repo_uri = repository_uri
    ecr._get_authorization_token = wrap_token(ecr._get_authorization_token)
    ecr._describe_images = wrap_describe_images(ecr._describe_images)


def has_repository(name: str) -> bool:
    """Whether ECR has a repository of this name."""
    return name in ecr._repositories


def has_image(repository: str, image_id: Mapping[str, str]) -> bool:
    """Whether a repository holds an image, named by tag or digest."""
    return ecr._find_image(repository, image_id) is not None
