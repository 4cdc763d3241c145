"""Custom::EdgecamCloudIotRegistry: the registry of the devices.

- Create, Update: a registry that is not there is made. One that is there is used as it is: the API has no
  labels of owners, and devices are added without touching it.
- Delete: an empty registry goes, when this resource made it, which its id remembers. All else stays, and the
  log has the reason: it must not keep a stack from going.

Properties: Project, Region, Registry, EventTopics, and how the provider is reached (see
resources.py). The
resource's id is the registry's name, with " (found)" behind it where it had been there before.
"""

from __future__ import annotations

from ..cloudformation import (
    CloudFormationResponse,
    Event,
    RequestFailed,
    logger,
)
from .api import (
    CONFLICT,
    DeviceManager,
    Rejected,
    explained,
)
from .desired import name_of

FOUND = " (found)"


def ensure(event: Event, manager: DeviceManager) -> CloudFormationResponse:
    """Make the registry, where there is none.

    Raises:
        RequestFailed: with the API's message and the remedy.
    """
    name, topics = name_of(event), tuple(event["ResourceProperties"].get("EventTopics", ()))
    # An earlier request of this resource may have made it.
    is_ours = event.get("PhysicalResourceId") == name
    with explained(f"the registry {name}"):
        found = manager.registry(name)
        if found is None:
            _make(manager, name, topics)
            is_ours = True
        elif is_ours and found.event_topics != topics:
            manager.change_registry(name, topics)
            logger.info("%s: set where events go", name)
    return CloudFormationResponse(
        physical_id=name if is_ours else f"{name}{FOUND}", attributes={"Name": name}
    )


def _make(manager: DeviceManager, name: str, topics: tuple[str, ...]) -> None:
    try:
        manager.make_registry(name, topics)
    except Rejected as error:
        # It was not there a moment ago: this very request has made it, and the answer was lost.
        if error.code != CONFLICT:
            raise
    logger.info("made the registry %s", name)


def remove(event: Event, manager: DeviceManager) -> None:
    """Delete the registry that this resource made, when nothing is in it."""
    name = name_of(event)
    if event["PhysicalResourceId"] != name:
        logger.info("keeping the registry %s, which was not made here", name)
        return
    try:
        with explained(f"the registry {name}"):
            if manager.registry(name) is None:
                return
            if manager.has_devices(name):
                logger.info("keeping the registry %s, which has devices", name)
                return
            manager.delete_registry(name)
            logger.info("deleted the registry %s", name)
    except RequestFailed as error:
        logger.error("the registry %s stays: %s", name, error)
