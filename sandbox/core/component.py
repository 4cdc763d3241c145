"""One component on a core: installed, running, restarted when it fails, broken when it fails too often."""

from __future__ import annotations

import enum
import logging
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sandbox.core.interpolation import Variables
from sandbox.core.recipe import Recipe, Step
from sandbox.core.scripts import Identity, Script
from sandbox.process import tail

log = logging.getLogger(__name__)

MAX_FAILURES = 3
"""The classic nucleus' limit within an hour, and Lite's number of restarts."""

FAILURE_WINDOW_S = 3600.0
STOP_TIMEOUT_S = 15.0
"""The classic nucleus' default for shutdown."""

DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class State(enum.Enum):
    """The lifecycle states that Greengrass reports."""

    NEW = "NEW"
    INSTALLED = "INSTALLED"
    RUNNING = "RUNNING"
    STOPPING = "STOPPING"
    ERRORED = "ERRORED"
    BROKEN = "BROKEN"
    FINISHED = "FINISHED"


@dataclass(frozen=True, kw_only=True)
class Plan:
    """All that is needed to run a component, complete before anything of the former one is stopped."""

    recipe: Recipe
    document: Mapping[str, Any]
    """The recipe as it came."""
    configuration: Mapping[str, Any]
    install: Step | None
    run: Step | None
    work: Path
    log: Path

    @property
    def name(self) -> str:
        """The component's name."""
        return self.recipe.name

    def same_as(self, other: Plan) -> bool:
        """Whether a deployment of `self` over `other` changes nothing on the core."""
        return self.recipe == other.recipe and self.configuration == other.configuration


def interpolated(step: Step | None, variables: Variables, place: str) -> Step | None:
    """The step with every variable replaced, in script and environment."""
    if step is None:
        return None
    return Step(
        script=variables.interpolate(step.script, f"{place} Script"),
        environment={
            key: variables.interpolate(value, f"{place} Setenv {key}")
            for key, value in step.environment.items()
        },
        timeout_s=step.timeout_s,
        privileged=step.privileged,
    )


class Component:
    """Runs a plan. `tick()` is to be called often; nothing happens in between."""

    def __init__(
        self,
        plan: Plan,
        *,
        environment: Mapping[str, str],
        identity: Identity,
        restart_delay_s: float,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        """`environment` is what the nucleus adds to the steps' own."""
        self.plan = plan
        self.state = State.NEW
        self.running_since_s = 0.0
        self._environment = environment
        self._identity = identity
        self._restart_delay_s = restart_delay_s
        self._now_s = now_s
        self._script: Script | None = None
        self._deadline_s: float | None = None
        self._failures_s: list[float] = []

    def tick(self) -> None:
        """Take the next step: install, run, look whether it still runs, start again."""
        if self.state is State.NEW:
            self._advance(self.plan.install, State.INSTALLED)
        elif self.state is State.INSTALLED:
            self._start_run()
        elif self.state is State.RUNNING:
            self._watch_run()
        elif self.state is State.ERRORED and self._now_s() >= self._failures_s[-1] + self._restart_delay_s:
            self.state = State.NEW

    def stop(self) -> None:
        """SIGTERM, SIGKILL after a while."""
        if self._script is not None and self._script.exit_code() is None:
            self.state = State.STOPPING
            log.info("%s: stopping", self.plan.name)
            if not self._script.stop(STOP_TIMEOUT_S):
                log.warning("%s: did not end within %.0f s, killed", self.plan.name, STOP_TIMEOUT_S)
        self._script = None
        self.state = State.FINISHED if self.state is not State.BROKEN else self.state

    def last_words(self, lines: int = 12) -> str:
        """The tail of the component's log."""
        return tail(self.plan.log, lines)

    def stable_for_s(self) -> float:
        """How long `run` has been up."""
        return self._now_s() - self.running_since_s if self.state is State.RUNNING else 0.0

    def _advance(self, step: Step | None, after: State) -> None:
        """Start a step that ends by itself, or see whether it has ended."""
        if step is None:
            self.state = after
            return
        if self._script is None:
            log.info("%s: install", self.plan.name)
            self._start(step)
            return
        code = self._script.exit_code()
        if code == 0:
            self._script = None
            self.state = after
        elif code is not None:
            self._fail(f"install ended with {_meaning(code)}")
        elif self._deadline_s is not None and self._now_s() > self._deadline_s:
            self._script.stop(STOP_TIMEOUT_S)
            self._fail(f"install took longer than its Timeout of {step.timeout_s:.0f} s")

    def _start_run(self) -> None:
        if self.plan.run is None:
            self.state = State.FINISHED
            return
        log.info("%s: run", self.plan.name)
        self._start(self.plan.run)
        self.running_since_s = self._now_s()
        self.state = State.RUNNING

    def _watch_run(self) -> None:
        code = self._script.exit_code() if self._script else None
        if code == 0:
            log.info("%s: run ended with 0", self.plan.name)
            self._script = None
            self.state = State.FINISHED
        elif code is not None:
            self._fail(f"run ended with {_meaning(code)}")

    def _start(self, step: Step) -> None:
        self.plan.work.mkdir(parents=True, exist_ok=True)
        self.plan.log.parent.mkdir(parents=True, exist_ok=True)
        identity = Identity.current() if step.privileged else self._identity
        if identity.uid != os.geteuid():
            os.chown(self.plan.work, identity.uid, identity.gid)
        self._script = Script(
            ["sh", "-c", step.script],
            environment={"PATH": DEFAULT_PATH, **self._environment, **step.environment},
            work=self.plan.work,
            log=self.plan.log,
            identity=identity,
        )
        self._deadline_s = None if step.timeout_s is None else self._now_s() + step.timeout_s

    def _fail(self, what: str) -> None:
        if self._script is not None:
            self._script.stop(0)  # children that outlived the script
        self._script = None
        now_s = self._now_s()
        recent = [failed_s for failed_s in self._failures_s if failed_s > now_s - FAILURE_WINDOW_S]
        self._failures_s = [*recent, now_s]
        count = len(self._failures_s)
        self.state = State.BROKEN if count >= MAX_FAILURES else State.ERRORED
        log.warning("%s: %s (failure %d of %d)", self.plan.name, what, count, MAX_FAILURES)
        if self.state is State.BROKEN:
            log.error("%s: BROKEN, its last words:\n%s", self.plan.name, self.last_words())


def _meaning(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"code {code}"
