"""All parts of the sandbox together: test cameras, embedded AWS and GCS, the deployed app, a core a variant.

Each part is started by a method of its own and is a process in a session of its own; `stop()` ends whatever
was started, in the reverse order, and returns what it found left over.
"""

from __future__ import annotations

import functools
import json
import secrets
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType
from typing import Any

from sandbox import fleet
from sandbox.aws.environment import REPOSITORY
from sandbox.aws.server import EmbeddedAws, inherited_environment
from sandbox.aws.thing import enrol
from sandbox.cameras.process import CamerasProcess
from sandbox.core import images
from sandbox.core.characters import Character
from sandbox.deploy import FOUNDATION, STACKS, Cdk, Outputs
from sandbox.errors import SandboxError, StartError
from sandbox.folder import empty
from sandbox.gcs.server import EmbeddedGcs
from sandbox.image_builds import ImageBuilds
from sandbox.iot.server import EmbeddedCloudIot
from sandbox.process import POLL_S, Process
from sandbox.settings import CoreSpec, Settings
from stacks.greengrass.core_policy import PLACEHOLDER

CAMERA_USER = "guard"
"""Of the yard; sandbox/cameras/rtsp_server.py has it."""

CAMERAS_TIMEOUT_S = 180.0
"""The first start on a machine codes the films."""

SETTLE_S = 3.0
CORE_STOP_TIMEOUT_S = 30.0
"""The component has 15 s after SIGTERM, and the core wants to say so."""


class System:
    """The running sandbox."""

    def __init__(self, settings: Settings) -> None:
        """Nothing is started; what an earlier run left in the folder is removed."""
        self.settings = settings
        self.password = secrets.token_urlsafe(12)
        self.processes: list[Process] = []
        self.aws: EmbeddedAws | None = None
        self.gcs: EmbeddedGcs | None = None
        self.iot: EmbeddedCloudIot | None = None
        self._images: ImageBuilds | None = None
        self.cameras: CamerasProcess | None = None
        self._cdk: Cdk | None = None
        self._yard_secret = ""
        self._stops: list[Callable[[], None]] = []
        empty(settings.folder)

    def start_images(self) -> None:
        """Begin to build both images; `deploy()` waits for them."""
        self._images = ImageBuilds(self.settings.logs)
        self._stops.append(self._images.stop)

    def building(self) -> str:
        """Which image is being built, how far it is, and what is fetched or compiled; empty when none is."""
        return self._images.state() if self._images else ""

    def start_cameras(self) -> None:
        """Two RTSP cameras; the yard asks for a login, whose password they read from a file.

        They are not ready yet: `await_cameras()` waits, so that other parts can start meanwhile.
        """
        password_file = self.settings.folder / "yard-password"
        password_file.touch(mode=0o600)
        password_file.write_text(self.password)
        self.cameras = CamerasProcess(
            port=self.settings.cameras_port,
            password_file=password_file,
            log=self.settings.logs / "cameras.log",
            env=self._environment(),
            cwd=REPOSITORY,
        )
        self.processes.append(self.cameras)

    def await_cameras(self) -> None:
        """Until the cameras can be reached."""
        deadline = time.monotonic() + CAMERAS_TIMEOUT_S
        while not self.running_cameras.is_ready:
            self.check_processes()
            if time.monotonic() > deadline:
                raise StartError(
                    f"The test cameras are not ready after {CAMERAS_TIMEOUT_S:.0f} s:\n"
                    f"{self.running_cameras.tail()}"
                )
            time.sleep(POLL_S)

    @property
    def running_cameras(self) -> CamerasProcess:
        """The test cameras; StartError before they are started."""
        if self.cameras is None:
            raise StartError("The test cameras are not running yet")
        return self.cameras

    def start_aws(self) -> None:
        """The embedded AWS, with the cores' things and the camera's secret in it."""
        settings = self.settings
        self.aws = aws = EmbeddedAws(
            port=settings.aws_port, folder=settings.folder, iot_port=settings.aws_iot_port
        )
        self._stops += [aws.stop, lambda: images.forget(aws.url)]
        if settings.component_prefix != fleet.COMPONENT_PREFIX:
            # Nobody will come by this name again, and supersede them.
            for container in settings.containers:
                self._stops.append(functools.partial(images.forget_kept, container))
        for core in self.settings.cores:
            aws.client("iot").create_thing(thingName=core.thing)
        answer = aws.client("secretsmanager").create_secret(
            Name="edgecam/sandbox/yard",
            SecretString=json.dumps({"username": CAMERA_USER, "password": self.password}),
        )
        self._yard_secret = answer["ARN"]

    def start_gcs(self) -> None:
        """The embedded GCS, without a bucket: the deployed app makes it."""
        self.gcs = EmbeddedGcs(folder=self.settings.folder / "gcs", port=self.settings.gcs_port, buckets=())
        self._stops.append(self.gcs.stop)

    def start_iot(self) -> None:
        """The embedded Cloud IoT, without registry or device: the deployed app makes them."""
        settings = self.settings
        self.iot = EmbeddedCloudIot(
            settings.folder, api_port=settings.cloud_iot_port, mqtt_port=settings.mqtt_port
        )
        self._stops.append(self.iot.stop)

    def bootstrap(self) -> None:
        """`cdk bootstrap`."""
        self._commands().bootstrap()

    def deploy(
        self,
        *,
        lobby_width: str = fleet.UNCHANGED_WIDTH,
        chunk_s: int = fleet.CHUNK_S,
        delivery: str = "s3",
        released: Mapping[str, str] = MappingProxyType({}),
        components: str = "{}",
        more_sites: str = "",
        project: Path = REPOSITORY,
        stacks: Sequence[str] = STACKS,
    ) -> Outputs:
        """`cdk deploy` of a tree.

        Args:
            lobby_width: Of the frame grabber's pictures of the lobby.
            chunk_s: Of the recordings.
            delivery: How images come: `s3`, `ecr` or `registry`.
            released: Images in place of built ones, by variant.
            components: Other components on the frame grabber's core, as `components` of its site, as JSON.
            more_sites: Further entries of `sites`, as YAML that is indented by two blanks.
            project: The tree.
            stacks: Which stacks; what they need comes with them.

        Returns:
            The stacks' outputs.
        """
        settings = self.settings
        values = fleet.Values(
            data_dir=settings.data_dir,
            page_port=settings.page_port,
            recorder_data_dir=settings.recorder.data_dir,
            recorder_page_port=settings.recorder_page_port,
            spool=settings.spool,
            gcs_port=settings.gcs_port,
            cloud_iot_port=settings.cloud_iot_port,
            mqtt_port=settings.mqtt_port,
            mqtt_ca_file=self._embedded_iot().ca_file,
            cameras_port=settings.cameras_port,
            yard_secret=self._yard_secret,
            component_prefix=settings.component_prefix,
            lobby_width=lobby_width,
            chunk_s=chunk_s,
            delivery=delivery,
            released=released,
            components=components,
            more_sites=more_sites,
        )
        return self._commands().deploy(fleet.render(values, settings.folder / "fleet.yaml"), project, stacks)

    def start_core(
        self,
        core: CoreSpec | None = None,
        character: Character | None = None,
        *,
        settle_s: float = SETTLE_S,
        docker: str = "",
        options: Sequence[str] = (),
    ) -> Process:
        """A core with what the deployed stacks say that a core needs: the role alias that they made, and a
        certificate with the IoT policy that they print.

        Args:
            core: By default that of the frame grabber.
            character: By default that of the settings.
            settle_s: A deployment to it has succeeded once its components have run so long.
            docker: The address of its Docker engine, as DOCKER_HOST has it; by default this machine's.
            options: Of `python -m sandbox.core`, further ones.
        """
        core, character = core or self.settings.grabber, character or self.settings.character
        aws = self._embedded_aws()
        pages = aws.client("iot").get_paginator("list_role_aliases").paginate()
        aliases = [alias for page in pages for alias in page["roleAliases"]]
        if len(aliases) != 1:
            raise StartError(f"The stacks should have made one role alias for cores, found {aliases}")
        device = enrol(aws, core.thing, self._core_policy(core.thing), core.root / "certificate")
        return self._start(
            core.name,
            [
                *(sys.executable, "-m", "sandbox.core", "--thing-name", core.thing),
                *("--certificate", str(device.folder), "--iot-port", str(device.port)),
                *("--root", str(core.root), "--role-alias", aliases[0], "--settle-s", f"{settle_s:g}"),
                *("--nucleus", character.nucleus, "--shell", character.shell, *options),
            ],
            f"{core.root.name}.log",
            aws.environment()
            | self._embedded_gcs().environment()
            | ({"DOCKER_HOST": docker} if docker else {}),
        )

    def _core_policy(self, thing: str) -> str:
        """As docs/first-deployment.md says for certificates of one's own."""
        stacks = self._embedded_aws().client("cloudformation").describe_stacks(StackName=FOUNDATION)
        (printed,) = [
            str(output["OutputValue"])
            for output in stacks["Stacks"][0]["Outputs"]
            if output["OutputKey"] == "CorePolicy"
        ]
        return printed.replace(PLACEHOLDER, thing)

    def stop_core(self, core: CoreSpec) -> bool:
        """End a core, as its machine's shutdown does; whether it ended by itself."""
        process = next(process for process in self.processes if process.name == core.name)
        self.processes.remove(process)
        return process.stop(CORE_STOP_TIMEOUT_S)

    def execution(self, core: CoreSpec | None = None) -> dict[str, Any]:
        """What a core, by default the frame grabber's, did with its newest deployment; empty before there
        is one."""
        thing = (core or self.settings.grabber).thing
        greengrass = self._embedded_aws().client("greengrassv2")
        answer = greengrass.list_effective_deployments(coreDeviceThingName=thing)
        newest: dict[str, Any] = next(iter(answer["effectiveDeployments"]), {})
        return newest

    def check_processes(self) -> None:
        """StartError with the last words of a part that has ended by itself."""
        for process in self.processes:
            if (code := process.exit_code()) is not None:
                raise StartError(f"{process.name} ended with code {code}:\n{process.tail()}")
        if self.aws is not None and not self.aws.running():
            raise StartError(f"The embedded AWS has ended, see {self.aws.log}")

    def stop(self) -> list[str]:
        """End everything; returns what had to be cleaned up by force, nothing when all went well."""
        leftovers = []
        if self._cdk is not None:
            self._cdk.stop()
        killed = [process for process in reversed(self.processes) if not process.stop(CORE_STOP_TIMEOUT_S)]
        leftovers += [f"{process.name} did not end by itself and was killed" for process in killed]
        for stop in reversed(self._stops):
            stop()
        self.processes.clear()
        self._stops.clear()
        leftovers += [
            f"the container {name} was still there and was removed"
            for name in self.settings.containers
            if remove_container(name)
        ]
        return leftovers

    def _start(
        self, name: str, command: list[str], log: str, clouds: dict[str, str] | None = None
    ) -> Process:
        environment = self._environment() | (clouds or {})
        process = Process(name, command, log=self.settings.logs / log, env=environment, cwd=REPOSITORY)
        self.processes.append(process)
        return process

    def _environment(self) -> dict[str, str]:
        return {**inherited_environment(), "PYTHONUNBUFFERED": "1"}

    def _embedded_aws(self) -> EmbeddedAws:
        if self.aws is None:
            raise StartError("The embedded AWS is not running yet")
        return self.aws

    def _embedded_iot(self) -> EmbeddedCloudIot:
        if self.iot is None:
            raise StartError("The embedded Cloud IoT is not running yet")
        return self.iot

    def _embedded_gcs(self) -> EmbeddedGcs:
        if self.gcs is None:
            raise StartError("The embedded GCS is not running yet")
        return self.gcs

    def _commands(self) -> Cdk:
        if self._cdk is None:
            self._cdk = Cdk(folder=self.settings.folder, aws=self._embedded_aws().environment())
        return self._cdk


def remove_container(name: str) -> bool:
    """Remove a node's container; True when there was one."""
    with suppress(subprocess.TimeoutExpired):
        found = subprocess.run(
            ["docker", "rm", "--force", name], capture_output=True, text=True, timeout=30, check=False
        )
        return found.returncode == 0 and bool(found.stdout.strip())
    raise SandboxError(f"Docker does not answer; a container {name} may be left: docker rm -f {name}")
