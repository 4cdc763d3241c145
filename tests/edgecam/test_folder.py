"""Folders that somebody else may reach. The other user and the file system are real."""

from __future__ import annotations

import gc
import os
from pathlib import Path

import pytest
from stranger import UID, Stranger

from edgecam.folder import OWNER_VARIABLE, ForeignFolder, give, opened


def refusal(path: Path, *, is_shared: bool = False) -> str:
    with pytest.raises(ForeignFolder) as caught, opened(path, is_shared=is_shared):
        pass
    return str(caught.value.strerror)


def is_taken(path: Path, *, is_shared: bool = False) -> bool:
    """Whether what is opened is what stands at `path`."""
    with opened(path, is_shared=is_shared) as folder:
        return os.path.samestat(os.fstat(folder), path.stat())


def test_folder_is_made_with_those_above_it_and_nobody_else_may_write_there(stranger: Stranger) -> None:
    with opened(stranger.folder / "a" / "b", make_mode=0o755) as folder:
        assert os.path.samestat(os.fstat(folder), (stranger.folder / "a" / "b").stat())
    assert (stranger.folder / "a").stat().st_mode & 0o777 == 0o755


def test_folder_that_is_not_there_is_named_where_it_is_not_to_be_made(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as caught, opened(tmp_path / "a" / "b"):
        pass
    assert caught.value.filename == str(tmp_path / "a")


def test_file_in_place_of_the_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("")
    with pytest.raises(NotADirectoryError) as caught, opened(tmp_path / "a"):
        pass
    assert caught.value.filename == str(tmp_path / "a")


def test_folder_that_somebody_else_made_first_is_refused_with_whose_it_is(stranger: Stranger) -> None:
    stranger.takes_the_folder("lobby")
    for path in (stranger.folder, stranger.folder / "lobby"):
        said = refusal(path)
        assert str(stranger.folder) in said
        assert f"belongs to user {UID}" in said
        assert f"chown {os.geteuid()}" in said
        assert refusal(path, is_shared=True).startswith(f"{stranger.folder} belongs to user {UID}")


def test_folder_of_somebody_else_within_ones_own_is_refused(stranger: Stranger) -> None:
    stranger.folder.mkdir()
    stranger.folder.chmod(0o777)
    stranger.does("mkdir $1/lobby")
    stranger.folder.chmod(0o755)
    assert is_taken(stranger.folder)
    assert f"{stranger.folder}/lobby belongs to user {UID}" in refusal(stranger.folder / "lobby")


@pytest.mark.parametrize(
    ("mode", "group", "said"),
    [
        (0o777, 0, "every user"),
        (0o757, 0, "every user"),
        (0o1777, 0, "every user"),
        (0o775, UID, f"group {UID}"),
    ],
)
def test_folder_that_others_may_write_is_refused(mode: int, group: int, said: str, tmp_path: Path) -> None:
    folder = tmp_path / "lobby"
    folder.mkdir()
    os.chown(folder, -1, group or os.getegid())
    folder.chmod(mode)
    assert f"{folder} may be written by {said}" in refusal(folder)
    assert is_taken(folder, is_shared=True)


def test_folder_below_one_that_others_may_write_is_refused_unless_that_is_sticky(tmp_path: Path) -> None:
    folder = tmp_path / "open" / "lobby"
    folder.mkdir(parents=True)
    (tmp_path / "open").chmod(0o777)
    assert f"{tmp_path}/open may be written by every user" in refusal(folder)
    (tmp_path / "open").chmod(0o1777)
    assert is_taken(folder)


def test_folder_that_the_nodes_own_group_may_write_is_taken(tmp_path: Path) -> None:
    tmp_path.chmod(0o775)
    os.chown(tmp_path, -1, os.getegid())
    assert is_taken(tmp_path)


@pytest.mark.parametrize("is_shared", [False, True])
def test_link_of_somebody_else_is_not_followed(stranger: Stranger, tmp_path: Path, is_shared: bool) -> None:
    stranger.does(f"ln -s {tmp_path} $1")
    for path in (stranger.folder, stranger.folder / "lobby"):
        assert f"{stranger.folder} is a link of user {UID}" in refusal(path, is_shared=is_shared)


def test_links_of_ones_own_are_followed_relative_and_absolute(tmp_path: Path) -> None:
    (tmp_path / "disk" / "lobby").mkdir(parents=True)
    (tmp_path / "here").symlink_to(tmp_path / "disk")
    (tmp_path / "disk" / "there").symlink_to("../here/lobby")
    assert is_taken(tmp_path / "here" / "there")


def test_links_in_a_circle_end(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(OSError, match="symbolic links"), opened(tmp_path / "a"):
        pass


def test_folder_of_the_user_that_the_recipe_names_is_taken(
    stranger: Stranger, monkeypatch: pytest.MonkeyPatch
) -> None:
    stranger.does("mkdir -m 755 $1")
    monkeypatch.setenv(OWNER_VARIABLE, "65532:65532")
    assert f"user {UID}" in refusal(stranger.folder)
    monkeypatch.setenv(OWNER_VARIABLE, f"{UID}:{UID}")
    assert is_taken(stranger.folder)


@pytest.mark.parametrize("given", ["", "edgecam", "-1", ":", "1e3"])
def test_owner_that_is_no_number_changes_nothing(
    given: str, stranger: Stranger, monkeypatch: pytest.MonkeyPatch
) -> None:
    stranger.does("mkdir -m 755 $1")
    monkeypatch.setenv(OWNER_VARIABLE, given)
    assert f"user {UID}" in refusal(stranger.folder)


def test_folder_is_given_when_it_was_just_made_or_is_theirs_and_never_otherwise(
    stranger: Stranger, tmp_path: Path
) -> None:
    mine, full, link = tmp_path / "mine", tmp_path / "full", tmp_path / "link"
    mine.mkdir()
    full.mkdir()
    (full / "passwd").write_text("precious")
    link.symlink_to(mine)
    stranger.does("mkdir $1")
    for refused in (full, stranger.folder):
        with pytest.raises(ForeignFolder, match="a folder that was there before"):
            give(refused, 65532, 65532)
    with pytest.raises(OSError, match="link"):
        give(link, 65532, 65532)
    assert [path.stat().st_uid for path in (mine, full, stranger.folder)] == [os.geteuid(), os.geteuid(), UID]
    give(mine, os.geteuid(), os.getegid())
    give(stranger.folder, UID, UID)
    if os.geteuid() == 0:
        give(mine, 65532, 65533)
        assert (mine.stat().st_uid, mine.stat().st_gid) == (65532, 65533)
        (mine / "chunk").write_text("")
        give(mine, 65532, 65533)  # as at the next start


def test_nothing_stays_open(tmp_path: Path, stranger: Stranger) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    stranger.takes_the_folder("lobby")
    gc.collect()  # what other tests of this process have left would be closed in between
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(20):
        assert is_taken(tmp_path / "link")
        refusal(stranger.folder / "lobby")
        with pytest.raises(FileNotFoundError), opened(tmp_path / "none" / "none"):
            pass
    assert len(list(Path("/proc/self/fd").iterdir())) == before
