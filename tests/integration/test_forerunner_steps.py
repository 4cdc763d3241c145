"""GCStreamer's steps as the page for its users has them, run as real processes."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest
from camera_process import CameraProcess
from typed_commands import typed

from container.image.inputs import PROJECT
from sandbox.iot import environment
from sandbox.iot.server import EmbeddedCloudIot

CAMERA_ID = "door"
CAMERA = "door:640x360@15:keyframe=1:kbps=2000"
STEP_1 = typed("docs/moving-from-gcstreamer.md", "mkfifo")
STEP_2 = typed("docs/moving-from-gcstreamer.md", "edgecam ingest").replace("my-camera", CAMERA_ID)
STEP_3 = typed("docs/moving-from-gcstreamer.md", "gst-launch-1.0", "flvmux")
STEP_3_AS_MP4 = typed("docs/moving-from-gcstreamer.md", "gst-launch-1.0", "mp4mux")
FRAGMENTED = " fragment-duration=1000 streamable=true"
JOINING = typed("docs/recording.md", "ls *.mp4")
CHUNK_S = 2
KEY_STEPS = (
    typed("docs/moving-from-gcstreamer.md", "openssl genpkey"),
    typed("docs/moving-from-gcstreamer.md", "openssl rsa"),
)
REGISTRY = "projects/my-project/locations/europe-west1/registries/cameras"


class Shell:
    """Runs lines as a person types them, each in a process group of its own."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self._folder = folder
        programs = Path(sys.executable).parent
        self._environment = {
            name: value for name, value in os.environ.items() if not name.startswith("EDGECAM_")
        }
        self._environment |= {"PATH": f"{programs}:{os.environ['PATH']}"} | environment
        self._started: list[subprocess.Popen[bytes]] = []

    def start(self, line: str) -> subprocess.Popen[bytes]:
        """Begin; what it says goes into a file of its own."""
        log = self._folder / f"{len(self._started)}.log"
        with log.open("wb") as file:
            process = subprocess.Popen(
                ["sh", "-c", f"exec {line}"],
                env=self._environment,
                cwd=self._folder,
                stdout=file,
                stderr=file,
                start_new_session=True,
            )
        self._started.append(process)
        return process

    def said(self, process: subprocess.Popen[bytes]) -> str:
        return (self._folder / f"{self._started.index(process)}.log").read_text()

    def end_one(self, process: subprocess.Popen[bytes]) -> None:
        """Kill it with all that it has started."""
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def end(self) -> None:
        """What still runs is ended."""
        for process in self._started:
            self.end_one(process)


@pytest.fixture
def bucket(tmp_path: Path) -> Path:
    """A folder as bucket."""
    folder = tmp_path / "bucket"
    folder.mkdir()
    return folder


@pytest.fixture
def shell(tmp_path: Path, bucket: Path, test_cameras: Callable[..., CameraProcess]) -> Iterator[Shell]:
    """A shell with the variables of the forerunner's guide."""
    camera = test_cameras(CAMERA)
    made = Shell(
        tmp_path,
        {
            "PIPE_NAME": str(tmp_path / "pipe_name"),
            "RTSP_SOURCE": camera.uri("door"),
            "TIMEOUT": "3600",
            "BUCKET": f"file://{bucket}",
        },
    )
    yield made
    made.end()


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[EmbeddedCloudIot]:
    """An embedded Cloud IoT with a registry."""
    with EmbeddedCloudIot(tmp_path / "cloud") as running:
        running.make_registry(REGISTRY)
        yield running


def status_settings(cloud: EmbeddedCloudIot) -> str:
    """What the forerunner had as constants, in the shell's words."""
    return (
        "PROJECT_ID=my-project CLOUD_REGION=europe-west1 IOT_REGISTRY=cameras "
        f"MQTT_BRIDGE_HOSTNAME=127.0.0.1 MQTT_BRIDGE_PORT={cloud.mqtt_port} CA_CERTS={cloud.ca_file}"
    )


def states(cloud: EmbeddedCloudIot, device: str) -> list[bytes]:
    """The device's states, in the order of their time, none twice in a row."""
    states = [state.data for state in reversed(cloud.states(device))]
    return [state for state, _ in groupby(states)]


def stored(bucket: Path) -> list[Path]:
    """The camera's chunks, in the order of their time."""
    return sorted((bucket / CAMERA_ID).rglob("*.mp4"))


def options(tmp_path: Path) -> str:
    """What a test needs besides: folders of its own, and chunks that do not take long."""
    return f"--spool {tmp_path}/spool --data-dir {tmp_path}/frames --chunk-s {CHUNK_S}"


def play(path: Path) -> tuple[int, float]:
    """Pictures and seconds, by ffprobe, which must have nothing to say against it."""
    done = subprocess.run(
        [
            *("ffprobe", "-v", "warning", "-count_frames", "-of", "json"),
            *("-show_entries", "stream=nb_read_frames,codec_name:format=duration", str(path)),
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stderr == ""
    found = json.loads(done.stdout)
    assert found["streams"][0]["codec_name"] == "h264"
    return int(found["streams"][0]["nb_read_frames"]), float(found["format"]["duration"])


def test_three_steps_end_with_chunks_that_play(
    shell: Shell, bucket: Path, tmp_path: Path, eventually: Callable[..., Any]
) -> None:
    assert shell.start(STEP_1).wait(10) == 0
    proxy = shell.start(f"{STEP_2} {options(tmp_path)}")
    launch = shell.start(STEP_3)
    eventually(lambda: len(stored(bucket)) >= 2, within_s=60)
    before = len(stored(bucket))
    launch.send_signal(signal.SIGINT)  # as Ctrl-C ends it
    eventually(lambda: "found its end" in shell.said(proxy), within_s=30)
    eventually(lambda: len(stored(bucket)) > before, within_s=30)  # the writer's end has ended the chunk
    shell.start(STEP_3)
    before = len(stored(bucket))
    eventually(lambda: len(stored(bucket)) > before, within_s=60)
    proxy.terminate()
    assert proxy.wait(15) == 0, shell.said(proxy)
    for chunk in stored(bucket):
        pictures, seconds = play(chunk)
        assert pictures > 0
        assert seconds * 1000 == pytest.approx(int(chunk.stem.split("_")[1].removesuffix("ms")), abs=200)
    chunks = stored(bucket)[:2]
    assert play(join(chunks, tmp_path / "joined"))[0] == sum(play(chunk)[0] for chunk in chunks)
    assert (tmp_path / "frames" / CAMERA_ID / "frame.jpg").read_bytes().startswith(b"\xff\xd8")
    assert "ERROR" not in shell.said(proxy)


def join(chunks: list[Path], folder: Path) -> Path:
    """The film that chunks make, joined as the page on recordings says."""
    folder.mkdir()
    for chunk in chunks:
        shutil.copy(chunk, folder)
    joined = subprocess.run(["sh", "-c", JOINING], cwd=folder, capture_output=True, text=True, check=False)
    assert joined.returncode == 0, joined.stderr
    return folder / JOINING.split()[-1]


def test_mp4_records_in_fragments_and_without_them_the_log_says_what_to_add(
    shell: Shell, bucket: Path, tmp_path: Path, eventually: Callable[..., Any]
) -> None:
    assert shell.start(STEP_1).wait(10) == 0
    proxy = shell.start(f"{STEP_2} {options(tmp_path)}")
    plain = shell.start(STEP_3_AS_MP4.replace(FRAGMENTED, ""))  # as GCStreamer's guide has it
    eventually(lambda: f"mp4mux{FRAGMENTED}" in shell.said(proxy), within_s=30)
    shell.end_one(plain)
    launch = shell.start(STEP_3_AS_MP4)
    eventually(lambda: len(stored(bucket)) >= 2, within_s=60)
    shell.end_one(launch)
    proxy.terminate()
    assert proxy.wait(15) == 0, shell.said(proxy)
    for chunk in stored(bucket):
        assert play(chunk)[0] > 0


def test_with_the_camera_in_rtsp_source_no_other_program_is_needed(
    shell: Shell, bucket: Path, tmp_path: Path
) -> None:
    proxy = shell.start(
        f"env -u PIPE_NAME TIMEOUT=8 DEVICE_ID={CAMERA_ID} edgecam ingest {options(tmp_path)}"
    )
    assert proxy.wait(60) == 0, shell.said(proxy)
    assert "8 s are over: ending" in shell.said(proxy)
    chunks = stored(bucket)
    assert len(chunks) >= 2, shell.said(proxy)
    for chunk in chunks:
        play(chunk)


def test_kill_in_the_middle_of_a_chunk_leaves_what_plays(
    shell: Shell, bucket: Path, tmp_path: Path, eventually: Callable[..., Any]
) -> None:
    line = f"edgecam ingest {CAMERA_ID} --spool {tmp_path}/spool --no-frames --chunk-s 60"
    proxy = shell.start(f"env -u PIPE_NAME {line}")
    # The chunk is open for a minute: more than its reserved header is there after some seconds.
    eventually(lambda: sum(file.stat().st_size for file in (tmp_path / "spool").rglob("*.mp4*")) > 1_000_000)
    assert stored(bucket) == []
    proxy.kill()
    proxy.wait()
    again = shell.start(f"env -u PIPE_NAME {line}")
    eventually(lambda: stored(bucket))
    again.terminate()
    assert again.wait(15) == 0, shell.said(again)
    saved, *_ = stored(bucket)
    pictures, seconds = play(saved)
    assert pictures > 15
    assert seconds == pytest.approx(pictures / 15, rel=0.2)


def test_device_with_the_forerunners_key_says_connected_and_at_the_end_disconnected(
    shell: Shell, cloud: EmbeddedCloudIot, tmp_path: Path, eventually: Callable[..., Any]
) -> None:
    for line in KEY_STEPS:
        assert shell.start(line).wait(60) == 0
    public = (tmp_path / "rsa_public.pem").read_text()
    device = cloud.make_device(f"{REGISTRY}/devices/{CAMERA_ID}", public, format="RSA_PEM")
    # As the forerunner's container was given it: the text itself, of which nothing may be said.
    key = (tmp_path / "rsa_private.pem").read_text()
    proxy = shell.start(
        f'env -u PIPE_NAME PRIVATE_KEY="$(cat rsa_private.pem)" {status_settings(cloud)} '
        f"edgecam ingest {CAMERA_ID} {options(tmp_path)}"
    )
    eventually(lambda: b"connected" in states(cloud, device), within_s=60)
    proxy.terminate()
    assert proxy.wait(15) == 0, shell.said(proxy)
    assert states(cloud, device)[-2:] == [b"connected", b"disconnected"]
    assert cloud.connections(device).refusals == []
    assert not [line for line in key.splitlines() if line in shell.said(proxy)]
    assert "ERROR" not in shell.said(proxy)


def test_what_make_keys_says_makes_a_device_that_is_heard(
    shell: Shell, cloud: EmbeddedCloudIot, tmp_path: Path, eventually: Callable[..., Any]
) -> None:
    (tmp_path / "account.json").write_text(json.dumps(cloud.clearblade_configuration("my-project")))
    names = f"{status_settings(cloud)} CLEARBLADE_CONFIGURATION=account.json"
    made = shell.start(f"env {names} {PROJECT}/tools/keys {CAMERA_ID} --algorithm ES256")
    assert made.wait(60) == 0, shell.said(made)
    (program,) = re.findall(r"^CLEARBLADE_CONFIGURATION=.*?^END$", shell.said(made), re.DOTALL | re.MULTILINE)
    library = Path(str(environment.interpreter())).parent
    (tmp_path / "register.sh").write_text(
        f"PATH={library}:$PATH\n{program.replace('service-account.json', 'account.json')}\n"
    )
    registered = shell.start("sh -eu register.sh")
    assert registered.wait(60) == 0, shell.said(registered)
    device = f"{REGISTRY}/devices/{CAMERA_ID}"
    proxy = shell.start(
        f"env -u PIPE_NAME PRIVATE_KEY_FILE=keys/{CAMERA_ID}.private.pem {names} STATE_PAYLOAD=json "
        f"edgecam ingest {CAMERA_ID} {options(tmp_path)}"
    )
    eventually(
        lambda: [state for state in states(cloud, device) if json.loads(state)["state"] == "connected"]
    )
    proxy.terminate()
    assert proxy.wait(15) == 0, shell.said(proxy)
    assert json.loads(states(cloud, device)[-1])["state"] == "disconnected"
