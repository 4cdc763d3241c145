"""Whether a node that runs for a year stays as it is: sixteen cameras, ten of them bad, in two hours.

    python -m bench.soak [--minutes 120] [--json bench/results/soak.json]

The shipped program records and shows 16 cameras: 6 are good, 4 are off (two refuse, two never answer), 2
flap every 5 s, 2 trickle a byte every half second, 1 alternates its parameter sets at each picture, 1 sends
garbage.
The bucket is away a third of the time. Every second `/healthz` is asked, and memory, descriptors, threads and
the age of the good cameras' pictures are read. At the end what was recorded is compared with what the bucket
holds. The figures so far are written every five minutes, so that a run which is cut short leaves them.
"""

from __future__ import annotations

import argparse
import json
import platform
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil

from bench.soak_figures import (
    ANSWER_WITHIN_S,
    Account,
    Health,
    Look,
    Watcher,
    account,
    minutes,
    recorded_s,
    slope_per_min,
    summed_metrics,
)
from bench.soak_site import GOOD, Site

RESULTS = Path(__file__).resolve().parent / "results" / "soak.json"
MB_PER_MIN = 0.1
"""What the last of warming up may look like; the series in the results' file shows whether it ends."""
GROWTH = 1.0
"""By how many descriptors and threads the line through the second half may rise: by less than one."""
_WARM_UP_S = 20.0
"""By then every good camera has shown its first picture."""
_SAVE_EVERY_S = 300.0
_DRAIN_TIMEOUT_S = 300.0


@dataclass(frozen=True)
class Target:
    """One line of the table.

    Attributes:
        name: What should be.
        found: What is.
        met: Whether that is it.
    """

    name: str
    found: str
    met: bool


class Soak:
    """One run, and what is known of it so far."""

    def __init__(self, folder: Path, duration_s: float) -> None:
        self.duration_s = duration_s
        self.ending = threading.Event()
        self.looks: list[Look] = []
        self.account: Account | None = None
        self.recorded: dict[str, float] = {}
        self.exit_code: int | None = None
        self.died_at_s: float | None = None
        self._site = Site(folder, duration_s)
        self._cpu_s = 0.0
        self._health: Health

    def run(self, results: Path) -> None:
        """From beginning to end; `results` has the figures so far, again and again."""
        with self._site as site:
            self._health = Health(site.page_port)
            if not self._health.start():
                raise TimeoutError(f"expected an answer of the node's page, found none:\n{site.node.tail()}")
            try:
                self._watch(Watcher(site.node.pid, site.page_port, site.data, GOOD), results)
            finally:
                self._health.stop()
                self._write(results)
            self._settle()
        self._write(results)

    def _watch(self, watcher: Watcher, results: Path) -> None:
        due_s, saved_s = watcher.passed_s, 0.0
        while due_s < self.duration_s and not self.ending.wait(max(0.0, due_s - watcher.passed_s)):
            try:
                self.looks.append(watcher.look(max(0.0, watcher.passed_s - due_s)))
                self._cpu_s = watcher.cpu_s
            except psutil.Error:
                self.died_at_s = watcher.passed_s
                return
            if watcher.passed_s - saved_s > _SAVE_EVERY_S:
                saved_s = watcher.passed_s
                self._write(results)
            due_s = max(due_s + 1.0, watcher.passed_s)

    def _settle(self) -> None:
        """No camera, the bucket there: what has been recorded arrives, and is counted."""
        if self.died_at_s is not None:
            self.exit_code = self._site.node.exit_code()
            return
        self._site.heal()
        self._site.stop_cameras()
        time.sleep(self.looks[-1].limit_s)  # until the node has noticed, and has ended the last chunks
        deadline_s = time.monotonic() + _DRAIN_TIMEOUT_S
        before, now = None, summed_metrics(self._site.page_port)
        while now.get("edgecam_spool_chunks") or now["edgecam_chunks_recorded_total"] != before:
            if time.monotonic() > deadline_s:
                break  # the account says what waits
            time.sleep(2.0)
            before = now["edgecam_chunks_recorded_total"]
            now = summed_metrics(self._site.page_port)
        stored = self._site.gcs.objects()
        self.account = account(now, stored)
        self.recorded = recorded_s(stored, GOOD)
        self.exit_code = self._site.stop_node()

    @property
    def second_half(self) -> list[Look]:
        """What the slopes are of."""
        return self.looks[len(self.looks) // 2 :]

    def targets(self) -> list[Target]:
        """The table."""
        half = self.second_half
        half_min = (half[-1].at_s - half[0].at_s) / 60
        flat = [self._flat(name, half_min) for name in ("descriptors", "threads")]
        return [self._memory(), *flat, self._fresh(), self._healthy(), *self._recorded(), self._ended()]

    def _memory(self) -> Target:
        half = self.second_half
        slopes = {
            name: slope_per_min(half, lambda each, name=name: getattr(each, f"{name}_mb"))  # type: ignore[misc]
            for name in ("rss", "anonymous", "pss")
        }
        most_mb = max(each.rss_mb for each in half)
        return Target(
            f"memory: slope of the second half ≤ {MB_PER_MIN} MB a minute",
            f"{slopes['rss']:+.3f} MB a minute (anonymous {slopes['anonymous']:+.3f}, PSS "
            f"{slopes['pss']:+.3f}); {half[0].rss_mb:.0f} to {half[-1].rss_mb:.0f} MB, most {most_mb:.0f}",
            slopes["rss"] <= MB_PER_MIN,
        )

    def _healthy(self) -> Target:
        health, late_s = self._health, max(each.late_s for each in self.looks)
        return Target(
            f"`/healthz` answers within {ANSWER_WITHIN_S:g} s at every moment",
            f"{health.late} of {health.statuses.total():,} later, {health.statuses[0]} without an answer, "
            f"worst {health.worst_s:.2f} s (the soak itself got its turn up to {late_s:.2f} s late)",
            not health.late and not health.statuses[0],
        )

    def _flat(self, name: str, half_min: float) -> Target:
        values = [int(getattr(each, name)) for each in self.second_half]
        growth = half_min * slope_per_min(self.second_half, lambda each: getattr(each, name))
        return Target(
            f"{name} flat",
            f"{growth:+.1f} over the second half; {min(values)} to {max(values)}",
            growth < GROWTH,
        )

    def _fresh(self) -> Target:
        warm = [each for each in self.looks if each.at_s > _WARM_UP_S]
        over = sum(each.oldest_s > each.limit_s for each in warm)
        oldest_s = max((each.oldest_s for each in warm), default=0.0)
        limit_s = self.looks[-1].limit_s
        return Target(
            f"the {len(GOOD)} good cameras' pictures never older than their limit",
            f"{over} of {len(warm):,} looks; oldest {oldest_s:.1f} s of {limit_s:g} s",
            not over,
        )

    def _recorded(self) -> list[Target]:
        if self.account is None:
            return [Target("recorded = stored + counted", "not compared: the run was cut short", False)]
        it, good = self.account, self.recorded
        return [
            Target(
                "recorded = stored + counted, nothing twice",
                f"{it.recorded:,} chunks recorded, {it.listed:,} in the bucket, {it.evicted} evicted, "
                f"{it.quarantined} quarantined, {it.waiting} waiting, {it.lost} counted as lost; "
                f"unaccounted {it.unaccounted}, doubled {it.doubled}",
                not it.unaccounted and not it.doubled and not it.waiting,
            ),
            Target(
                "the good cameras' recordings are whole",
                f"{good['least_s']:,g} s of {self.looks[-1].at_s:,.0f} s at the least, "
                f"{good['holes']:g} holes, {good['overlaps']:g} overlaps, "
                f"longest gap {good['longest_gap_s']:g} s",
                not good["holes"] and not good["overlaps"] and not good["longest_gap_s"],
            ),
        ]

    def _ended(self) -> Target:
        if self.died_at_s is not None:
            return Target("the node lives", f"died after {self.died_at_s:.0f} s: {self.exit_code}", False)
        return Target(
            "the node lives, and ends at SIGTERM", f"exit code {self.exit_code}", self.exit_code == 0
        )

    def document(self) -> dict[str, Any]:
        """Everything, for the file."""
        passed_min = self.looks[-1].at_s / 60
        return {
            "machine": platform.platform(),
            "minutes": round(passed_min, 1),
            "of_minutes": self.duration_s / 60,
            "bucket_away_min": round(self._site.away_s / 60, 1),
            "cpu_s_per_min": round(self._cpu_s / passed_min, 2) if passed_min else None,
            "log_bytes": self._site.log_bytes,
            "health_statuses": {str(status): times for status, times in self._health.statuses.items()},
            "targets": [asdict(each) for each in self.targets()],
            "account": asdict(self.account) if self.account else None,
            "recorded": self.recorded,
            "each_minute": minutes(self.looks),
        }

    def _write(self, results: Path) -> None:
        if self.looks:
            unfinished = results.with_suffix(".part")
            unfinished.write_text(json.dumps(self.document(), indent=1) + "\n")
            unfinished.replace(results)


def table(targets: Sequence[Target]) -> str:
    """As it is in the README."""
    rows = [f"| {each.name} | {'' if each.met else '**not met:** '}{each.found} |" for each in targets]
    return "\n".join(["| target | found |", "| --- | --- |", *rows])


def main() -> int:
    """Run, print the table, write the figures; 1 when a target is not met."""
    parser = argparse.ArgumentParser(prog="python -m bench.soak", description=__doc__.partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=120.0)
    parser.add_argument("--json", type=Path, default=RESULTS)
    parser.add_argument("--keep", type=Path, help="work in this folder and leave it, with the node's log")
    parser.add_argument("--show", action="store_true", help="run nothing, print the table of the file")
    arguments = parser.parse_args()
    if arguments.show:
        print(table([Target(**each) for each in json.loads(arguments.json.read_text())["targets"]]))
        return 0
    with tempfile.TemporaryDirectory(prefix="edgecam-soak-", ignore_cleanup_errors=True) as temporary:
        folder = arguments.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        soak = Soak(folder, arguments.minutes * 60)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: soak.ending.set())
        soak.run(arguments.json)
    targets = soak.targets()
    print(table(targets))
    return int(not all(each.met for each in targets))


if __name__ == "__main__":
    sys.exit(main())
