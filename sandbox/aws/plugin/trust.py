"""Whether a role lets a service take it on."""

from __future__ import annotations

from typing import Any

from sandbox.aws.ministack import iam


def trusts(role_arn: str, service: str) -> bool:
    """True when the role exists and its trust policy allows `service` to assume it."""
    trust = iam.role_trust(role_arn)
    return trust is not None and any(_allows(statement, service) for statement in trust.get("Statement", []))


def _allows(statement: dict[str, Any], service: str) -> bool:
    services = (statement.get("Principal") or {}).get("Service", [])
    actions = statement.get("Action", [])
    return (
        statement.get("Effect") == "Allow"
        and service in ([services] if isinstance(services, str) else services)
        and "sts:AssumeRole" in ([actions] if isinstance(actions, str) else actions)
    )
