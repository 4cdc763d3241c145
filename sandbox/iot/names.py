"""Resource names of the Cloud IoT API, and MQTT topics of a device."""

from __future__ import annotations

import re
from typing import NamedTuple

from sandbox.iot.errors import (
    ApiError,
    RefusedError,
    Status,
    Why,
)

_PROJECT = r"(?P<project>[A-Za-z0-9.:-]+)"
_REGION = r"(?P<region>[a-z]+-[a-z]+\d+)"
_ID = r"[^/]+"
_LOCATION = re.compile(rf"projects/{_PROJECT}/locations/{_REGION}")
_REGISTRY = re.compile(rf"(?P<location>{_LOCATION.pattern})/registries/(?P<id>{_ID})")
_DEVICE = re.compile(rf"(?P<registry>{_LOCATION.pattern}/registries/{_ID})/devices/(?P<id>{_ID})")
_TOPIC = re.compile(rf"/devices/(?P<id>{_ID})/(?P<kind>state|events)(?P<subfolder>(/.+)?)")


class RegistryName(NamedTuple):
    """`projects/P/locations/R/registries/G`."""

    location: str
    id: str


class DeviceName(NamedTuple):
    """`projects/P/locations/R/registries/G/devices/D`."""

    project: str
    registry: str
    id: str


class Topic(NamedTuple):
    """Where a device publishes: kind is `state` or `events`."""

    kind: str
    subfolder: str


def is_id(text: str) -> bool:
    """Whether `text` may name a registry or a device
    (https://cloud.google.com/iot/docs/requirements#permitted_characters_and_size_requirements)."""
    return bool(re.fullmatch(r"[a-zA-Z][a-zA-Z0-9._+~%-]{2,254}", text)) and not text.startswith("goog")


def check_location(name: str) -> str:
    """`name` itself, when it has the form of a location."""
    if not _LOCATION.fullmatch(name):
        raise ApiError(Status.INVALID_ARGUMENT, f"expected projects/P/locations/R, found {name!r}")
    return name


def registry_name(name: str) -> RegistryName:
    """The parts of a registry's name."""
    found = _REGISTRY.fullmatch(name)
    if not found:
        raise ApiError(
            Status.INVALID_ARGUMENT, f"expected projects/P/locations/R/registries/G, found {name!r}"
        )
    return RegistryName(found["location"], found["id"])


def device_name(name: str) -> DeviceName:
    """The parts of a device's name."""
    found = _DEVICE.fullmatch(name)
    if not found:
        raise ApiError(
            Status.INVALID_ARGUMENT,
            f"expected projects/P/locations/R/registries/G/devices/D, found {name!r}",
        )
    return DeviceName(found["project"], found["registry"], found["id"])


def topic_of(device_id: str, topic: str) -> Topic:
    """What a device may publish to.

    Raises:
        RefusedError: it is none of its topics.
    """
    found = _TOPIC.fullmatch(topic)
    if not found or found["id"] != device_id or (found["kind"] == "state" and found["subfolder"]):
        raise RefusedError(
            Why.TOPIC,
            f"expected /devices/{device_id}/state or …/events[/SUBFOLDER], found {topic!r}",
        )
    return Topic(found["kind"], found["subfolder"].removeprefix("/"))


def config_topic(device_id: str) -> str:
    """Where a device finds its configuration."""
    return f"/devices/{device_id}/config"


def command_topic(device_id: str, subfolder: str = "") -> str:
    """Where a device finds its commands."""
    return f"/devices/{device_id}/commands" + (f"/{subfolder}" if subfolder else "")


def may_subscribe(device_id: str, topic_filter: str) -> bool:
    """Whether a device may ask for `topic_filter`; commands are had with the wildcard alone."""
    return topic_filter in (config_topic(device_id), f"{command_topic(device_id)}/#")
