"""Starts the targets' processes, looks after them, and judges what came of it."""

from __future__ import annotations

import importlib
import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean
from typing import Any

from fuzz.target import MB, Target
from sandbox.process import Process

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "build" / "fuzz"
MOST_BYTES = 1_000 * MB
"""Of one process, at any moment: an input of kilobytes never has a reason for more."""
MOST_DESCRIPTORS_MORE = 48
"""What a node's cameras that come and go differ by; two left behind at each connection are hundreds."""
_LOOK_EVERY_S = 0.2
_START_S = 180.0
"""Making the seeds and starting a node, on a machine that is busy."""
_LEAST_SAMPLES = 12
_MOST_DEATHS = 5
"""A process that ends so often has the same to say each time."""
_NICE = ["nice", "-n", "10"]


@dataclass
class Outcome:
    """What came of one target.

    Attributes:
        target: Its name.
        fed: Inputs.
        faults: What went wrong, each with the paths of its inputs.
        slowest_s: The longest that one lot took.
        grown_bytes: Memory of the last quarter above that of the second.
        most_bytes: Of memory.
        descriptors_more: Likewise grown.
    """

    target: str
    fed: int = 0
    faults: list[dict[str, Any]] = field(default_factory=list)
    slowest_s: float = 0.0
    grown_bytes: float = 0.0
    most_bytes: int = 0
    descriptors_more: float = 0.0


def fuzz(
    names: Iterable[str], seconds: float, seed: int, *, folder: Path = FOLDER, module: str = "fuzz.targets"
) -> list[Outcome]:
    """Feed these targets of `module` beside each other, for `seconds`."""
    targets = [importlib.import_module(module).TARGETS[name] for name in names]
    with ThreadPoolExecutor(len(targets), thread_name_prefix="fuzz") as pool:
        return list(
            pool.map(lambda target: _fuzzed(target, module, seconds, seed, folder / target.name), targets)
        )


def _fuzzed(target: Target, module: str, seconds: float, seed: int, folder: Path) -> Outcome:
    """One target; where its process dies or hangs, another goes on with the rest of the time."""
    outcome, end_s, deaths = Outcome(target.name), time.monotonic() + seconds, 0
    while (left_s := end_s - time.monotonic()) > 0 and deaths < _MOST_DEATHS:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        command = [*_NICE, sys.executable, "-m", "fuzz.child", target.name, "--module", module]
        child = Process(
            f"fuzz {target.name}",
            [*command, "--folder", str(folder), "--seconds", f"{left_s:.1f}", "--seed", str(seed)],
            log=folder.parent / f"{target.name}.log",
            env={
                **os.environ,
                "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
                "HYPOTHESIS_STORAGE_DIRECTORY": str(folder.parent / "hypothesis"),
            },
            cwd=ROOT,
        )
        try:
            ended = _watched(target, child, folder)
        finally:
            child.stop(timeout_s=0)
        _add(outcome, target, folder)
        if ended is None:
            break
        if all(each["fault"] != ended for each in outcome.faults):
            fed = _kept(sorted(folder.glob("current-*")), target, folder)
            outcome.faults.append({"fault": ended, "message": child.tail(), "inputs": fed})
        seed, deaths = seed + 1_000_000, deaths + 1
    return outcome


def _watched(target: Target, child: Process, folder: Path) -> str | None:
    """Returns at its end: None where it is a good one, else what was wrong."""
    fed, began_s = folder / "current-0", time.monotonic()
    while (code := child.exit_code()) is None:
        time.sleep(_LOOK_EVERY_S)
        has_begun = fed.exists()
        silent_s = time.time() - fed.stat().st_mtime if has_begun else time.monotonic() - began_s
        if silent_s > (target.watchdog_s if has_begun else _START_S):
            os.kill(child.pid, signal.SIGUSR1)  # says where it hangs
            time.sleep(1.0)
            return f"hangs for more than {silent_s:.0f} s"
    if code == 0:
        return None
    return f"died of {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"


def _kept(inputs: Iterable[Path], target: Target, folder: Path) -> list[str]:
    """What made something wrong, where the next process does not remove it."""
    kept = []
    for path in inputs:
        place = folder.parent / "kept" / f"{target.name}-{time.time_ns()}-{path.name}"
        place.parent.mkdir(exist_ok=True)
        shutil.copy(path, place)
        kept.append(str(place))
    return kept


def _add(outcome: Outcome, target: Target, folder: Path) -> None:
    """The figures that a process has left, and what it found."""
    try:
        state = json.loads((folder / "state.json").read_text())
    except FileNotFoundError:
        return
    outcome.fed += state["fed"]
    outcome.slowest_s = max(outcome.slowest_s, state["slowest_s"])
    known = {each["fault"] for each in outcome.faults}
    outcome.faults += [
        fault | {"inputs": _kept(map(Path, fault["inputs"]), target, folder)}
        for fault in state["faults"]
        if fault["fault"] not in known
    ]
    _judge(outcome, target, state["samples"])


def _judge(outcome: Outcome, target: Target, samples: list[tuple[int, int]]) -> None:
    if not samples:
        return
    outcome.most_bytes = max(outcome.most_bytes, *(rss for rss, _ in samples))
    if outcome.most_bytes > MOST_BYTES:
        outcome.faults.append(_without_input(f"takes {outcome.most_bytes / MB:,.0f} MB"))
    if len(samples) < _LEAST_SAMPLES:
        return
    quarter = len(samples) // 4
    second, last = samples[quarter : 2 * quarter], samples[-quarter:]
    outcome.grown_bytes = fmean(rss for rss, _ in last) - fmean(rss for rss, _ in second)
    outcome.descriptors_more = fmean(count for _, count in last) - fmean(count for _, count in second)
    if outcome.grown_bytes > target.growth_bytes:
        outcome.faults.append(_without_input(f"memory grows: {outcome.grown_bytes / MB:,.0f} MB more"))
    if outcome.descriptors_more > MOST_DESCRIPTORS_MORE:
        outcome.faults.append(_without_input(f"descriptors grow: {outcome.descriptors_more:.0f} more"))


def _without_input(fault: str) -> dict[str, Any]:
    return {"fault": fault, "message": "", "inputs": []}
