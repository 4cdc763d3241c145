"""What a build says of itself, read from Docker's own builder and from BuildKit."""

from __future__ import annotations

import pytest

from container.image.inputs import FRAME_GRABBER, GCS_UPLOADER, PROJECT
from container.image.layers import layers_stage
from container.image.progress import (
    BuildProgress,
    activity_of,
    stage_alone,
    stages_of,
)

DOCKERFILE = (PROJECT / "container/Dockerfile").read_text(encoding="utf-8")

CLASSIC = ["Step 5/9 : FROM packages AS python\n", " ---> 3dc1ead73def\n"]
BUILDKIT = ["#12 [python 2/3] RUN pip install\n", "#12 0.5 Collecting a\n"]


@pytest.mark.parametrize(
    ("line", "activity"),
    [
        (
            "Get:48 http://a.example/debian trixie/main amd64 nasm amd64 2.16.03-1 [418 kB]",
            "fetching nasm",
        ),
        (
            "Get:1 http://a.example/debian trixie InRelease [140 kB]",
            "fetching the package lists of trixie",
        ),
        (
            "Get:2 http://a.example/debian trixie/main ffmpeg 7:7.1.5-0+deb13u1 (tar) [11.1 MB]",
            "fetching the source of ffmpeg",
        ),
        ("Unpacking libgdbm6t64:amd64 (1.24-2) ...", "installing libgdbm6t64"),
        ("Setting up gcc (4:14.2.0-1) ...", "installing gcc"),
        ("CC\tlibavcodec/h264dec.o", "compiling libavcodec/h264dec"),
        ("X86ASM\tlibavcodec/x86/h264_idct.o", "compiling libavcodec/x86/h264_idct"),
        ("#9 12.34 CC\tlibavutil/aes.o", "compiling libavutil/aes"),
        ("  Downloading https://a.example/b/botocore-1.40.0-py3-none-any.whl (13.9 MB)", "fetching botocore"),
        ("== trying each module and element", "trying each module and element"),
        ("Reading package lists...", ""),
        ("CC " * 100_000, ""),
    ],
)
def test_line_of_a_build_says_what_is_done(line: str, activity: str) -> None:
    assert activity_of(line + "\n") == activity


@pytest.mark.parametrize("lines", [CLASSIC, BUILDKIT], ids=["classic", "buildkit"])
def test_stage_is_reported_with_image_and_number_whichever_builder(lines: list[str]) -> None:
    reported: list[str] = []
    logged: list[str] = []
    progress = BuildProgress("image:1", ["packages", "python"], report=reported.append, log=logged.append)
    with progress.reading() as read:
        for line in lines:
            read(line)
    assert reported == ["image:1, stage 2 of 2 (python)"]
    assert [line.split("s  ")[1] for line in logged] == ["stage 2 of 2 (python)"]


def test_builds_side_by_side_are_reported_together_until_they_end() -> None:
    reported: list[str] = []
    progress = BuildProgress("image:1", ["a", "b", "c"], report=reported.append, log=lambda _: None)
    with progress.reading() as first, progress.reading() as second:
        first("Step 1/1 : FROM x AS a\n")
        second("Step 1/1 : FROM x AS b\n")
    with progress.reading() as third:
        third("Step 1/1 : FROM x AS c\n")
    assert reported == [
        "image:1, stage 1 of 3 (a)",
        "image:1, stage 1 of 3 (a); stage 2 of 3 (b)",
        "image:1, stage 3 of 3 (c)",
    ]


def test_stages_are_those_up_to_the_variants_own() -> None:
    grabber, uploader = (stages_of(DOCKERFILE, layers_stage(each)) for each in (FRAME_GRABBER, GCS_UPLOADER))
    assert uploader[: len(grabber)] == grabber
    assert grabber[-1] == layers_stage(FRAME_GRABBER)
    assert uploader[-1] == layers_stage(GCS_UPLOADER)


def test_stage_that_is_compiled_beside_the_others_needs_none_of_them() -> None:
    alone = stage_alone(DOCKERFILE, "ffmpeg")
    assert stages_of(alone, "ffmpeg") == ["ffmpeg"]
    assert "--from=" not in alone
    assert alone.startswith(DOCKERFILE[: DOCKERFILE.index("\nFROM ")])
    with pytest.raises(ValueError, match="expected a stage nowhere"):
        stage_alone(DOCKERFILE, "nowhere")


def test_the_stages_that_are_compiled_side_by_side_do_not_stand_before_one_another() -> None:
    # Docker's own builder makes all that stands before the stage that is asked for.
    assert "ffmpeg" not in stages_of(DOCKERFILE, "python")


def test_the_stages_that_are_compiled_side_by_side_begin_differently() -> None:
    # Of two steps alike Docker's own builder finds the newer one again only, and would compile a second time.
    first = [stage_alone(DOCKERFILE, name).split(f" AS {name}\n")[1] for name in ("packages", "ffmpeg")]
    steps = [next(line for line in text.splitlines() if line and not line.startswith("#")) for text in first]
    assert steps[0] != steps[1]
