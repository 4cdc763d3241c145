"""A component's unit under systemd, as Nucleus Lite writes it: one for `install`, one for `run`.

`Restart=on-failure`, `RestartSec=1`, `StartLimitBurst=3` within `StartLimitInterval=3600`: the fourth start
within an hour, of whatever origin, is refused. An end by 0 or by a signal that asks to end is a clean one and
starts nothing. Source: `recipe2unit/src/unit_file_generator.c`, systemd.service(5).
"""

from __future__ import annotations

import enum
import logging
import signal
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from sandbox.core.scripts import Script
from sandbox.errors import SandboxError
from sandbox.process import tail

log = logging.getLogger(__name__)

START_LIMIT = 3
START_LIMIT_S = 3600.0
CLEAN_SIGNALS = (signal.SIGHUP, signal.SIGINT, signal.SIGPIPE, signal.SIGTERM)
STOP_TIMEOUT_S = 120.0
"""Lite's `TimeoutSec` for a step without a Timeout."""


class Active(enum.Enum):
    """systemd's ActiveState."""

    INACTIVE = "inactive"
    ACTIVE = "active"
    ACTIVATING = "activating"
    FAILED = "failed"


class Unit:
    """One unit. `tick()` is to be called often; nothing happens in between."""

    def __init__(
        self,
        name: str,
        launch: Callable[[], Script],
        *,
        journal: Path,
        restart_delay_s: float,
        bound_to: Sequence[str] = (),
        oneshot: bool = False,
        start_timeout_s: float | None = None,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        """Nothing is started.

        Args:
            name: As systemd has it, without `.service`.
            launch: Starts its program; SandboxError where that cannot be, which counts as a failed start.
            journal: Where its program writes.
            restart_delay_s: `RestartSec`.
            bound_to: Services that it is `BindsTo=`.
            oneshot: It is up when its program has ended well.
            start_timeout_s: `TimeoutSec`, of a oneshot unit.
            now_s: The clock.
        """
        self.name = name
        self.journal = journal
        self.bound_to = frozenset(bound_to)
        self.state = Active.INACTIVE
        self.unlinked = False
        """Its file is gone while it runs: what it was to do after an end has gone with it."""
        self.up_since_s = 0.0
        self._launch = launch
        self._restart_delay_s = restart_delay_s
        self._oneshot = oneshot
        self._start_timeout_s = start_timeout_s
        self._now_s = now_s
        self._script: Script | None = None
        self._starts_s: list[float] = []
        self._restarts = 0
        self._due_s = 0.0
        self._began_s = 0.0

    @property
    def lifecycle_state(self) -> str:
        """Greengrass' word for the state (gghealthd)."""
        if self.state is Active.ACTIVE:
            return "RUNNING"
        if self.state is Active.ACTIVATING:
            return "STARTING"
        if self.state is Active.FAILED:
            return "BROKEN" if self._restarts >= START_LIMIT else "ERRORED"
        return "FINISHED" if self._began_s else "INSTALLED"

    @property
    def has_ended_well(self) -> bool:
        """Whether it did its work, or was stopped."""
        return self.state is Active.INACTIVE and self._began_s > 0

    def up_for_s(self) -> float:
        """How long it has been up."""
        return self._now_s() - self.up_since_s if self.state is Active.ACTIVE else 0.0

    def start(self) -> None:
        """`systemctl start`; nothing where it is up or about to be."""
        if self.state in (Active.INACTIVE, Active.FAILED):
            self._restarts = 0
            self._start()

    def stop(self) -> None:
        """`systemctl stop`: SIGTERM to all of its processes, and nothing starts it again by itself."""
        if self._script is not None and self._script.exit_code() is None:
            log.info("%s: stopping", self.name)
            if not self._script.stop(STOP_TIMEOUT_S):
                log.warning("%s: did not end within %.0f s, killed", self.name, STOP_TIMEOUT_S)
        self._script = None
        if self.state is not Active.FAILED:
            self.state = Active.INACTIVE

    def reset_failed(self) -> None:
        """`systemctl reset-failed`: the starts until now do not count any more."""
        self._starts_s.clear()
        if self.state is Active.FAILED:
            self.state = Active.INACTIVE

    def tick(self) -> None:
        """See whether the program has ended, and start it again when it is time."""
        if self.state is Active.ACTIVATING and self._script is None and self._now_s() >= self._due_s:
            self._start()
            return
        if self._script is None:
            return
        code = self._script.exit_code()
        if code is None:
            if self._start_timeout_s is not None and self._now_s() > self._began_s + self._start_timeout_s:
                self._fail("timed out")
        elif code == 0 or -code in CLEAN_SIGNALS:
            self._clean_up()
            self.state = Active.ACTIVE if self._oneshot else Active.INACTIVE
            log.info("%s: ended well", self.name)
        else:
            self._fail(f"ended with {_meaning(code)}")

    def last_words(self) -> str:
        """The end of its journal."""
        return tail(self.journal, 12)

    def _start(self) -> None:
        now_s = self._now_s()
        self._starts_s = [started_s for started_s in self._starts_s if started_s > now_s - START_LIMIT_S]
        if len(self._starts_s) >= START_LIMIT:
            log.error("%s: Start request repeated too quickly. Last words:\n%s", self.name, self.last_words())
            self.state = Active.FAILED
            return
        self._starts_s.append(now_s)
        self._began_s = self.up_since_s = now_s
        log.info("%s: started", self.name)
        try:
            self._script = self._launch()
        except SandboxError as error:
            self._fail(f"could not be started: {error}")
            return
        self.state = Active.ACTIVATING if self._oneshot else Active.ACTIVE

    def _fail(self, what: str) -> None:
        self._clean_up()
        log.warning("%s: %s", self.name, what)
        if self.unlinked:
            self.state = Active.FAILED
            return
        self._restarts += 1
        self._due_s = self._now_s() + self._restart_delay_s
        self.state = Active.ACTIVATING

    def _clean_up(self) -> None:
        """End what outlived the main process, as systemd does with a control group."""
        if self._script is not None:
            self._script.stop(0)
        self._script = None


def _meaning(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"code {code}"
