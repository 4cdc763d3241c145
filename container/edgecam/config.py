"""The node configuration: the only definition of what a camera is.

The stacks validate `fleet.yaml` with it at synth, the node validates the same JSON at start. Numbers are read
leniently (a nucleus may deliver `5` as `5.0` or `"5"`), then checked strictly.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path, PurePosixPath
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from edgecam.config_recording import Recording
from edgecam.config_status import AwsIot, CloudIot, Device, is_device_id
from edgecam.config_store import BucketUri, Google, Latest, Spool, StatusObjects, Upload
from edgecam.config_types import SECRET_ARN, AbsolutePath, CameraId
from edgecam.document import parse_document, read_text
from edgecam.errors import ConfigurationError, Mistake
from edgecam.json_text import JsonError, parse_json
from edgecam.redaction import holds_password
from edgecam.validation import Model, validate

NODE_VARIABLE = "EDGECAM_NODE"
"""The environment variable that carries the node configuration as JSON."""

DEFAULT_DATA_DIR = "/dev/shm/edgecam"  # noqa: S108 - the RAM disk: a frame a second must not wear out an SD card
DEFAULT_STALE_AFTER_S = 5.0
MOST_GROUP = 2**32 - 2  # the last number means "none" to chown(2)
_STALE_FRAME_PERIODS = 3  # a slow camera may miss two pictures before its last one counts as stale

SCHEMES = ("rtsp", "rtsps", "pipe", "file", "images", "test", "pipeline")
"""The sources there are. `source.py` has the factory; H.265, MJPEG and audio join there."""


class Decode(StrEnum):
    """Which pictures of the stream are decoded."""

    AUTO = "auto"
    ALL = "all"
    KEYFRAMES = "keyframes"


class OnStale(StrEnum):
    """What becomes of the files when the picture has grown too old."""

    KEEP = "keep"
    REMOVE = "remove"


class FileMode(StrEnum):
    """Who may read a file that the node's user alone writes, as chmod(1) has it."""

    OWNER = "0600"
    GROUP = "0640"
    EVERYBODY = "0644"


class LogFormat(StrEnum):
    TEXT = "text"
    JSON = "json"


class Credentials(Model):
    """How to reach a camera that asks who is there: a secret, or a user name and where the password is."""

    secret: str | None = Field(
        default=None,
        pattern=SECRET_ARN,
        description="ARN of an AWS Secrets Manager secret: a JSON object with username and password.",
    )
    username: str | None = Field(default=None, min_length=1, description="User name at the camera.")
    password_file: AbsolutePath | None = Field(
        default=None, description="File on the core whose first line is the password."
    )
    password_env: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z_][A-Za-z0-9_]*$",
        description="Environment variable of the node that holds the password (not on Greengrass).",
    )

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        ways = [self.password_file is not None, self.password_env is not None]
        if self.secret is not None:
            if self.username is not None or any(ways):
                raise ValueError("expected secret alone, or username with password_file or password_env")
        elif self.username is None or sum(ways) != 1:
            raise ValueError("expected secret, or username with one of password_file and password_env")
        return self


class Tls(Model):
    """How the certificate of an `rtsps://` camera is verified."""

    ca_file: AbsolutePath | None = Field(
        default=None, description="PEM file on the core with the authorities to trust, beside the system's."
    )
    verify: bool = Field(default=True, description="false accepts any certificate; say so only knowingly.")

    @model_validator(mode="after")
    def _no_contradiction(self) -> Self:
        if self.ca_file is not None and not self.verify:
            raise ValueError("expected ca_file or verify: false, not both")
        return self


MaxFps = Annotated[float, Field(ge=0.1, le=30, description="Pictures a second at the most.")]


class Frames(Model):
    """The newest picture as a file."""

    enabled: bool = Field(
        default=True, description="false makes no pictures (a camera that is only recorded)."
    )
    path: AbsolutePath | None = Field(
        default=None, description="Where the picture stands; default `<data_dir>/<camera>/frame.jpg`."
    )
    max_fps: MaxFps = 1.0
    quality: int = Field(default=85, ge=1, le=100, description="JPEG quality.")
    width: int | None = Field(
        default=None,
        ge=16,
        le=7680,
        description="Width in pixels, the height follows; default as the camera sends it.",
    )
    max_pixels: int = Field(
        default=36_000_000,
        ge=10_000,
        le=150_000_000,
        description="Largest picture that is decoded, width times height; a larger one ends the connection. "
        "The default is more than 8K.",
    )
    decode: Decode = Field(
        default=Decode.AUTO,
        description="`keyframes` only, `all` pictures, or `auto`: as few as `max_fps` allows.",
    )
    stale_after_s: float | None = Field(
        default=None,
        ge=0.5,
        le=3600,
        description="Age in seconds from which on a picture counts as stale and a silent camera as stalled; "
        "default 5, or three pictures' time if that is longer.",
    )
    on_stale: OnStale = Field(
        default=OnStale.KEEP, description="`keep` a stale picture or `remove` it (frame.json stays)."
    )
    mode: FileMode = Field(
        default=FileMode.EVERYBODY,
        description="Who may read frame.jpg and frame.json on the core, a text in quotes: "
        '`"0644"` every user, `"0640"` the user of the node and a group, `"0600"` that user alone.',
    )
    group: int | None = Field(
        default=None,
        ge=1,
        le=MOST_GROUP,
        description='Number of that group (`getent group NAME` says it), only with mode `"0640"`; '
        "default the one that the node runs as. A name would mean nothing in the container.",
    )

    @field_validator("path")
    @classmethod
    def _is_jpeg(cls, path: str | None) -> str | None:
        if path is not None and PurePosixPath(path).suffix.lower() not in (".jpg", ".jpeg"):
            raise ValueError("expected a file name that ends in .jpg or .jpeg")
        return path

    @field_validator("width")
    @classmethod
    def _even(cls, width: int | None) -> int | None:
        # Chroma is subsampled by two: an odd width would be rounded behind the user's back.
        if width is not None and width % 2:
            raise ValueError("expected an even number")
        return width

    @field_validator("mode", mode="before")
    @classmethod
    def _in_quotes(cls, mode: object) -> object:
        # YAML 1.1 reads 0640 as the number 416, YAML 1.2 as 640: neither can be told from a mistake.
        if isinstance(mode, (int, float)):
            expected = ", ".join(f'"{each}"' for each in FileMode)
            raise ValueError(f"expected one of {expected}, with the quotes, found the number {mode:g}")
        return mode

    @field_validator("group", mode="before")
    @classmethod
    def _group_by_number(cls, group: object) -> object:
        if isinstance(group, bool) or (isinstance(group, str) and not group.isdecimal()):
            raise ValueError("expected the number of a group, such as getent group NAME says it")
        return group

    @model_validator(mode="after")
    def _group_may_read(self) -> Self:
        if self.group is not None and self.mode is not FileMode.GROUP:
            raise ValueError(f'expected group only with mode "{FileMode.GROUP}", found "{self.mode}"')
        return self

    @model_validator(mode="after")
    def _reachable_age(self) -> Self:
        if self.stale_after_s is not None and self.stale_after_s < 1 / self.max_fps:
            raise ValueError(
                f"expected stale_after_s of at least 1 / max_fps ({1 / self.max_fps:g}), "
                f"found {self.stale_after_s:g}: every picture would be stale before the next"
            )
        return self

    @property
    def age_limit_s(self) -> float:
        """The age from which on a picture counts as stale, in seconds."""
        if self.stale_after_s is not None:
            return self.stale_after_s
        return max(DEFAULT_STALE_AFTER_S, _STALE_FRAME_PERIODS / self.max_fps)


class Camera(Model):
    """One video source."""

    id: CameraId = Field(description="Its name: lower case letters, digits and hyphens.")
    uri: str = Field(min_length=1, description="Where the pictures come from; see the sources below.")
    credentials: Credentials | None = Field(default=None, description="Who asks; never part of the URI.")
    transport: Literal["tcp", "udp"] = Field(default="tcp", description="How RTSP carries the pictures.")
    latency_ms: int = Field(
        default=200, ge=0, le=10_000, description="How long RTSP waits for late packets, milliseconds."
    )
    tls: Tls = Field(default=Tls(), description="Certificates of `rtsps://` cameras.")
    connect_timeout_s: float = Field(
        default=10.0, ge=1, le=120, description="Seconds until a connection without a picture is given up."
    )
    frames: Frames = Field(default=Frames(), description="The newest picture as a file.")
    recording: Recording = Field(default=Recording(), description="The recording, in chunks.")
    device: Device | None = Field(
        default=None, description="What the camera is to Cloud IoT Core; default it is told nothing."
    )

    @field_validator("uri")
    @classmethod
    def _known_source(cls, uri: str) -> str:
        scheme, colon, rest = uri.partition(":")
        if not colon or scheme not in SCHEMES:
            raise ValueError(f"expected a URI that begins with one of {', '.join(f'{s}:' for s in SCHEMES)}")
        if scheme != "pipeline" and not rest.startswith("//"):
            raise ValueError(f"expected {scheme}:// and what follows")
        if scheme in ("rtsp", "rtsps") and not rest.removeprefix("//").split("/")[0]:
            raise ValueError(f"expected {scheme}://HOST/PATH")
        if scheme in ("pipe", "file", "images") and not rest.startswith("///"):
            raise ValueError(f"expected {scheme}:/// and an absolute path")
        if scheme == "pipeline" and not rest.strip():
            raise ValueError("expected a gst-launch description after pipeline:")
        if "\n" in uri or "\0" in uri:
            raise ValueError("expected one line")
        return uri

    @field_validator("uri")
    @classmethod
    def _no_password(cls, uri: str) -> str:
        if holds_password(uri):
            raise ValueError(
                "expected a URI without a password: give it as credentials: {secret: <Secrets Manager ARN>} "
                "or {username: …, password_file: …}"
            )
        return uri

    @model_validator(mode="after")
    def _credentials_have_a_use(self) -> Self:
        if self.credentials is not None and self.scheme not in ("rtsp", "rtsps"):
            raise ValueError(f"expected credentials only with rtsp:// and rtsps://, found {self.scheme}:")
        if self.tls != Tls() and self.scheme != "rtsps":
            raise ValueError(f"expected tls only with rtsps://, found {self.scheme}:")
        return self

    @model_validator(mode="after")
    def _can_be_a_device(self) -> Self:
        if self.device is not None and self.device.id is None and not is_device_id(self.id):
            raise ValueError(
                f"expected device.id, since {self.id} cannot name a device: at least 3 characters, "
                "a letter first, not goog…"
            )
        return self

    @model_validator(mode="after")
    def _has_a_purpose(self) -> Self:
        if not self.frames.enabled and not self.recording.enabled:
            raise ValueError("expected frames or recording enabled, found neither")
        if self.recording.enabled and self.scheme == "test":
            raise ValueError("expected recording only with a source of coded video, found test:")
        return self

    @property
    def scheme(self) -> str:
        """The kind of source: one of `SCHEMES`."""
        return self.uri.partition(":")[0]

    @property
    def device_id(self) -> str:
        """What the camera is called in the registry of devices."""
        return self.id if self.device is None or self.device.id is None else self.device.id

    def frame_path(self, data_dir: str) -> Path:
        """Where the picture of this camera stands."""
        return Path(self.frames.path or f"{data_dir}/{self.id}/frame.jpg")


class Http(Model):
    """The page, health and metrics, on 127.0.0.1 only."""

    enabled: bool = Field(default=True, description="false opens no port.")
    port: int = Field(default=8642, ge=1, le=65535, description="TCP port on 127.0.0.1.")


class Log(Model):
    """What the node writes to standard error."""

    format: LogFormat = Field(default=LogFormat.TEXT, description="`text` for people, `json` for programs.")
    level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="The least that is said."
    )


class NodeConfig(Model):
    """One edgecam process and the cameras it looks after."""

    cameras: tuple[Camera, ...] = Field(description="The cameras of this node, at least one.")
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
        default=None, description="Whom the devices report to by Cloud IoT Core's protocol."
    )
    aws_iot: AwsIot = Field(default=AwsIot(), description="Whether AWS IoT Core is told of the cameras.")
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
            if camera.recording.enabled and self.bucket is None:
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

    def secret_arns(self) -> tuple[str, ...]:
        """The secrets that this node's cameras and devices name, sorted, each once."""
        named = {camera.credentials.secret for camera in self.cameras if camera.credentials is not None}
        named |= {camera.device.key.secret for camera in self.cameras if camera.device is not None}
        return tuple(sorted(arn for arn in named if arn is not None))


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


def load_file(path: Path) -> NodeConfig:
    """The node configuration in the YAML or JSON file `path`.

    Raises:
        ConfigurationError: with every mistake, or when the file cannot be read.
    """
    try:
        text = read_text(path)
    except (OSError, UnicodeDecodeError) as error:
        problem = getattr(error, "strerror", None) or "text that is not UTF-8"
        raise ConfigurationError([Mistake("", "a readable file", problem)], document=str(path)) from None
    return validate(NodeConfig, parse_document(text, name=str(path)), name=str(path))


def load_environment(text: str | None, data_dir: str | None = None) -> NodeConfig:
    """The node configuration as a nucleus delivers it.

    Args:
        text: The value of `EDGECAM_NODE`.
        data_dir: The value of `EDGECAM_DATA_DIR`, which wins over the one inside the JSON.

    Raises:
        ConfigurationError: with every mistake.
    """
    if not text or not text.strip():
        raise ConfigurationError(
            [Mistake("", "the node configuration as JSON (or --config FILE)", "nothing")],
            document=NODE_VARIABLE,
        )
    try:
        document = parse_json(text)
    except JsonError as error:
        expected, _, found = str(error).removeprefix("expected ").partition(", found ")
        raise ConfigurationError([Mistake("", expected, found)], document=NODE_VARIABLE) from None
    if data_dir and isinstance(document, dict):
        document = {**document, "data_dir": data_dir}
    return validate(NodeConfig, document, name=NODE_VARIABLE)
