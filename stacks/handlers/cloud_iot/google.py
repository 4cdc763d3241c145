"""Google's library for the Cloud IoT API, over REST."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

from google.api_core.exceptions import GoogleAPICallError
from google.auth.credentials import AnonymousCredentials
from google.auth.exceptions import GoogleAuthError
from google.cloud import iot_v1
from google.cloud.iot_v1.services.device_manager.transports import DeviceManagerRestTransport
from requests import RequestException

from ..cloudformation import RequestFailed
from ..google_auth import credentials_of
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

_TIMEOUT_S = 20.0


@contextlib.contextmanager
def connected(login: Mapping[str, str], endpoint: str | None) -> Iterator[GoogleDeviceManager]:
    """The API with the login of `gcp.login`, or at an embedded endpoint without one."""
    if endpoint is None:
        transport = DeviceManagerRestTransport(credentials=credentials_of(login))
    else:
        scheme, _, host = endpoint.partition("://")
        transport = DeviceManagerRestTransport(
            host=host, url_scheme=scheme, credentials=AnonymousCredentials()
        )
    with iot_v1.DeviceManagerClient(transport=transport) as client:
        yield GoogleDeviceManager(client)


class GoogleDeviceManager:
    """`DeviceManager` by google-cloud-iot."""

    def __init__(self, client: iot_v1.DeviceManagerClient) -> None:
        self._client = client

    def registry(self, registry: str) -> Registry | None:
        found = self._found("get_device_registry", name=registry)
        if found is None:
            return None
        return Registry(
            event_topics=tuple(each.pubsub_topic_name for each in found.event_notification_configs)
        )

    def make_registry(self, registry: str, event_topics: tuple[str, ...]) -> None:
        location, identity = split(registry)
        desired = iot_v1.DeviceRegistry(
            id=identity,
            mqtt_config={"mqtt_enabled_state": iot_v1.MqttState.MQTT_ENABLED},
            http_config={"http_enabled_state": iot_v1.HttpState.HTTP_DISABLED},
            event_notification_configs=_topics(event_topics),
        )
        self._call("create_device_registry", parent=location, device_registry=desired)

    def change_registry(self, registry: str, event_topics: tuple[str, ...]) -> None:
        desired = iot_v1.DeviceRegistry(name=registry, event_notification_configs=_topics(event_topics))
        mask = {"paths": ["event_notification_configs"]}
        self._call("update_device_registry", device_registry=desired, update_mask=mask)

    def has_devices(self, registry: str) -> bool:
        return next(iter(self._call("list_devices", parent=registry)), None) is not None

    def delete_registry(self, registry: str) -> None:
        self._call("delete_device_registry", name=registry)

    def device(self, name: str) -> Device | None:
        found = self._found("get_device", name=name)
        if found is None:
            return None
        return Device(
            credentials=tuple(_credential(each) for each in found.credentials),
            metadata=dict(found.metadata),
            state=found.state.binary_data,
        )

    def make_device(
        self, name: str, credentials: tuple[Credential, ...], metadata: Mapping[str, str]
    ) -> None:
        registry, identity = split(name)
        desired = iot_v1.Device(id=identity, credentials=_messages(credentials), metadata=metadata)
        self._call("create_device", parent=registry, device=desired)

    def change_device(
        self, name: str, credentials: tuple[Credential, ...], metadata: Mapping[str, str]
    ) -> None:
        desired = iot_v1.Device(name=name, credentials=_messages(credentials), metadata=metadata)
        self._call("update_device", device=desired, update_mask={"paths": ["credentials", "metadata"]})

    def delete_device(self, name: str) -> None:
        self._call("delete_device", name=name)

    def _found(self, method: str, **request: Any) -> Any:
        try:
            return self._call(method, **request)
        except Rejected as error:
            if error.code != NOT_FOUND:
                raise
            return None

    def _call(self, method: str, **request: Any) -> Any:
        return with_retries(lambda: self._call_once(method, request))

    def _call_once(self, method: str, request: Mapping[str, Any]) -> Any:
        try:
            return getattr(self._client, method)(request=request, retry=None, timeout=_TIMEOUT_S)
        except GoogleAuthError as error:
            raise RequestFailed(f"Google does not accept the login of gcp.login: {error}") from error
        except GoogleAPICallError as error:
            raise Rejected(int(error.code or 0), str(error.message)) from error
        except RequestException as error:
            raise Rejected(UNREACHABLE, f"Google cannot be reached: {type(error).__name__}") from error


def _topics(names: tuple[str, ...]) -> list[dict[str, str]]:
    return [{"pubsub_topic_name": name} for name in names]


def _messages(credentials: tuple[Credential, ...]) -> list[iot_v1.DeviceCredential]:
    return [
        iot_v1.DeviceCredential(
            public_key={"format": iot_v1.PublicKeyFormat[each.format], "key": each.key},
            expiration_time=each.expires,
        )
        for each in credentials
    ]


def _credential(message: iot_v1.DeviceCredential) -> Credential:
    # The API says "never" with the beginning of its time.
    expires = (
        message.expiration_time if message.expiration_time and message.expiration_time.timestamp() else None
    )
    return Credential(
        format=iot_v1.PublicKeyFormat(message.public_key.format).name,
        key=message.public_key.key,
        expires=expires,
    )
