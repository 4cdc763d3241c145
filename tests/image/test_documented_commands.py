"""What README and `docs/` tell people to type, run with the image as it stands there."""

from __future__ import annotations

import json
import re
import subprocess
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
from image_node import cameras, give, me
from typed_commands import typed

from container.image.inputs import PROJECT
from fleet.load import load_fleet
from sandbox.checks import chunk_files as recordings
from sandbox.iot.server import EmbeddedCloudIot
from sandbox.ports import free_port
from tools.device_keys import make_pair

GRABBER, UPLOADER = "edgecam/frame-grabber:TAG", "edgecam/gcs-uploader:TAG"
IMAGES_USER = "65532:65532"
SMALL = "320x240@10:keyframe=1"
LOGIN = f"h264:{SMALL}:user=admin:login=query"  # as the frame grabber's own camera wants it
PASSWORD = "123456"
ITS_CAMERA = "192.168.5.193:554"
JPEG = b"\xff\xd8"
REGISTRY = "projects/my-project/locations/europe-west1/registries/cameras"

Eventually = Callable[..., Any]


class Typed:
    """A `docker run` of a page in a shell, with a test's names in place of a user's."""

    def __init__(self, line: str, swapped: dict[str, str], folder: Path) -> None:
        self.name = f"edgecam-test-{uuid.uuid4().hex[:12]}"
        before, docker_run, after = with_swapped(line, swapped).rpartition("docker run ")
        self.line = f"{before}{docker_run}--name={self.name} {after}"
        self._folder = folder
        self._log = folder / f"{self.name}.log"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Typed:
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                ["bash", "-c", self.line], cwd=self._folder, stdout=log, stderr=subprocess.STDOUT
            )
        return self

    def __exit__(self, *_: object) -> None:
        self.ask("rm", "--force", self.name)
        assert self._process is not None
        self._process.wait(timeout=60)

    def ended(self) -> int:
        """Its exit code, when it has ended by itself."""
        assert self._process is not None
        return self._process.wait(timeout=120)

    def ask(self, *words: str) -> subprocess.CompletedProcess[bytes]:
        """Another command of docker's."""
        return subprocess.run(["docker", *words], capture_output=True, check=False)

    def said(self) -> str:
        return self._log.read_text()


def with_swapped(line: str, swapped: dict[str, str]) -> str:
    """`line` with what a test has in place of a user's names; each is there."""
    for old, new in swapped.items():
        assert old in line, f"expected {old} in {line}"
        line = line.replace(old, new)
    return line


def is_picture(path: Path) -> bool:
    return path.exists() and path.read_bytes().startswith(JPEG)


@pytest.fixture
def asking_camera() -> Iterator[str]:
    """HOST:PORT of a camera that wants `?username=admin&password=123456`."""
    with cameras(LOGIN, {"CAMERA_PASSWORD": PASSWORD}) as port:
        yield f"127.0.0.1:{port}"


@pytest.mark.parametrize(
    "line",
    [
        typed("README.md", "docker run", "--publish="),
        typed("docs/container.md", "docker run", "--publish="),
    ],
    ids=["README", "container"],
)
def test_without_settings_the_page_shows_a_picture(
    line: str, image: str, frames: Path, eventually: Eventually
) -> None:
    port = free_port()  # the page's may be another's here

    def shown() -> bytes:
        try:
            with urlopen(f"http://127.0.0.1:{port}/cameras/test/frame.jpg", timeout=5) as answer:
                return bytes(answer.read(len(JPEG)))
        except OSError:
            return b""

    with Typed(line, {GRABBER: image, "127.0.0.1:8642:": f"127.0.0.1:{port}:"}, frames) as node:
        eventually(lambda: shown() == JPEG, within_s=60)
        assert "a test picture is shown in place of a camera" in node.said()


@pytest.mark.parametrize(
    ("mkdir", "line"),
    [
        (typed("README.md", "mkdir -p /dev/shm/edgecam"), typed("README.md", "docker run", "EDGECAM_NODE")),
        (
            typed("docs/container.md", "mkdir -p /dev/shm/edgecam"),
            typed("docs/container.md", "docker run", "EDGECAM_NODE"),
        ),
    ],
    ids=["README", "container"],
)
def test_the_container_makes_a_picture(
    mkdir: str, line: str, image: str, frames: Path, eventually: Eventually
) -> None:
    folder = frames / "new"
    subprocess.run(["bash", "-c", with_swapped(mkdir, {"/dev/shm/edgecam": str(folder)})], check=True)
    swapped = {
        GRABBER: image,
        "--network=host": "--network=none",
        "--volume=/dev/shm/edgecam:": f"--volume={folder}:",
        "rtsp://10.0.0.21/stream1": "test://?pattern=ball",
    }
    with Typed(line, swapped, frames) as node:
        description = folder / "lobby/frame.json"
        eventually(description.exists, within_s=60)
        eventually(lambda: json.loads(description.read_text())["status"] == "connected", within_s=60)
        assert is_picture(folder / "lobby/frame.jpg"), node.said()


@pytest.mark.parametrize(
    "line",
    [
        typed("README.md", "docker run", "edgecam probe"),
        typed("docs/cameras.md", "docker run", "edgecam probe"),
    ],
    ids=["README", "cameras"],
)
def test_the_image_probes_a_camera(line: str, image: str, frames: Path) -> None:
    (frames / "password").write_text("hush\n")
    with cameras(f"stream1:{SMALL}:user=viewer", {"CAMERA_PASSWORD": "hush"}) as port:
        swapped = {GRABBER: image, "10.0.0.21": f"127.0.0.1:{port}"}
        with Typed(line, swapped, frames) as probe:
            assert probe.ended() == 0, probe.said()
    assert "H.264" in probe.said()
    assert "for fleet.yaml" in probe.said()


def test_the_image_probes_the_frame_grabbers_camera(image: str, frames: Path, asking_camera: str) -> None:
    line = typed("docs/moving-from-the-greengrass-frame-grabber.md", "docker run", "edgecam probe")
    (frames / "password").write_text(f"{PASSWORD}\n")
    with Typed(line, {GRABBER: image, ITS_CAMERA: asking_camera}, frames) as probe:
        assert probe.ended() == 0, probe.said()
    assert "H.264" in probe.said()
    assert "{username}" in probe.said()
    assert PASSWORD not in probe.said()


def test_the_frame_grabbers_camera_makes_a_picture(
    image: str, frames: Path, asking_camera: str, eventually: Eventually
) -> None:
    mkdir = typed("docs/moving-from-the-greengrass-frame-grabber.md", "mkdir -p /tmp/data")
    line = typed("docs/moving-from-the-greengrass-frame-grabber.md", "docker run", "EDGECAM_NODE")
    data = frames / "data"
    subprocess.run(["bash", "-c", with_swapped(mkdir, {"/tmp/data": str(data)})], check=True)
    (frames / "password").write_text(f"{PASSWORD}\n")
    swapped = {
        GRABBER: image,
        ITS_CAMERA: asking_camera,
        "/tmp/data:": f"{data}:",
        " --name=gst": "",
        '{"data_dir"': '{"http": {"enabled": false}, "data_dir"',
    }
    with Typed(line, swapped, frames) as node:
        eventually(lambda: is_picture(data / "gst/frame.jpg"), within_s=60)
        assert PASSWORD not in node.said()


def test_pipelines_by_hand_make_the_newest_picture_and_a_film(
    image: str, frames: Path, asking_camera: str, eventually: Eventually
) -> None:
    swapped = {GRABBER: image, ITS_CAMERA: asking_camera, "/tmp/data:": f"{frames}:"}
    line = typed("docs/moving-from-the-greengrass-frame-grabber.md", "docker run", "avdec_h264")
    with Typed(line, swapped, frames):
        eventually(lambda: is_picture(frames / "frame.jpg"), within_s=60)
    line = typed("docs/moving-from-the-greengrass-frame-grabber.md", "docker run", "mp4mux")
    with Typed(line, swapped, frames) as launch:
        eventually(lambda: "PLAYING" in launch.said(), within_s=60)
        eventually(
            lambda: (frames / "file.mp4").exists() and (frames / "file.mp4").stat().st_size > 50_000,
            within_s=60,
        )
        launch.ask("kill", "--signal=INT", launch.name)  # as Ctrl-C
        assert launch.ended() == 0, launch.said()
    asked = [
        "ffprobe",
        "-v",
        "error",
        "-count_frames",
        "-of",
        "json",
        "-show_streams",
        str(frames / "file.mp4"),
    ]
    found = json.loads(subprocess.run(asked, capture_output=True, check=True).stdout)
    assert int(found["streams"][0]["nb_read_frames"]) > 0


def test_pipelines_by_hand_without_a_camera(image: str, frames: Path, eventually: Eventually) -> None:
    swapped = {GRABBER: image, "/tmp/data:": f"{frames}:"}
    line = typed("docs/moving-from-the-greengrass-frame-grabber.md", "docker run", "fakesrc num-buffers=10")
    with Typed(line, swapped, frames) as launch:
        assert launch.ended() == 0, launch.said()
    assert (frames / "frame.jpg").exists()
    pictures = frames / "frames"
    pictures.mkdir()
    for number in (1, 2):
        drawn = ["ffmpeg", "-v", "error", "-f", "lavfi", "-i", "testsrc=size=64x48", "-frames:v", "1"]
        subprocess.run([*drawn, str(pictures / f"seq_{number:06d}.jpg")], check=True)
    line = typed("docs/moving-from-the-greengrass-frame-grabber.md", "docker run", "multifilesrc")
    with Typed(line, swapped | {"-v /frames:": f"-v {pictures}:"}, frames):
        eventually(lambda: is_picture(frames / "frame.jpg"), within_s=60)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (
            typed("docs/moving-from-the-greengrass-frame-grabber.md", "docker run", "gst-inspect-1.0"),
            "Factory Details",
        ),
        (typed("docs/container.md", "docker run", "videotestsrc"), "Got EOS"),
    ],
    ids=["gst-inspect", "gst-launch"],
)
def test_programs_of_the_image_run_by_hand(line: str, words: str, image: str, frames: Path) -> None:
    with Typed(line, {GRABBER: image}, frames) as program:
        assert program.ended() == 0, program.said()
    assert words in program.said()


def test_the_build_prints_the_images_name(image: str) -> None:
    line = typed("docs/container.md", "container/build --variant frame-grabber --image")
    built = subprocess.run(["bash", "-c", line], cwd=PROJECT, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    assert built.stdout.strip() == image


def recorded(bucket: Path, camera: str) -> list[recordings.Recorded]:
    """The chunks of a camera in a folder as bucket."""
    found = []
    for path in sorted(bucket.glob(f"{camera}/**/*.mp4")):
        described = json.loads(path.with_name(f"{path.name}.json").read_text(encoding="utf-8"))
        chunk = recordings.of_object(path.relative_to(bucket).as_posix(), described["metadata"])
        assert chunk is not None
        found.append(chunk)
    return found


@pytest.fixture
def of_the_image(frames: Path) -> dict[str, str]:
    """A bucket, a spool and a service account's key that the image's user may use, as options of docker."""
    for folder in ("bucket", "spool"):
        (frames / folder).mkdir()
        give(frames / folder, IMAGES_USER)
    (frames / "key.json").write_text("{}")
    return {
        "--volume=edgecam:": f"--volume={frames}/bucket:/bucket --volume={frames}/spool:",
        "BUCKET=my-films": "BUCKET=file:///bucket --env=TIMEOUT=14",
    }


def test_recording_with_nothing_but_variables(
    uploader_image: str, frames: Path, of_the_image: dict[str, str]
) -> None:
    line = typed(
        "docs/container.md", "docker run --network=host --volume=edgecam:/var/lib/edgecam --env=RTSP"
    )
    with cameras(f"stream1:{SMALL}", {}) as port:
        swapped = {UPLOADER: uploader_image, "10.0.0.21": f"127.0.0.1:{port}", **of_the_image}
        with Typed(line, swapped, frames) as node:
            assert node.ended() == 0, node.said()
    assert len(recorded(frames / "bucket", "lobby")) >= 2, node.said()


@pytest.mark.parametrize(
    ("line", "device", "key"),
    [
        (typed("docs/container.md", "docker run", "PRIVATE_KEY_FILE"), "lobby", "keys/lobby.private.pem"),
        (
            typed("docs/moving-from-gcstreamer.md", "docker run", "PRIVATE_KEY_FILE"),
            "Front_Door",
            "rsa_private.pem",
        ),
    ],
    ids=["container", "GCStreamer"],
)
def test_recording_with_a_device(
    line: str, device: str, key: str, uploader_image: str, frames: Path, of_the_image: dict[str, str]
) -> None:
    pair = make_pair("lobby", "RS256", frames / "keys")
    pair.private.rename(frames / key)
    (frames / key).chmod(0o644)  # `sudo chown` on the page
    with cameras(f"stream1:{SMALL}", {}) as port, EmbeddedCloudIot(frames / "cloud") as cloud:
        cloud.make_registry(REGISTRY)
        made = cloud.make_device(f"{REGISTRY}/devices/{device}", pair.public.read_text(), format="RSA_PEM")
        source = f"rtsp://127.0.0.1:{port}/stream1"
        bridge = f"127.0.0.1 --env=MQTT_BRIDGE_PORT={cloud.mqtt_port} --env=CA_CERTS=/roots.pem"
        bridge += f" --volume={cloud.ca_file}:/roots.pem:ro"
        swapped = {UPLOADER: uploader_image, "europe-west1-mqtt.clearblade.com": bridge, **of_the_image}
        if "$RTSP_URL" in line:  # exported, as GCStreamer's guide has it
            swapped |= {"docker run -it": f'RTSP_URL="{source}" DEVICE_ID={device}; docker run'}
        else:
            swapped |= {"rtsp://10.0.0.21/stream1": source}
        with Typed(line, swapped, frames) as node:
            assert node.ended() == 0, node.said()
        states = [state.data for state in reversed(cloud.states(made))]
    assert b"connected" in states, node.said()
    assert states[-1] == b"disconnected", node.said()
    assert recorded(frames / "bucket", device.lower().replace("_", "-")), node.said()


def test_gcstreamers_four_arguments_are_refused_with_the_new_command(
    uploader_image: str, frames: Path
) -> None:
    page = (PROJECT / "docs/moving-from-gcstreamer.md").read_text(encoding="utf-8")
    (line,) = re.findall(r"`(docker run -it --network=host \$DOCKER_IMAGE [^`]*)`", page)
    private = make_pair("door", "RS256", frames / "keys").private.read_text()
    exported = (
        f'DOCKER_IMAGE={uploader_image} PRIVATE_KEY="$(cat keys/door.private.pem)" DEVICE_ID=door '
        "RTSP_URL=rtsp://admin:hush@10.0.0.21/stream1 CAMERA_TYPE=STANDARD; docker run"
    )
    with Typed(line, {"docker run -it": exported}, frames) as refused:
        assert refused.ended() == 2, refused.said()
    assert "--env=PRIVATE_KEY_FILE=/device.pem" in refused.said()
    assert "hush" not in refused.said()
    assert not [part for part in private.split() if len(part) > 20 and part in refused.said()]


def test_the_frame_grabbers_recipe_runs_as_a_site(image: str, frames: Path) -> None:
    page = (PROJECT / "docs/moving-from-the-greengrass-frame-grabber.md").read_text(encoding="utf-8")
    file = frames / "fleet.yaml"
    file.write_text(re.findall(r"^```yaml\n(.*?)^```", page, re.MULTILINE | re.DOTALL)[1])
    (site,) = load_fleet(file).sites.values()
    (mount,) = site.docker.mounts
    options = [f"--user={me()}", f"--volume={frames}:{mount.target}", f"--entrypoint={site.entrypoint}"]
    line = ["docker", "run", "--rm", *options, image, *site.command]
    launched = subprocess.run(line, capture_output=True, text=True, check=False)
    assert launched.returncode == 0, launched.stderr
    assert (frames / "frame.jpg").exists()
