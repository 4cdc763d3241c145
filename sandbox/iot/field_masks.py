"""Field masks: which parts of a message are shown, and which are changed."""

from __future__ import annotations

from google.protobuf.field_mask_pb2 import FieldMask

from sandbox.iot.errors import ApiError, Status
from sandbox.iot.messages import Device, Message, copy_of


def masked(device: Message, mask: FieldMask | None) -> Message:
    """A copy of `device` with the fields of `mask` and those that name it; all where there is no mask."""
    if mask is None or not mask.paths:
        return copy_of(device)
    shown = Device(id=device.id, name=device.name, num_id=device.num_id)
    _check_mask(mask, frozenset(Device.DESCRIPTOR.fields_by_name))
    mask.MergeMessage(device, shown)
    return shown


def merge(given: Message, found: Message, mask: FieldMask, fields: frozenset[str]) -> None:
    """Change `found` to what `given` says in the fields of `mask`.

    Raises:
        ApiError: the mask is empty, or has others than `fields`.
    """
    if not mask.paths:
        raise ApiError(Status.INVALID_ARGUMENT, "update_mask: expected at least one field, found none")
    _check_mask(mask, fields)
    mask.MergeMessage(given, found, replace_message_field=True, replace_repeated_field=True)


def _check_mask(mask: FieldMask, fields: frozenset[str]) -> None:
    for path in mask.paths:
        if path.split(".")[0] not in fields:
            expected = ", ".join(sorted(fields))
            raise ApiError(Status.INVALID_ARGUMENT, f"field mask: expected {expected}, found {path!r}")
