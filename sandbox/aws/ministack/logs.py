"""Log groups of CloudWatch Logs."""

from __future__ import annotations

from ministack.services import cloudwatch_logs  # type: ignore[import-not-found]


def has_log_group(name: str) -> bool:
    """Whether CloudWatch Logs has a group of this name."""
    return name in cloudwatch_logs._log_groups
