"""The kinds of values that settings of several rooms share."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import Annotated

from pydantic import AfterValidator

SECRET_ARN = r"^arn:aws[a-z-]*:secretsmanager:[a-z0-9-]+:\d{12}:secret:[A-Za-z0-9/_+=.@-]+$"  # noqa: S105 - a form
"""A secret in AWS Secrets Manager, with or without the six characters that end its name."""

SECRET = SECRET_ARN.replace("arn:", "(arn:", 1).replace(":secret:", ":secret:)?", 1)
"""The same, or its name alone: then it is in the account and the Region of who asks."""

AUDIENCE = (
    r"^//iam\.googleapis\.com/projects/\d+/locations/global/workloadIdentityPools/[a-z0-9-]+"
    r"/providers/[a-z0-9-]+$"
)
"""The full name of a workload identity provider at Google."""

PROJECT_ID = r"^([a-z0-9.-]+:)?[a-z][a-z0-9-]{4,28}[a-z0-9]$"
"""A project at Google; older ones have the domain of their owner before a colon."""

MOST_COUNTED = 1_000_000
"""Of cores, cameras, keys or losses that a setting counts: a hundred times the largest fleet."""


def _absolute(path: str) -> str:
    if not path.startswith("/") or ".." in PurePosixPath(path).parts or "\n" in path or "\0" in path:
        raise ValueError("expected an absolute path without ..")
    return path


AbsolutePath = Annotated[str, AfterValidator(_absolute)]


def _camera_id(text: str) -> str:
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,62}", text):
        raise ValueError("expected 1 to 63 lower case letters, digits and hyphens, a hyphen not first")
    return text


CameraId = Annotated[str, AfterValidator(_camera_id)]
