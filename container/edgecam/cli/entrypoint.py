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

_REFUSED = (
    "edgecam: expected a program of this image and its arguments, such as edgecam run, "
    f"found {NOT_REPEATED}. Remove the container (docker rm), since Docker shows its arguments. "
    "What GCStreamer took as arguments goes into variables: PRIVATE_KEY_FILE, RTSP_SOURCE, DEVICE_ID\n"
)


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
    sys.stderr.write(_REFUSED)
    return WRONG
