"""The uploader's image: the frame grabber's with layers on top, and what it does with them."""

from __future__ import annotations

import json
import signal
import subprocess
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from image_node import LOCKED_DOWN, RECORDER_STOP_LIMIT_S, cameras, running, wait_for

from sandbox.checks import chunk_files as recordings
from sandbox.iot.server import EmbeddedCloudIot
from tools.device_keys import make_pair

SIZE_TARGET_BYTES = 120_000_000
PICTURES_PER_S = 10


def test_the_uploader_is_the_frame_grabber_with_layers_on_top(image: str, uploader_image: str) -> None:
    below, whole = (_inspected(name)["RootFS"]["Layers"] for name in (image, uploader_image))
    assert whole[: len(below)] == below
    assert len(whole) == len(below) + 2


def test_the_uploader_tells_its_variant_and_content_and_starts_alike(image: str, uploader_image: str) -> None:
    grabber, uploader = (_inspected(name)["Config"] for name in (image, uploader_image))
    assert uploader["Labels"]["edgecam.variant"] == "gcs-uploader"
    assert uploader_image.endswith(":" + uploader["Labels"]["edgecam.content"][:12])
    for key in ("Entrypoint", "Cmd", "Env", "User"):
        assert uploader[key] == grabber[key]


def test_the_uploader_is_as_small_as_was_aimed_for(uploader_image: str) -> None:
    assert _inspected(uploader_image)["Size"] <= SIZE_TARGET_BYTES


@pytest.mark.parametrize("user", ["65532:65532", "12345:54321"])
def test_any_user_may_run_the_uploader_locked_down(uploader_image: str, user: str) -> None:
    program = (
        "import edgecam.upload.service, google.auth.identity_pool, google.oauth2.service_account;"
        "import google_crc32c; print(google_crc32c.implementation)"
    )
    asked = _run(uploader_image, "python3", "-W", "error", "-c", program, options=[f"--user={user}"])
    assert asked.stdout == "c\n", asked.stderr


def test_the_frame_grabber_is_without_the_store_and_says_so_when_it_is_to_record(image: str) -> None:
    asked = _run(image, "python3", "-c", "import edgecam.spool")
    assert "No module named 'edgecam.spool'" in asked.stderr
    camera = {"id": "gate", "uri": "rtsp://127.0.0.1:1/gate", "recording": {"enabled": True}}
    node = {"cameras": [camera], "bucket": "gs://recordings", "data_dir": "/tmp"}
    asked = _run(image, "edgecam", "run", options=[f"--env=EDGECAM_NODE={json.dumps(node)}"])
    assert asked.returncode == 2
    assert "variant gcs-uploader" in asked.stderr
    assert "Traceback" not in asked.stderr


def test_the_uploader_records_an_rtsp_camera_and_ends_with_every_picture_in_the_bucket(
    uploader_image: str, frames: Path
) -> None:
    bucket, spool = frames / "bucket", frames / "spool"
    settings = {"bucket": "file:///frames/bucket", "spool": {"path": "/frames/spool", "keep_free_bytes": 0}}
    with cameras(f"gate:320x240@{PICTURES_PER_S}", {}) as port:
        camera = {"uri": f"rtsp://127.0.0.1:{port}/gate", "recording": {"enabled": True, "chunk_s": 2}}
        with running(uploader_image, frames, camera, network="host", settings=settings) as node:
            wait_for(lambda: len(_stored(bucket)) >= 2, node, "two chunks")
            node.process.send_signal(signal.SIGTERM)
            assert node.process.wait(timeout=RECORDER_STOP_LIMIT_S) == 0
            assert node.exists() is False
            assert "ERROR" not in node.said()
    chunks = _stored(bucket)
    assert recordings.in_spool(spool) == []
    assert recordings.holes(chunks) == []
    for chunk in chunks:
        played = recordings.play((bucket / chunk.name).read_bytes())
        assert (played.width, played.height, played.first_is_keyframe) == (320, 240, True)
        assert abs(played.pictures - chunk.duration_ms / 1000 * PICTURES_PER_S) <= 1


@pytest.mark.parametrize("folder", ["/var/lib/edgecam", "/var/lib/edgecam/spool"])
def test_a_volume_as_spool_is_the_nodes_without_further_ado(uploader_image: str, folder: str) -> None:
    program = f"import pathlib; pathlib.Path('{folder}/a').touch(); print('written')"
    volume = f"edgecam-test-{uuid.uuid4().hex[:12]}"
    try:
        options = [f"--volume={volume}:{folder}"]
        asked = _run(uploader_image, "python3", "-c", program, options=options)
    finally:
        subprocess.run(["docker", "volume", "rm", volume], capture_output=True, check=False)
    assert asked.stdout == "written\n", asked.stderr


def test_nothing_but_the_forerunners_variables_is_needed(uploader_image: str, shared_bucket: Path) -> None:
    with cameras(f"gate:320x240@{PICTURES_PER_S}", {}) as port:
        ended = _ingest(uploader_image, port, shared_bucket, seconds=14)
    assert ended.returncode == 0, ended.stderr
    chunks = _stored(shared_bucket)
    assert len(chunks) >= 2
    assert recordings.holes(chunks) == []


def test_with_a_mounted_key_the_camera_is_a_device_that_says_how_it_is_doing(
    uploader_image: str, shared_bucket: Path, tmp_path: Path
) -> None:
    pair = make_pair("camera", "RS256", tmp_path / "keys")
    pair.private.chmod(0o644)  # the image's user is another than who runs the tests
    registry = "projects/my-project/locations/europe-west1/registries/cameras"
    with cameras(f"gate:320x240@{PICTURES_PER_S}", {}) as port, EmbeddedCloudIot(tmp_path) as cloud:
        cloud.make_registry(registry)
        device = cloud.make_device(f"{registry}/devices/camera", pair.public.read_text(), format="RSA_PEM")
        ended = _ingest(
            uploader_image,
            port,
            shared_bucket,
            seconds=8,
            mounts={pair.private: "/device.pem", cloud.ca_file: "/roots.pem"},
            PRIVATE_KEY_FILE="/device.pem",
            CA_CERTS="/roots.pem",
            PROJECT_ID="my-project",
            CLOUD_REGION="europe-west1",
            IOT_REGISTRY="cameras",
            MQTT_BRIDGE_HOSTNAME="127.0.0.1",
            MQTT_BRIDGE_PORT=str(cloud.mqtt_port),
        )
        states = [state.data for state in reversed(cloud.states(device))]
    assert ended.returncode == 0, ended.stderr
    assert b"connected" in states, ended.stderr
    assert states[-1] == b"disconnected", ended.stderr


@pytest.fixture
def shared_bucket(tmp_path: Path) -> Path:
    """A folder as bucket that the image's user may write into."""
    bucket = tmp_path / "bucket"
    bucket.mkdir()
    bucket.chmod(0o777)
    return bucket


def _ingest(
    image: str,
    port: int,
    bucket: Path,
    *,
    seconds: int,
    mounts: Mapping[Path, str] = MappingProxyType({}),
    **variables: str,
) -> subprocess.CompletedProcess[str]:
    """As somebody without Greengrass runs it, until its time is over."""
    variables |= {
        "RTSP_SOURCE": f"rtsp://127.0.0.1:{port}/gate",
        "DEVICE_ID": "camera",
        "EDGECAM_BUCKET": "file:///bucket",
        "TIMEOUT": str(seconds),
    }
    options = [f"--env={name}={value}" for name, value in variables.items()]
    options += [f"--volume={path}:{target}:ro" for path, target in mounts.items()]
    line = ["docker", "run", "--rm", "--network=host", f"--volume={bucket}:/bucket", *options, image]
    return subprocess.run(line, capture_output=True, text=True, timeout=60, check=False)


def _stored(bucket: Path) -> list[recordings.Recorded]:
    """The chunks in a folder as bucket, by name and what lies beside each."""
    found = []
    for path in sorted(bucket.glob("camera/**/*.mp4")):
        described = json.loads(path.with_name(f"{path.name}.json").read_text(encoding="utf-8"))
        chunk = recordings.of_object(path.relative_to(bucket).as_posix(), described["metadata"])
        assert chunk is not None
        found.append(chunk)
    return found


def _inspected(image: str) -> dict[str, Any]:
    asked = ["docker", "image", "inspect", image]
    found: dict[str, Any] = json.loads(subprocess.run(asked, capture_output=True, check=True).stdout)[0]
    return found


def _run(image: str, *command: str, options: Sequence[str] = ()) -> subprocess.CompletedProcess[str]:
    line = ["docker", "run", "--rm", *LOCKED_DOWN, "--network=none", *options, image, *command]
    return subprocess.run(line, capture_output=True, text=True, check=False)
