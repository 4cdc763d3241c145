"""An embedded Cloud IoT for the tests of one module, and devices that connect to it."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from iot_device import PROJECT, Device, Key

from sandbox.iot.server import EmbeddedCloudIot

LOCATION = f"projects/{PROJECT}/locations/europe-west1"
numbers = itertools.count(1)


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedCloudIot]:
    with EmbeddedCloudIot(tmp_path_factory.mktemp("cloud-iot")) as running:
        running.make_registry(f"{LOCATION}/registries/cameras")
        yield running


@pytest.fixture(scope="module")
def key() -> Key:
    return Key()


@pytest.fixture
def path(cloud: EmbeddedCloudIot, key: Key) -> str:
    """A device of its own for each test, registered with `key`."""
    return cloud.make_device(f"{LOCATION}/registries/cameras/devices/camera-{next(numbers)}", key.public)


@pytest.fixture
def connect(cloud: EmbeddedCloudIot, key: Key) -> Iterator[Callable[..., Device]]:
    """Connects as a device does: `connect(path)`, or with the keywords of `Device` and another password."""
    opened: list[Device] = []

    def make(path: str, password: str | None = "", **options: Any) -> Device:
        opened.append(Device(cloud, path, key.token() if password == "" else password, **options))
        return opened[-1]

    yield make
    for device in opened:
        device.stop()
