"""Settings of the sandbox: its folder, its ports, and the cores that it runs."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from container.image.inputs import FRAME_GRABBER, GCS_UPLOADER
from sandbox import fleet
from sandbox.core.characters import Character
from sandbox.folder import DEFAULT_FOLDER
from stacks.greengrass.recipe import container_name


@dataclass(frozen=True, kw_only=True)
class CoreSpec:
    """A core and the node on it: what it is called, and where its parts are."""

    name: str
    thing: str
    container: str
    root: Path
    data_dir: Path
    page_port: int


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Where and on which ports."""

    folder: Path = DEFAULT_FOLDER
    aws_port: int = 24566
    gcs_port: int = 24443
    cloud_iot_port: int = 24080
    mqtt_port: int = 28883
    cameras_port: int = 28554
    aws_iot_port: int = 28884
    page_port: int = 8642
    recorder_page_port: int = 8643
    character: Character = field(default_factory=Character)
    """Which nucleus the cores have, and which shell."""
    component_prefix: str = fleet.COMPONENT_PREFIX
    """Names the containers too: with a prefix of its own, another sandbox or a core runs beside this one."""

    @property
    def ports(self) -> dict[str, tuple[str, int]]:
        """By the variable that chooses it: what the port is for, and the port."""
        return {
            "AWS_PORT": ("the embedded AWS", self.aws_port),
            "AWS_IOT_PORT": ("the embedded AWS IoT Core", self.aws_iot_port),
            "GCS_PORT": ("the embedded GCS", self.gcs_port),
            "CLOUD_IOT_PORT": ("the embedded Cloud IoT", self.cloud_iot_port),
            "MQTT_PORT": ("its MQTT bridge", self.mqtt_port),
            "CAMERAS_PORT": ("the test cameras", self.cameras_port),
            "PAGE_PORT": ("the page", self.page_port),
            "RECORDER_PAGE_PORT": ("the page of the node that records", self.recorder_page_port),
        }

    @property
    def grabber(self) -> CoreSpec:
        """The core with the frame grabber."""
        return CoreSpec(
            name="the core",
            thing=fleet.THING,
            container=container_name(f"{self.component_prefix}.{FRAME_GRABBER}"),
            root=self.folder / "core",
            data_dir=self.data_dir,
            page_port=self.page_port,
        )

    @property
    def recorder(self) -> CoreSpec:
        """The core with the GCS uploader."""
        return CoreSpec(
            name="the recorder",
            thing=fleet.RECORDER_THING,
            container=container_name(f"{self.component_prefix}.{GCS_UPLOADER}"),
            root=self.folder / "recorder",
            data_dir=self.folder / "recorder-frames",
            page_port=self.recorder_page_port,
        )

    @property
    def cores(self) -> tuple[CoreSpec, CoreSpec]:
        """Both cores."""
        return self.grabber, self.recorder

    @property
    def containers(self) -> tuple[str, ...]:
        """The names of the nodes' containers."""
        return tuple(core.container for core in self.cores)

    @property
    def spool(self) -> Path:
        """Where chunks wait for the embedded GCS."""
        return self.folder / "spool"

    @property
    def data_dir(self) -> Path:
        """Where the frames stand."""
        return self.folder / "frames"

    @property
    def logs(self) -> Path:
        """Where every process of the sandbox writes."""
        return self.folder / "logs"
