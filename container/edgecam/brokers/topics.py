"""Names on which recipe, rights of the core and node have to agree. Imports nothing."""

from __future__ import annotations

ACCESS_SERVICE = "aws.greengrass.ipc.mqttproxy"
ACCESS_OPERATION = "aws.greengrass#PublishToIoTCore"
"""What accessControl has to name (Greengrass v2 developer guide, publish and subscribe AWS IoT Core)."""


def topic_of(thing: str, camera_id: str) -> str:
    """Where the state of a camera is published."""
    return f"edgecam/{thing}/{camera_id}/state"
