"""CloudFormation's AWS::Logs::LogGroup fails where a group of its name exists, as on AWS."""

from __future__ import annotations

from sandbox.aws.ministack import cloudformation, logs

_TYPE = "AWS::Logs::LogGroup"


def _exists(properties: cloudformation.Properties) -> str | None:
    name = properties.get("LogGroupName")
    if name is None or not logs.has_log_group(name):
        return None
    identifier = f'{{"/properties/LogGroupName":"{name}"}}'
    return f"Resource of type '{_TYPE}' with identifier '{identifier}' already exists."


def install() -> None:
    """Refuse groups that exist."""
    cloudformation.refuse_creation(_TYPE, _exists)
