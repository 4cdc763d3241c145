"""ClearBlade's library for the Cloud IoT API.

It has the names of Google's, and these differences, which stay in here:

- The login is a file that an environment variable names. It is written where only the function can read, and
  removed when the request is done.
- Half of its methods drop the status of a response, and some fail over one that they did not expect. So each
  response is checked where it arrives.
- Its `DeviceRegistry` cannot be sent, for the name of an attribute that it has not.
- Registries are found by asking for their credentials, which is refused alike for a registry that is not
  there and for a login that has no right to it.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import tempfile
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
from clearblade.cloud import iot_v1
from clearblade.cloud.iot_v1 import config_manager, devices, http_client, registry

from ..cloudformation import RequestFailed
from ..secret_text import secret_text
from .api import (
    NOT_FOUND,
    UNREACHABLE,
    Credential,
    Device,
    Registry,
    Rejected,
    split,
    with_retries,
)

CONFIGURATION_VARIABLE = "CLEARBLADE_CONFIGURATION"
_KEYS = ("systemKey", "token", "url", "project")
_TIMEOUT_S = 20.0
_AUTHORITIES = httpx.create_ssl_context()
_CREDENTIALS_CALL = "getRegistryCredentials"
_NEVER = datetime(1970, 1, 1, tzinfo=UTC)

# It would log every address, in which the key of the account stands.
logging.getLogger("httpx").setLevel(logging.WARNING)


class _CheckedClient(http_client.SyncClient):  # type: ignore[misc]
    """The library's way to the API; a response that is no success is raised."""

    def __init__(self, clearblade_config: Any = None) -> None:
        # Not the library's own, which reads all authorities for every request, and waits for the response
        # for ever.
        http_client.HttpClient.__init__(self, clearblade_config)
        self._sync_client = httpx.Client(timeout=_TIMEOUT_S, verify=_AUTHORITIES)

    def get(self, api_name: str, request_params: Mapping[str, Any] | None = None) -> httpx.Response:
        return self._checked(super().get(api_name, request_params or {}))

    def post(
        self,
        api_name: str,
        is_webhook_folder: bool = True,
        request_params: Mapping[str, Any] | None = None,
        request_body: Mapping[str, Any] | None = None,
    ) -> httpx.Response:
        response = super().post(api_name, is_webhook_folder, request_params or {}, request_body or {})
        if api_name == _CREDENTIALS_CALL and response.status_code in (400, NOT_FOUND):
            raise Rejected(NOT_FOUND, f"no registry, or no right to it: {_message(response)}")
        return self._checked(response)

    def delete(self, api_name: str, request_params: Mapping[str, Any] | None = None) -> httpx.Response:
        return self._checked(super().delete(api_name, request_params))

    def patch(
        self,
        api_name: str,
        request_body: Mapping[str, Any] | None = None,
        request_params: Mapping[str, Any] | None = None,
    ) -> httpx.Response:
        return self._checked(super().patch(api_name, request_body or {}, request_params or {}))

    def _checked(self, response: httpx.Response) -> httpx.Response:
        self._sync_client.close()
        if response.status_code >= 300:
            raise Rejected(response.status_code, _message(response))
        return response


def _message(response: httpx.Response) -> str:
    """The API's message, without the address of the request."""
    with contextlib.suppress(ValueError, KeyError, TypeError):
        return str(response.json()["error"]["message"])
    return str(response.text[:200] or response.reason_phrase)


class _Registry(iot_v1.DeviceRegistry):  # type: ignore[misc]
    """One that can be sent: the library's own asks itself for a log level by a name that it never set."""

    log_level = None


@contextlib.contextmanager
def connected(
    login: Mapping[str, str], endpoint: str | None, project: str
) -> Iterator[ClearBladeDeviceManager]:
    """The API with the service account in a secret, or at an embedded endpoint with a dummy account."""
    account = (
        _account_of(login)
        if endpoint is None
        else {
            "systemKey": "embedded",
            "token": "embedded",
            "url": f"{endpoint}/clearblade",
            "project": project,
        }
    )
    # These three modules have taken the class over by name.
    for module in (config_manager, devices, registry):
        module.SyncClient = _CheckedClient
    with tempfile.TemporaryDirectory(prefix="edgecam-") as folder:
        file = Path(folder) / "account.json"
        file.touch(mode=0o600)
        file.write_text(json.dumps(account))
        os.environ[CONFIGURATION_VARIABLE] = str(file)
        try:
            yield ClearBladeDeviceManager(iot_v1.DeviceManagerClient())
        finally:
            del os.environ[CONFIGURATION_VARIABLE]


def _account_of(login: Mapping[str, str]) -> dict[str, str]:
    arn = login["Secret"]
    text = secret_text(arn, "gcp.registry.secret")
    try:
        document = json.loads(text)
        return {key: str(document[key]) for key in _KEYS}
    except (ValueError, RecursionError, KeyError, TypeError):
        # Neither cause nor content: both could hold parts of the token.
        raise RequestFailed(
            f"gcp.registry.secret: {arn} must hold the JSON of a service account, as ClearBlade's console "
            f"hands it out, with {', '.join(_KEYS)}"
        ) from None


class ClearBladeDeviceManager:
    """`DeviceManager` by clearblade-cloud-iot."""

    def __init__(self, client: iot_v1.DeviceManagerClient) -> None:
        self._client = client

    def registry(self, registry: str) -> Registry | None:
        found = self._found("get_device_registry", iot_v1.GetDeviceRegistryRequest(name=registry))
        if found is None:
            return None
        return Registry(
            event_topics=tuple(each.pub_sub_topic_name for each in found.event_notification_configs)
        )

    def make_registry(self, registry: str, event_topics: tuple[str, ...]) -> None:
        location, identity = split(registry)
        desired = _Registry(
            id=identity,
            mqttConfig={"mqttEnabledState": iot_v1.MqttState.MQTT_ENABLED},
            httpConfig={"httpEnabledState": iot_v1.HttpState.HTTP_DISABLED},
            stateNotificationConfig={},
            eventNotificationConfigs=_topics(event_topics),
        )
        request = iot_v1.CreateDeviceRegistryRequest(parent=location, device_registry=desired)
        self._call("create_device_registry", request)

    def change_registry(self, registry: str, event_topics: tuple[str, ...]) -> None:
        desired = _Registry(id=split(registry)[1], eventNotificationConfigs=_topics(event_topics))
        request = iot_v1.UpdateDeviceRegistryRequest(
            name=registry, device_registry=desired, updateMask="eventNotificationConfigs"
        )
        self._call("update_device_registry", request)

    def has_devices(self, registry: str) -> bool:
        request = iot_v1.ListDevicesRequest(parent=registry, pageSize=1)
        return next(iter(self._call("list_devices", request)), None) is not None

    def delete_registry(self, registry: str) -> None:
        self._call("delete_device_registry", iot_v1.DeleteDeviceRegistryRequest(name=registry))

    def device(self, name: str) -> Device | None:
        found = self._found("get_device", iot_v1.GetDeviceRequest(name=name))
        if found is None:
            return None
        return Device(
            credentials=tuple(_credential(each) for each in found.credentials or ()),
            metadata=dict(found.meta_data or {}),
            state=(found.state.binary_data or "").encode(),
        )

    def make_device(
        self, name: str, credentials: tuple[Credential, ...], metadata: Mapping[str, str]
    ) -> None:
        above, identity = split(name)
        desired = iot_v1.Device(id=identity, credentials=_documents(credentials), meta_data=dict(metadata))
        self._call("create_device", iot_v1.CreateDeviceRequest(parent=above, device=desired))

    def change_device(
        self, name: str, credentials: tuple[Credential, ...], metadata: Mapping[str, str]
    ) -> None:
        desired = iot_v1.Device(
            id=split(name)[1], credentials=_documents(credentials), meta_data=dict(metadata)
        )
        request = iot_v1.UpdateDeviceRequest(parent=name, device=desired, updateMask="credentials,metadata")
        self._call("update_device", request)

    def delete_device(self, name: str) -> None:
        self._call("delete_device", iot_v1.DeleteDeviceRequest(name=name))

    def _found(self, method: str, request: Any) -> Any:
        try:
            return self._call(method, request)
        except Rejected as error:
            if error.code != NOT_FOUND:
                raise
            return None

    def _call(self, method: str, request: Any) -> Any:
        return with_retries(lambda: self._call_once(method, request))

    def _call_once(self, method: str, request: Any) -> Any:
        try:
            return getattr(self._client, method)(request=request)
        except httpx.HTTPError as error:
            raise Rejected(UNREACHABLE, f"ClearBlade cannot be reached: {type(error).__name__}") from error


def _topics(names: tuple[str, ...]) -> list[dict[str, str]]:
    return [{"pubsubTopicName": name} for name in names]


def _documents(credentials: tuple[Credential, ...]) -> list[dict[str, Any]]:
    return [
        {
            "publicKey": {"format": each.format, "key": each.key},
            "expirationTime": (each.expires or _NEVER).strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
        for each in credentials
    ]


def _credential(found: iot_v1.DeviceCredential) -> Credential:
    text = found.expiration_time
    expires = datetime.fromisoformat(text) if text else _NEVER
    public = found.public_key
    return Credential(
        format=getattr(public.format, "value", public.format),
        key=public.key,
        expires=None if expires == _NEVER else expires,
    )
