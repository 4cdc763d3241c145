"""Whether the node knows how it ended last time."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import pytest

from edgecam.status.last_run import LastShutdown, RunMarker, SelfRestart, marker_in


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return marker_in(str(tmp_path / "frames"), "lobby")


def test_first_start_knows_nothing(path: Path) -> None:
    assert RunMarker(path).begin() is None


def test_start_after_a_clean_end_says_so(path: Path) -> None:
    first = RunMarker(path)
    first.begin()
    first.end()
    assert RunMarker(path).begin() is LastShutdown.CLEAN


def test_start_after_a_kill_says_so_and_the_one_after_that_does_not(path: Path) -> None:
    RunMarker(path).begin()
    second = RunMarker(path)
    assert second.begin() is LastShutdown.UNCLEAN
    second.end()
    assert RunMarker(path).begin() is LastShutdown.CLEAN


def test_end_by_the_nodes_own_decision_is_known_to_every_later_start(path: Path) -> None:
    first = RunMarker(path)
    first.begin()
    assert first.restart is None
    noted = SelfRestart("b-1", 12.5, 2)
    assert first.note_restart(noted)
    first.end()
    for _ in range(2):
        later = RunMarker(path)
        later.begin()
        assert later.restart == noted
    folder = path.parent
    path.unlink()
    folder.rmdir()
    folder.write_bytes(b"no folder")
    assert not first.note_restart(noted)


@pytest.mark.parametrize(
    "restart",
    [
        "null",
        "[]",
        "{}",
        '{"boot_id": 1, "at_s": 2.0, "in_a_row": 1}',
        '{"boot_id": "b", "at_s": "2", "in_a_row": 1}',
        '{"boot_id": "b", "at_s": 2.0, "in_a_row": 0}',
    ],
)
def test_end_that_somebody_else_wrote_is_none(path: Path, restart: str) -> None:
    path.parent.mkdir()
    path.write_text(f'{{"node": "ended", "restart": {restart}}}')
    marker = RunMarker(path)
    assert marker.begin() is LastShutdown.CLEAN
    assert marker.restart is None


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"node": "asleep"}', b"\xff\xfe"])
def test_marker_that_somebody_else_wrote_is_nothing_to_know_by(path: Path, content: bytes) -> None:
    path.parent.mkdir()
    path.write_bytes(content)
    assert RunMarker(path).begin() is None


def test_marker_is_whole_whenever_the_power_is_cut(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    marker = RunMarker(path)
    marker.begin()
    before, file = path.read_bytes(), path.stat().st_ino
    synced: list[bytes] = []
    fsync = os.fsync

    def noting(descriptor: int) -> None:
        synced.append(path.read_bytes())  # what a reader finds while the new content is not durable yet
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", noting)
    marker.end()
    assert synced == [before, path.read_bytes()]
    assert before != path.read_bytes()
    assert file != path.stat().st_ino  # another file took its name: nobody saw it half-written


def test_disk_that_takes_nothing_costs_the_knowledge_and_not_the_node(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("in the way")
    with caplog.at_level(logging.WARNING):
        assert RunMarker(tmp_path / "file" / "marker.json").begin() is None
    assert "expected to note how the node ends" in caplog.text


def test_nodes_that_share_a_folder_do_not_share_a_marker(tmp_path: Path) -> None:
    assert marker_in(str(tmp_path), "lobby") != marker_in(str(tmp_path), "gate")
