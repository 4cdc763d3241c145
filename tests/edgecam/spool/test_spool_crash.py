"""A node that is killed, a core whose power fails: nothing whole is lost, nothing half is offered."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import spool_writer
from spool_writer import CAMERAS
from spooling import MB, chunk, numbers, opened, receipt, record

from edgecam.bucket import crc32c as checksum
from edgecam.spool.spool import Spool

ROUNDS = 30
MOST_ROUNDS = 300
SEED = 20260101


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Forks writers into `spool`, which tell what they do in `journal`."""
    script = spool_writer.__file__
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(
        [sys.executable, str(script), str(tmp_path / "spool"), str(tmp_path / "journal")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    ) as process:
        yield process
        assert process.stdin is not None
        process.stdin.close()


def test_whatever_moment_a_node_is_killed_at_nothing_whole_is_lost_and_nothing_half_is_offered(
    tmp_path: Path, writer: subprocess.Popen[str]
) -> None:
    assert writer.stdin is not None
    assert writer.stdout is not None
    source = random.Random(SEED)
    journal, recovered = tmp_path / "journal", 0
    for attempt in range(MOST_ROUNDS):
        # A slow disk gets little done between two kills.
        if attempt >= ROUNDS and recovered and journal.read_text().count("kept") > ROUNDS:
            break
        writer.stdin.write(f"{attempt * 10_000}\n")
        writer.stdin.flush()
        child = int(writer.stdout.readline())
        time.sleep(source.uniform(0.002, 0.06))  # the moment of the kill; any will do
        os.kill(child, signal.SIGKILL)
        assert writer.stdout.readline() == "gone\n"
        spool = opened(tmp_path / "spool", max_bytes=10**9)
        recovered += sum(each.recovered_chunks_total for each in spool.report().cameras.values())
        _expect_all_whole(spool)
        spool.close()
    spool = opened(tmp_path / "spool", max_bytes=10**9)
    lines = journal.read_text().splitlines()
    kept = {int(line.split()[1]) for line in lines if line.startswith("kept")}
    left = {line.split()[1] for line in lines if line.startswith("leaving")}
    found = {each.chunk.name for camera in CAMERAS for each in spool.pending(camera)}
    expected = {chunk(number, CAMERAS[number % 2], 10_000).name for number in kept}
    assert len(kept) > ROUNDS
    assert expected - left <= found
    assert recovered > 0
    assert not list((tmp_path / "spool" / ".incoming").iterdir())


def _expect_all_whole(spool: Spool) -> None:
    for camera_id in spool.cameras():
        for pending in spool.pending(camera_id):
            assert pending.path.stat().st_size == pending.size_bytes
            assert checksum.of_file(pending.path) == pending.crc32c


Contents = dict[Path, bytes]
Change = tuple[str, Path, Path | None]


@dataclass
class Disk:
    """What would be on the disk after a power cut: recorded from the system calls that the spool makes.

    A file's content counts as there once it was synced, before that only its beginning does. A name given or
    taken counts as there for certain once its folder was synced; before that a disk may or may not have it.
    """

    folder: Path
    moments: list[tuple[Contents, Contents, list[Change]]] = field(default_factory=list)
    contents: Contents = field(default_factory=dict)
    certain: Contents = field(default_factory=dict)
    pending: list[Change] = field(default_factory=list)

    def moment(self) -> None:
        """The power may fail here."""
        self.moments.append((dict(self.certain), dict(self.contents), [*self.pending]))

    def settle(self, folder: Path) -> None:
        """The names in `folder` are on the disk now."""
        remaining = []
        for name in self.pending:
            if folder in (name[1].parent, name[2].parent if name[2] else None):
                _apply(self.certain, name, self.contents)
            else:
                remaining.append(name)
        self.pending = remaining


def _apply(names: Contents, change: Change, contents: Contents) -> None:
    what, path, to = change
    if what == "create":
        names.setdefault(path, contents.get(path, b""))
    elif what == "remove":
        names.pop(path, None)
    elif to is not None:
        names[to] = names.pop(path, contents.get(path, b""))


def _recorded(disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the spool's system calls tell `disk` what they do."""
    real_open, real_rename, real_unlink = os.open, os.rename, os.unlink

    def of(descriptor: int) -> Path:
        return Path(f"/proc/self/fd/{descriptor}").readlink()

    def opening(path: str | Path, flags: int, *rest: int, **options: int) -> int:
        is_new = not Path(path).exists()
        descriptor = real_open(path, flags, *rest, **options)
        if is_new and flags & os.O_CREAT:
            disk.pending.append(("create", Path(path), None))
            disk.moment()
        return descriptor

    def syncing(descriptor: int) -> None:
        path = of(descriptor)
        disk.moment()
        if path.is_dir():
            disk.settle(path)
        else:
            disk.contents[path] = path.read_bytes()
            if path in disk.certain:
                disk.certain[path] = disk.contents[path]
        disk.moment()

    def renaming(path: Path, to: Path, **options: int) -> None:
        real_rename(path, to, **options)
        disk.contents[Path(to)] = disk.contents.get(Path(path), Path(to).read_bytes()[:7])
        disk.pending.append(("rename", Path(path), Path(to)))
        disk.moment()

    def unlinking(path: Path, **options: int) -> None:
        real_unlink(path, **options)
        disk.pending.append(("remove", Path(path), None))
        disk.moment()

    monkeypatch.setattr(os, "open", opening)
    monkeypatch.setattr(os, "fsync", syncing)
    monkeypatch.setattr(os, "fdatasync", syncing)
    monkeypatch.setattr(os, "rename", renaming)
    monkeypatch.setattr(os, "unlink", unlinking)


def _cut(disk: Disk, moment: int, survivors: int, into: Path) -> None:
    """Make the folder as the power cut at `moment` leaves it when the disk has the first `survivors` of the
    changes of names that were not synced."""
    certain, contents, pending = disk.moments[moment]
    names = dict(certain)
    for change in pending[:survivors]:
        _apply(names, change, contents)
    for path, content in names.items():
        place = into / path.relative_to(disk.folder)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)


def test_whatever_moment_the_power_fails_at_nothing_whole_is_lost_and_nothing_half_is_offered(
    tmp_path: Path,
) -> None:
    disk = Disk(tmp_path / "spool")
    kept_at: dict[int, int] = {}
    with pytest.MonkeyPatch.context() as patch:
        _recorded(disk, patch)
        spool = opened(disk.folder)
        for number in range(4):  # the fourth evicts the first
            record(spool, number, size=5 * MB if number else 3 * MB)
            kept_at[number] = len(disk.moments)
        left_at = {0: kept_at[2], 1: len(disk.moments)}
        pending = spool.pending("lobby")[0]
        spool.session(pending).save("https://store/upload?id=1")
        spool.acknowledge(pending, receipt(pending))
        spool.close()
    assert len(disk.moments) > 40
    for moment, (_, _, pending) in enumerate(disk.moments):
        expected = {n for n in kept_at if kept_at[n] <= moment and left_at.get(n, len(disk.moments)) > moment}
        for survivors in range(len(pending) + 1):
            folder = tmp_path / "after"
            _cut(disk, moment, survivors, folder)
            again = opened(folder, max_bytes=100 * MB)  # what is saved must not push anything out here
            _expect_all_whole(again)
            assert expected <= set(numbers(again)), f"moment {moment}, {survivors} names"
            again.close()
            shutil.rmtree(folder)
