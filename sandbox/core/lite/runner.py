"""recipe-runner: starts one step of a component, with the configuration and the daemons as they are then."""

from __future__ import annotations

import os
from pathlib import Path

from sandbox.aws.clients import REGION
from sandbox.core.lite.daemons import IpcDaemon, TokenExchangeDaemon
from sandbox.core.lite.installed import Installed
from sandbox.core.lite.script_text import Places, script_text
from sandbox.core.recipe import Recipe, Step
from sandbox.core.scripts import Identity, Script
from sandbox.core.settings import Settings
from sandbox.errors import CoreError

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin"
"""systemd's own, after the folder in which `sh` is this core's."""


class Runner:
    """Starts steps of components of one core."""

    def __init__(
        self, settings: Settings, installed: Installed, ipc: IpcDaemon, exchange: TokenExchangeDaemon
    ) -> None:
        """Make the folder in which `sh` is the core's `/bin/sh`."""
        self._settings = settings
        self._installed = installed
        self._ipc = ipc
        self._exchange = exchange
        self._programs = settings.root / "bin"
        self._programs.mkdir(parents=True, exist_ok=True)
        link = self._programs / "sh"
        link.unlink(missing_ok=True)
        link.symlink_to(settings.character.sh)

    def journal(self, name: str, phase: str) -> Path:
        """What a unit writes: `install` has one of its own."""
        unit = f"{name}.{phase}" if phase == "install" else name
        return self._settings.root / "logs" / f"{unit}.log"

    def launch(self, name: str, version: str, phase: str) -> Script:
        """Start `install` or `run` of a version; CoreError where its recipe or the step is missing."""
        recipe = self._installed.recipe(name, version)
        step = recipe.install if phase == "install" else recipe.run
        if step is None:
            raise CoreError(f"{name} {version} has no {phase}")
        tree = self._installed.configuration(name).plain()
        root = self._settings.root
        places = Places(
            configuration=tree,
            artifacts=self._installed.artifacts(name, version),
            work=root / "work" / name,
            root=root,
            thing_name=self._settings.device.thing_name,
        )
        text = script_text(step, places, quotes=self._settings.character.quotes_environment)
        environment = self._environment(recipe, self._ipc.register(name, tree))
        return self._start(step, text, places.work, environment, self.journal(name, phase))

    def _environment(self, recipe: Recipe, token: str) -> dict[str, str]:
        environment = self._settings.environment() | {
            "PATH": f"{self._programs}:{_PATH}",
            "AWS_DEFAULT_REGION": REGION,
            "GGC_VERSION": self._settings.character.nucleus.removeprefix("lite-"),
            "GG_ROOT_CA_PATH": "",
            "SVCUID": token,
            "AWS_CONTAINER_AUTHORIZATION_TOKEN": token,
            "AWS_GG_NUCLEUS_DOMAIN_SOCKET_FILEPATH_FOR_COMPONENT": str(self._ipc.path),
        }
        if recipe.exchanges_tokens:
            environment["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = self._exchange.url
        return environment

    def _start(self, step: Step, text: str, work: Path, environment: dict[str, str], journal: Path) -> Script:
        """The script is a file in memory, which `/bin/sh` reads: no name on the disk, no argument."""
        work.mkdir(parents=True, exist_ok=True)
        journal.parent.mkdir(parents=True, exist_ok=True)
        identity = Identity.current() if step.privileged else self._settings.identity
        if identity.uid != os.geteuid():
            os.chown(work, identity.uid, identity.gid)
        descriptor = os.memfd_create("ggl_component_script", 0)
        try:
            with os.fdopen(os.dup(descriptor), "wb") as file:
                file.write(text.encode())
            return Script(
                ["/bin/sh", f"/proc/self/fd/{descriptor}"],
                executable=self._settings.character.sh,
                descriptors=(descriptor,),
                environment=environment,
                work=work,
                log=journal,
                identity=identity,
            )
        finally:
            os.close(descriptor)
