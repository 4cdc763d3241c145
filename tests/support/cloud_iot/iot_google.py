"""Talks to an embedded Cloud IoT with google-cloud-iot, in that library's environment, and prints what it was
told as JSON: `python tests/support/cloud_iot/iot_google.py URL PUBLIC_KEY_FILE`."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from google.api_core.exceptions import GoogleAPICallError
from google.cloud import iot_v1

from sandbox.iot.read_states import client

LOCATION = "projects/my-project/locations/europe-west1"
REGISTRY = f"{LOCATION}/registries/from-google"
DEVICE = f"{REGISTRY}/devices/lobby"
EXPIRES = datetime(2040, 1, 1, tzinfo=UTC)


def main() -> None:
    url, key_file = sys.argv[1:]
    manager = client(url)
    key = Path(key_file).read_text()
    told: dict[str, Any] = {}
    about_registries(manager, told)
    about_devices(manager, told, key)
    about_configurations(manager, told)
    about_endings(manager, told)
    json.dump(told, sys.stdout)


def about_registries(manager: Any, told: dict[str, Any]) -> None:
    topic = iot_v1.EventNotificationConfig(pubsub_topic_name="projects/my-project/topics/events")
    registry = iot_v1.DeviceRegistry(id="from-google", event_notification_configs=[topic])
    told["registry"] = manager.create_device_registry(parent=LOCATION, device_registry=registry).name
    told["registry again"] = refusal(
        lambda: manager.create_device_registry(parent=LOCATION, device_registry=registry)
    )
    changed = manager.update_device_registry(
        device_registry=iot_v1.DeviceRegistry(name=REGISTRY, log_level=iot_v1.LogLevel.DEBUG),
        update_mask={"paths": ["log_level"]},
    )
    told["registry's log level"] = changed.log_level.name
    got = manager.get_device_registry(name=REGISTRY)
    told["registry's topic"] = got.event_notification_configs[0].pubsub_topic_name
    told["registries"] = [found.id for found in manager.list_device_registries(parent=LOCATION)]
    told["registry missing"] = refusal(
        lambda: manager.get_device_registry(name=f"{LOCATION}/registries/none")
    )
    told["registry's mask missing"] = refusal(
        lambda: manager.update_device_registry(
            device_registry=iot_v1.DeviceRegistry(name=REGISTRY), update_mask={"paths": []}
        )
    )


def about_devices(manager: Any, told: dict[str, Any], key: str) -> None:
    credential = iot_v1.DeviceCredential(
        public_key=iot_v1.PublicKeyCredential(format=iot_v1.PublicKeyFormat.ES256_PEM, key=key)
    )
    wanted = iot_v1.Device(id="lobby", credentials=[credential], metadata={"site": "hq"})
    made = manager.create_device(parent=REGISTRY, device=wanted)
    told["device"] = {
        "name": made.name,
        "key": made.credentials[0].public_key.key,
        "site": made.metadata["site"],
    }
    told["device again"] = refusal(lambda: manager.create_device(parent=REGISTRY, device=wanted))
    told["device of no registry"] = refusal(
        lambda: manager.create_device(parent=f"{LOCATION}/registries/none", device=wanted)
    )
    told["device's id bad"] = refusal(
        lambda: manager.create_device(parent=REGISTRY, device=iot_v1.Device(id="1"))
    )
    bad = iot_v1.DeviceCredential(
        public_key=iot_v1.PublicKeyCredential(format=iot_v1.PublicKeyFormat.RSA_PEM, key=key)
    )
    told["device's key bad"] = refusal(
        lambda: manager.create_device(parent=REGISTRY, device=iot_v1.Device(id="bad", credentials=[bad]))
    )

    def with_keys(*credentials: iot_v1.DeviceCredential) -> Any:
        device = iot_v1.Device(name=DEVICE, credentials=credentials)
        return manager.update_device(device=device, update_mask={"paths": ["credentials"]})

    timed = iot_v1.DeviceCredential(public_key=credential.public_key, expiration_time=EXPIRES)
    changed = with_keys(credential, timed)
    told["credentials' ends"] = [
        found.expiration_time.isoformat() if found.expiration_time else None for found in changed.credentials
    ]
    told["four credentials"] = refusal(lambda: with_keys(*[credential] * 4))
    told["site after another change"] = manager.get_device(name=DEVICE).metadata["site"]
    told["fields asked for"] = sorted(
        field.name
        for field, _ in manager.get_device(
            request={"name": DEVICE, "field_mask": {"paths": ["metadata"]}}
        )._pb.ListFields()
    )
    manager.create_device(parent=REGISTRY, device=iot_v1.Device(id="yard"))
    told["devices"] = [device.id for device in manager.list_devices(parent=REGISTRY)]
    told["devices by page"] = [
        device.id for device in manager.list_devices(request={"parent": REGISTRY, "page_size": 1})
    ]
    told["devices by id"] = [
        device.id
        for device in manager.list_devices(request={"parent": REGISTRY, "device_ids": ["yard", "none"]})
    ]
    told["states"] = len(manager.list_device_states(name=DEVICE).device_states)


def about_configurations(manager: Any, told: dict[str, Any]) -> None:
    made = manager.modify_cloud_to_device_config(name=DEVICE, binary_data=b'{"max_fps": 2}')
    told["configuration"] = made.version
    told["configurations"] = [
        config.binary_data.decode()
        for config in manager.list_device_config_versions(name=DEVICE).device_configs
    ]
    told["configuration of an old version"] = refusal(
        lambda: manager.modify_cloud_to_device_config(
            request={"name": DEVICE, "binary_data": b"", "version_to_update": 1}
        )
    )
    told["command"] = refusal(lambda: manager.send_command_to_device(name=DEVICE, binary_data=b"restart"))


def about_endings(manager: Any, told: dict[str, Any]) -> None:
    told["registry with devices"] = refusal(lambda: manager.delete_device_registry(name=REGISTRY))
    for device in ("lobby", "yard"):
        manager.delete_device(name=f"{REGISTRY}/devices/{device}")
    told["device gone"] = refusal(lambda: manager.get_device(name=DEVICE))
    manager.delete_device_registry(name=REGISTRY)
    told["registries at the end"] = [found.id for found in manager.list_device_registries(parent=LOCATION)]


def refusal(ask: Callable[[], Any]) -> str:
    """The HTTP status of a refusal, and the beginning of what it says."""
    try:
        ask()
    except GoogleAPICallError as error:
        return f"{error.code} {error.message}"
    return "taken"


if __name__ == "__main__":
    main()
