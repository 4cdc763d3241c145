"""Recording, repairing, decoding and pipes, with the image's GStreamer and decoders: what users run."""

from __future__ import annotations

from pathlib import Path

import pytest
from image_tests import run_tests

MODULES = {
    "chunks read and repaired": (
        "edgecam/formats/test_mp4_demuxed.py",
        "edgecam/formats/test_mp4_repair.py",
        "edgecam/formats/test_mpegts_repair.py",
        "edgecam/formats/test_repair.py",
    ),
    "pipes": ("edgecam/sources/test_pipe.py", "edgecam/sources/test_stream_end.py"),
    "frames": (
        "integration/test_frames.py",
        "integration/test_frames_of_failing_cameras.py",
        "integration/test_frames_of_other_sources.py",
    ),
    "colours": ("integration/test_frame_colors.py",),
    "bad and turned pictures": ("edgecam/frames/test_decoder.py", "integration/test_intra_refresh.py"),
    "recordings": ("integration/test_recorded_cameras.py",),
}
WITHOUT_ENCODER = ("-k", "not x264enc")
"""A test whose node itself encodes says so in its name."""
SHORTER = {"EDGECAM_MEDIA_CASES": "24", "EDGECAM_TORN_S": "2"}
"""What is repeated for the sake of the program's own code is so on this machine."""


@pytest.mark.parametrize("modules", MODULES.values(), ids=MODULES)
def test_what_holds_with_this_machines_gstreamer_holds_with_the_images(
    modules: tuple[str, ...], uploader_image: str, tmp_path: Path
) -> None:
    tests = [f"tests/{module}" for module in modules]
    done = run_tests(uploader_image, tmp_path, "-q", *WITHOUT_ENCODER, *tests, **SHORTER)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
