"""Talks to an embedded Cloud IoT with google-cloud-iot, in that library's environment, and prints what it was
answered, as JSON: `python tests/support/cloud_iot/iot_google.py URL PUBLIC_KEY_FILE`."""

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
    answers: dict[str, Any] = {}
    about_registries(manager, answers)
    about_devices(manager, answers, key)
    about_configurations(manager, answers)
    about_endings(manager, answers)
    json.dump(answers, sys.stdout)


def about_registries(manager: Any, answers: dict[str, Any]) -> None:
    topic = iot_v1.EventNotificationConfig(pubsub_topic_name="projects/my-project/topics/events")
    registry = iot_v1.DeviceRegistry(id="from-google", event_notification_configs=[topic])
    answers["registry"] = manager.create_device_registry(parent=LOCATION, device_registry=registry).name
    answers["registry again"] = refusal(
        lambda: manager.create_device_registry(parent=LOCATION, device_registry=registry)
    )
    changed = manager.update_device_registry(
        device_registry=iot_v1.DeviceRegistry(name=REGISTRY, log_level=iot_v1.LogLevel.DEBUG),
        update_mask={"paths": ["log_level"]},
    )
    answers["registry's log level"] = changed.log_level.name
    got = manager.get_device_registry(name=REGISTRY)
    answers["registry's topic"] = got.event_notification_configs[0].pubsub_topic_name
    answers["registries"] = [found.id for found in manager.list_device_registries(parent=LOCATION)]
    answers["registry missing"] = refusal(
        lambda: manager.get_device_registry(name=f"{LOCATION}/registries/none")
    )
    answers["registry's mask missing"] = refusal(
        lambda: manager.update_device_registry(
            device_registry=iot_v1.DeviceRegistry(name=REGISTRY), update_mask={"paths": []}
        )
    )


def about_devices(manager: Any, answers: dict[str, Any], key: str) -> None:
    credential = iot_v1.DeviceCredential(
        public_key=iot_v1.PublicKeyCredential(format=iot_v1.PublicKeyFormat.ES256_PEM, key=key)
    )
    wanted = iot_v1.Device(id="lobby", credentials=[credential], metadata={"site": "hq"})
    made = manager.create_device(parent=REGISTRY, device=wanted)
    answers["device"] = {
        "name": made.name,
        "key": made.credentials[0].public_key.key,
        "site": made.metadata["site"],
    }
    answers["device again"] = refusal(lambda: manager.create_device(parent=REGISTRY, device=wanted))
    answers["device of no registry"] = refusal(
        lambda: manager.create_device(parent=f"{LOCATION}/registries/none", device=wanted)
    )
    answers["device's id bad"] = refusal(
        lambda: manager.create_device(parent=REGISTRY, device=iot_v1.Device(id="1"))
    )
    bad = iot_v1.DeviceCredential(
        public_key=iot_v1.PublicKeyCredential(format=iot_v1.PublicKeyFormat.RSA_PEM, key=key)
    )
    answers["device's key bad"] = refusal(
        lambda: manager.create_device(parent=REGISTRY, device=iot_v1.Device(id="bad", credentials=[bad]))
    )

    def with_keys(*credentials: iot_v1.DeviceCredential) -> Any:
        device = iot_v1.Device(name=DEVICE, credentials=credentials)
        return manager.update_device(device=device, update_mask={"paths": ["credentials"]})

    timed = iot_v1.DeviceCredential(public_key=credential.public_key, expiration_time=EXPIRES)
    changed = with_keys(credential, timed)
    answers["credentials' ends"] = [
        found.expiration_time.isoformat() if found.expiration_time else None for found in changed.credentials
    ]
    answers["four credentials"] = refusal(lambda: with_keys(*[credential] * 4))
    answers["site after another change"] = manager.get_device(name=DEVICE).metadata["site"]
    answers["fields asked for"] = sorted(
        field.name
        for field, _ in manager.get_device(
            request={"name": DEVICE, "field_mask": {"paths": ["metadata"]}}
        )._pb.ListFields()
    )
    manager.create_device(parent=REGISTRY, device=iot_v1.Device(id="yard"))
    answers["devices"] = [device.id for device in manager.list_devices(parent=REGISTRY)]
    answers["devices by page"] = [
        device.id for device in manager.list_devices(request={"parent": REGISTRY, "page_size": 1})
    ]
    answers["devices by id"] = [
        device.id
        for device in manager.list_devices(request={"parent": REGISTRY, "device_ids": ["yard", "none"]})
    ]
    answers["states"] = len(manager.list_device_states(name=DEVICE).device_states)


def about_configurations(manager: Any, answers: dict[str, Any]) -> None:
    made = manager.modify_cloud_to_device_config(name=DEVICE, binary_data=b'{"max_fps": 2}')
    answers["configuration"] = made.version
    answers["configurations"] = [
        config.binary_data.decode()
        for config in manager.list_device_config_versions(name=DEVICE).device_configs
    ]
    answers["configuration of an old version"] = refusal(
        lambda: manager.modify_cloud_to_device_config(
            request={"name": DEVICE, "binary_data": b"", "version_to_update": 1}
        )
    )
    answers["command"] = refusal(lambda: manager.send_command_to_device(name=DEVICE, binary_data=b"restart"))


def about_endings(manager: Any, answers: dict[str, Any]) -> None:
    answers["registry with devices"] = refusal(lambda: manager.delete_device_registry(name=REGISTRY))
    for device in ("lobby", "yard"):
        manager.delete_device(name=f"{REGISTRY}/devices/{device}")
    answers["device gone"] = refusal(lambda: manager.get_device(name=DEVICE))
    manager.delete_device_registry(name=REGISTRY)
    answers["registries at the end"] = [found.id for found in manager.list_device_registries(parent=LOCATION)]


def refusal(ask: Callable[[], Any]) -> str:
    """The HTTP status of a refusal, and the beginning of what it says."""
    try:
        ask()
    except GoogleAPICallError as error:
        return f"{error.code} {error.message}"
    return "taken"


if __name__ == "__main__":
    main()
