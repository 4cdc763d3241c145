"""What a build is doing, read from the output of `docker build`: which stage, what is fetched or compiled."""

from __future__ import annotations

import contextlib
import re
import threading
import time
from collections.abc import Callable, Iterator, Sequence

_STAGE = re.compile(r"Step \d+/\d+ : FROM \S+ AS (?P<classic>\S+)|#\d+ \[(?P<buildkit>\S+) \d+/\d+\]")
"""How Docker's own builder and BuildKit announce a stage."""

_BUILDKIT_PREFIX = re.compile(r"#\d+ [\d.]+ ")

_ACTIVITIES = (
    (re.compile(r"Get:\d+ \S+ \S+ \S+ (?P<what>\S+) \S+ \S+ \["), "fetching"),  # apt-get, a package
    (re.compile(r"Get:\d+ \S+ (?P<what>\S+) InRelease"), "fetching the package lists of"),
    (re.compile(r"Get:\d+ \S+ \S+ (?P<what>\S+) \S+ \((?:dsc|tar|diff)\)"), "fetching the source of"),
    (re.compile(r"(?:Unpacking|Setting up) (?P<what>[^\s:]+)"), "installing"),
    (re.compile(r"\s*Downloading (?:\S*/)?(?P<what>[\w.]+)-\d\S*\.whl"), "fetching"),  # pip
    (re.compile(r"Installing collected packages: (?P<what>.{1,40})"), "installing"),
    (re.compile(r"(?:CC|[A-Z0-9]*ASM|AS|LD)\s+(?P<what>\S+)\.\w+$"), "compiling"),  # ffmpeg's make
    (re.compile(r"== (?P<what>.{1,80})"), ""),  # prune.py
)
LOG_EVERY_S = 10.0
"""Between two lines of a log on the same stage."""

REPORT_EVERY_S = 0.5
"""Between two states that are reported: a compiler changes files faster than anybody reads."""

Consumer = Callable[[str], None]


class BuildProgress:
    """The progress of one image, to which several `docker build` at a time may contribute.

    Attributes:
        stages: All that are made, in their order in the Dockerfile.
    """

    def __init__(self, image: str, stages: Sequence[str], *, report: Consumer, log: Consumer) -> None:
        """`report` gets the whole state whenever it has changed, `log` a line worth keeping now and then."""
        self.stages = list(stages)
        self._image = image
        self._report = report
        self._log = log
        self._lock = threading.Lock()
        self._current: dict[object, tuple[str, str]] = {}
        self._logged_s: dict[object, float] = {}
        self._reported_s = 0.0
        self._started_s = time.monotonic()

    @contextlib.contextmanager
    def reading(self) -> Iterator[Consumer]:
        """A function to be called with each line of one `docker build`, which is over at the end."""
        key = object()

        def read(line: str) -> None:
            with self._lock:
                self._read(key, line)

        try:
            yield read
        finally:
            with self._lock:
                self._current.pop(key, None)

    def _read(self, key: object, line: str) -> None:
        stage, activity = self._current.get(key, ("", ""))
        if announced := _STAGE.match(line):
            new = announced["classic"] or announced["buildkit"]
            if new in self.stages and new != stage:
                self._change(key, new, "", at_once=True)
            return
        if stage and (doing := activity_of(line)) and doing != activity:
            self._change(key, stage, doing, at_once=False)

    def _change(self, key: object, stage: str, activity: str, *, at_once: bool) -> None:
        self._current[key] = stage, activity
        now_s = time.monotonic()
        if at_once or now_s >= self._reported_s + REPORT_EVERY_S:
            self._reported_s = now_s
            states = "; ".join(self._words(*state) for state in self._current.values())
            self._report(f"{self._image}, {states}")
        if at_once or now_s >= self._logged_s.get(key, 0.0) + LOG_EVERY_S:
            self._logged_s[key] = now_s
            self._log(f"{now_s - self._started_s:4.0f} s  {self._words(stage, activity)}")

    def _words(self, stage: str, activity: str) -> str:
        place = f"stage {self.stages.index(stage) + 1} of {len(self.stages)} ({stage})"
        return f"{place}: {activity}" if activity else place


def activity_of(line: str) -> str:
    """What is being done by a line of a build; empty where the line is about something else."""
    line = _BUILDKIT_PREFIX.sub("", line[:500]).rstrip()
    for pattern, word in _ACTIVITIES:
        if match := pattern.match(line):
            return f"{word} {match['what']}".strip()
    return ""


def stages_of(dockerfile: str, target: str) -> list[str]:
    """The names of a Dockerfile's stages up to `target`."""
    names = re.findall(r"^FROM \S+ AS (\S+)$", dockerfile, re.MULTILINE)
    return names[: names.index(target) + 1]


def stage_alone(dockerfile: str, name: str) -> str:
    """A Dockerfile with one stage only, which is to depend on no other.

    Docker's own builder makes every stage that stands before the one that is asked for, one after another.
    """
    first = re.search(r"^FROM ", dockerfile, re.MULTILINE)
    found = re.search(
        rf"^FROM \S+ AS {re.escape(name)}\n.*?(?=^FROM |\Z)", dockerfile, re.MULTILINE | re.DOTALL
    )
    if first is None or found is None:
        raise ValueError(f"Dockerfile: expected a stage {name}, found none")
    return dockerfile[: first.start()] + found[0]
