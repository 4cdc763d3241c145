"""What the image starts with: a program of the image, or a refusal that repeats nothing.

`docker run IMAGE "$(cat key.pem)" …`, as for the forerunner, would otherwise end with an init that quotes
what it could not execute: the whole key in Docker's log, and in every log that is gathered from there.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
from collections.abc import Sequence

from edgecam.cli.arguments import NOT_REPEATED, WRONG

_FORERUNNERS = """\
edgecam: GCStreamer's arguments PRIVATE_KEY RTSP_URL DEVICE_ID are variables now, and the key is a file that
user 65532 can read (sudo chown 65532 device.pem); key.json is that of a Google service account:

    docker run --network=host --volume=edgecam:/var/lib/edgecam --volume="$PWD/device.pem:/device.pem:ro" \\
        --env=PRIVATE_KEY_FILE=/device.pem --env=RTSP_SOURCE=RTSP_URL --env=DEVICE_ID=DEVICE_ID \\
        --env=GOOGLE_APPLICATION_CREDENTIALS=/key.json --volume="$PWD/key.json:/key.json:ro" \\
        --env=BUCKET=my-films --env=PROJECT_ID=my-project --env=CLOUD_REGION=europe-west1 \\
        --env=IOT_REGISTRY=cameras --env=MQTT_BRIDGE_HOSTNAME=europe-west1-mqtt.clearblade.com \\
        edgecam/gcs-uploader:TAG
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Become the program that `arguments` name; the exit code of edgecam itself, or of a refusal."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if words[:1] == ["edgecam"]:
        # In this process: another interpreter would take a moment and 10 MB more.
        from edgecam.cli.main import main as edgecam

        return edgecam(words[1:])
    program = shutil.which(words[0]) if words else None
    if program is not None:
        with contextlib.suppress(OSError):
            os.execv(program, words)  # noqa: S606 - no shell: the arguments arrive as they were typed
    sys.stderr.write(_refusal(words))
    return WRONG


def _refusal(words: Sequence[str]) -> str:
    # Imported now: what becomes another program must not wait for it.
    from edgecam.launch.command_override import PROGRAMS

    refused = (
        f"edgecam: expected a program of this image ({', '.join(PROGRAMS)}; there is no shell) and its "
        f"arguments, such as edgecam run, found {NOT_REPEATED}. Remove the container (docker rm), since "
        "Docker shows its arguments.\n"
    )
    return refused + (_FORERUNNERS if _are_forerunners(words) else "")


def _are_forerunners(words: Sequence[str]) -> bool:
    """Whether these are a key, an address and a device's name, and perhaps the kind of camera."""
    has_key = "PRIVATE KEY" in " ".join(words)  # a shell without quotes makes words of it
    return has_key or any(word.startswith(("rtsp://", "rtsps://")) for word in words[:2])
