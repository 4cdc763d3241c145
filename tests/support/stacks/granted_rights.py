"""What a template grants to a role: actions and resources, as short texts."""

from __future__ import annotations

from typing import Any

from fleets import flat, of_type

Rights = dict[tuple[str, ...], list[str]]


def rights(template: dict[str, Any], role: str, kind: str = "Roles") -> Rights:
    """Actions → resources of all policies of the role whose name begins with `role`."""
    found: Rights = {}
    for policy in of_type(template, "AWS::IAM::Policy"):
        if any(flat(name).strip("<>").startswith(role) for name in policy[kind]):
            for statement in policy["PolicyDocument"]["Statement"]:
                assert statement["Effect"] == "Allow"
                resources = found.setdefault(_several(statement["Action"]), [])
                resources += map(flat, _several(statement["Resource"]))
    return {actions: sorted(set(resources)) for actions, resources in found.items()}


def _several(value: Any) -> tuple[Any, ...]:
    return tuple(value) if isinstance(value, list) else (value,)
