"""The consumer of the examples, with frames of a real node and the socket of a nucleus."""

from __future__ import annotations

import io
import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from node_process import NodeProcess
from nucleus_socket import THING, NucleusSocket
from PIL import Image, ImageDraw

from container.image.requirements import requirements_of
from examples.consumer import motion
from examples.consumer.motion import Camera, Motion, Seen, cameras, look, share_that_changed, small_grey

PROGRAM = Path(motion.__file__)
STALE_AFTER_S = 2
CAMERAS = [
    {"id": "ball", "uri": "test://?pattern=ball&fps=10&width=320&height=180"},
    {"id": "still", "uri": "test://?pattern=blue&fps=10&width=320&height=180"},
    {"id": "away", "uri": "rtsp://127.0.0.1:1/nobody-is-here"},
]
Eventually = Callable[..., Any]
Message = dict[str, Any]


@pytest.fixture
def node(tmp_path: Path) -> Iterator[NodeProcess]:
    """A node with one camera that shows motion, one that does not, and one that is not there."""
    frames = {"max_fps": 5, "stale_after_s": STALE_AFTER_S}
    listed = [{**camera, "frames": frames} for camera in CAMERAS]
    started = NodeProcess(tmp_path, {}, cameras=listed, aws_iot={"enabled": False})
    started.start()
    yield started
    if started.process is not None and started.process.poll() is None:
        started.end(signal.SIGKILL)


@pytest.fixture
def nucleus(tmp_path: Path) -> Iterator[NucleusSocket]:
    socket = NucleusSocket(tmp_path / "ipc.socket")
    yield socket
    socket.close()


@pytest.fixture
def consumer(tmp_path: Path, nucleus: NucleusSocket) -> Iterator[subprocess.Popen[bytes]]:
    """The program, as its image starts it."""
    given = {"FRAMES": str(tmp_path / "frames"), "LOOK_EVERY_S": "0.2", "EVERY_S": "1"}
    with (tmp_path / "consumer.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, str(PROGRAM)], env={**nucleus.environment, **given}, stderr=log
        )
    yield process
    process.kill()
    process.wait()


def heard(nucleus: NucleusSocket, camera: str, **expected: object) -> Message | None:
    """The last message of a camera that says this; a busy machine may have said others since."""
    messages = [json.loads(each.payload) for each in nucleus.published]
    fitting = [each for each in messages if expected.items() | {"camera": camera}.items() <= each.items()]
    return fitting[-1] if fitting else None


def jpeg(*boxes: Sequence[int], quality: int = 90, size: tuple[int, int] = (960, 540)) -> bytes:
    """A grey picture with white boxes in it."""
    picture = Image.new("L", size, 90)
    for box in boxes:
        ImageDraw.Draw(picture).rectangle(tuple(box), fill=255)
    content = io.BytesIO()
    picture.save(content, "JPEG", quality=quality)
    return content.getvalue()


def seen(captured_s: float, content: bytes | None, stale_after_s: float = 5) -> Seen:
    return Seen("lobby", "connected", captured_s, 0.5, stale_after_s, content)


@pytest.mark.usefixtures("consumer")
def test_it_reports_motion_a_still_camera_one_that_is_away_and_a_node_that_has_gone(
    node: NodeProcess, nucleus: NucleusSocket, tmp_path: Path, eventually: Eventually
) -> None:
    ball = eventually(lambda: heard(nucleus, "ball", moving=True))
    assert (ball["status"], ball["fresh"]) == ("connected", True)
    assert 0 <= ball["age_s"] <= STALE_AFTER_S
    assert ball["motion"] >= motion.MOVING_FROM
    still = eventually(lambda: heard(nucleus, "still", fresh=True))
    assert not still["moving"]
    away = eventually(lambda: heard(nucleus, "away"))
    assert (away["fresh"], away["age_s"], away["moving"], away["motion"]) == (False, None, False, None)
    assert away["status"] in ("connecting", "disconnected")
    assert {each.qos for each in nucleus.published} == {"1"}
    assert {each.topic for each in nucleus.published} == {
        f"motion/{THING}/{camera}" for camera in ("ball", "still", "away")
    }

    node.end(signal.SIGKILL)
    nucleus.published.clear()
    for camera in ("ball", "still"):
        gone = eventually(lambda camera=camera: heard(nucleus, camera, fresh=False))
        assert gone["age_s"] >= STALE_AFTER_S
        assert (gone["moving"], gone["motion"]) == (False, None)
        # What a node that was killed has said last.
        left = json.loads((tmp_path / "frames" / camera / "frame.json").read_text())
        assert gone["status"] == left["status"]


@pytest.mark.usefixtures("node")
def test_it_goes_on_when_the_nucleus_refuses_a_message(
    consumer: subprocess.Popen[bytes], nucleus: NucleusSocket, tmp_path: Path, eventually: Eventually
) -> None:
    eventually(lambda: heard(nucleus, "still"))
    nucleus.error = "UnauthorizedError"
    eventually(lambda: "not published: UnauthorizedError" in (tmp_path / "consumer.log").read_text())
    assert consumer.poll() is None
    nucleus.error = None
    before = len(nucleus.published)
    eventually(lambda: len(nucleus.published) > before)


@pytest.mark.usefixtures("node")
def test_it_ends_by_a_fault_when_the_nucleus_has_gone(
    consumer: subprocess.Popen[bytes], nucleus: NucleusSocket, tmp_path: Path, eventually: Eventually
) -> None:
    eventually(lambda: heard(nucleus, "ball"))
    nucleus.close()
    eventually(lambda: "ended by a fault" in (tmp_path / "consumer.log").read_text())
    consumer.terminate()  # it would wait, so that the nucleus does not give it up
    assert consumer.wait(10) == 1


def test_sigterm_ends_it_with_a_code_after_which_it_is_started_again(
    consumer: subprocess.Popen[bytes], nucleus: NucleusSocket, eventually: Eventually
) -> None:
    eventually(lambda: nucleus.connections)
    consumer.terminate()
    assert consumer.wait(10) == motion.ENDED_BY_SIGTERM


def test_share_that_changed_is_that_of_the_picture() -> None:
    nothing, half = jpeg(), jpeg((0, 0, 479, 539))
    assert share_that_changed(small_grey(nothing), small_grey(half)) == pytest.approx(0.5, abs=0.02)


def test_what_a_codec_loses_is_no_motion() -> None:
    good, bad = (jpeg((100, 100, 400, 300), quality=quality) for quality in (95, 30))
    assert share_that_changed(small_grey(good), small_grey(bad)) < motion.MOVING_FROM


def test_pictures_of_two_sizes_are_compared_as_one() -> None:
    wide, narrow = jpeg(size=(1920, 1080)), jpeg(size=(320, 180))
    assert share_that_changed(small_grey(wide), small_grey(narrow)) == 0


def test_first_picture_and_one_after_a_gap_are_compared_with_nothing() -> None:
    camera, box = Camera(), jpeg((0, 0, 479, 539))
    camera.compare(seen(100.0, jpeg()))
    assert camera.motion is None
    camera.compare(seen(101.0, box))
    assert camera.motion is not None
    camera.compare(seen(107.0, jpeg()))
    assert camera.motion is None
    camera.compare(seen(108.0, box))
    camera.compare(seen(108.0, None))  # stale meanwhile
    assert camera.motion is None
    camera.compare(seen(109.0, jpeg()))
    assert camera.motion is None


def test_picture_that_is_stale_is_not_read(tmp_path: Path) -> None:
    about = {"camera": "lobby", "status": "connected", "stale_after_s": 5}
    (tmp_path / "frame.json").write_text(json.dumps(about))
    (tmp_path / "frame.jpg").write_bytes(jpeg())
    captured_s = (tmp_path / "frame.jpg").stat().st_mtime
    fresh, stale = (look(tmp_path, captured_s + age_s) for age_s in (4.5, 5.5))
    assert fresh.jpeg == jpeg()
    assert (stale.jpeg, stale.status, stale.age_s) == (None, "connected", pytest.approx(5.5))


def test_camera_that_cannot_be_read_is_logged_once_and_holds_up_no_other(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for camera, text in (("broken", "no JSON"), ("other", '{"camera": "other"}'), ("torn", _about("torn"))):
        (tmp_path / camera).mkdir()
        (tmp_path / camera / "frame.json").write_text(text)
        (tmp_path / camera / "frame.jpg").write_bytes(jpeg()[:200])
    (tmp_path / "well").mkdir()
    (tmp_path / "well/frame.json").write_text(_about("well"))
    published: list[str] = []
    watching = Motion(tmp_path, lambda camera, _: published.append(camera), every_s=0)
    for _ in range(3):
        watching.look()
    assert published == ["well"] * 3
    assert sorted(Path(record.args[0]).name for record in caplog.records) == ["broken", "other", "torn"]


def test_a_folder_without_frame_json_is_no_camera(tmp_path: Path) -> None:
    (tmp_path / "somebody-elses").mkdir()
    assert list(cameras(tmp_path)) == []


@pytest.mark.parametrize(("every_s", "messages"), [(60, 1), (0, 3)])
def test_what_has_not_changed_is_published_now_and_then(
    tmp_path: Path, every_s: float, messages: int
) -> None:
    (tmp_path / "lobby").mkdir()
    (tmp_path / "lobby/frame.json").write_text(_about("lobby"))
    published: list[Message] = []
    watching = Motion(tmp_path, lambda _, message: published.append(message), every_s=every_s)
    for _ in range(3):
        watching.look()
    assert len(published) == messages


def test_its_requirements_are_those_of_the_lock() -> None:
    locked = PROGRAM.with_name("requirements.txt").read_text(encoding="utf-8")
    assert locked == requirements_of("awsiotsdk", "pillow"), "run `make lock`, or what it runs at its end"


def _about(camera: str) -> str:
    return json.dumps({"camera": camera, "status": "connected", "stale_after_s": 5})
