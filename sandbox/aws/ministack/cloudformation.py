"""Resource types of CloudFormation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ministack.services.cloudformation import provisioners  # type: ignore[import-not-found]

Properties = dict[str, Any]
"""Properties of a CloudFormation resource, intrinsic functions already resolved."""


@dataclass(frozen=True, kw_only=True)
class ResourceType:
    """A CloudFormation resource type.

    `create` and `update` return physical id and attributes; they raise ValueError, whose text becomes the
    reason of the failed stack event. A change of a property in `create_only` replaces the resource.
    """

    name: str
    create: Callable[[str, Properties, str], tuple[str, dict[str, Any]]]
    update: Callable[[str, Properties, Properties, str], tuple[str, dict[str, Any]]]
    delete: Callable[[str, Properties], None]
    create_only: tuple[str, ...]


def add_resource_type(resource: ResourceType) -> None:
    """Let CloudFormation provision `resource`."""
    provisioners._RESOURCE_HANDLERS[resource.name] = {
        "create": resource.create,
        "update": resource.update,
        "delete": resource.delete,
    }
    provisioners._REPLACING_PROPERTIES[resource.name] = resource.create_only


def generated_name(stack_name: str, logical_id: str) -> str:
    """The name that CloudFormation gives to a resource without one."""
    return str(provisioners._physical_name(stack_name, logical_id))
