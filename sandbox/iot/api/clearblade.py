"""The same API as clearblade-cloud-iot speaks it: other paths, a key for each registry, a few other forms.

https://clearblade.atlassian.net/wiki/spaces/IC/pages/2248441862/getRegistryCredentials and its neighbours
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable
from typing import Any

from sandbox.iot import messages
from sandbox.iot.api.google import GoogleApi, page
from sandbox.iot.api.routes import Document, Request, Route
from sandbox.iot.errors import ApiError, Status
from sandbox.iot.registries import Registries

TOKEN_HEADER = "clearblade-usertoken"
_BASE = r"/clearblade:443/api"
"""The library writes the port behind whatever URL its configuration has."""


class ClearBladeApi:
    """Answers requests, from any thread."""

    def __init__(self, registries: Registries, google: GoogleApi, url: str) -> None:
        """`url` is what the library gets for a registry's region."""
        self._registries = registries
        self._google = google
        self._url = url

    def routes(self) -> list[Route]:
        """What it answers."""
        webhook = rf"{_BASE}/v/4/webhook/execute/(?P<key>[^/]+)"
        answers: dict[tuple[str, str], Callable[[Request], Document]] = {
            ("POST", "cloudiot"): self._create_registry,
            ("GET", "cloudiot"): self._get_or_list_registries,
            ("PATCH", "cloudiot"): self._update_registry,
            ("DELETE", "cloudiot"): self._delete_registry,
            ("POST", "cloudiot_devices"): self._create_or_tell_device,
            ("GET", "cloudiot_devices"): self._get_or_list_devices,
            ("PATCH", "cloudiot_devices"): self._update_device,
            ("DELETE", "cloudiot_devices"): self._delete_device,
            ("GET", "cloudiot_devices_states"): self._list_states,
            ("GET", "cloudiot_devices_configVersions"): self._list_configs,
        }
        credentials = re.compile(rf"{_BASE}/v/1/code/(?P<key>[^/]+)/getRegistryCredentials")
        return [
            Route("POST", credentials, _with_token(self._registry_credentials)),
            *(
                Route(method, re.compile(f"{webhook}/{word}"), _with_token(do))
                for (method, word), do in answers.items()
            ),
        ]

    def _registry_credentials(self, request: Request) -> Document:
        asked = request.document
        project, region, registry = (asked.get(word) for word in ("project", "region", "registry"))
        name = f"projects/{project}/locations/{region}/registries/{registry}"
        self._registries.registry(name)
        key = base64.urlsafe_b64encode(name.encode()).decode().rstrip("=")
        return {"systemKey": key, "serviceAccountToken": "regional", "url": self._url}

    def _create_registry(self, request: Request) -> Document:
        given = messages.read(_without_nothing(request.document), messages.DeviceRegistry())
        return messages.written(self._registries.create_registry(request.value("parent"), given))

    def _get_or_list_registries(self, request: Request) -> Document:
        if "parent" not in request.query:
            return messages.written(self._registries.registry(_registry(request)))
        found, token = page(self._registries.registries(request.value("parent")), request)
        return {"deviceRegistries": [messages.written(registry) for registry in found], **token}

    def _update_registry(self, request: Request) -> Document:
        given = messages.read(_without_nothing(request.document), messages.DeviceRegistry())
        mask = messages.read_mask(request.value("updateMask"))
        return messages.written(self._registries.update_registry(_registry(request), given, mask))

    def _delete_registry(self, request: Request) -> Document:
        self._registries.delete_registry(request.value("name"))
        return {}

    def _create_or_tell_device(self, request: Request) -> Document:
        document = _without_nothing(request.document)
        match request.value("method"):
            case "modifyCloudToDeviceConfig":
                return _config(self._google.modify_config(_device(request), document))
            case "sendCommandToDevice":
                return self._google.send_command(_device(request), document)
            case "":
                given = messages.read(document, messages.Device())
                return _shown(self._registries.create_device(_registry(request), given))
            case other:
                raise ApiError(Status.INVALID_ARGUMENT, f"method: found {other!r}")

    def _get_or_list_devices(self, request: Request) -> Document:
        if "name" in request.query:
            return _shown(self._registries.device(_device(request)))
        found, token = self._google.devices_page(_registry(request), request)
        return {"devices": [_shown(device) for device in found], **token}

    def _update_device(self, request: Request) -> Document:
        given = messages.read(_without_nothing(request.document), messages.Device())
        mask = messages.read_mask(request.value("updateMask"))
        return _shown(self._registries.update_device(_device(request), given, mask))

    def _delete_device(self, request: Request) -> Document:
        self._registries.delete_device(_device(request))
        return {}

    def _list_states(self, request: Request) -> Document:
        return {
            "deviceStates": [
                # Not base64 here, as the library's documentation says.
                messages.written(state) | {"binaryData": state.binary_data.decode(errors="replace")}
                for state in self._google.newest_states(_device(request), request)
            ]
        }

    def _list_configs(self, request: Request) -> Document:
        found = self._google.newest_configs(_device(request), request)
        return {"deviceConfigs": [_config(config) for config in found]}


def _with_token(do: Callable[[Request], Document]) -> Callable[[Request], Document]:
    def checked(request: Request) -> Document:
        if not request.headers.get(TOKEN_HEADER):
            raise ApiError(Status.UNAUTHENTICATED, "expected the header ClearBlade-UserToken, found none")
        return do(request)

    return checked


def _registry(request: Request) -> str:
    """The registry that the key of the request stands for."""
    key = request.parts["key"]
    try:
        return base64.urlsafe_b64decode(key + "=" * (-len(key) % 4)).decode()
    except (ValueError, binascii.Error):
        raise ApiError(Status.PERMISSION_DENIED, "expected the key of a registry, found another") from None


def _device(request: Request) -> str:
    """The device that the request names, in full or by its id alone."""
    name = request.value("name")
    return name if "/" in name else f"{_registry(request)}/devices/{name}"


def _shown(device: messages.Message) -> Document:
    """As ClearBlade does: members that say nothing are there too, and the library relies on it."""
    document = messages.written(device)
    for credential in document.get("credentials", ()):
        credential.setdefault("expirationTime", "")
    document.setdefault("credentials", [])
    if "state" in document:
        document["state"]["binaryData"] = device.state.binary_data.decode(errors="replace")
    return {"blocked": False, "metadata": {}, "logLevel": "LOG_LEVEL_UNSPECIFIED"} | document


def _config(config: messages.Message) -> Document:
    return {"binaryData": "", "deviceAckTime": ""} | messages.written(config)


def _without_nothing(value: Any) -> Any:
    """Without members that are null or an empty string: the library sends those for what was not given."""
    if isinstance(value, dict):
        kept = {key: _without_nothing(member) for key, member in value.items()}
        return {key: member for key, member in kept.items() if member not in (None, "")}
    if isinstance(value, list):
        return [_without_nothing(member) for member in value]
    return value
