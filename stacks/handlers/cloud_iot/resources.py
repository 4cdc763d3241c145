"""The function behind Custom::EdgecamCloudIotRegistry and Custom::EdgecamCloudIotDevice.

Each has its module (registry.py, device.py), one for both providers. How a provider is reached is in
the properties Provider (`google` or `clearblade`) and Login (for Google: Audience and ServiceAccount, or
Secret; for ClearBlade: Secret), and for an embedded Cloud IoT in the environment variable CLOUD_IOT_ENDPOINT.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any

import boto3

from ..cloudformation import (
    CloudFormationResponse,
    Event,
    RequestFailed,
    logger,
    respond,
)
from . import device as iot_device
from . import registry as iot_registry
from .api import DeviceManager
from .desired import name_of

ENDPOINT_VARIABLE = "CLOUD_IOT_ENDPOINT"
"""`http://localhost:PORT` of an embedded Cloud IoT, which asks for no login."""

Connect = Callable[[Mapping[str, Any]], AbstractContextManager[DeviceManager]]


def handler(event: Event, context: Any) -> None:
    """Lambda's entry point."""
    # A failed creation gets an id of its own: what is deleted after it may not be held to be ours.
    fallback = f"{name_of(event)} (not made)"
    respond(
        event,
        context,
        lambda request: apply(request, connect, boto3.client("secretsmanager")),
        fallback_id=fallback,
    )


def apply(event: Event, connect: Connect, secrets: Any) -> CloudFormationResponse:
    """Do what CloudFormation asks for.

    Args:
        event: The request.
        connect: Makes the provider's API of the resource's properties.
        secrets: The client of AWS Secrets Manager.

    Raises:
        RequestFailed: with what is wrong, and what to do.
    """
    name, is_device = name_of(event), "Device" in event["ResourceProperties"]
    if event["RequestType"] != "Delete":
        with connect(event["ResourceProperties"]) as manager:
            if is_device:
                return iot_device.ensure(event, manager, secrets)
            return iot_registry.ensure(event, manager)
    must_go = is_device and event["PhysicalResourceId"] == name
    try:
        with connect(event["ResourceProperties"]) as manager:
            if is_device:
                iot_device.remove(event, manager, secrets)
            else:
                iot_registry.remove(event, manager)
    except RequestFailed as error:
        if must_go:
            raise
        logger.error("%s: %s", name, error)
    return CloudFormationResponse(physical_id=event["PhysicalResourceId"])


def connect(properties: Mapping[str, Any]) -> AbstractContextManager[DeviceManager]:
    """The API of the provider that the properties name.

    Raises:
        RequestFailed: the login is not there, or something else.
    """
    login, endpoint = properties.get("Login", {}), os.environ.get(ENDPOINT_VARIABLE)
    # Only the library of this provider is in the function's zip.
    if properties["Provider"] == "clearblade":
        from . import clearblade as iot_clearblade

        return iot_clearblade.connected(login, endpoint, properties["Project"])
    from . import google as iot_google

    return iot_google.connected(login, endpoint)
