"""Report motion between the newest pictures of each camera: a consumer of edgecam's frames, to be copied.

It looks into the folder in which edgecam keeps a folder for each camera, takes the newest picture where that
is fresh, compares it with the one before, and publishes to `motion/THING/CAMERA`, through the nucleus:

    {"camera": "lobby", "status": "connected", "fresh": true, "age_s": 0.4, "moving": true, "motion": 0.03}
    {"camera": "gate", "status": "stalled", "fresh": false, "age_s": 71.2, "moving": false, "motion": null}

A message goes out when `fresh` or `moving` has changed, and every EVERY_S seconds, so a camera that is away
is reported and not merely silent. To make it yours, put your model in the place of `share_that_changed`.

Variables: FRAMES is the folder; LOOK_EVERY_S and EVERY_S are seconds; the nucleus gives the others.
"""

from __future__ import annotations

import io
import json
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image, ImageChops

log = logging.getLogger("motion")

COMPARED = (96, 54)
"""Width and height, pixels, at which pictures are compared: the noise of single pixels is gone."""

CHANGED_BY = 24
"""Grey levels, of 255, by which a pixel has to differ: JPEG's own losses stay below."""

MOVING_FROM = 0.01
"""The share of changed pixels from which on there is motion."""

ANSWER_S = 10.0
"""How long the nucleus, on this machine, may take for an answer."""

PAUSE_S = 30.0
"""Before an end by a fault, seconds: three ends within an hour, and either nucleus gives a component up."""

ENDED_BY_SIGTERM = 143
"""The exit code: not 0, after which Nucleus Lite would not start it again, as when Docker is upgraded."""


@dataclass(frozen=True)
class Seen:
    """What is to be seen of a camera at one moment.

    Attributes:
        camera: Its id.
        status: What edgecam says of it: `connecting`, `connected`, `stalled` or `disconnected`.
        captured_s: When the picture was taken, Unix time in seconds; None where there is no picture.
        age_s: The picture's age, seconds; None where there is none.
        stale_after_s: The age, seconds, from which on a picture says nothing of now.
        jpeg: The picture, where it is fresh; else None.
    """

    camera: str
    status: str
    captured_s: float | None
    age_s: float | None
    stale_after_s: float
    jpeg: bytes | None


def cameras(frames: Path) -> Iterator[Path]:
    """The cameras' folders: edgecam writes a `frame.json` into each, before the first picture."""
    return (path.parent for path in sorted(frames.glob("*/frame.json")))


def look(folder: Path, now_s: float) -> Seen:
    """What is in a camera's folder at `now_s`, Unix time in seconds.

    Both files are replaced as a whole, so what is read is whole. The picture's own time stamp, that of its
    capture, says whether it is fresh: `frame.json` says `connected` even when edgecam itself has gone.

    Raises:
        OSError: a file may not be read, or `frame.json` is not there.
        ValueError, KeyError: `frame.json` is somebody else's.
    """
    about = json.loads((folder / "frame.json").read_text(encoding="utf-8"))
    captured_s = age_s = jpeg = None
    try:
        with (folder / "frame.jpg").open("rb") as file:
            # Of the file that is open: a newer picture may have its name by now.
            captured_s = os.fstat(file.fileno()).st_mtime
            age_s = max(0.0, now_s - captured_s)
            if age_s <= about["stale_after_s"]:
                jpeg = file.read()
    except FileNotFoundError:
        pass  # none yet, or taken away since it was stale (`on_stale: remove`)
    return Seen(about["camera"], about["status"], captured_s, age_s, about["stale_after_s"], jpeg)


def small_grey(jpeg: bytes) -> Image.Image:
    """A picture as it is compared: grey, of the size `COMPARED`.

    Raises:
        OSError: it cannot be decoded.
    """
    with Image.open(io.BytesIO(jpeg)) as picture:
        picture.draft("L", COMPARED)  # the decoder leaves out what is scaled away
        return picture.convert("L").resize(COMPARED, Image.Resampling.BOX)


def share_that_changed(before: Image.Image, after: Image.Image) -> float:
    """The share of pixels, 0 to 1, that differ by `CHANGED_BY` grey levels and more."""
    differences = ImageChops.difference(before, after).histogram()
    return sum(differences[CHANGED_BY:]) / sum(differences)


@dataclass
class Camera:
    """What is remembered of a camera from one look to the next.

    Attributes:
        picture: The last fresh picture, as it is compared.
        captured_s: When that was taken, Unix time in seconds.
        motion: The share of pixels that changed up to it; None where there was nothing to compare it with.
        said: `fresh` and `moving` as they were published last.
        said_s: When that was, by the monotonic clock.
        problem: Why it could not be read at the last look; empty where it could.
    """

    picture: Image.Image | None = None
    captured_s: float = 0.0
    motion: float | None = None
    said: tuple[bool, bool] | None = None
    said_s: float = 0.0
    problem: str = ""

    def compare(self, seen: Seen) -> None:
        """Take the newest picture in, and compare it with the one before.

        Pictures with a gap of more than `stale_after_s` between them are not compared: what differs need not
        have moved.

        Raises:
            OSError: the picture cannot be decoded.
        """
        if seen.jpeg is None or seen.captured_s is None:
            self.picture = self.motion = None
        elif seen.captured_s != self.captured_s or self.picture is None:
            picture = small_grey(seen.jpeg)
            joins = self.picture is not None and seen.captured_s - self.captured_s <= seen.stale_after_s
            self.motion = share_that_changed(self.picture, picture) if self.picture and joins else None
            self.picture, self.captured_s = picture, seen.captured_s


@dataclass
class Motion:
    """Looks at all cameras, and publishes what is new.

    Attributes:
        frames: The folder with the cameras' folders.
        publish: Takes a camera's id and a message.
        every_s: How old what was published of a camera may become, seconds.
    """

    frames: Path
    publish: Callable[[str, dict[str, object]], None]
    every_s: float
    _cameras: dict[str, Camera] = field(default_factory=dict)

    def look(self) -> None:
        """Look at each camera once. What is wrong with one is logged once, and holds up no other."""
        for folder in cameras(self.frames):
            camera = self._cameras.setdefault(folder.name, Camera())
            try:
                seen = look(folder, time.time())
                camera.compare(seen)
            except (OSError, ValueError, KeyError) as error:
                if (problem := f"{type(error).__name__}: {error}") != camera.problem:
                    log.warning("%s: %s", folder, problem)
                camera.problem = problem
            else:
                camera.problem = ""
                self._report(seen, camera)

    def _report(self, seen: Seen, camera: Camera) -> None:
        fresh = seen.jpeg is not None
        moving = camera.motion is not None and camera.motion >= MOVING_FROM
        now_s = time.monotonic()
        if camera.said == (fresh, moving) and now_s < camera.said_s + self.every_s:
            return
        camera.said, camera.said_s = (fresh, moving), now_s
        message: dict[str, object] = {"camera": seen.camera, "status": seen.status, "fresh": fresh}
        message["age_s"] = None if seen.age_s is None else round(seen.age_s, 1)
        message |= {"moving": moving, "motion": None if camera.motion is None else round(camera.motion, 4)}
        self.publish(seen.camera, message)


def publisher(thing: str) -> Callable[[str, dict[str, object]], None]:
    """A function that hands a camera's message to the nucleus, which keeps the connection to AWS IoT Core.

    Raises:
        Exception: the nucleus does not answer; the SDK's errors share no root below that.
    """
    from awsiot.greengrasscoreipc.clientv2 import GreengrassCoreIPCClientV2
    from awsiot.greengrasscoreipc.model import QOS, ServiceError, UnauthorizedError

    nucleus = GreengrassCoreIPCClientV2()

    def publish(camera: str, message: dict[str, object]) -> None:
        topic, payload = f"motion/{thing}/{camera}", json.dumps(message).encode()
        asked = nucleus.publish_to_iot_core_async(topic_name=topic, qos=QOS.AT_LEAST_ONCE, payload=payload)
        try:
            asked.result(ANSWER_S)
        except (ServiceError, UnauthorizedError) as error:
            # A nucleus that is there has answered: it is offline, or accessControl lacks the topic.
            log.warning("%s: not published: %s: %s", topic, type(error).__name__, error.message)

    return publish


def main() -> None:
    """Look and publish until SIGTERM, or until the nucleus has gone."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    pause_s = float(os.environ.get("LOOK_EVERY_S", "1"))
    try:
        publish = publisher(os.environ["AWS_IOT_THING_NAME"])
        motion = Motion(Path(os.environ["FRAMES"]), publish, float(os.environ.get("EVERY_S", "60")))
        while not stop.wait(pause_s):
            motion.look()
    except Exception:
        # Most likely the nucleus has ended that gave this component its token: a new start gets a new one.
        log.exception("ended by a fault")
        stop.wait(PAUSE_S)
        sys.exit(1)
    sys.exit(ENDED_BY_SIGTERM)


if __name__ == "__main__":
    main()
