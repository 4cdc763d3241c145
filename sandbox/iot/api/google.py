"""The DeviceManager API as google-cloud-iot speaks it over REST
(https://cloud.google.com/iot/docs/reference/cloudiot/rest)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from google.protobuf.field_mask_pb2 import FieldMask

from sandbox.iot import messages
from sandbox.iot.api.routes import Document, Request, Route
from sandbox.iot.errors import ApiError, Status
from sandbox.iot.mqtt.bridge import Bridge
from sandbox.iot.registries import KEPT, Registries

COMMAND_TIMEOUT_S = 10.0
MOST_COMMAND_BYTES = 256 * 1024
MOST_PAGE = 500
"""https://cloud.google.com/iot/quotas"""

_LOCATION = r"projects/[^/]+/locations/[^/]+"
_REGISTRY = rf"{_LOCATION}/registries/[^/:]+"
_DEVICE = rf"{_REGISTRY}/devices/[^/:]+"


class GoogleApi:
    """Answers requests, from any thread."""

    def __init__(self, registries: Registries, bridge: Bridge) -> None:
        self._registries = registries
        self._bridge = bridge

    def routes(self) -> list[Route]:
        """What it answers."""
        return [
            _route("POST", rf"(?P<parent>{_LOCATION})/registries", self._create_registry),
            _route("GET", rf"(?P<parent>{_LOCATION})/registries", self._list_registries),
            _route("GET", rf"(?P<name>{_REGISTRY})", self._get_registry),
            _route("PATCH", rf"(?P<name>{_REGISTRY})", self._update_registry),
            _route("DELETE", rf"(?P<name>{_REGISTRY})", self._delete_registry),
            _route("POST", rf"(?P<parent>{_REGISTRY})/devices", self._create_device),
            _route("GET", rf"(?P<parent>{_REGISTRY})/devices", self._list_devices),
            _route("GET", rf"(?P<name>{_DEVICE})", self._get_device),
            _route("PATCH", rf"(?P<name>{_DEVICE})", self._update_device),
            _route("DELETE", rf"(?P<name>{_DEVICE})", self._delete_device),
            _route("GET", rf"(?P<name>{_DEVICE})/states", self._list_states),
            _route("GET", rf"(?P<name>{_DEVICE})/configVersions", self._list_configs),
            _route("POST", rf"(?P<name>{_DEVICE}):modifyCloudToDeviceConfig", self._modify_config),
            _route("POST", rf"(?P<name>{_DEVICE}):sendCommandToDevice", self._send_command),
        ]

    def _create_registry(self, request: Request) -> Document:
        given = messages.read(request.document, messages.DeviceRegistry())
        return _answer(request, self._registries.create_registry(request.parts["parent"], given))

    def _list_registries(self, request: Request) -> Document:
        found, token = page(self._registries.registries(request.parts["parent"]), request)
        return {"deviceRegistries": [_answer(request, registry) for registry in found], **token}

    def _get_registry(self, request: Request) -> Document:
        return _answer(request, self._registries.registry(request.parts["name"]))

    def _update_registry(self, request: Request) -> Document:
        given = messages.read(request.document, messages.DeviceRegistry())
        mask = messages.read_mask(request.value("updateMask"))
        return _answer(request, self._registries.update_registry(request.parts["name"], given, mask))

    def _delete_registry(self, request: Request) -> Document:
        self._registries.delete_registry(request.parts["name"])
        return {}

    def _create_device(self, request: Request) -> Document:
        given = messages.read(request.document, messages.Device())
        return _answer(request, self._registries.create_device(request.parts["parent"], given))

    def _list_devices(self, request: Request) -> Document:
        found, token = self.devices_page(request.parts["parent"], request)
        return {"devices": [_answer(request, device) for device in found], **token}

    def devices_page(self, registry: str, request: Request) -> tuple[Sequence[Any], Document]:
        """The devices that the query asks for, and what leads to the next page."""
        numbers = request.query.get("deviceNumIds", ())
        if not all(number.isdecimal() for number in numbers):
            raise ApiError(Status.INVALID_ARGUMENT, f"deviceNumIds: expected numbers, found {numbers}")
        found = self._registries.devices(
            registry,
            ids=frozenset(request.query.get("deviceIds", ())),
            numbers=frozenset(int(number) for number in numbers),
            mask=messages.read_mask(request.value("fieldMask")),
        )
        return page(found, request)

    def _get_device(self, request: Request) -> Document:
        mask: FieldMask = messages.read_mask(request.value("fieldMask"))
        return _answer(request, self._registries.device(request.parts["name"], mask))

    def _update_device(self, request: Request) -> Document:
        given = messages.read(request.document, messages.Device())
        mask = messages.read_mask(request.value("updateMask"))
        return _answer(request, self._registries.update_device(request.parts["name"], given, mask))

    def _delete_device(self, request: Request) -> Document:
        self._registries.delete_device(request.parts["name"])
        return {}

    def _list_states(self, request: Request) -> Document:
        found = self.newest_states(request.parts["name"], request)
        return {"deviceStates": [_answer(request, state) for state in found]}

    def newest_states(self, device: str, request: Request) -> list[messages.Message]:
        """The states that `numStates` asks for, 0 or nothing meaning as many as are kept."""
        count = min(request.number("numStates") or KEPT, KEPT)
        return [
            messages.DeviceState(update_time=messages.timestamp(state.at_s), binary_data=state.data)
            for state in self._registries.states(device)[:count]
        ]

    def _list_configs(self, request: Request) -> Document:
        found = self.newest_configs(request.parts["name"], request)
        return {"deviceConfigs": [_answer(request, config) for config in found]}

    def newest_configs(self, device: str, request: Request) -> list[messages.Message]:
        """The versions that `numVersions` asks for, 0 or nothing meaning as many as are kept."""
        count = min(request.number("numVersions") or KEPT, KEPT)
        return self._registries.configs(device)[:count]

    def _modify_config(self, request: Request) -> Document:
        return _answer(request, self.modify_config(request.parts["name"], request.document))

    def modify_config(self, device: str, document: Document) -> messages.Message:
        """Give a device the configuration of a ModifyCloudToDeviceConfigRequest."""
        given = messages.read(document, messages.ConfigRequest())
        return self._registries.modify_config(device, given.binary_data, given.version_to_update)

    def _send_command(self, request: Request) -> Document:
        return self.send_command(request.parts["name"], request.document)

    def send_command(self, device: str, document: Document) -> Document:
        """Send the command of a SendCommandToDeviceRequest."""
        given = messages.read(document, messages.CommandRequest())
        self._registries.device(device)
        if len(given.binary_data) > MOST_COMMAND_BYTES:
            raise ApiError(Status.INVALID_ARGUMENT, "binary_data: expected 256 KB at most")
        self._bridge.command(device, given.binary_data, given.subfolder, COMMAND_TIMEOUT_S)
        return {}


def page(found: Sequence[Any], request: Request) -> tuple[Sequence[Any], Document]:
    """The part of a list that `pageSize` and `pageToken` ask for, and what leads to the next one."""
    start = request.number("pageToken")
    end = start + (min(request.number("pageSize"), MOST_PAGE) or MOST_PAGE)
    return found[start:end], {"nextPageToken": str(end)} if end < len(found) else {}


def _answer(request: Request, message: messages.Message) -> Document:
    return messages.written(message, numbered="enum-encoding=int" in request.value("$alt"))


def _route(method: str, path: str, do: Any) -> Route:
    return Route(method, re.compile(f"/v1/{path}"), do)
