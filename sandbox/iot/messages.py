"""Google's own messages of the Cloud IoT API, and how they are read from JSON and written to it.

The one module that imports them, since google-api-core warns of Python versions when it is first imported.
"""

from __future__ import annotations

import warnings
from datetime import UTC, datetime
from typing import Any

from google.protobuf import json_format
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.timestamp_pb2 import Timestamp

from sandbox.iot.errors import ApiError, Status

with warnings.catch_warnings():
    warnings.simplefilter("ignore", FutureWarning)
    from google.cloud.iot_v1.types import device_manager, resources

Message = Any
"""A protobuf message; google-cloud-iot's have no types."""


def _plain(wrapper: Any) -> Any:
    """The protobuf class that a class of google-cloud-iot stands for."""
    return type(wrapper.pb(wrapper()))


Device = _plain(resources.Device)
DeviceConfig = _plain(resources.DeviceConfig)
DeviceRegistry = _plain(resources.DeviceRegistry)
DeviceState = _plain(resources.DeviceState)
ConfigRequest = _plain(device_manager.ModifyCloudToDeviceConfigRequest)
CommandRequest = _plain(device_manager.SendCommandToDeviceRequest)
PublicKeyFormat = resources.PublicKeyFormat
MqttState = resources.MqttState


def read(document: object, message: Message) -> Message:
    """Fill `message` from JSON.

    Raises:
        ApiError: the real service would not understand it either.
    """
    try:
        return json_format.ParseDict(document, message)
    except json_format.ParseError as error:
        raise ApiError(Status.INVALID_ARGUMENT, f"Invalid JSON payload received. {error}") from None


def read_mask(text: str) -> FieldMask:
    """A field mask as it is in a query: `credentials,logLevel`."""
    mask = FieldMask()
    try:
        mask.FromJsonString(text)
    except (json_format.ParseError, ValueError) as error:
        raise ApiError(Status.INVALID_ARGUMENT, f"Invalid field mask {text!r}: {error}") from None
    return mask


def written(message: Message, *, numbered: bool = False) -> dict[str, Any]:
    """As JSON; `numbered` for enums as numbers, which google-cloud-iot asks for."""
    document: dict[str, Any] = json_format.MessageToDict(message, use_integers_for_enums=numbered)
    return document


def copy_of(message: Message) -> Message:
    """One that does not change with `message`."""
    copied = type(message)()
    copied.CopyFrom(message)
    return copied


def timestamp(at_s: float) -> Timestamp:
    """From seconds since 1970, to the microsecond, as the service writes times."""
    stamp = Timestamp()
    stamp.FromDatetime(datetime.fromtimestamp(at_s, UTC))
    return stamp
