"""Files that are replaced whole and read whole, however others meddle."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from stranger import UID, Stranger

from edgecam import durable
from edgecam.folder import ForeignFolder, opened, read_file

A = Path("a")


def test_content_mode_and_time_are_those_given(tmp_path: Path) -> None:
    with opened(tmp_path) as folder:
        durable.replace(A, b"one", folder=folder, sync=False, mode=0o640, modified_ns=5_000_000_000)
        durable.replace(Path("b"), b"two", folder=folder)
    found = (tmp_path / "a").stat()
    assert ((tmp_path / "a").read_bytes(), found.st_mode & 0o777, found.st_mtime) == (b"one", 0o640, 5)
    assert (tmp_path / "b").stat().st_mode & 0o777 == 0o600


def test_temporary_names_are_never_the_same_and_never_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names: list[str] = []
    open_ = os.open

    def noting(name: str | Path, flags: int, *rest: int, **more: int) -> int:
        if str(name).endswith(".tmp"):
            names.append(str(name))
            assert flags & os.O_EXCL
            assert flags & os.O_NOFOLLOW
        return open_(name, flags, *rest, **more)

    with opened(tmp_path) as folder:
        monkeypatch.setattr(os, "open", noting)
        for _ in range(50):
            durable.replace(A, b"x", folder=folder, sync=False)
        monkeypatch.undo()
    assert len(set(names)) == 50
    assert all(re.fullmatch(r"\.a\.[0-9a-f]{16}\.tmp", name) for name in names)


def test_link_in_place_of_the_file_is_replaced_not_followed(tmp_path: Path) -> None:
    (tmp_path / "victim").write_text("precious")
    (tmp_path / "a").symlink_to("victim")
    with opened(tmp_path) as folder:
        durable.replace(A, b"picture", folder=folder)
    assert (tmp_path / "victim").read_text() == "precious"
    assert not (tmp_path / "a").is_symlink()


def test_folder_swapped_after_the_look_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / "lobby").mkdir()
    (tmp_path / "elsewhere").mkdir()
    with opened(tmp_path / "lobby") as folder:
        (tmp_path / "lobby").rename(tmp_path / "away")
        (tmp_path / "lobby").symlink_to("elsewhere")
        durable.replace(A, b"picture", folder=folder)
        assert read_file(A, limit_bytes=10, folder=folder)[0] == b"picture"
    assert (tmp_path / "away" / "a").read_bytes() == b"picture"
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_what_is_no_regular_file_is_not_read_and_holds_nobody_up(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "link").symlink_to("secret")
    (tmp_path / "environ").symlink_to("/proc/self/environ")
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    for name in ("link", "environ", "folder", "pipe", "none"):
        with pytest.raises(OSError, match=name):
            read_file(tmp_path / name, limit_bytes=100)
    assert read_file(tmp_path / "secret", limit_bytes=100)[0] == b"secret"


def test_file_of_somebody_else_is_not_read(stranger: Stranger) -> None:
    stranger.folder.mkdir()
    stranger.folder.chmod(0o777)
    stranger.does("echo mine >$1/frame.jpg")
    stranger.folder.chmod(0o755)
    with pytest.raises(ForeignFolder, match=f"user {UID}"):
        read_file(stranger.folder / "frame.jpg", limit_bytes=100)


def test_file_is_read_up_to_its_limit_and_not_beyond(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x" * 100)
    assert len(read_file(tmp_path / "a", limit_bytes=100)[0]) == 100
    with pytest.raises(OSError, match="at most 99 bytes"):
        read_file(tmp_path / "a", limit_bytes=99)


def test_group_that_the_user_is_not_in_is_said(stranger: Stranger) -> None:
    """As the user who is in no group: root may give a file to any."""
    program = (
        "from edgecam import durable, folder; import pathlib, sys\n"
        "with folder.opened(pathlib.Path(sys.argv[1]), make_mode=0o755) as opened:\n"
        "    try: durable.replace(pathlib.Path('a'), b'x', folder=opened, group=44)\n"
        "    except PermissionError as error: print(error.strerror)\n"
    )
    tree = Path(durable.__file__).parents[1]
    script = f'PYTHONDONTWRITEBYTECODE=1 PYTHONPATH={tree} /usr/bin/python3 -c "$2" $1'
    said = stranger.does(script.replace("$2", program))
    assert said == f"user {UID} is not in group 44: add it to that group\n"
    assert list(stranger.folder.iterdir()) == []
