"""The policy statements of the cores' role in a template."""

from __future__ import annotations

from typing import Any

from policy_evaluation import Statement, resolved


def role_statements(template: dict[str, Any]) -> list[Statement]:
    """What all policies say that are attached to the cores' role."""
    return [
        statement
        for resource in template["Resources"].values()
        if resource["Type"] in ("AWS::IAM::Policy", "AWS::IAM::ManagedPolicy")
        and (
            "CoresRole" in str(resource["Properties"]["Roles"])
            or "GreengrassV2" in str(resource["Properties"]["Roles"])
        )
        for statement in resolved(resource["Properties"]["PolicyDocument"], {})["Statement"]
    ]
