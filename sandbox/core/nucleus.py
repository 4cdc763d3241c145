"""A small Greengrass core for one thing: runs what the embedded AWS deploys to it, as a nucleus does.

It asks for its deployments about once a second, plans all components of a new one before it touches what
runs (recipe, artifacts, configuration, variables), stops what changes, installs and runs the new, and
reports. When the new breaks it goes back to the former and reports FAILED with the reason. Components whose
names begin with `aws.greengrass.` count as provided. What components publish to AWS IoT Core goes there, over
a connection with the thing's certificate, and so do their credentials: its IoT policies have to allow both.

Where it differs from a real core: it asks an API instead of receiving IoT Jobs; components get
AWS_ENDPOINT_URL, so that their SDKs find the embedded AWS. What is deployed survives its end: started
again, it runs the same.

Nucleus Lite has a core of its own, sandbox/core/lite/nucleus.py.

Run: `python -m sandbox.core --thing-name NAME --certificate FOLDER --iot-port PORT --root FOLDER --role-alias
ALIAS`, AWS_ENDPOINT_URL set.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from sandbox.aws.thing import DeviceConnection
from sandbox.core import configuration, recipe
from sandbox.core.cloud import Cloud, Deployment, Wanted
from sandbox.core.component import (
    Component,
    Plan,
    State,
    interpolated,
)
from sandbox.core.interpolation import Variables
from sandbox.core.ipc_socket import NucleusSocket
from sandbox.core.settings import TICK_S, Settings
from sandbox.core.store import Store
from sandbox.core.token_exchange import TokenExchange
from sandbox.errors import CloudError, CoreError, SandboxError

log = logging.getLogger(__name__)

REASON_LENGTH = 1000


class BrokenError(CoreError):
    """A component of a deployment broke before the deployment had settled."""


class Interrupted(Exception):  # noqa: N818 - not an error: the core was asked to end
    """The core was asked to end while it was waiting."""


class Core:
    """Runs deployments until it is asked to stop."""

    def __init__(self, settings: Settings, connection: DeviceConnection, stop: threading.Event) -> None:
        """`stop` ends `run()`; it may be set by a signal handler."""
        self._settings = settings
        self._thing_name = settings.device.thing_name
        self._stop = stop
        self._cloud = Cloud(
            url=settings.url,
            thing_name=self._thing_name,
            device=settings.device,
            role_alias=settings.role_alias,
        )
        self._exchange = TokenExchange(self._cloud.credentials)
        self._nucleus = NucleusSocket(settings.root, connection.publish)
        self._platform = recipe.this_platform()
        self._components: dict[str, Component] = {}
        self._tokens: dict[str, str] = {}
        self._configurations: dict[str, Mapping[str, Any]] = {}
        self._handled: frozenset[str] = frozenset()
        self._reported: list[dict[str, str]] = []
        self._cloud_answers = True
        self._store = Store(settings.root / "classic-state.json")

    def run(self) -> None:
        """Poll, deploy and supervise; stops all components at the end."""
        log.info("core of %s started, root %s", self._thing_name, self._settings.root)
        self._restore()
        self._report([], "")
        try:
            while not self._stop.is_set():
                self._poll()
                self._supervise(self._settings.poll_s)
        except Interrupted:
            log.info("asked to end")
        finally:
            for name in list(self._components):
                self._remove(name)
            self._exchange.stop()
            self._nucleus.close()
            log.info("core of %s ended", self._thing_name)

    def _poll(self) -> None:
        try:
            deployments = self._cloud.deployments()
        except CloudError as error:
            if self._cloud_answers:
                log.warning("the cloud does not answer, trying on: %s", error)
            self._cloud_answers = False
            return
        self._cloud_answers = True
        ids = frozenset(deployment.deployment_id for deployment in deployments)
        if ids and ids != self._handled:
            new = [entry for entry in deployments if entry.deployment_id not in self._handled]
            self._handled = ids
            self._deploy(deployments, new)
            self._keep()

    def _keep(self) -> None:
        """Write down what is deployed, for the next start."""
        components = {
            name: {"recipe": component.plan.document, "configuration": component.plan.configuration}
            for name, component in self._components.items()
        }
        self._store.save(
            {
                "handled": sorted(self._handled),
                "components": components,
                "configurations": self._configurations,
            }
        )

    def _restore(self) -> None:
        """Begin what ran before the core ended."""
        kept = self._store.load()
        self._handled = frozenset(kept.get("handled", ()))
        self._configurations = kept.get("configurations", {})
        for entry in kept.get("components", {}).values():
            self._add(self._planned(entry["recipe"], entry["configuration"]))

    def _deploy(self, deployments: Sequence[Deployment], new: Sequence[Deployment]) -> None:
        names = ", ".join(entry.name or entry.deployment_id for entry in new) or "the remaining ones"
        log.info("deployment %s: started", names)
        self._report(new, "IN_PROGRESS")
        former = {name: component.plan for name, component in self._components.items()}
        try:
            plans = self._plan(_together(deployments))
            self._switch(plans)
            self._settle(plans)
        except SandboxError as error:
            reason = str(error)[-REASON_LENGTH:]
            log.error("deployment %s: FAILED: %s", names, reason)
            if all(entry.rolls_back for entry in new) and self._plans() != former:
                reason += f"\n{self._roll_back(former)}"
            self._report(new, "FAILED", reason)
            return
        self._configurations = {name: plan.configuration for name, plan in plans.items()}
        log.info("deployment %s: SUCCEEDED, running %s", names, _versions(plans) or "nothing")
        self._report(new, "SUCCEEDED")

    def _roll_back(self, former: Mapping[str, Plan]) -> str:
        """Run again what ran before; returns what came of it."""
        target = _versions(former) or "nothing"
        log.info("rolling back to %s", target)
        self._switch(former)
        try:
            self._settle(former)
        except BrokenError as error:
            log.error("the rollback failed too: %s", error)
            return f"Rolling back to {target} failed too"
        return f"Rolled back to {target}"

    def _plan(self, wanted: Mapping[str, Wanted]) -> dict[str, Plan]:
        """Everything that the deployment asks for, fetched and resolved; nothing is touched yet."""
        plans = {}
        for name, component in wanted.items():
            if name.startswith(recipe.PROVIDED_PREFIX):
                log.info("%s: provided by the core", name)
                continue
            plans[name] = self._plan_component(name, component)
        return plans

    def _plan_component(self, name: str, wanted: Wanted) -> Plan:
        document = self._cloud.recipe(name, wanted.version)
        found = recipe.read(document, self._platform)
        self._check_dependencies(found)
        if found.ignored_steps:
            log.info("%s: %s ignored, as Nucleus Lite does", name, ", ".join(found.ignored_steps))
        for artifact in found.artifacts:
            log.info("%s %s: fetching %s", name, wanted.version, artifact.uri)
            self._cloud.fetch(artifact, self._artifacts(found))
        resolved = configuration.resolve(
            found.defaults, self._configurations.get(name), wanted.reset, wanted.merge
        )
        return self._planned(document, resolved)

    def _artifacts(self, found: recipe.Recipe) -> Path:
        return self._settings.root / "packages" / "artifacts" / found.name / found.version

    def _planned(self, document: Mapping[str, Any], resolved: Mapping[str, Any]) -> Plan:
        """The plan of a component whose artifacts are here, with its whole configuration."""
        found, root = recipe.read(document, self._platform), self._settings.root
        name = found.name
        variables = Variables(
            configuration=resolved,
            artifacts=self._artifacts(found),
            work=root / "work" / name,
            root=root,
            thing_name=self._thing_name,
        )
        return Plan(
            recipe=found,
            document=document,
            configuration=variables.configuration,
            install=interpolated(found.install, variables, f"{name}'s install"),
            run=interpolated(found.run, variables, f"{name}'s run"),
            work=variables.work,
            log=root / "logs" / f"{name}.log",
        )

    def _check_dependencies(self, found: recipe.Recipe) -> None:
        for name in found.dependencies:
            if not name.startswith(recipe.PROVIDED_PREFIX):
                raise CoreError(f"{found.name} depends on {name}, and this core resolves no dependencies")
        if missing := found.missing_to_pull:
            raise CoreError(f"{found.name} has docker: artifacts, which take dependencies on {missing}")

    def _switch(self, plans: Mapping[str, Plan]) -> None:
        """Stop what goes or changes, then begin what is new."""
        for name, component in list(self._components.items()):
            if (
                name not in plans
                or not plans[name].same_as(component.plan)
                or component.state is State.BROKEN
            ):
                self._remove(name)
        for name, plan in plans.items():
            if name not in self._components:
                self._add(plan)

    def _add(self, plan: Plan) -> None:
        settings = self._settings
        self._tokens[plan.name] = token = self._exchange.issue()
        environment = settings.environment() | {
            "SVCUID": token,
            "AWS_GG_NUCLEUS_DOMAIN_SOCKET_FILEPATH_FOR_COMPONENT": str(self._nucleus.path),
            "AWS_CONTAINER_AUTHORIZATION_TOKEN": token,
        }
        if plan.recipe.exchanges_tokens:
            environment["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = self._exchange.url
        self._nucleus.admit(token, plan.name, plan.configuration)
        self._components[plan.name] = Component(
            plan,
            environment=environment,
            identity=settings.identity,
            restart_delay_s=settings.restart_delay_s,
        )

    def _remove(self, name: str) -> None:
        self._components.pop(name).stop()
        token = self._tokens.pop(name)
        self._exchange.revoke(token)
        self._nucleus.dismiss(token)

    def _settle(self, plans: Mapping[str, Plan]) -> None:
        """Until every component has run for a while, or has done its work; BrokenError."""
        while True:
            self._supervise(TICK_S)
            components = [self._components[name] for name in plans]
            for component in components:
                if component.state is State.BROKEN:
                    raise BrokenError(f"{component.plan.name} is BROKEN:\n{component.last_words()}")
            if all(
                component.state is State.FINISHED or component.stable_for_s() >= self._settings.settle_s
                for component in components
            ):
                return

    def _supervise(self, duration_s: float) -> None:
        """Look after the components for a while; Interrupted when the core is to end."""
        for _ in range(max(1, round(duration_s / TICK_S))):
            for component in self._components.values():
                component.tick()
            if self._states() != self._reported:
                self._report([], "")
            if self._stop.wait(TICK_S):
                raise Interrupted

    def _plans(self) -> dict[str, Plan]:
        return {name: component.plan for name, component in self._components.items()}

    def _states(self) -> list[dict[str, str]]:
        return [
            {
                "componentName": name,
                "componentVersion": component.plan.recipe.version,
                "lifecycleState": component.state.value,
            }
            for name, component in self._components.items()
        ]

    def _report(self, deployments: Iterable[Deployment], status: str, reason: str = "") -> None:
        self._reported = self._states()
        self._cloud.report(
            self._platform,
            self._reported,
            [
                {"deploymentId": entry.deployment_id, "status": status, "reason": reason}
                for entry in deployments
            ],
        )


def heard_by(thing_name: str) -> tuple[str, ...]:
    """What a nucleus subscribes to: jobs, and the shadow by which a thing is deployed to."""
    shadow = f"$aws/things/{thing_name}/shadow/name/AWSManagedGreengrassV2Deployment"
    return (
        f"$aws/things/{thing_name}/jobs/notify-next",
        *(f"{shadow}/{topic}" for topic in ("update/accepted", "update/rejected", "get/accepted")),
    )


def _together(deployments: Sequence[Deployment]) -> dict[str, Wanted]:
    """The components of all deployments; two that disagree about a component cannot both be had."""
    result: dict[str, Wanted] = {}
    for deployment in deployments:
        for name, wanted in deployment.components.items():
            if result.setdefault(name, wanted) != wanted:
                raise CoreError(
                    f"Two deployments for this core ask for {name} differently: "
                    f"{result[name].version} and {wanted.version}, or other configurations"
                )
    return result


def _versions(plans: Mapping[str, Plan]) -> str:
    return ", ".join(f"{name} {plan.recipe.version}" for name, plan in plans.items())
