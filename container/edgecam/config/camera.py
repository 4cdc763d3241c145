"""The node configuration: the only definition of what a camera is.

The stacks validate `fleet.yaml` with it at synth, the node validates the same JSON at start. Numbers are read
leniently (a nucleus may deliver `5` as `5.0` or `"5"`), then checked strictly.
"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path, PurePosixPath
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from edgecam.config.brokers import (
    Device,
    is_device_id,
)
from edgecam.config.forms import Variable
from edgecam.config.queries import query_of
from edgecam.config.recording import Recording
from edgecam.config.schemes import Scheme, prefixes_where, scheme_of
from edgecam.config.secret_ids import SecretId
from edgecam.config.uris import expect_uri
from edgecam.config.validation import Model
from edgecam.config.values import AbsolutePath, CameraId, VisibleText
from edgecam.login_places import has_places
from edgecam.redaction import holds_password

DEFAULT_STALE_AFTER_S = 5.0
MOST_GROUP = 2**32 - 2  # the last number means "none" to chown(2)
_STALE_FRAME_PERIODS = 3  # a slow camera may miss two pictures before its last one counts as stale


class Decode(StrEnum):
    """Which pictures of the stream are decoded."""

    AUTO = "auto"
    ALL = "all"
    KEYFRAMES = "keyframes"


class OnStale(StrEnum):
    """What becomes of the files when the picture has grown too old."""

    KEEP = "keep"
    REMOVE = "remove"


class Levels(StrEnum):
    """What the numbers of a picture's pixels mean."""

    JPEG = "jpeg"
    CAMERA = "camera"


class Receiver(StrEnum):
    """Who receives an RTSP camera."""

    AUTO = "auto"
    GSTREAMER = "gstreamer"


class FileMode(StrEnum):
    """Who may read a file that the node's user alone writes, as chmod(1) has it."""

    OWNER = "0600"
    GROUP = "0640"
    EVERYBODY = "0644"


class Credentials(Model):
    """The login at a camera: a secret, or a user name and where the password is."""

    secret: SecretId | None = Field(
        default=None,
        description="A secret in AWS Secrets Manager, a JSON object with username and password: its ARN, or "
        "its name with a slash in it, such as `cameras/lobby`.",
    )
    username: VisibleText | None = Field(default=None, min_length=1, description="User name at the camera.")
    password_file: AbsolutePath | None = Field(
        default=None, description="File on the core whose first line is the password."
    )
    password_env: Variable | None = Field(
        default=None,
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
    verify: bool = Field(default=True, description="false accepts any certificate, a forged one as well.")
    certificate_file: AbsolutePath | None = Field(
        default=None,
        description="PEM file on the core with the node's own certificate and its key, for cameras that ask "
        "for one.",
    )

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
    levels: Levels = Field(
        default=Levels.JPEG,
        description="`jpeg`: colours as every reader of JPEG expects them (white is 255, the matrix that of "
        "BT.601); `camera`: the camera's own numbers, mostly white as 235 and BT.709, for computer vision "
        "that wants these.",
    )
    only_clean: bool = Field(
        default=True,
        description="Leave out pictures that the decoder knows to be damaged, up to the next keyframe; false "
        "shows them as well.",
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
        description='Number of that group (`getent group NAME` shows it), only with mode `"0640"`; '
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
        # YAML 1.1 reads 0640 as the number 416, YAML 1.2 as 640: neither can be distinguished from a mistake.
        if isinstance(mode, (int, float)):
            expected = ", ".join(f'"{each}"' for each in FileMode)
            raise ValueError(f"expected one of {expected}, with the quotes, found the number {mode:g}")
        return mode

    @field_validator("group", mode="before")
    @classmethod
    def _group_by_number(cls, group: object) -> object:
        if isinstance(group, bool) or (isinstance(group, str) and not group.isdecimal()):
            raise ValueError("expected the number of a group, such as getent group NAME shows it")
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
    uri: str = Field(
        min_length=1, description="Where the pictures come from: [cameras.md](cameras.md) has the kinds."
    )
    credentials: Credentials | None = Field(
        default=None,
        description="The login; never part of the URI, which has `{username}` and `{password}` where the "
        "camera wants them in its path or query.",
    )
    transport: Literal["tcp", "udp"] = Field(
        default="tcp",
        description="How RTSP carries the pictures; `edgecam probe` finds which the camera has.",
    )
    latency_ms: int = Field(
        default=200,
        ge=0,
        le=10_000,
        description="How long GStreamer's receiver waits for late packets, milliseconds; edgecam's does not.",
    )
    receiver: Receiver = Field(
        default=Receiver.AUTO,
        description="Who receives an RTSP camera: `auto` is edgecam itself, and GStreamer for what edgecam's "
        "receiver does not read (`transport: udp`, JPEG); `gstreamer` always GStreamer.",
    )
    tls: Tls = Field(default=Tls(), description="Certificates of `rtsps://` cameras.")
    connect_timeout_s: float = Field(
        default=10.0, ge=1, le=120, description="Seconds until a connection without a picture is given up."
    )
    frames: Frames = Field(default=Frames(), description="The newest picture as a file.")
    recording: Recording = Field(default=Recording(), description="The recording, in chunks.")
    device: Device | None = Field(
        default=None, description="Its device in Cloud IoT Core; by default none, and no state is sent there."
    )

    @field_validator("uri")
    @classmethod
    def _no_password(cls, uri: str) -> str:
        if holds_password(uri):
            raise ValueError(
                "expected a URI without a password: give it as credentials: {secret: <name or ARN in Secrets "
                "Manager>} or {username: …, password_file: …}, and a camera that wants it in its path or "
                "query gets {username} and {password} there"
            )
        return uri

    @field_validator("uri")
    @classmethod
    def _known_source(cls, uri: str) -> str:
        expect_uri(uri)
        return uri

    @model_validator(mode="after")
    def _credentials_have_a_use(self) -> Self:
        found = f"found {self.scheme.name}:"
        if self.credentials is not None and not self.scheme.takes_credentials and not self.has_login_places:
            where = prefixes_where(lambda scheme: scheme.takes_credentials)
            raise ValueError(
                f"expected credentials only with {where}, or with {{username}} and {{password}} in a "
                f"pipeline, {found}"
            )
        if self.credentials is None and self.has_login_places:
            raise ValueError(
                "expected credentials, since {username} and {password} of the uri are filled from these, "
                "found none"
            )
        if self.tls != Tls() and not self.scheme.takes_tls:
            where = prefixes_where(lambda scheme: scheme.takes_tls)
            raise ValueError(f"expected tls only with {where}, {found}")
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
        if self.recording.enabled and not self.scheme.is_encoded:
            raise ValueError(
                f"expected recording only with a source of coded video, found {self.scheme.name}:"
            )
        return self

    @property
    def scheme(self) -> Scheme:
        """The kind of source."""
        return scheme_of(self.uri)

    @property
    def has_login_places(self) -> bool:
        """Whether user name and password are filled into its `uri`."""
        return self.scheme.takes_login_places and has_places(self.uri)

    @property
    def source_path(self) -> str:
        """The path in its `uri`, where that names a file, a pipe or numbered pictures."""
        return self.scheme.path_in(self.uri)

    @property
    def query(self) -> dict[str, str]:
        """The settings behind the `?` of its `uri`, where the scheme has some."""
        return query_of(self.uri, self.scheme.query) if self.scheme.query else {}

    @property
    def device_id(self) -> str:
        """What the camera is called in the registry of devices."""
        return self.id if self.device is None or self.device.id is None else self.device.id

    def frame_path(self, data_dir: str) -> Path:
        """Where the picture of this camera stands."""
        return Path(self.frames.path or f"{data_dir}/{self.id}/frame.jpg")
