"""Projects and builds of CodeBuild."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ministack.services import codebuild  # type: ignore[import-not-found]

from sandbox.aws.ministack.host import Operation


def replace_start_build(wrap: Callable[[Operation], Operation]) -> None:
    """Exchange CodeBuild's StartBuild, which ministack looks up by name at each request."""
    codebuild._start_build = wrap(codebuild._start_build)


def build_project(name: str) -> dict[str, Any]:
    """A project of CodeBuild, in the API's words."""
    project: dict[str, Any] = codebuild._projects[name]
    return project


def build_record(build_id: str) -> dict[str, Any]:
    """A build as BatchGetBuilds answers it; changing it changes the answer."""
    record: dict[str, Any] = codebuild._builds[build_id]
    return record


def build_log(record: dict[str, Any]) -> Callable[[str], None]:
    """A function that adds a line to a build's log in CloudWatch."""
    write: Callable[[str], None] = codebuild._log_sink(record)
    return write
