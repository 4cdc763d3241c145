"""Templates with their asset hashes masked, for snapshots."""

from __future__ import annotations

import re
from typing import Any

MASKS = (
    (r"\b[0-9a-f]{64}\b", "<content hash>"),
    (r"(?:(?<=frame-grabber[:/])|(?<=gcs-uploader[:/]))[0-9a-f]{12}\b", "<tag>"),
    (r"(?<=path}/)[0-9a-f]{12}\b", "<tag>"),
    (r'(?<="[0-3]":")[A-Za-z0-9_-]+', "<settings>"),
    (r"\b1\.\d{1,6}\.\d{1,6}\b(?=\\?\"|$)", "<version>"),
)
"""What changes with the program's content, and what nobody can read: a snapshot is about the rest."""


def masked(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: masked(entry) for key, entry in value.items() if key not in ("Parameters", "Rules")}
    if isinstance(value, list):
        return [masked(entry) for entry in value]
    if isinstance(value, str):
        for pattern, name in MASKS:
            value = re.sub(pattern, name, value)
    return value
