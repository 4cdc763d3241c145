"""Talks to an embedded Cloud IoT with clearblade-cloud-iot, in that library's environment, and prints what it
was answered, as JSON: `python iot_clearblade.py PUBLIC_KEY_FILE`, with CLEARBLADE_CONFIGURATION."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from clearblade.cloud import iot_v1

LOCATION = "projects/my-project/locations/europe-west1"
REGISTRY = f"{LOCATION}/registries/from-clearblade"
DEVICE = f"{REGISTRY}/devices/lobby"


def main() -> None:
    manager = iot_v1.DeviceManagerClient()
    key = Path(sys.argv[1]).read_text()
    answers: dict[str, Any] = {}
    registry = iot_v1.DeviceRegistry(id="from-clearblade")
    made = manager.create_device_registry(
        iot_v1.CreateDeviceRegistryRequest(parent=LOCATION, device_registry=registry)
    )
    answers["registry"] = made.name
    again = manager.create_device_registry(
        iot_v1.CreateDeviceRegistryRequest(parent=LOCATION, device_registry=registry)
    )
    answers["registry again"] = again.name
    answers["registry got"] = manager.get_device_registry(iot_v1.GetDeviceRegistryRequest(name=REGISTRY)).id
    found = manager.list_device_registries(iot_v1.ListDeviceRegistriesRequest(parent=LOCATION))
    answers["registries"] = [registry.id for registry in found]
    about_devices(manager, answers, key)
    answers["registry with devices"] = manager.delete_device_registry(
        iot_v1.DeleteDeviceRegistryRequest(name=REGISTRY)
    ).status_code
    answers["deleted"] = manager.delete_device(iot_v1.DeleteDeviceRequest(name=DEVICE)).status_code
    answers["deleted again"] = manager.delete_device(iot_v1.DeleteDeviceRequest(name=DEVICE)).status_code
    answers["registry deleted"] = manager.delete_device_registry(
        iot_v1.DeleteDeviceRegistryRequest(name=REGISTRY)
    ).status_code
    json.dump(answers, sys.stdout)


def about_devices(manager: Any, answers: dict[str, Any], key: str) -> None:
    def credential() -> iot_v1.DeviceCredential:
        public_key = iot_v1.PublicKeyCredential(iot_v1.PublicKeyFormat.ES256_PEM, key)
        return iot_v1.DeviceCredential(public_key)

    wanted = iot_v1.Device(id="lobby", credentials=[credential()], meta_data={"site": "hq"})
    made = manager.create_device(iot_v1.CreateDeviceRequest(parent=REGISTRY, device=wanted))
    answers["device"] = {
        "name": made.name,
        "key": made.credentials[0].publicKey.key,
        "site": made.meta_data["site"],
    }
    wanted = iot_v1.Device(id="lobby", credentials=[credential()])
    answers["device again"] = manager.create_device(
        iot_v1.CreateDeviceRequest(parent=REGISTRY, device=wanted)
    )
    changed = manager.update_device(
        iot_v1.UpdateDeviceRequest(
            parent=DEVICE,
            device=iot_v1.Device(id="lobby", credentials=[credential(), credential()]),
            updateMask="credentials",
        )
    )
    answers["credentials"] = len(changed.credentials)
    got = manager.get_device(iot_v1.GetDeviceRequest(name=DEVICE))
    answers["device got"] = [got.id, len(got.credentials), got.meta_data["site"], got.blocked]
    missing = manager.get_device(iot_v1.GetDeviceRequest(name=f"{REGISTRY}/devices/none"))
    answers["device missing"] = missing.status_code
    devices = manager.list_devices(iot_v1.ListDevicesRequest(parent=REGISTRY))
    answers["devices"] = [device.id for device in devices]
    config = manager.modify_cloud_to_device_config(
        iot_v1.ModifyCloudToDeviceConfigRequest(name=DEVICE, binary_data=b"e30=")
    )
    answers["configuration"] = [config.version, config.binary_data]
    versions = manager.list_device_config_versions(
        iot_v1.ListDeviceConfigVersionsRequest(name=DEVICE, numVersions=1)
    )
    answers["configurations"] = [version.binary_data for version in versions.device_configs]
    states = manager.list_device_states(iot_v1.ListDeviceStatesRequest(name=DEVICE, numStates=3))
    answers["states"] = len(states.device_states)


if __name__ == "__main__":
    main()
