"""One deployment on Nucleus Lite, step by step as `ggdeploymentd/src/deployment_handler.c` does it.

Nothing of it is taken back. A step that fails ends the deployment where it stands: a reset that came before a
refused merge stays, a new version's `install` that fails leaves the unit unlinked, a `run` that fails leaves
nothing running. The reason is a line in the nucleus' log and reaches no cloud.
"""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

from sandbox.core import images
from sandbox.core.cloud import Cloud
from sandbox.core.lite.configuration import DEFAULTS_S
from sandbox.core.lite.installed import Installed
from sandbox.core.lite.jobs import Job
from sandbox.core.lite.units import Active, Unit
from sandbox.core.recipe import DOCKER_MANAGER, TOKEN_EXCHANGE, Recipe
from sandbox.core.settings import TICK_S, Settings
from sandbox.errors import CoreError

log = logging.getLogger(__name__)

BUILT_IN = (
    TOKEN_EXCHANGE,
    DOCKER_MANAGER,
    "aws.greengrass.Nucleus",
    "aws.greengrass.NucleusLite",
    "aws.greengrass.Cli",
    "aws.greengrass.SystemLogForwarder",
)
"""Components of AWS that Lite has or can run; the others' recipes have no manifest for it."""

PUBLIC_PREFIX = "aws.greengrass."


class Units(Protocol):
    """The units of a core, as a deployment uses them."""

    def install_unit(self, name: str, version: str, recipe: Recipe) -> Unit:
        """A new unit for `install`, in the place of an earlier one, which is stopped."""

    def run_unit(self, name: str) -> Unit | None:
        """The unit that runs a component, or None."""

    def link(self, name: str) -> None:
        """Stop the component's former unit, and take the one of its unit file in its place, enabled."""

    def unlink(self, name: str) -> None:
        """Disable a unit and remove its link; what it runs goes on."""

    def remove(self, name: str) -> None:
        """Stop a component and know it no more."""

    def start_target(self) -> None:
        """`systemctl reset-failed`, then start what is enabled and not up."""


class Deployer:
    """Carries deployments out, one at a time."""

    def __init__(
        self,
        settings: Settings,
        cloud: Cloud,
        installed: Installed,
        units: Units,
        supervise: Callable[[float], None],
    ) -> None:
        """`supervise` looks after the core's units for so many seconds."""
        self._settings = settings
        self._cloud = cloud
        self._installed = installed
        self._units = units
        self._supervise = supervise

    def carry_out(self, job: Job, groups: Iterable[str]) -> None:
        """Do what a job says; `groups` are the core's, as the cloud knows them.

        Raises:
            CoreError: it failed, and the core is as it was then.
        """
        wanted = self._resolve(job, groups)
        recipes, changed = {}, []
        for name, version in wanted.items():
            updated = self._installed.versions.get(name) != version
            recipes[name] = self._prepare(job, name, version, updated=updated)
            if updated or self._has_to_start(job, name):
                changed.append(name)
        self._install(changed, wanted, recipes)
        for name in changed:
            if recipes[name].run is not None:
                self._units.link(name)
        self._installed.save()
        self._units.start_target()
        self._settle(wanted, recipes)
        self._clean_up(wanted)

    def _resolve(self, job: Job, groups: Iterable[str]) -> dict[str, str]:
        """Versions of this deployment and of the core's other groups; what is written down stays."""
        known = set(groups)
        self._installed.groups = {
            group: versions for group, versions in self._installed.groups.items() if group in known
        }
        self._installed.groups[job.group] = {name: entry["version"] for name, entry in job.components.items()}
        self._installed.save()
        wanted: dict[str, str] = {}
        for versions in self._installed.groups.values():
            for name, version in versions.items():
                if name in BUILT_IN:
                    continue
                if name.startswith(PUBLIC_PREFIX):
                    raise CoreError(f"resolveComponentCandidates: {name} has no version for this platform")
                if wanted.setdefault(name, version) != version:
                    raise CoreError(f"Two groups ask for {name}: {wanted[name]} and {version}")
        return wanted

    def _prepare(self, job: Job, name: str, version: str, *, updated: bool) -> Recipe:
        """Recipe, artifacts, configuration and unit file of one component."""
        recipe = self._installed.fetch_recipe(name, version)
        for other in recipe.dependencies:
            if other not in BUILT_IN:
                raise CoreError(f"{name} depends on {other}, which is not for this platform")
        if recipe.missing_to_pull:
            raise CoreError(f"{name} has docker: artifacts, which take {recipe.missing_to_pull}")
        if updated:
            for artifact in recipe.artifacts:
                log.info("%s %s: fetching %s", name, version, artifact.uri)
                self._cloud.fetch(artifact, self._installed.artifacts(name, version))
        self._installed.versions[name] = version
        self._configure(name, recipe, job.components.get(name, {}).get("configurationUpdate") or {})
        return recipe

    def _configure(self, name: str, recipe: Recipe, update: Mapping[str, Any]) -> None:
        tree = self._installed.configuration(name)
        try:
            for pointer in update.get("reset") or ():
                tree.delete(pointer)
            tree.write(recipe.defaults, DEFAULTS_S)
            if "merge" in update:
                tree.write(update["merge"], time.time())
        finally:
            self._installed.save()
        self._installed.unit_files[name] = recipe.version

    def _has_to_start(self, job: Job, name: str) -> bool:
        """A configuration update, whether it changes anything or not, or a component that is down."""
        if "configurationUpdate" in job.components.get(name, {}):
            return True
        unit = self._units.run_unit(name)
        return unit is None or not (unit.state is Active.ACTIVE or unit.has_ended_well)

    def _install(self, names: list[str], wanted: Mapping[str, str], recipes: Mapping[str, Recipe]) -> None:
        units = {}
        for name in names:
            if recipes[name].install is None:
                continue
            # Lite means the unit of `install` here, and disables and unlinks that of `run`.
            self._units.unlink(name)
            units[name] = self._units.install_unit(name, wanted[name], recipes[name])
            units[name].start()
        self._installed.save()
        deadline_s = time.monotonic() + self._settings.install_limit_s
        for name, unit in units.items():
            while unit.state is not Active.ACTIVE:
                if unit.state is Active.FAILED:
                    raise CoreError(f"Failed waiting for {name}.install: {unit.last_words()}")
                if time.monotonic() > deadline_s:
                    limit_s = self._settings.install_limit_s
                    raise CoreError(f"Failed waiting for {name}.install: not within {limit_s:.0f} s")
                self._supervise(TICK_S)

    def _settle(self, wanted: Mapping[str, str], recipes: Mapping[str, Recipe]) -> None:
        """Until each component has run for a while, or is broken.

        Lite looks once after five seconds; here a component has to stay up, so that the outcome of one that
        fails is the same each time.
        """
        deadline_s = time.monotonic() + self._settings.install_limit_s
        waiting = [name for name in wanted if recipes[name].run is not None]
        while waiting:
            self._supervise(TICK_S)
            for name in list(waiting):
                unit = self._units.run_unit(name)
                if unit is None or unit.state is Active.FAILED:
                    words = "" if unit is None else unit.last_words()
                    raise CoreError(f"Failed waiting for {name}: {words}")
                if unit.has_ended_well or unit.up_for_s() >= self._settings.settle_s:
                    waiting.remove(name)
            if time.monotonic() > deadline_s:
                raise CoreError(f"Failed waiting for {', '.join(waiting)}")

    def _clean_up(self, wanted: Mapping[str, str]) -> None:
        """Remove components and versions that nothing deploys any more, and images pulled for them."""
        used = {
            artifact.uri
            for name, version in wanted.items()
            for artifact in self._installed.recipe(name, version).artifacts
        }
        for name in list(self._installed.versions):
            if name not in wanted:
                self._units.remove(name)
            for version, path in self._installed.recipes_of(name).items():
                if version == wanted.get(name):
                    continue
                for artifact in self._installed.recipe(name, version).artifacts:
                    if artifact.pulled and artifact.uri not in used:
                        log.info("%s %s: removing the image %s", name, version, artifact.uri)
                        images.remove(artifact.uri.removeprefix("docker:"))
                shutil.rmtree(self._installed.artifacts(name, version), ignore_errors=True)
                path.unlink()
            if name not in wanted:
                self._installed.forget(name)
        self._installed.save()
