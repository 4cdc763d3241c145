"""What a step says while it takes long."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from sandbox import console

Eventually = Callable[..., Any]


def test_step_says_each_stage_at_once_and_never_the_same_line_for_another(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, eventually: Eventually
) -> None:
    monkeypatch.setattr(console, "LOOK_S", 0.01)
    state = ["image, stage 1 of 2 (ffmpeg): compiling a"]
    said = ""

    def so_far() -> str:
        nonlocal said
        said += capsys.readouterr().out
        return said

    with console.step("cdk deploy", lambda: state[0]):
        eventually(lambda: "stage 1 of 2 (ffmpeg): compiling a, 0 s" in so_far())
        state[0] = "image, stage 1 of 2 (ffmpeg): compiling b"
        state[0] = "image, stage 2 of 2 (root)"
        eventually(lambda: "stage 2 of 2 (root), 0 s" in so_far())
    lines = so_far().splitlines()
    assert lines[0] == "· cdk deploy …"
    assert lines[-1].startswith("  cdk deploy: done in ")
    assert len(lines) == 4


def test_step_that_goes_on_tells_what_it_does_by_then(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, eventually: Eventually
) -> None:
    monkeypatch.setattr(console, "LOOK_S", 0.01)
    monkeypatch.setattr(console, "LIFE_SIGN_S", 0.05)
    files = (f"image, stage 1 of 2 (ffmpeg): compiling {number}" for number in range(10**9))
    said = ""

    def lines() -> list[str]:
        nonlocal said
        said += capsys.readouterr().out
        return said.splitlines()

    with console.step("cdk deploy", lambda: next(files)):
        eventually(lambda: len(lines()) > 4)
    printed = lines()[1:-1]
    assert len(set(printed)) == len(printed)
