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


def refuse_creation(type_name: str, reason: Callable[[Properties], str | None]) -> None:
    """Let a resource that is created fail with the reason that there is; ministack overwrites what exists."""
    handlers = provisioners._RESOURCE_HANDLERS[type_name]
    original = handlers["create"]

    def create(logical_id: str, properties: Properties, stack_name: str) -> Any:
        if (why := reason(properties)) is not None:
            raise ValueError(why)
        return original(logical_id, properties, stack_name)

    handlers["create"] = create


def generated_name(stack_name: str, logical_id: str) -> str:
    """The name that CloudFormation gives to a resource without one."""
    return str(provisioners._physical_name(stack_name, logical_id))
