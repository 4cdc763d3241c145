"""The invariants of the spool, one by one. The folder and the disk are real."""

from __future__ import annotations

import contextlib
import logging
import os
import re
import stat
import subprocess
import sys
import threading
import tracemalloc
from dataclasses import replace
from pathlib import Path

import pytest
from own_process import measured_alone
from spooling import KB, LINE, MB, NOON, chunk, numbers, opened, receipt, record, recover_lines
from stranger import UID, Stranger, become_stranger

from edgecam import durable
from edgecam.bucket import crc32c as checksum
from edgecam.config.storage import Order, WhenFull
from edgecam.errors import ChunkDamaged, SpoolError, SpoolFull
from edgecam.spool.names import incoming_name, kept_name
from edgecam.spool.spool import PendingChunk
from sandbox.clocks import ManualClock


def files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))


def first(pending: PendingChunk | None) -> PendingChunk:
    assert pending is not None
    return pending


# Whose it is


def test_spool_that_another_user_made_first_is_refused_and_nothing_is_made_in_it(stranger: Stranger) -> None:
    stranger.takes_the_folder()
    with pytest.raises(SpoolError, match=f"{stranger.folder} belongs to user {UID}"):
        opened(stranger.folder)
    assert list(stranger.folder.iterdir()) == []


def test_spool_that_the_user_may_not_write_is_reported_with_user_and_remedy() -> None:
    found = measured_alone(refusal_of_a_stranger, Path("/edgecam-none"))
    assert "/edgecam-none: expected to use the spool, found: Permission denied for user" in found
    assert re.search(r"user (\d+): sudo install -d -o \1 -g \d+ /edgecam-none \(in a container: ", found)
    assert "the machine's folder that is mounted there), or run" in found


def refusal_of_a_stranger(spool: Path) -> str:
    """In a process of its own."""
    become_stranger()
    with pytest.raises(SpoolError) as caught:
        opened(spool)
    return str(caught.value)


@pytest.mark.parametrize("name", ["lobby", ".incoming", ".quarantine"])
def test_folder_in_the_spool_that_others_may_write_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    (tmp_path / name).chmod(0o777)
    with pytest.raises(SpoolError, match=f"{name} may be written by every user"):
        opened(tmp_path)


def test_link_in_place_of_a_file_of_the_spool_is_not_written_through(tmp_path: Path) -> None:
    victim, spool = tmp_path / "victim", tmp_path / "spool"
    victim.write_text("precious")
    spool.mkdir()
    (spool / ".lock").symlink_to(victim)
    (spool / ".losses.json").symlink_to(victim)
    with pytest.raises(SpoolError, match="symbolic links"):
        opened(spool)
    durable.replace(spool / ".losses.json", b"{}")
    assert not (spool / ".losses.json").is_symlink()
    assert victim.read_text() == "precious"


# PendingChunk, and leaving


def test_a_finished_chunk_waits_with_all_that_is_known_of_it(tmp_path: Path) -> None:
    clock = ManualClock()
    clock.advance(7)
    spool = opened(tmp_path, clock=clock)
    path = spool.begin(chunk(gap_before_ms=None))
    path.write_bytes(LINE * 9)
    whole = chunk(duration_ms=10_120, gap_before_ms=None)
    spool.finish(path, whole)
    pending = first(spool.next_chunk("lobby", Order.NEWEST))
    assert pending.chunk == whole
    assert pending.path.read_bytes() == LINE * 9
    assert (pending.size_bytes, pending.crc32c) == (9 * len(LINE), checksum.of_bytes(LINE * 9))
    assert pending.finished_s == 7
    assert not path.exists()


def test_everything_known_survives_a_restart_and_counts_as_backlog(tmp_path: Path) -> None:
    spool = opened(tmp_path)
    odd = replace(chunk(3, "gate-2", 9_960, 1_234), recovered=True, version="1.2.3+local.4", codec="h265")
    path = spool.begin(odd)
    path.write_bytes(LINE)
    spool.finish(path, odd)
    before = first(spool.next_chunk("gate-2", Order.OLDEST))
    spool.close()
    again = opened(tmp_path)
    assert list(again.pending("gate-2")) == [replace(before, finished_s=None)]


def test_what_is_being_written_is_not_offered_and_what_is_discarded_is_gone(tmp_path: Path) -> None:
    spool = opened(tmp_path)
    path = spool.begin(chunk())
    path.write_bytes(LINE)
    assert spool.cameras() == ()
    assert spool.next_chunk("lobby", Order.NEWEST) is None
    spool.discard(path)
    assert files(tmp_path) == []


def test_a_file_without_content_is_not_kept(tmp_path: Path) -> None:
    spool = opened(tmp_path)
    path = spool.begin(chunk())
    with pytest.raises(SpoolError, match="expected a chunk, found an empty file"):
        spool.finish(path, chunk(duration_ms=1))


@pytest.mark.parametrize(
    "wrong", [{"crc32c": "00000000"}, {"size_bytes": 1}, {"name": "lobby/2026/01/01/another.mp4"}]
)
def test_a_chunk_leaves_only_on_a_receipt_that_is_its_own(tmp_path: Path, wrong: dict[str, str]) -> None:
    spool = opened(tmp_path)
    record(spool)
    pending = first(spool.next_chunk("lobby", Order.NEWEST))
    with pytest.raises(ChunkDamaged, match="expected lobby/2026"):
        spool.acknowledge(pending, replace(receipt(pending), **wrong))  # type: ignore[arg-type]
    assert numbers(spool) == [0]
    assert pending.path.exists()
    spool.acknowledge(pending, receipt(pending))
    assert numbers(spool) == []
    assert files(tmp_path) == []
    assert spool.cameras() == ()


def test_the_newest_or_the_oldest_comes_first_by_content_time_however_they_were_finished(
    tmp_path: Path,
) -> None:
    spool = opened(tmp_path)
    for number in (2, 5, 1, 4):
        record(spool, number)
    newest = first(spool.next_chunk("lobby", Order.NEWEST))
    assert newest.chunk == chunk(5, duration_ms=10_000)
    assert first(spool.next_chunk("lobby", Order.NEWEST, skip={newest})).chunk.start == chunk(4).start
    assert first(spool.next_chunk("lobby", Order.OLDEST)).chunk.start == chunk(1).start
    spool.close()
    assert numbers(opened(tmp_path)) == [1, 2, 4, 5]


def test_a_snapshot_of_what_waits_does_not_change(tmp_path: Path) -> None:
    spool = opened(tmp_path)
    for number in range(3):
        record(spool, number)
    before = spool.pending("lobby")
    spool.acknowledge(before[0], receipt(before[0]))
    assert len(before) == 3
    assert [each.chunk.start for each in before[1:]] == [chunk(1).start, chunk(2).start]
    assert spool.pending("nobody") == ()


def test_who_subscribes_is_woken_by_each_finished_chunk(tmp_path: Path) -> None:
    spool = opened(tmp_path)
    woken: list[str] = []
    spool.subscribe(lambda: woken.append(" ".join(spool.cameras())))
    record(spool)
    record(spool, camera_id="gate")
    assert woken == ["lobby", "gate lobby"]


def test_a_chunk_that_was_quarantined_is_kept_logged_and_never_offered_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    spool = opened(tmp_path)
    record(spool)
    spool.quarantine(first(spool.next_chunk("lobby", Order.NEWEST)), "the bucket has another")
    assert "the bucket has another" in caplog.text
    spool.close()
    again = opened(tmp_path)
    assert spool.next_chunk("lobby", Order.NEWEST) is again.next_chunk("lobby", Order.NEWEST) is None
    for report in (spool.report(), again.report()):
        assert (report.cameras["lobby"].quarantined_chunks, report.spool_bytes) == (1, 4 * len(LINE))
    assert len(files(tmp_path)) == 1


# Quota


def test_the_oldest_of_who_holds_the_most_is_evicted_counted_and_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    spool = opened(tmp_path)
    for number in range(4):
        record(spool, number, "lobby" if number % 2 else "gate", size=5 * MB)
    assert (numbers(spool, "gate"), numbers(spool, "lobby")) == ([2], [1, 3])
    lost = [entry for entry in caplog.records if entry.levelno == logging.ERROR]
    assert [(entry.camera, entry.oldest) for entry in lost] == [("gate", chunk(0, "gate", 10_000).name)]  # type: ignore[attr-defined]
    report = spool.report()
    assert report.cameras["gate"].evicted_chunks_total == 1
    assert report.spool_bytes == sum(path.stat().st_size for path in files(tmp_path)) <= 16 * MB
    assert report.is_full


def test_no_camera_costs_another_a_chunk_while_it_holds_more_itself(tmp_path: Path) -> None:
    spool = opened(tmp_path)
    for number in range(3):
        record(spool, number, "good", size=2 * MB)
    for number in range(3, 30):
        record(spool, number, "evil", size=2 * MB)
    assert numbers(spool, "good") == [0, 1, 2]
    assert numbers(spool, "evil") == [25, 26, 27, 28, 29]
    lost = spool.report().cameras
    assert (lost["good"].evicted_chunks_total, lost["evil"].evicted_chunks_total) == (0, 22)
    record(spool, 30, "good", size=2 * MB)
    assert (numbers(spool, "good"), numbers(spool, "evil")) == ([0, 1, 2, 30], [26, 27, 28, 29])
    record(spool, 31, "evil", size=2 * MB)
    assert (numbers(spool, "good"), numbers(spool, "evil")) == ([0, 1, 2, 30], [27, 28, 29, 31])


def test_cameras_that_hold_the_same_lose_the_oldest_in_turn(tmp_path: Path) -> None:
    spool = opened(tmp_path)
    for number in range(20):
        record(spool, number, "lobby" if number % 2 else "gate", size=2 * MB)
    assert numbers(spool, "gate") == [12, 14, 16, 18]
    assert numbers(spool, "lobby") == [13, 15, 17, 19]


def test_many_small_files_count_for_what_they_cost_the_disk(tmp_path: Path) -> None:
    spool = opened(tmp_path)
    record(spool, 0, "good", size=5 * MB)
    for number in range(1, 101):
        record(spool, number, "tiny", size=50 * KB)  # five megabytes, too, and a hundred files
    record(spool, 101, "other", size=5 * MB)
    record(spool, 102, "third", size=1500 * KB)
    assert (numbers(spool, "good"), numbers(spool, "other")) == ([0], [101])
    assert len(numbers(spool, "tiny")) < 100


def test_what_is_quarantined_of_a_camera_gives_way_by_what_it_holds_there(tmp_path: Path) -> None:
    spool = opened(tmp_path)
    for number, camera_id in enumerate(["good", "evil", "evil"]):
        record(spool, number, camera_id, size=5 * MB)
        spool.quarantine(spool.pending(camera_id)[0], "the bucket has another")
    record(spool, 3, "good", size=5 * MB)
    report = spool.report().cameras
    assert (report["good"].quarantined_chunks, report["evil"].quarantined_chunks) == (1, 1)


def test_the_folder_stays_within_its_limit_while_chunks_are_written(tmp_path: Path) -> None:
    spool = opened(tmp_path)
    for number in range(6):
        for camera_id in ("gate", "lobby"):
            record(spool, number, camera_id, size=2 * MB)
        paths = [spool.begin(chunk(number, camera_id)) for camera_id in ("gate", "lobby")]
        for path in paths:
            path.write_bytes(bytes(2 * MB))
        assert sum(path.stat().st_size for path in tmp_path.rglob("*.mp4")) <= 16 * MB
        for path in paths:
            spool.discard(path)


def test_the_count_of_evicted_chunks_survives_restarts(tmp_path: Path) -> None:
    for runs in (1, 2, 3):
        spool = opened(tmp_path)
        for number in range(4):
            record(spool, 10 * runs + number, size=6 * MB)
        assert spool.report().cameras["lobby"].evicted_chunks_total == 4 * runs - 2
        spool.close()


def test_an_eviction_that_was_killed_halfway_is_finished_and_not_counted_twice(tmp_path: Path) -> None:
    spool = opened(tmp_path)
    for number in range(3):
        record(spool, number, size=6 * MB)
    spool.close()
    evicted = tmp_path / "lobby" / kept_name(chunk(0, duration_ms=10_000), 6 * MB, "00000000")
    evicted.parent.joinpath(_leaving(tmp_path)).write_bytes(
        bytes(6 * MB)
    )  # as if it had not been removed yet
    again = opened(tmp_path)
    assert numbers(again) == [1, 2]
    assert again.report().cameras["lobby"].evicted_chunks_total == 1


@pytest.mark.parametrize("count", ["1e400", "-1", '"9"', "[1]", "1" + "0" * 400, "NaN", "null", "1.5"])
def test_count_of_losses_that_is_no_count_begins_at_0(tmp_path: Path, count: str) -> None:
    opened(tmp_path).close()
    (tmp_path / ".losses.json").write_text(f'{{"evicted_chunks": {{"lobby": {count}}}, "leaving": []}}')
    spool = opened(tmp_path)
    assert "lobby" not in spool.report().cameras
    spool.close()


def _leaving(folder: Path) -> str:
    text = (folder / ".losses.json").read_text()
    return text.split('"leaving": ["lobby/')[1].split('"')[0]


def test_a_chunk_that_is_being_uploaded_is_evicted_last(tmp_path: Path) -> None:
    spool = opened(tmp_path)
    for number in range(3):
        record(spool, number, size=5 * MB)
    oldest = first(spool.next_chunk("lobby", Order.OLDEST))
    record(spool, 3, size=5 * MB)
    assert numbers(spool) == [0, 2, 3]
    spool.unclaim(oldest)
    record(spool, 4, size=5 * MB)
    assert numbers(spool) == [2, 3, 4]
    claimed = list(spool.pending("lobby"))
    assert all(spool.claim(each) for each in claimed)
    record(spool, 5, size=5 * MB)
    assert numbers(spool) == [3, 4, 5]
    assert not spool.claim(claimed[0])
    spool.acknowledge(claimed[0], receipt(claimed[0]))  # the upload had it open and went on: no error


def test_what_is_quarantined_is_evicted_before_what_can_still_be_sent(tmp_path: Path) -> None:
    spool = opened(tmp_path)
    for number in range(3):
        record(spool, number, size=5 * MB)
    spool.quarantine(spool.pending("lobby")[2], "the bucket has another")
    record(spool, 3, size=5 * MB)
    assert numbers(spool) == [0, 1, 3]
    assert spool.report().cameras["lobby"].quarantined_chunks == 0


def test_free_space_of_the_disk_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spool = opened(tmp_path, keep_free_bytes=100 * MB)
    _disk_with(monkeypatch, tmp_path, free_bytes=103 * MB)
    for number in range(4):
        record(spool, number, size=MB)
    assert numbers(spool) == [1, 2, 3]


def test_nothing_is_evicted_without_effect_when_the_disk_is_full_of_something_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = opened(tmp_path, keep_free_bytes=100 * MB)
    _disk_with(monkeypatch, tmp_path, free_bytes=200 * MB)
    record(spool, 0, size=MB)
    _disk_with(monkeypatch, tmp_path, free_bytes=20 * MB)
    with pytest.raises(SpoolFull, match="keep_free_bytes 100000000, found 8"):
        spool.begin(chunk(1))
    assert numbers(spool) == [0]


def _disk_with(monkeypatch: pytest.MonkeyPatch, folder: Path, *, free_bytes: int) -> None:
    """A disk that has `free_bytes` when nothing is in `folder`; only its size is made up."""
    real = os.statvfs

    def statvfs(path: str | Path) -> os.statvfs_result:
        used = sum(each.stat().st_size for each in folder.rglob("*.mp4"))
        fields = list(real(path))
        fields[0], fields[1], fields[4] = 1, 1, free_bytes - used
        return os.statvfs_result(fields)

    monkeypatch.setattr(os, "statvfs", statvfs)


def test_set_to_stop_it_refuses_says_so_once_and_resumes_by_itself(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    spool = opened(tmp_path, when_full=WhenFull.STOP)
    for number in range(3):
        record(spool, number, size=5 * MB)
    for _ in range(3):
        with pytest.raises(SpoolFull, match="expected room for a chunk within max_bytes 16000000"):
            spool.begin(chunk(9))
    assert not spool.make_room(10**18)
    assert spool.report().is_full
    assert sum("nothing is recorded until there is room" in entry.message for entry in caplog.records) == 1
    oldest = spool.pending("lobby")[0]
    spool.acknowledge(oldest, receipt(oldest))
    assert "has room again" in caplog.text
    record(spool, 9, size=5 * MB)
    assert numbers(spool) == [1, 2, 9]
    assert spool.report().cameras["lobby"].evicted_chunks_total == 0


def test_chunks_begun_at_the_same_time_do_not_share_the_last_room(tmp_path: Path) -> None:
    spool = opened(tmp_path, when_full=WhenFull.STOP)
    record(spool, 0, "gate", size=6 * MB)
    record(spool, 0, "lobby", size=6 * MB)
    begun: list[Path] = []

    def begin(camera_id: str) -> None:
        with contextlib.suppress(SpoolFull):
            begun.append(spool.begin(chunk(1, camera_id)))

    spool.acknowledge(spool.pending("gate")[0], receipt(spool.pending("gate")[0]))
    threads = [threading.Thread(target=begin, args=(camera_id,)) for camera_id in ("gate", "lobby")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(begun) == 1


# Neighbours


def test_two_nodes_never_share_a_spool_and_the_second_finds_who_has_it(tmp_path: Path) -> None:
    first_node = opened(tmp_path)
    code = (
        f"import sys; sys.path[:0] = {sys.path!r}\n"
        "from pathlib import Path\nfrom spooling import opened\nfrom edgecam.errors import SpoolError\n"
        f"try: opened(Path({str(tmp_path)!r}))\nexcept SpoolError as error: print(error)"
    )
    second = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    host = os.uname().nodename
    assert (
        f"expected to be the only node on it, found it in use by process {os.getpid()} on {host}"
        in second.stdout
    )
    first_node.close()
    assert "in use" not in subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout


def test_names_never_collide_two_chunks_of_the_same_start_are_both_kept_and_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    spool = opened(tmp_path)
    record(spool, content=LINE)
    record(spool, content=LINE * 2)
    assert "two chunks of the same start, both are kept" in caplog.text
    record(spool, content=LINE * 2)
    assert "the same content: one is kept" in caplog.text
    assert sorted(each.path.read_bytes() for each in spool.pending("lobby")) == [LINE, LINE * 2]
    assert spool.begin(chunk()) != spool.begin(chunk())


def test_files_that_are_not_ours_are_left_alone_and_logged_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    spool = opened(tmp_path)
    record(spool)
    spool.close()
    strangers = [tmp_path / "notes.txt", tmp_path / "lobby" / "mine.mp4", tmp_path / "Upper" / "x"]
    for path in strangers:
        path.parent.mkdir(exist_ok=True)
        path.write_text("hands off")
    (tmp_path / "lost+found").mkdir()
    again = opened(tmp_path)
    assert numbers(again) == [0]
    logged = [entry.message for entry in caplog.records if "left alone" in entry.message]
    assert len(logged) == 1
    assert "found 3 other files" in logged[0]
    assert all(path.read_text() == "hands off" for path in strangers)


def test_a_file_is_as_large_as_it_is_whatever_its_name_says(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    spool = opened(tmp_path)
    record(spool)
    spool.close()
    liar = tmp_path / "lobby" / kept_name(chunk(7, duration_ms=10_000), 10**14, "0badcafe")
    liar.write_bytes(b"x" * 100)
    for _ in range(2):  # quarantined by its own size, also at the next start
        again = opened(tmp_path)
        assert numbers(again) == [0]
        report = again.report()
        assert report.cameras["lobby"].evicted_chunks_total == 0
        assert report.cameras["lobby"].quarantined_chunks == 1
        assert report.spool_bytes < KB
        again.close()
    logged = [entry.getMessage() for entry in caplog.records if entry.levelno == logging.ERROR]
    assert [text for text in logged if f"expected {10**14} bytes by its name, found 100" in text] == logged
    assert len(logged) == 1


def test_a_name_with_odd_numbers_words_or_kinds_of_file_is_none_of_ours(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "lobby"
    folder.mkdir()
    (tmp_path / "secret").write_text("hands off")
    good = kept_name(chunk(1, duration_ms=10_000), 9, "0badcafe")
    (folder / good.replace("_10000ms", "_999999999999ms")).write_bytes(LINE)
    (folder / good.replace("codec=h264", "codec=h264%0D%0AX-Evil: 1")).write_bytes(LINE)
    (folder / good.replace("width=", "width=-")).write_bytes(LINE)
    (folder / good.replace("width=", "width=1_0")).write_bytes(LINE)
    (folder / kept_name(chunk(2, duration_ms=10_000), 9, "0badcafe")).symlink_to(tmp_path / "secret")
    (folder / kept_name(chunk(3, duration_ms=10_000), 0, "0badcafe")).mkdir()
    os.mkfifo(folder / kept_name(chunk(4, duration_ms=10_000), 0, "0badcafe"))
    (tmp_path / ".incoming").mkdir()
    (tmp_path / ".incoming" / incoming_name(chunk(5), 1)).symlink_to(tmp_path / "secret")
    before = sorted(path.name for path in tmp_path.rglob("*.mp4"))
    spool = opened(tmp_path, recover=recover_lines)
    assert numbers(spool) == []
    assert spool.report().spool_bytes == 0
    assert sorted(path.name for path in tmp_path.rglob("*.mp4")) == before
    assert (tmp_path / "secret").read_text() == "hands off"
    assert "found 8 other files" in caplog.text
    assert "found 1 other files" in caplog.text


def test_recordings_are_for_their_owner_only(tmp_path: Path) -> None:
    spool = opened(tmp_path / "spool")
    record(spool)
    for path in [tmp_path / "spool", *(tmp_path / "spool").rglob("*")]:
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path


def test_a_folder_that_cannot_be_used_is_named_with_the_error_of_the_system(tmp_path: Path) -> None:
    (tmp_path / "spool").write_text("a file")
    with pytest.raises(
        SpoolError, match=r"spool: expected to use the spool, found: (Not a directory|File exists)"
    ):
        opened(tmp_path / "spool")


# Sessions


def test_a_session_survives_a_restart_and_goes_with_its_chunk(tmp_path: Path) -> None:
    spool = opened(tmp_path)
    record(spool)
    pending = first(spool.next_chunk("lobby", Order.NEWEST))
    assert spool.session(pending).load() is None
    spool.session(pending).save("https://store/upload?id=1")
    [path] = tmp_path.rglob("*.session")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    spool.close()
    again = opened(tmp_path)
    pending = first(again.next_chunk("lobby", Order.NEWEST))
    assert again.session(pending).load() == "https://store/upload?id=1"
    again.acknowledge(pending, receipt(pending))
    again.session(pending).save("too late")
    assert files(tmp_path) == []


def test_a_session_whose_chunk_has_gone_is_cleaned_up_at_the_next_start(tmp_path: Path) -> None:
    spool = opened(tmp_path)
    record(spool)
    pending = first(spool.next_chunk("lobby", Order.NEWEST))
    spool.session(pending).save("a secret")
    spool.close()
    pending.path.unlink()
    opened(tmp_path)
    assert files(tmp_path) == []


def test_temporary_files_of_a_killed_node_are_cleaned_up_at_the_next_start(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    spool = opened(tmp_path)
    record(spool)
    [path] = files(tmp_path)
    spool.close()
    for killed in (tmp_path / ".losses.json", path.with_name(f"{path.name}.session")):
        killed.with_name(f".{killed.name}.0123456789abcdef.tmp").write_text("half a wr")
    opened(tmp_path)
    assert not list(tmp_path.rglob("*.tmp"))
    assert "other files" not in caplog.text


# Leftovers


def test_the_playable_part_of_what_was_being_written_is_saved_and_marked(tmp_path: Path) -> None:
    spool = opened(tmp_path)
    spool.begin(chunk(4, gap_before_ms=70)).write_bytes(LINE * 3 + LINE[:5])
    spool.close()
    again = opened(tmp_path)
    [saved] = again.pending("lobby")
    assert saved.chunk == chunk(4, gap_before_ms=70).lasting(120, recovered=True)
    assert saved.path.read_bytes() == LINE * 3
    assert saved.finished_s is None
    assert again.report().cameras["lobby"].recovered_chunks_total == 1


def test_what_cannot_be_played_is_quarantined_and_logged_and_removed_only_when_nothing_is_in_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    spool = opened(tmp_path)
    for number, content in enumerate((b"", bytes(5 * KB), b"half a head")):
        spool.begin(chunk(number)).write_bytes(content)
    spool.close()
    report = opened(tmp_path).report()
    assert report.cameras["lobby"].quarantined_chunks == 1
    assert [path.read_bytes() for path in files(tmp_path)] == [b"half a head"]
    assert caplog.text.count("cannot be played") == 1


def test_a_file_that_cannot_be_saved_now_does_not_keep_the_node_from_starting(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    spool = opened(tmp_path)
    spool.begin(chunk()).write_bytes(LINE)
    record(spool, 1)
    spool.close()

    def broken_disk(path: Path, _: object) -> None:
        raise OSError(5, "Input/output error", str(path))

    again = opened(tmp_path, recover=broken_disk)
    assert numbers(again) == [1]
    assert "left for the next start" in caplog.text
    again.close()
    assert numbers(opened(tmp_path, recover=recover_lines)) == [0, 1]


# Size


def test_a_hundred_thousand_waiting_chunks_take_little_memory_and_no_file_is_read(tmp_path: Path) -> None:
    count, cameras = 12_500, 8
    names = [kept_name(chunk(number, duration_ms=10_000), 5 * MB, "0badcafe") for number in range(count)]
    for camera in range(cameras):
        folder = tmp_path / f"camera-{camera}"
        folder.mkdir()
        for name in names:
            descriptor = os.open(f"{folder}/{name}", os.O_CREAT | os.O_WRONLY)
            os.ftruncate(descriptor, 5 * MB)
            os.close(descriptor)
    current_bytes, peak_bytes, waiting = measured_alone(_opened_without_reading, tmp_path)
    assert waiting == count * cameras
    assert current_bytes / waiting < 80
    assert peak_bytes / waiting < 160


def _opened_without_reading(folder: Path) -> tuple[int, int, int]:
    """Bytes of memory taken by opening it, now and at most; the chunks that wait in it."""
    checksum.of_file = _no_reading
    opened(folder / "warm").close()  # what is made once is not counted
    tracemalloc.start()
    spool = opened(folder, max_bytes=10**15)
    current_bytes, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert first(spool.next_chunk("camera-3", Order.OLDEST)).chunk.start == NOON
    return current_bytes, peak_bytes, sum(each.waiting_chunks for each in spool.report().cameras.values())


def _no_reading(path: Path) -> str:
    raise AssertionError(f"{path} was read")


def test_memory_does_not_grow_with_chunks_that_have_come_and_gone(tmp_path: Path) -> None:
    assert measured_alone(_grown_by_four_hundred_chunks, tmp_path) < 20 * KB


def _grown_by_four_hundred_chunks(folder: Path) -> int:
    """Bytes of memory that are taken after them and were not before, once two hundred had come and gone."""
    spool = opened(folder)

    def come_and_go(numbers: range) -> int:
        for number in numbers:
            record(spool, number)
            pending = first(spool.next_chunk("lobby", Order.NEWEST))
            spool.acknowledge(pending, receipt(pending))
            spool.unclaim(pending)
        return tracemalloc.get_traced_memory()[0]

    tracemalloc.start()
    before = come_and_go(range(200))
    return come_and_go(range(200, 600)) - before


def test_recordings_and_uploads_on_many_threads_lose_and_repeat_nothing(tmp_path: Path) -> None:
    spool = opened(tmp_path)
    cameras = [f"camera-{number}" for number in range(4)]
    sent: list[str] = []
    is_over = threading.Event()

    def upload(camera_id: str) -> None:
        while True:
            was_over = is_over.is_set()
            pending = spool.next_chunk(camera_id, Order.OLDEST)
            if pending is not None:
                assert checksum.of_file(pending.path) == pending.crc32c
                spool.acknowledge(pending, receipt(pending))
                sent.append(pending.chunk.name)
            elif was_over:
                return
            spool.report()

    def recording(camera_id: str) -> None:
        for number in range(40):
            record(spool, number, camera_id)

    uploads = [threading.Thread(target=upload, args=(camera_id,)) for camera_id in cameras]
    recordings = [threading.Thread(target=recording, args=(camera_id,)) for camera_id in cameras]
    for thread in uploads + recordings:
        thread.start()
    for thread in recordings:
        thread.join()
    is_over.set()
    for thread in uploads:
        thread.join()
    assert sorted(sent) == sorted(chunk(n, camera, 10_000).name for camera in cameras for n in range(40))
    assert spool.report().spool_bytes == 0
    assert files(tmp_path) == []
