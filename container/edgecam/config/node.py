"""The configuration of a whole node."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from edgecam.config.brokers import AwsIot, CloudIot
from edgecam.config.camera import Camera
from edgecam.config.storage import (
    BucketUri,
    Google,
    Latest,
    Spool,
    StatusObjects,
    Upload,
)
from edgecam.config.validation import Model
from edgecam.config.values import AbsolutePath, Port, SiteLabel

DEFAULT_DATA_DIR = "/dev/shm/edgecam"  # noqa: S108 - the RAM disk: a frame a second must not wear out an SD card


class LogFormat(StrEnum):
    TEXT = "text"
    JSON = "json"


class Http(Model):
    """The page, health and metrics, on 127.0.0.1 only."""

    enabled: bool = Field(default=True, description="false opens no port.")
    port: Port = Field(default=8642, description="TCP port on 127.0.0.1.")


class Log(Model):
    """What the node writes to standard error."""

    format: LogFormat = Field(default=LogFormat.TEXT, description="`text` for people, `json` for programs.")
    level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="The lowest level that is logged."
    )


class NodeConfig(Model):
    """One edgecam process and the cameras it looks after."""

    cameras: tuple[Camera, ...] = Field(description="The cameras of this node, at least one.")
    site: SiteLabel | None = Field(
        default=None,
        description="Name of the site, as the page shows it; the name in `sites` fills it in.",
    )
    data_dir: AbsolutePath = Field(
        default=DEFAULT_DATA_DIR, description="Folder of the pictures; the default is in memory."
    )
    bucket: BucketUri | None = Field(
        default=None,
        description="Where recordings go: `gs://BUCKET`, `s3://BUCKET` or `file:///FOLDER`, each with or "
        "without `/PREFIX`.",
    )
    spool: Spool = Field(default=Spool(), description="Where chunks wait on the core.")
    upload: Upload = Field(default=Upload(), description="How chunks travel.")
    google: Google = Field(default=Google(), description="Who the node is to Google.")
    latest: Latest = Field(default=Latest(), description="The newest pictures in the bucket.")
    status: StatusObjects = Field(default=StatusObjects(), description="The status in the bucket.")
    cloud_iot: CloudIot | None = Field(
        default=None, description="The registry that the devices report to by Cloud IoT Core's protocol."
    )
    aws_iot: AwsIot = Field(default=AwsIot(), description="The states of the cameras in AWS IoT Core.")
    http: Http = Field(default=Http(), description="The page, health and metrics.")
    log: Log = Field(default=Log(), description="Logging.")

    @field_validator("cameras")
    @classmethod
    def _not_empty(cls, cameras: tuple[Camera, ...]) -> tuple[Camera, ...]:
        if not cameras:
            raise ValueError("expected at least one camera, found none")
        return cameras

    @model_validator(mode="after")
    def _all_different(self) -> Self:
        _refuse_twins("id", enumerate(camera.id for camera in self.cameras))
        paths = enumerate(str(camera.frame_path(self.data_dir)) for camera in self.cameras)
        _refuse_twins("frames.path", paths)
        return self

    @model_validator(mode="after")
    def _fits_the_bucket(self) -> Self:
        for index, camera in enumerate(self.cameras):
            if camera.recording.enabled and self.bucket is None and self.expects_bucket:
                raise ValueError(
                    f"expected bucket, since cameras[{index}] ({camera.id}) is recorded, found none"
                )
            if camera.id in ("latest", "status") and self.bucket is not None:
                raise ValueError(
                    f"expected cameras[{index}].id to be another name than {camera.id}, "
                    "which is a folder of the bucket's own"
                )
        return self

    @model_validator(mode="after")
    def _devices_have_a_registry(self) -> Self:
        devices = [(index, camera) for index, camera in enumerate(self.cameras) if camera.device is not None]
        if devices and self.cloud_iot is None:
            raise ValueError(f"expected cloud_iot, since cameras[{devices[0][0]}] has a device, found none")
        if self.cloud_iot is not None and not devices:
            raise ValueError("expected a device at one camera at least, since there is cloud_iot, found none")
        _refuse_twins("device.id", ((index, camera.device_id) for index, camera in devices))
        return self

    @property
    def expects_bucket(self) -> bool:
        """Whether what is recorded has to have a bucket to go to."""
        return True

    def secret_ids(self) -> tuple[str, ...]:
        """The secrets that this node's cameras and devices name, by ARN or name, sorted, each once."""
        named = {camera.credentials.secret for camera in self.cameras if camera.credentials is not None}
        named |= {camera.device.key.secret for camera in self.cameras if camera.device is not None}
        return tuple(sorted(each for each in named if each is not None))


def _refuse_twins(field: str, values: Iterable[tuple[int, str]]) -> None:
    """`values` by the index of their camera."""
    seen: dict[str, int] = {}
    for index, value in values:
        if value in seen:
            raise ValueError(
                f"expected a different {field} for every camera, "
                f"found {value} in cameras[{seen[value]}] and cameras[{index}]"
            )
        seen[value] = index
