"""The sandbox's fleet file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import pytest

from container.image.inputs import GCS_UPLOADER, VARIANTS
from fleet.devices import devices_of
from fleet.load import load_fleet
from fleet.settings.fleet import Fleet
from sandbox import fleet

SECRET = "arn:aws:secretsmanager:us-east-1:123456789012:secret:edgecam/sandbox/yard-AbCdEf"


@pytest.mark.parametrize(("width", "expected"), [(fleet.UNCHANGED_WIDTH, None), ("640", 640)])
def test_rendered_fleet_is_what_the_stacks_take(tmp_path: Path, width: str, expected: int | None) -> None:
    site = _fleet(tmp_path, width).sites["sandbox"]
    assert site.thing == fleet.THING
    assert site.data_dir == str(tmp_path / "frames")
    assert site.http.port == 8001
    lobby, yard = site.cameras
    assert (lobby.uri, lobby.frames.width) == ("rtsp://127.0.0.1:8002/lobby", expected)
    assert yard.credentials is not None
    assert yard.credentials.secret == SECRET
    assert not site.uses_secret_manager


def test_rendered_fleet_records_both_cameras_into_the_bucket_that_it_makes(tmp_path: Path) -> None:
    whole = _fleet(tmp_path)
    site = whole.sites["recorder"]
    assert (site.thing, site.variant) == (fleet.RECORDER_THING, GCS_UPLOADER)
    assert (site.bucket, site.spool.path) == (f"gs://{fleet.BUCKET}", str(tmp_path / "spool"))
    assert all(camera.recording.enabled for camera in site.cameras)
    assert whole.gcp is not None
    assert (whole.gcp.bucket.name, whole.gcp.endpoint) == (fleet.BUCKET, "http://localhost:8004")


def test_rendered_fleet_makes_the_devices_that_the_checks_read(tmp_path: Path) -> None:
    registry = f"projects/{fleet.PROJECT}/locations/{fleet.IOT_REGION}/registries/{fleet.REGISTRY}"
    made = {f"{registry}/devices/{device.id}" for device in devices_of(_fleet(tmp_path))}
    assert made == set(fleet.DEVICES)


def test_both_sites_look_at_the_same_cameras_from_folders_and_ports_of_their_own(tmp_path: Path) -> None:
    first, second = _fleet(tmp_path).sites.values()
    assert [camera.id for camera in first.cameras] == [camera.id for camera in second.cameras]
    assert first.cameras[0].uri == second.cameras[0].uri
    # The same film; the recorder is asked for the login in the query.
    assert (
        second.cameras[1].uri
        == f"{first.cameras[1].uri}-by-query?username={{username}}&password={{password}}"
    )
    assert first.http.port != second.http.port
    assert first.data_dir != second.data_dir


@pytest.mark.parametrize("delivery", ["s3", "ecr", "registry"])
def test_images_come_as_configured(tmp_path: Path, delivery: str) -> None:
    released = {variant: f"registry.example/{variant}@sha256:{'a1' * 32}" for variant in VARIANTS}
    image = _fleet(tmp_path, delivery=delivery, released=released).image
    assert (image.delivery, image.released) == (delivery, released)
    assert not _fleet(tmp_path).image.released


def _fleet(
    folder: Path,
    width: str = fleet.UNCHANGED_WIDTH,
    delivery: str = "s3",
    released: Mapping[str, str] = MappingProxyType({}),
) -> Fleet:
    values = fleet.Values(
        data_dir=folder / "frames",
        page_port=8001,
        recorder_data_dir=folder / "recorder-frames",
        recorder_page_port=8003,
        spool=folder / "spool",
        gcs_port=8004,
        cloud_iot_port=8005,
        mqtt_port=8006,
        mqtt_ca_file=folder / "ca.pem",
        cameras_port=8002,
        yard_secret=SECRET,
        lobby_width=width,
        delivery=delivery,
        released=released,
    )
    return load_fleet(fleet.render(values, folder / "fleet.yaml"))
