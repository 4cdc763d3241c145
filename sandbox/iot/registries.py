"""Registries and devices: what is known of them, and the rules by which it changes.

In memory alone: what is to outlive the process is not for a sandbox.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from google.protobuf.field_mask_pb2 import FieldMask

from sandbox.iot import credentials, names
from sandbox.iot.clock import ServerClock
from sandbox.iot.errors import (
    ApiError,
    RefusedError,
    Status,
    Why,
)
from sandbox.iot.field_masks import masked, merge
from sandbox.iot.messages import (
    Device,
    DeviceConfig,
    DeviceRegistry,
    DeviceState,
    Message,
    MqttState,
    copy_of,
    timestamp,
)
from sandbox.iot.records import Event, Record, StateRecord
from sandbox.iot.tokens import PublicKey

KEPT = 10
"""States and versions of the configuration that the API lists
(https://cloud.google.com/iot/docs/how-tos/config/getting-state)."""
MOST_CONFIG_BYTES = 64 * 1024
_FIRST_NUMBER = 2_500_000_000_000_000

_REGISTRY_FIELDS = frozenset(
    (
        *("event_notification_configs", "state_notification_config", "mqtt_config", "http_config"),
        *("log_level", "credentials"),
    )
)
_DEVICE_FIELDS = frozenset(("credentials", "blocked", "log_level", "metadata", "gateway_config"))
_DEVICE_IN_LISTS = FieldMask(paths=["id", "name", "num_id"])


class Registries:
    """Safe to use from any thread. Messages that come out are copies.

    Attributes:
        on_end: Called with a device's name when it may be connected no longer, with the lock held.
        on_config: Called with a device's name when it has a new configuration, with the lock held.
    """

    def __init__(self, clock: ServerClock) -> None:
        self._clock = clock
        self._lock = threading.RLock()
        self._registries: dict[str, Message] = {}
        self._records: dict[str, Record] = {}
        self._next_number = _FIRST_NUMBER
        self.on_end: Callable[[str, Why], None] = lambda *_: None
        self.on_config: Callable[[str], None] = lambda _: None

    # Registries

    def create_registry(self, parent: str, given: Message) -> Message:
        """projects.locations.registries.create"""
        names.check_location(parent)
        credentials.check_id(given.id, "device_registry.id")
        name = f"{parent}/registries/{given.id}"
        with self._lock:
            if name in self._registries:
                raise ApiError(Status.ALREADY_EXISTS, f"The registry {name!r} already exists.")
            made = DeviceRegistry()
            made.CopyFrom(given)
            made.name = name
            made.mqtt_config.mqtt_enabled_state = (
                given.mqtt_config.mqtt_enabled_state or MqttState.MQTT_ENABLED.value
            )
            made.http_config.http_enabled_state = given.http_config.http_enabled_state or 1
            self._registries[name] = made
            return copy_of(made)

    def registry(self, name: str) -> Message:
        """projects.locations.registries.get"""
        with self._lock:
            return copy_of(self._registry(name))

    def registries(self, parent: str) -> list[Message]:
        """projects.locations.registries.list, by name."""
        names.check_location(parent)
        with self._lock:
            found = sorted(name for name in self._registries if name.startswith(f"{parent}/registries/"))
            return [copy_of(self._registries[name]) for name in found]

    def update_registry(self, name: str, given: Message, mask: FieldMask) -> Message:
        """projects.locations.registries.patch"""
        with self._lock:
            found = self._registry(name)
            merge(given, found, mask, _REGISTRY_FIELDS)
            return copy_of(found)

    def delete_registry(self, name: str) -> None:
        """projects.locations.registries.delete"""
        with self._lock:
            self._registry(name)
            if any(device.startswith(f"{name}/devices/") for device in self._records):
                raise ApiError(
                    Status.FAILED_PRECONDITION,
                    f"The registry {name!r} cannot be deleted: it has devices. Delete those first.",
                )
            del self._registries[name]

    # Devices

    def create_device(self, parent: str, given: Message) -> Message:
        """projects.locations.registries.devices.create"""
        credentials.check_id(given.id, "device.id")
        name = f"{parent}/devices/{given.id}"
        with self._lock:
            self._registry(parent)
            credentials.check_device(given)
            if len(given.config.binary_data) > MOST_CONFIG_BYTES:
                raise ApiError(Status.INVALID_ARGUMENT, "device.config: expected 64 KB at most")
            if name in self._records:
                raise ApiError(Status.ALREADY_EXISTS, f"The device {name!r} already exists.")
            made = Device(id=given.id, name=name, num_id=self._next_number, blocked=given.blocked)
            self._next_number += 1
            made.log_level = given.log_level
            made.gateway_config.CopyFrom(given.gateway_config)
            made.credentials.extend(given.credentials)
            made.metadata.update(dict(given.metadata))
            record = Record(made, [])
            self._records[name] = record
            self._add_config(record, given.config.binary_data)
            return copy_of(made)

    def device(self, name: str, mask: FieldMask | None = None) -> Message:
        """projects.locations.registries.devices.get"""
        with self._lock:
            return masked(self._record(name).device, mask)

    def devices(
        self,
        parent: str,
        *,
        ids: frozenset[str] = frozenset(),
        numbers: frozenset[int] = frozenset(),
        mask: FieldMask | None = None,
    ) -> list[Message]:
        """projects.locations.registries.devices.list, by name; `ids` and `numbers` alone, if any."""
        with self._lock:
            self._registry(parent)
            found = [
                record.device
                for name, record in sorted(self._records.items())
                if name.startswith(f"{parent}/devices/")
                and ((not ids and not numbers) or record.device.id in ids or record.device.num_id in numbers)
            ]
            return [masked(device, mask if mask and mask.paths else _DEVICE_IN_LISTS) for device in found]

    def update_device(self, name: str, given: Message, mask: FieldMask) -> Message:
        """projects.locations.registries.devices.patch"""
        with self._lock:
            record = self._record(name)
            changed = copy_of(record.device)
            merge(given, changed, mask, _DEVICE_FIELDS)
            credentials.check_device(changed)
            record.device = changed
            if changed.blocked:
                self.on_end(name, Why.BLOCKED)
            return copy_of(changed)

    def delete_device(self, name: str) -> None:
        """projects.locations.registries.devices.delete"""
        with self._lock:
            self._record(name)
            del self._records[name]
            self.on_end(name, Why.DELETED)

    # Configuration

    def modify_config(self, name: str, data: bytes, version: int = 0) -> Message:
        """projects.locations.registries.devices.modifyCloudToDeviceConfig; `version` 0 for any."""
        if len(data) > MOST_CONFIG_BYTES:
            raise ApiError(Status.INVALID_ARGUMENT, f"expected 64 KB at most, found {len(data)} bytes")
        with self._lock:
            record = self._record(name)
            if version not in (0, record.device.config.version):
                raise ApiError(
                    Status.FAILED_PRECONDITION,
                    f"version_to_update: expected {record.device.config.version}, found {version}",
                )
            added = self._add_config(record, data)
            self.on_config(name)
            return copy_of(added)

    def configs(self, name: str) -> list[Message]:
        """The newest versions, newest first."""
        with self._lock:
            return [copy_of(config) for config in self._record(name).configs[:KEPT]]

    def config_sent(self, name: str) -> None:
        """The bridge sent the newest one."""
        with self._lock:
            self._record(name).device.last_config_send_time.CopyFrom(self._now())

    def config_acknowledged(self, name: str, version: int) -> None:
        """The device has taken this one."""
        with self._lock:
            record = self._record(name)
            record.device.last_config_ack_time.CopyFrom(self._now())
            for config in (*record.configs, record.device.config):
                if config.version == version:
                    config.device_ack_time.CopyFrom(self._now())

    # What devices publish

    def keys(self, name: str) -> list[PublicKey]:
        """The keys that open a connection now.

        Raises:
            RefusedError: this device may not connect.
        """
        with self._lock:
            record = self._records.get(name)
            if record is None:
                raise RefusedError(Why.UNKNOWN_DEVICE, f"no device {name}")
            registry = self._registries[names.device_name(name).registry]
            if registry.mqtt_config.mqtt_enabled_state == MqttState.MQTT_DISABLED.value:
                raise RefusedError(Why.MQTT_DISABLED, "MQTT is disabled for the device's registry")
            if record.device.blocked:
                raise RefusedError(Why.BLOCKED, "the device is blocked")
            return credentials.valid_keys(record.device, self._clock.now_s())

    def takes_events(self, name: str) -> bool:
        """Whether the registry says where events of its devices go."""
        with self._lock:
            registry = self._registries.get(names.device_name(name).registry)
            return bool(registry is not None and registry.event_notification_configs)

    def add_state(self, name: str, data: bytes) -> None:
        """A device published its state."""
        with self._lock:
            record = self._record(name)
            now_s = self._clock.now_s()
            record.states.insert(0, StateRecord(now_s, data))
            record.device.state.CopyFrom(DeviceState(update_time=timestamp(now_s), binary_data=data))
            record.device.last_state_time.CopyFrom(timestamp(now_s))

    def add_event(self, name: str, subfolder: str, data: bytes) -> None:
        """A device published an event."""
        with self._lock:
            record = self._record(name)
            record.events.append(Event(self._clock.now_s(), subfolder, data))
            record.device.last_event_time.CopyFrom(self._now())

    def heartbeat(self, name: str) -> None:
        """A device is there."""
        with self._lock:
            if name in self._records:
                self._records[name].device.last_heartbeat_time.CopyFrom(self._now())

    def failed(self, name: str, why: Why, message: str) -> None:
        """A device's connection was refused or ended."""
        with self._lock:
            if name in self._records:
                device = self._records[name].device
                device.last_error_time.CopyFrom(self._now())
                device.last_error_status.code = why.status.number
                device.last_error_status.message = f"mqtt: SERVER: {message}"

    def states(self, name: str) -> list[StateRecord]:
        """All states of this run, newest first."""
        with self._lock:
            return list(self._record(name).states)

    def events(self, name: str) -> list[Event]:
        """All events of this run, oldest first."""
        with self._lock:
            return list(self._record(name).events)

    def _registry(self, name: str) -> Message:
        names.registry_name(name)
        if name not in self._registries:
            raise ApiError(Status.NOT_FOUND, f"The registry {name!r} was not found.")
        return self._registries[name]

    def _record(self, name: str) -> Record:
        self._registry(names.device_name(name).registry)
        if name not in self._records:
            raise ApiError(Status.NOT_FOUND, f"The device {name!r} was not found.")
        return self._records[name]

    def _add_config(self, record: Record, data: bytes) -> Message:
        version = record.configs[0].version + 1 if record.configs else 1
        added = DeviceConfig(version=version, cloud_update_time=self._now(), binary_data=data)
        record.configs.insert(0, added)
        record.device.config.CopyFrom(added)
        return added

    def _now(self) -> Message:
        return timestamp(self._clock.now_s())
