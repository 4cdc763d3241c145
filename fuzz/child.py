"""One target's own process: feeds it until its time is over, and notes what it did.

    python -m fuzz.child NAME --module fuzz.targets --seconds S --seed N --folder FOLDER

In the folder: `current-N`, what is being fed at this moment, for the parent when this process dies or
hangs; `found-…`, what made something wrong; `state.json`, the figures so far.
"""

from __future__ import annotations

import argparse
import contextlib
import faulthandler
import gc
import hashlib
import importlib
import json
import signal
import sys
import time
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psutil
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from hypothesis.database import DirectoryBasedExampleDatabase
from hypothesis.strategies import SearchStrategy

from fuzz.target import Subject, Target

FOUND = Path(__file__).resolve().parent / "found"
ROUND_EXAMPLES = 500
"""hypothesis remembers what it has tried in a round: short ones keep its own memory small."""
_SAMPLE_EVERY_S = 0.5
_MOST_FAULTS = 20


class Run:
    """One target's time."""

    def __init__(self, target: Target, folder: Path, seconds: float, number: int) -> None:
        self._target = target
        self._folder = folder
        self._end_s = time.monotonic() + seconds
        self._number = number
        self._samples: list[tuple[float, int]] = []
        self._sampled_s = 0.0
        self._slowest_s = 0.0
        self._fed = 0
        self._faults: dict[str, dict[str, Any]] = {}

    def run(self) -> None:
        """What was found before, then what nobody has thought of."""
        strategy = self._target.inputs()
        working = self._folder / "work"
        working.mkdir(exist_ok=True)
        with self._target.opened(working) as subject:
            written = [path.read_bytes() for path in sorted((FOUND / self._target.name).glob("*"))]
            for known in (*self._target.known(), *written):
                with contextlib.suppress(Exception):  # noted where it was raised
                    self._feed(subject, [known])
            while not self._is_over():
                self._round(subject, strategy)
                self._number += 1
            self._note(subject)

    def _round(self, subject: Subject, strategy: SearchStrategy[bytes]) -> None:
        phases = [Phase.explicit, Phase.reuse, Phase.generate]
        if self._target.batch == 1:
            phases.append(Phase.shrink)  # a node takes a second for each try

        @seed(self._number)
        @settings(
            max_examples=ROUND_EXAMPLES,
            deadline=None,
            database=DirectoryBasedExampleDatabase(self._folder.parent / "hypothesis" / "examples"),
            phases=phases,
            suppress_health_check=list(HealthCheck),
        )
        @given(st.lists(strategy, min_size=self._target.batch, max_size=self._target.batch))
        def fed(inputs: list[bytes]) -> None:
            if not self._is_over():
                self._feed(subject, inputs)

        with contextlib.suppress(Exception):  # noted where it was raised
            fed()

    def _feed(self, subject: Subject, inputs: Sequence[bytes]) -> None:
        for place, data in enumerate(inputs):
            (self._folder / f"current-{place}").write_bytes(data)
        begun_s = time.monotonic()
        try:
            subject.check(inputs)
        except Exception as error:
            self._found(error, inputs)
            raise
        finally:
            self._fed += len(inputs)
            self._slowest_s = max(self._slowest_s, time.monotonic() - begun_s)
            if time.monotonic() - self._sampled_s > _SAMPLE_EVERY_S:
                self._note(subject)

    def _found(self, error: Exception, inputs: Sequence[bytes]) -> None:
        """Each place in the program once, with the shortest inputs that lead there."""
        where = _place_of(error)
        key = f"{type(error).__name__} at {where}"
        size = sum(map(len, inputs))
        known = self._faults.get(key)
        if (known is None and len(self._faults) >= _MOST_FAULTS) or (known and known["size"] <= size):
            return
        name = hashlib.sha256(key.encode()).hexdigest()[:8]
        paths = []
        for place, data in enumerate(inputs):
            path = self._folder / f"found-{name}-{place}"
            path.write_bytes(data)
            paths.append(str(path))
        self._faults[key] = {"fault": key, "message": str(error)[:2000], "inputs": paths, "size": size}

    def _note(self, subject: Subject) -> None:
        gc.collect()
        self._sampled_s = time.monotonic()
        with contextlib.suppress(psutil.Error):
            process = psutil.Process(subject.pid)
            self._samples.append((process.memory_info().rss, process.num_fds()))
        state = {
            "fed": self._fed,
            "slowest_s": round(self._slowest_s, 3),
            "samples": self._samples,
            "faults": list(self._faults.values()),
        }
        unfinished = self._folder / "state.part"
        unfinished.write_text(json.dumps(state))
        unfinished.replace(self._folder / "state.json")

    def _is_over(self) -> bool:
        return time.monotonic() > self._end_s


def _place_of(error: Exception) -> str:
    """The innermost line of edgecam's own."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if "edgecam" in Path(frame.filename).parts] or frames
    return f"{Path(own[-1].filename).name}:{own[-1].lineno}"


def main() -> int:
    """Feed one target."""
    parser = argparse.ArgumentParser(prog="python -m fuzz.child")
    parser.add_argument("target")
    parser.add_argument("--module", required=True, help="where TARGETS are")
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--folder", type=Path, required=True)
    arguments = parser.parse_args()
    faulthandler.enable()
    faulthandler.register(signal.SIGUSR1)
    target: Target = importlib.import_module(arguments.module).TARGETS[arguments.target]
    Run(target, arguments.folder, arguments.seconds, arguments.seed).run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
