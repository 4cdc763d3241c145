# ruff: noqa: E501 - messages stand as a user reads them
"""fleet.yaml: cameras that are devices, and their registry."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fleets import ACCOUNT_SECRET, DEVICES

from edgecam.config.node import NodeConfig
from edgecam.config.validation import validate
from edgecam.errors import ConfigurationError
from fleet.devices import devices_of, node_of
from fleet.load import load_fleet
from fleet.settings.fleet import Fleet

CAMERA = '{id: gate, uri: "rtsp://h/1"}'
CLEARBLADE = f"provider: clearblade, secret: {ACCOUNT_SECRET}"

Write = Callable[[str], Path]


def fleet_of(sites: str, registry: str = CLEARBLADE, gcp: str = "project: our-project") -> str:
    return f"sites: {{{sites}}}\ngcp: {{{gcp}, registry: {{name: cameras, region: us-central1, {registry}}}}}"


def site(name: str = "gate", target: str = "thing: core", cameras: str = CAMERA, **more: Any) -> str:
    added = "".join(f", {key}: {value}" for key, value in more.items())
    return f"{name}: {{{target}, devices: true, cameras: [{cameras}]{added}}}"


def mistakes(write_fleet: Write, text: str) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        load_fleet(write_fleet(text))
    return [line.removeprefix("fleet.yaml: ") for line in str(caught.value).splitlines()]


@pytest.fixture
def fleet(write_fleet: Write) -> Fleet:
    return load_fleet(write_fleet(DEVICES))


def test_devices_are_named_by_site_and_camera_or_as_the_site_says(fleet: Fleet) -> None:
    assert [(device.id, device.secret) for device in devices_of(fleet)] == [
        ("gate-gate", "edgecam/devices/gate-core/gate/key"),
        ("front-bell", "edgecam/devices/gate-core/bell/key"),
    ]


def test_node_gets_registry_devices_and_where_their_keys_are(fleet: Fleet) -> None:
    node = node_of(fleet, "gate")
    assert node["cloud_iot"] == {
        "project": "our-project",
        "region": "europe-west1",
        "registry": "cameras",
        "host": "europe-west1-mqtt.clearblade.com",
        "token_s": 1800,
    }
    assert [camera["device"] for camera in node["cameras"]] == [
        {"id": "gate-gate", "key": {"secret": "edgecam/devices/gate-core/gate/key"}},
        {"id": "front-bell", "key": {"secret": "edgecam/devices/gate-core/bell/key"}},
    ]
    assert validate(NodeConfig, node).cameras[1].device_id == "front-bell"


def test_node_without_devices_gets_no_registry(fleet: Fleet) -> None:
    assert node_of(fleet, "lobby") == {"site": "lobby", **fleet.sites["lobby"].node}


@pytest.mark.parametrize(("label", "shown"), [("", "a"), ("site: Head office Köln, ", "Head office Köln")])
def test_node_knows_the_name_of_its_site(write_fleet: Write, label: str, shown: str) -> None:
    text = f'sites: {{a: {{{label}thing: a-core, cameras: [{{id: a, uri: "test://"}}]}}}}\n'
    fleet = load_fleet(write_fleet(text))
    assert validate(NodeConfig, node_of(fleet, "a")).site == shown


def test_every_setting_of_the_bridge_reaches_the_node(write_fleet: Write) -> None:
    settings = (
        "host: bridge.example.com, port: 443, ca_file: /etc/ca.pem, token_s: 60, every_s: 5, payload: word"
    )
    fleet = load_fleet(write_fleet(fleet_of(site(), f"{CLEARBLADE}, {settings}")))
    cloud_iot = validate(NodeConfig, node_of(fleet, "gate")).cloud_iot
    assert cloud_iot is not None
    assert cloud_iot.model_dump(mode="json", exclude={"project", "region", "registry"}) == {
        "host": "bridge.example.com",
        "port": 443,
        "ca_file": "/etc/ca.pem",
        "token_s": 60,
        "every_s": 5,
        "payload": "word",
    }


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            fleet_of(site(target="thing_group: g")),
            "sites.gate: expected thing beside devices: true: every core of a group would be the same devices, "
            "and of those only one can be connected, found none",
        ),
        (
            fleet_of(site(cloud_iot="{project: our-project}")),
            "sites.gate: expected neither cloud_iot nor a camera's device beside devices: true, which fills them "
            "in from gcp.registry (device_ids names devices), found a mapping with the keys thing, devices, cameras, "
            "cloud_iot",
        ),
        (
            fleet_of(site(cameras='{id: gate, uri: "rtsp://h/1", device: {id: abc, key: {env: KEY}}}')),
            "sites.gate: expected neither cloud_iot nor a camera's device beside devices: true, which fills them "
            "in from gcp.registry (device_ids names devices), found a mapping with the keys thing, devices, cameras",
        ),
        (
            f"sites: {{{site()}}}",
            "sites.gate.devices: expected gcp.registry, which the devices are made in, found none",
        ),
        (
            fleet_of(f"gate: {{thing: core, cameras: [{CAMERA}]}}"),
            "gcp.registry: expected devices: true at one site at least, found none",
        ),
        (
            fleet_of(f"gate: {{thing: core, device_ids: {{gate: abc}}, cameras: [{CAMERA}]}}"),
            "sites.gate: expected device_ids only with devices: true, found no such setting",
        ),
        (
            fleet_of(site(device_ids="{gte: abc}")),
            "sites.gate: expected cameras of this site in device_ids, found gte",
        ),
        (
            fleet_of(site(device_ids="{gate: 2}")),
            'sites.gate.device_ids.gate: expected a text in quotes: "2", found the number 2',
        ),
        (
            fleet_of(site(device_ids="{gate: 2nd-gate}")),
            "sites.gate.device_ids.gate: expected 3 to 255 letters, digits and . _ + ~ % -, a letter first, not "
            'goog…, found "2nd-gate"',
        ),
        (
            fleet_of(site("2nd")),
            "sites.2nd: expected device_ids: {gate: …}, 3 to 255 characters, a letter first, not goog…, found "
            '"2nd-gate"',
        ),
        (
            fleet_of(site(target="thing: a:b")),
            "sites.gate.thing: expected a name without a colon, as part of the name of a secret, or no devices: "
            'true, found "a:b"',
        ),
        (
            fleet_of(site() + ", " + site("yard", "thing: other", device_ids="{gate: gate-gate}")),
            "sites.yard.cameras[0]: expected a device that no other camera is (device_ids names another), found "
            '"gate-gate", which is also sites.gate.cameras[0]',
        ),
        (
            fleet_of(
                site()
                + ", yard: {thing: other, cloud_iot: {project: our-project, region: us-central1, registry: "
                'cameras, host: h}, cameras: [{id: a, uri: "rtsp://h/1", device: {id: gate-gate, key: {file: /k}}}]}'
            ),
            "sites.yard.cameras[0]: expected a device that no other camera is (device.id names another), found "
            '"gate-gate", which is also sites.gate.cameras[0]',
        ),
        (
            fleet_of(site(), gcp=f"login: {{secret: {ACCOUNT_SECRET}}}"),
            "gcp: expected project, which the registry belongs to, found none",
        ),
        (
            f"sites: {{{site()}}}\ngcp: {{project: our-project}}",
            "gcp: expected bucket or registry, or both, found neither",
        ),
        (
            fleet_of(site(), "provider: google, host: h"),
            "gcp: expected login, since devices are made at Google, found none",
        ),
        (
            fleet_of(site(), "provider: google, endpoint: 'http://localhost:1'"),
            "gcp.registry: expected host, the MQTT bridge: Google's own ended in 2023, found none",
        ),
        (
            fleet_of(site(), "create: true"),
            "gcp.registry.provider: expected a value, found nothing",
        ),
        (
            fleet_of(site(), "provider: clearblade"),
            "gcp.registry: expected secret, the ARN or name of the secret that holds ClearBlade's service account, found none",
        ),
        (
            fleet_of(site(), f"provider: google, host: h, secret: {ACCOUNT_SECRET}"),
            "gcp.registry: expected secret only with provider: clearblade (gcp.login is Google's), found a mapping "
            "with the keys name, region, provider, host, secret",
        ),
        (
            fleet_of(site(), CLEARBLADE).replace("us-central1", "us-west1"),
            "gcp.registry: expected region to be one of asia-east1, europe-west1, us-central1, where ClearBlade is "
            "(or host), found us-west1",
        ),
        (
            fleet_of(site(), f"{CLEARBLADE}, recovery_days: 3"),
            "gcp.registry.recovery_days: expected a number greater than or equal to 7, found 3",
        ),
        (
            fleet_of(site(), f"{CLEARBLADE}, key_version: 0"),
            "gcp.registry.key_version: expected a number greater than or equal to 1, found a value that is not shown (***)",
        ),
        (
            fleet_of(site(), f"{CLEARBLADE}, token_s: 1"),
            "gcp.registry.token_s: expected a number greater than or equal to 5, found a value that is not shown (***)",
        ),
        (
            fleet_of(site(), f"{CLEARBLADE}, ca_file: '/etc/a:b'"),
            'gcp.registry.ca_file: expected a path without a colon: docker separates with it, found "/etc/a:b"',
        ),
        (
            fleet_of(site(), f"{CLEARBLADE}, endpoint: 'https://example.com'"),
            "gcp.registry.endpoint: expected http://localhost:PORT: it is for an embedded Cloud IoT, which asks for "
            'no login, found "https://example.com"',
        ),
    ],
)
def test_mistake_between_site_device_and_registry_says_what_to_do(
    write_fleet: Write, text: str, expected: str
) -> None:
    assert mistakes(write_fleet, text) == [expected]


def test_same_device_in_another_registry_is_another_device(write_fleet: Write) -> None:
    other = (
        "yard: {thing: other, cloud_iot: {project: our-project, region: us-central1, registry: others, host: h}, "
        'cameras: [{id: a, uri: "rtsp://h/1", device: {id: gate-gate, key: {file: /k}}}]}'
    )
    load_fleet(write_fleet(fleet_of(f"{site()}, {other}")))


def test_bucket_and_registry_go_together(write_fleet: Write) -> None:
    sites = site(
        cameras='{id: gate, uri: "rtsp://h/1", recording: {enabled: true}}',
        variant="gcs-uploader",
        bucket="gs://abc",
    )
    gcp = f"project: our-project, login: {{secret: {ACCOUNT_SECRET}}}, bucket: {{name: abc, location: EU}}"
    fleet = load_fleet(write_fleet(fleet_of(sites, gcp=gcp)))
    assert fleet.gcp is not None
    assert fleet.gcp.bucket is not None
    assert fleet.gcp.registry is not None
