"""The settings of what happens to chunks: the spool on the core, and the bucket in the cloud."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from edgecam.config.forms import Audience, ServiceAccount
from edgecam.config.validation import Model
from edgecam.config.values import AbsolutePath, EveryS, expect_visible

MB = 1_000_000
GB = 1_000_000_000

MOST_SPOOL_BYTES = 1_000_000 * GB
"""A petabyte: no disk of a core has more, and sums of it stay exact in every program that reads them."""

DEFAULT_SPOOL = "/var/lib/edgecam/spool"

_NAME = r"[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]"
_PREFIX = r"(/[A-Za-z0-9._=-]+)*/?"
# GCS takes nearly everything in a name; its documentation advises against these in particular.
_BUCKET_URI = re.compile(rf"(gs|s3)://{_NAME}{_PREFIX}|file:///[^/\0\n][^\0\n]*")


def _bucket_uri(text: str) -> str:
    if not _BUCKET_URI.fullmatch(text) or "/../" in f"{text}/":
        raise ValueError("expected gs://BUCKET, s3://BUCKET or file:///FOLDER, with or without /PREFIX")
    expect_visible(text)
    return text.rstrip("/")


BucketUri = Annotated[str, AfterValidator(_bucket_uri)]


class Order(StrEnum):
    """Which waiting chunk of a camera is sent first."""

    NEWEST = "newest"
    OLDEST = "oldest"


class WhenFull(StrEnum):
    """What happens when the spool has reached its limit."""

    EVICT = "evict"
    STOP = "stop"


class Spool(Model):
    """The folder where finished chunks wait until the cloud has confirmed them."""

    path: AbsolutePath = Field(
        default=DEFAULT_SPOOL, description="The folder, on a disk that outlives a restart."
    )
    max_bytes: int = Field(
        default=10 * GB,
        ge=16 * MB,
        le=MOST_SPOOL_BYTES,
        description="Most bytes that may wait; the default is about 5 hours at 4 Mbit/s.",
    )
    keep_free_bytes: int = Field(
        default=1 * GB,
        ge=0,
        le=MOST_SPOOL_BYTES,
        description="What stays free on the disk, whatever `max_bytes` would allow.",
    )
    when_full: WhenFull = Field(
        default=WhenFull.EVICT,
        description="`evict` the oldest of who holds the most, or `stop` recording until there is room.",
    )


# A chunk takes two requests: one in ten seconds is half a camera's worth, and less would stop everything.
MaxRequestsPerS = Annotated[float, Field(ge=0.1, le=1000, description="Most requests a second.")]
# At the most what no line of a core carries, which is the same as no limit.
MaxBytesPerS = Annotated[int, Field(ge=4096, le=10 * GB, description="Most bytes a second.")]


class Upload(Model):
    """How chunks travel to the bucket."""

    max_requests_per_s: MaxRequestsPerS = 20.0
    max_bytes_per_s: MaxBytesPerS = 20 * MB
    concurrency: int = Field(default=4, ge=1, le=32, description="Most uploads at a time.")
    order: Order = Field(
        default=Order.NEWEST, description="Which chunks of a camera go first: the `newest` or the `oldest`."
    )
    backlog_share: float = Field(
        default=0.25,
        ge=0.05,
        le=0.95,
        description="With `newest`: the part of the uploads that goes to what an outage has left behind.",
    )
    part_bytes: int = Field(
        default=8 * 1024**2,
        ge=256 * 1024,
        le=4 * 1024**3,
        multiple_of=256 * 1024,
        description="Chunks larger than this go in resumable parts of this size.",
    )
    stall_timeout_s: float = Field(
        default=20.0,
        ge=1,
        le=600,
        description="An upload that moves no byte for this long is begun again.",
    )


class GoogleLogin(StrEnum):
    """How the node identifies itself to Google."""

    AUTO = "auto"
    APPLICATION_DEFAULT = "application-default"
    SERVICE_ACCOUNT = "service-account"
    FEDERATION = "federation"


class Google(Model):
    """Who the node is to Google. `auto`: federation where `audience` is set, a file where one is named, else
    application default."""

    login: GoogleLogin = Field(
        default=GoogleLogin.AUTO,
        description="`auto`, `federation` (workload identity federation of the core's AWS role), "
        "`service-account` (a key file) or `application-default`.",
    )
    audience: Audience | None = Field(
        default=None,
        description="For federation: the full name of the workload identity provider.",
    )
    service_account: ServiceAccount | None = Field(
        default=None,
        description="For federation: the service account to act as; default the federated identity itself.",
    )
    credentials_file: AbsolutePath | None = Field(
        default=None, description="For service-account: the key file on the core."
    )

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.login is GoogleLogin.FEDERATION and self.audience is None:
            raise ValueError("expected audience with login: federation")
        if self.login is GoogleLogin.SERVICE_ACCOUNT and self.credentials_file is None:
            raise ValueError("expected credentials_file with login: service-account")
        if self.audience is not None and self.credentials_file is not None:
            raise ValueError("expected audience or credentials_file, not both")
        if self.service_account is not None and self.audience is None:
            raise ValueError("expected service_account only with audience")
        return self

    @property
    def way(self) -> GoogleLogin:
        """The login that `auto` stands for."""
        if self.login is not GoogleLogin.AUTO:
            return self.login
        if self.audience is not None:
            return GoogleLogin.FEDERATION
        return GoogleLogin.SERVICE_ACCOUNT if self.credentials_file else GoogleLogin.APPLICATION_DEFAULT


class Latest(Model):
    """The newest picture of each camera as the object `latest/<camera>.jpg`."""

    enabled: bool = Field(default=True, description="false keeps the pictures on the core.")
    every_s: EveryS = Field(default=5.0, description="Seconds between two of them, at least.")


class StatusObjects(Model):
    """What each camera is doing, as the object `status/<camera>.json`."""

    enabled: bool = Field(default=True, description="false writes none.")
    every_s: EveryS = Field(
        default=60.0,
        description="Seconds between two when nothing changes; a change of state is written at once.",
    )
