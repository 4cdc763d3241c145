"""Files that several processes make at the same time."""

from __future__ import annotations

from pathlib import Path

import pytest

from sandbox.whole_file import whole_file


def test_two_who_make_the_same_file_at_the_same_time_do_not_meet(tmp_path: Path) -> None:
    path = tmp_path / "films" / "a.film"
    with whole_file(path) as first, whole_file(path) as second:
        first.write_text("first, and longer")
        second.write_text("second")
        assert not path.exists()
    assert path.read_text() == "first, and longer"
    assert list(path.parent.iterdir()) == [path]


def test_what_failed_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "a.film"
    path.write_text("whole")

    def _fail() -> None:
        with whole_file(path) as made:
            made.write_text("half")
            raise OSError("no space left")

    with pytest.raises(OSError, match="no space left"):
        _fail()
    assert path.read_text() == "whole"
    assert list(tmp_path.iterdir()) == [path]
