"""A core with Nucleus Lite: takes its jobs, runs its units, and comes back after a reboot.

What it does otherwise than the classic nucleus, and where each was seen or read, is in
`design/nucleus-lite.md`. Tests make its daemons die with a file in the folder `control` below its root, named
as in `COMMANDS`; the file goes when it is done.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable

from sandbox.aws.thing import DeviceConnection
from sandbox.core import recipe
from sandbox.core.cloud import Cloud, EffectiveDeployment
from sandbox.core.lite.daemons import IpcDaemon, TokenExchangeDaemon
from sandbox.core.lite.deployment import Deployer
from sandbox.core.lite.installed import Installed
from sandbox.core.lite.jobs import Job, groups, open_jobs
from sandbox.core.lite.limits import DOCUMENT_BYTES, DOCUMENT_READ_BYTES
from sandbox.core.lite.runner import Runner
from sandbox.core.lite.units import Unit
from sandbox.core.nucleus import Interrupted
from sandbox.core.recipe import TOKEN_EXCHANGE, Recipe
from sandbox.core.settings import TICK_S, Settings
from sandbox.errors import CloudError, SandboxError

log = logging.getLogger(__name__)

KILL_IPC, KILL_TOKEN_EXCHANGE = "kill-ggipcd", "kill-token-exchange"
COMMANDS = (KILL_IPC, KILL_TOKEN_EXCHANGE)

_DEFAULT_TIMEOUT_S = 120.0


class LiteCore:
    """Runs deployments until it is asked to stop."""

    def __init__(self, settings: Settings, connection: DeviceConnection, stop: threading.Event) -> None:
        """`stop` ends `run()`; it may be set by a signal handler."""
        self._settings = settings
        self._stop = stop
        self._cloud = Cloud(
            url=settings.url,
            thing_name=settings.device.thing_name,
            device=settings.device,
            role_alias=settings.role_alias,
        )
        self._platform = recipe.this_platform()
        self._installed = Installed(settings.root, self._cloud, self._platform)
        self._ipc = IpcDaemon(settings.root, connection.publish)
        self._exchange = TokenExchangeDaemon(self._cloud.credentials, self._ipc.knows)
        self._units = CoreUnits(
            settings, self._installed, Runner(settings, self._installed, self._ipc, self._exchange)
        )
        self._deployer = Deployer(settings, self._cloud, self._installed, self._units, self._supervise)
        self._control = settings.root / "control"
        self._reported: list[dict[str, str]] = []
        self._cloud_answers = True

    def run(self) -> None:
        """Start what is enabled, poll, deploy and supervise; stops all units at the end."""
        log.info("nucleus lite of %s started, root %s", self._cloud.thing_name, self._settings.root)
        self._control.mkdir(parents=True, exist_ok=True)
        self._units.boot()
        self._report()
        try:
            while not self._stop.is_set():
                self._poll()
                self._supervise(self._settings.poll_s)
        except Interrupted:
            log.info("asked to end")
        finally:
            self._units.stop()
            self._exchange.close()
            self._ipc.close()
            self._installed.save()
            log.info("nucleus lite of %s ended", self._cloud.thing_name)

    def _poll(self) -> None:
        try:
            deployments = self._cloud.effective()
            jobs = open_jobs(self._cloud, deployments)
        except CloudError as error:
            if self._cloud_answers:
                log.warning("the cloud does not answer, trying on: %s", error)
            self._cloud_answers = False
            return
        self._cloud_answers = True
        for job in jobs:
            if job.deployment_id not in self._installed.handled:
                self._take(job, deployments)

    def _take(self, job: Job, deployments: list[EffectiveDeployment]) -> None:
        """A job, from its document to its outcome; one that is too large to be read leaves no trace."""
        if job.document_bytes >= DOCUMENT_READ_BYTES:
            return
        if job.document_bytes > DOCUMENT_BYTES:
            log.error("deployment %s: FAILED: Failed to allocate memory for copying buffer.", job.name)
            self._end(job, "FAILED")
            return
        log.info("deployment %s: started", job.name)
        self._report(job, "IN_PROGRESS")
        try:
            self._deployer.carry_out(job, groups(deployments))
        except SandboxError as error:
            log.error("deployment %s: FAILED: %s", job.name, error)
            self._end(job, "FAILED")
            return
        log.info("deployment %s: SUCCEEDED", job.name)
        self._end(job, "SUCCEEDED")

    def _end(self, job: Job, status: str) -> None:
        self._installed.handled.append(job.deployment_id)
        self._installed.save()
        self._report(job, status)

    def _supervise(self, duration_s: float) -> None:
        """Look after units, daemons and commands for a while; Interrupted when the core is to end."""
        for _ in range(max(1, round(duration_s / TICK_S))):
            self._obey()
            self._exchange.tick()
            self._units.tick()
            if self._units.states() != self._reported:
                self._report()
            if self._stop.wait(TICK_S):
                raise Interrupted

    def _obey(self) -> None:
        """What a test asks for."""
        for command in COMMANDS:
            path = self._control / command
            if not path.exists():
                continue
            if command == KILL_IPC:
                self._ipc.die()
            else:
                self._exchange.die()
                self._units.stop_bound_to(TOKEN_EXCHANGE)
            path.unlink()

    def _report(self, job: Job | None = None, status: str = "") -> None:
        """The states of the components, and the status of a job; a reason is never among it."""
        self._reported = self._units.states()
        outcomes = [] if job is None else [{"deploymentId": job.deployment_id, "status": status}]
        self._cloud.report(self._platform, self._reported, outcomes)


class CoreUnits:
    """The units of the components, as systemd has them."""

    def __init__(self, settings: Settings, installed: Installed, runner: Runner) -> None:
        """Nothing is started."""
        self._settings = settings
        self._installed = installed
        self._runner = runner
        self._run: dict[str, Unit] = {}
        self._install: dict[str, Unit] = {}

    def boot(self) -> None:
        """Start what is enabled, from the unit files as they are."""
        for name in self._installed.enabled:
            self._run[name] = self._new(name)
        self.start_target()

    def start_target(self) -> None:
        """`systemctl reset-failed`, then start what is enabled and not up."""
        for unit in (*self._run.values(), *self._install.values()):
            unit.reset_failed()
        for name in self._installed.enabled:
            self._run[name].start()

    def tick(self) -> None:
        """Look after every unit."""
        for unit in (*self._run.values(), *self._install.values()):
            unit.tick()

    def stop(self) -> None:
        """Stop everything, as a shutdown does."""
        for unit in (*self._run.values(), *self._install.values()):
            unit.stop()

    def stop_bound_to(self, dependency: str) -> None:
        """Stop the units that are `BindsTo=` a service which has died; nothing starts them again."""
        for unit in self._run.values():
            if dependency in unit.bound_to:
                log.warning("%s: stopped, since it is bound to %s", unit.name, dependency)
                unit.stop()

    def states(self) -> list[dict[str, str]]:
        """The states of the components as Greengrass has them."""
        return [
            {
                "componentName": name,
                "componentVersion": self._installed.versions.get(name, ""),
                "lifecycleState": unit.lifecycle_state,
            }
            for name, unit in self._run.items()
        ]

    def run_unit(self, name: str) -> Unit | None:
        """The unit that runs a component, or None."""
        return self._run.get(name)

    def install_unit(self, name: str, version: str, found: Recipe) -> Unit:
        """A new unit for `install`, in the place of an earlier one, which is stopped."""
        if name in self._install:
            self._install[name].stop()
        step = found.install
        self._install[name] = Unit(
            f"ggl.{name}.install",
            lambda: self._runner.launch(name, version, "install"),
            journal=self._runner.journal(name, "install"),
            restart_delay_s=self._settings.restart_delay_s,
            oneshot=True,
            start_timeout_s=_DEFAULT_TIMEOUT_S if step is None else step.timeout_s,
        )
        return self._install[name]

    def link(self, name: str) -> None:
        """Stop the component's former unit, and take the one of its unit file in its place, enabled."""
        if name in self._run:
            self._run[name].stop()
        self._run[name] = self._new(name)
        if name not in self._installed.enabled:
            self._installed.enabled.append(name)

    def unlink(self, name: str) -> None:
        """Disable a unit and remove its link; what it runs goes on."""
        if name in self._run:
            self._run[name].unlinked = True
        if name in self._installed.enabled:
            self._installed.enabled.remove(name)

    def remove(self, name: str) -> None:
        """Stop a component and know it no more."""
        for units in (self._run, self._install):
            if name in units:
                units.pop(name).stop()

    def _new(self, name: str) -> Unit:
        version = self._installed.unit_files[name]
        return Unit(
            f"ggl.{name}",
            lambda: self._runner.launch(name, version, "run"),
            journal=self._runner.journal(name, "run"),
            bound_to=self._installed.recipe(name, version).hard_dependencies,
            restart_delay_s=self._settings.restart_delay_s,
        )


def heard_by_lite(thing_name: str) -> Iterable[str]:
    """What Lite subscribes to: its jobs of Greengrass, and no shadow."""
    jobs = f"$aws/things/{thing_name}/jobs"
    return (
        f"{jobs}/notify-next-namespace-aws-gg-deployment",
        f"{jobs}/$next/namespace-aws-gg-deployment/get/+",
    )
