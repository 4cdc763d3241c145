"""`fleet.yaml` becomes frozen, validated settings.

A site is a node configuration (`edgecam.config`, the only definition of a camera) and how it is deployed.
Every mistake is found here, at synth, with the path of the setting, what was expected and what was found.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, field_validator, model_validator

from container.image_inputs import (
    ARCHITECTURES,
    DEFAULT_BASE_IMAGE,
    FRAME_GRABBER,
    GCS_UPLOADER,
    expect_pinned,
)
from edgecam.config import NodeConfig
from edgecam.config_status import DeviceId
from edgecam.config_types import MOST_COUNTED, CameraId
from edgecam.errors import EdgecamError
from edgecam.launch import DockerOptions
from edgecam.validation import Model
from stacks.fleet_checks import mistakes_of
from stacks.fleet_files import FleetDocument, read_fleet
from stacks.settings_cores import Cores
from stacks.settings_gcp import Gcp, Member
from stacks.settings_pipeline import Pipeline
from stacks.settings_watch import Watch
from stacks.settings_waves import Wave

SECRET_MANAGER = "aws.greengrass.SecretManager"  # noqa: S105 - a component's name
TOKEN_EXCHANGE = "aws.greengrass.TokenExchangeService"  # noqa: S105 - a component's name


def _matches(pattern: str, expected: str) -> AfterValidator:
    """Check a text against `pattern`; say `expected`, not the pattern, when it differs."""

    def check(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise ValueError(f"expected {expected}")
        return text

    return AfterValidator(check)


SiteName = Annotated[
    str,
    _matches(
        r"(?=.{1,63}$)[a-z0-9]+(-[a-z0-9]+)*", "1 to 63 lower case letters and digits, single hyphens between"
    ),
]
ThingName = Annotated[
    str, _matches(r"[a-zA-Z0-9:_-]{1,128}", "1 to 128 letters, digits, colons, underscores and hyphens")
]
ComponentName = Annotated[
    str, _matches(r"[a-zA-Z0-9._-]{1,128}", "1 to 128 letters, digits, dots, underscores and hyphens")
]
PlainVersion = Annotated[
    str, _matches(r"\d{1,6}\.\d{1,6}\.\d{1,6}", 'a version of three numbers, such as "2.3.7"')
]
Account = Annotated[str, _matches(r"\d{12}", 'twelve digits in quotes, such as "123456789012"')]
Region = Annotated[str, _matches(r"[a-z]{2}(-[a-z]+)+-\d", "the name of a Region, such as eu-central-1")]
Bucket = Annotated[str, _matches(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", "the name of a bucket")]
RoleName = Annotated[str, _matches(r"[\w+=,.@-]{1,64}", "the name of an IAM role, not its ARN")]
SecretNames = Annotated[
    str, _matches(r"([\w+=.@-]+/)*\{thing\}/\*", "names below that of a thing, such as cameras/{thing}/*")
]
ImageName = Annotated[str, _matches(r"[a-zA-Z0-9][\w./:@-]*", "the name of an image")]


class ExponentialRate(Model):
    """A rollout that begins slowly and speeds up (IoT Jobs' exponential rate)."""

    base_per_minute: int = Field(ge=1, le=1000, description="Cores a minute at first.")
    factor: float = Field(ge=1.1, le=5, description="By how much the rate grows.")
    after_notified: int | None = Field(
        default=None, ge=1, le=MOST_COUNTED, description="Grows after so many notified cores."
    )
    after_succeeded: int | None = Field(
        default=None, ge=1, le=MOST_COUNTED, description="Grows after so many successes."
    )

    @model_validator(mode="after")
    def _one_criterion(self) -> Self:
        if (self.after_notified is None) == (self.after_succeeded is None):
            raise ValueError("expected one of after_notified and after_succeeded")
        return self


class AbortCriterion(Model):
    """When a rollout is given up."""

    when: Literal["failed", "rejected", "timed_out", "any"] = Field(
        default="failed", description="What is counted."
    )
    percent: float = Field(gt=0, le=100, description="Share of the finished cores that is too much.")
    at_least: int = Field(
        default=1, ge=1, le=MOST_COUNTED, description="Not before so many cores have finished."
    )


class ComponentUpdate(Model):
    """Whether running components may ask for a moment before they are replaced."""

    action: Literal["notify", "skip"] = Field(default="notify", description="`notify` them or `skip` that.")
    timeout_s: int = Field(
        default=60, ge=1, le=2_147_483_647, description="How long they may defer, seconds."
    )


class Rollout(Model):
    """How a deployment reaches the cores of a site."""

    per_minute: int | None = Field(
        default=None,
        ge=1,
        le=1000,
        description="Most cores notified a minute; default as fast as AWS allows.",
    )
    exponential: ExponentialRate | None = Field(default=None, description="Begin slowly, then speed up.")
    abort: tuple[AbortCriterion, ...] = Field(default=(), description="When the rollout is given up.")
    timeout_min: int | None = Field(
        default=None, ge=1, le=10_080, description="Minutes a core has; default as long as it takes."
    )
    failure_handling: Literal["rollback", "do_nothing"] = Field(
        default="rollback", description="What a core does when the deployment fails."
    )
    component_update: ComponentUpdate = Field(
        default=ComponentUpdate(), description="How running components are told."
    )
    remove_on_destroy: bool = Field(
        default=False,
        description="true takes the components from the cores when the site or its stack is removed; else "
        "they go on running.",
    )


class ExtraComponent(Model):
    """A component deployed beside ours; also written as its version alone."""

    version: PlainVersion = Field(description="Its version, such as `2.3.7`.")
    merge: dict[str, Any] = Field(default={}, description="What is merged into its configuration.")

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, value: Any) -> Any:
        # YAML reads 2.1 as a number; what is wrong with it is that it has two parts.
        return {"version": str(value)} if isinstance(value, (str, int, float)) else value


class Site(NodeConfig):
    """One deployment target and the node that runs there."""

    template: str | None = Field(
        default=None, description="Which of `templates` stands under the settings of this site."
    )
    values: dict[str, str | int] = Field(
        default={}, description="What `{name}` stands for in defaults, templates and cameras with `for`."
    )
    camera: dict[str, Any] = Field(default={}, description="Settings under each of its cameras.")
    variant: Literal["frame-grabber", "gcs-uploader"] = Field(
        default="frame-grabber",
        description="`frame-grabber`: pictures on the core. `gcs-uploader`: the same, and recordings in the "
        "cloud.",
    )
    thing: ThingName | None = Field(default=None, description="The core device, when the site has one core.")
    thing_group: ThingName | None = Field(default=None, description="The thing group of the cores.")
    create_thing_group: bool = Field(
        default=False, description="true creates the thing group; else it exists already."
    )
    nucleus: Literal["classic", "lite"] = Field(
        default="classic", description="Which nucleus the cores run: decides how camera secrets get there."
    )
    docker: DockerOptions = Field(default=DockerOptions(), description="How the container runs.")
    entrypoint: str = Field(
        default="", description="For debugging: a program of the image that runs in place of the node."
    )
    command: tuple[str, ...] = Field(
        default=(), description="For debugging: its arguments, each as typed; no shell sees them."
    )
    devices: bool = Field(
        default=False,
        description="true makes each camera a device of `gcp.registry`, with a key that only this core can "
        "read; for a `thing`.",
    )
    device_ids: dict[CameraId, DeviceId] = Field(
        default={}, description="Names of devices, by camera; default `<site>-<camera>`."
    )
    writers: tuple[Member, ...] = Field(
        default=(),
        description="With `gcp.bucket`: who may upload below what `bucket` names, and nowhere else, such as "
        "`principal://…/subject/ROLE/CERTIFICATE` of each of its cores.",
    )
    rollout: Rollout = Field(default=Rollout(), description="How a deployment reaches the cores.")
    stack: SiteName | None = Field(
        default=None,
        description="Which stack holds its deployment; `main` is that of the variant; default as "
        "`aws.site_stacks` says.",
    )
    components: dict[ComponentName, ExtraComponent] = Field(
        default={},
        description="Other components of the same cores: a deployment replaces the former one whole.",
    )

    @field_validator("variant", mode="before")
    @classmethod
    def _not_both(cls, variant: Any) -> Any:
        if isinstance(variant, (list, tuple)):
            raise ValueError(
                f"expected {FRAME_GRABBER} or {GCS_UPLOADER}, not several: {GCS_UPLOADER} contains the "
                f"{FRAME_GRABBER}, found {', '.join(map(str, variant))}"
            )
        return variant

    @model_validator(mode="before")
    @classmethod
    def _devices_are_filled_in(cls, site: Any) -> Any:
        """Ahead of the node's own checks, which would ask for the other half."""
        if not isinstance(site, dict) or site.get("devices") is not True:
            return site
        cameras = site.get("cameras")
        named = [
            camera for camera in (cameras if isinstance(cameras, list) else []) if isinstance(camera, dict)
        ]
        if site.get("cloud_iot") is not None or any(camera.get("device") is not None for camera in named):
            raise ValueError(
                "expected neither cloud_iot nor a camera's device beside devices: true, which fills them in "
                "from gcp.registry (device_ids names devices)"
            )
        return site

    @model_validator(mode="after")
    def _devices_of_one_core(self) -> Self:
        if self.devices and self.thing is None:
            raise ValueError(
                "expected thing beside devices: true: every core of a group would be the same devices, and "
                "of those only one can be connected"
            )
        if self.device_ids and not self.devices:
            raise ValueError("expected device_ids only with devices: true")
        unknown = self.device_ids.keys() - {camera.id for camera in self.cameras}
        if unknown:
            raise ValueError(
                f"expected cameras of this site in device_ids, found {', '.join(sorted(unknown))}"
            )
        return self

    @model_validator(mode="after")
    def _one_target(self) -> Self:
        if (self.thing is None) == (self.thing_group is None):
            raise ValueError("expected thing or thing_group, one of them")
        if self.create_thing_group and self.thing_group is None:
            raise ValueError("expected create_thing_group only with thing_group")
        return self

    @field_validator("components")
    @classmethod
    def _not_provided(cls, components: dict[str, ExtraComponent]) -> dict[str, ExtraComponent]:
        if TOKEN_EXCHANGE in components:
            raise ValueError(f"expected no {TOKEN_EXCHANGE}: the nucleus adds it by itself")
        return components

    @property
    def target(self) -> str:
        """The deployment target as `thing/NAME` or `thinggroup/NAME`, the end of its ARN."""
        return f"thing/{self.thing}" if self.thing is not None else f"thinggroup/{self.thing_group}"

    @property
    def node(self) -> dict[str, Any]:
        """The node configuration as plain values: what differs from the defaults, to keep documents small."""
        return {name: value for name, value in _dump(self).items() if name in NodeConfig.model_fields}

    @property
    def docker_options(self) -> dict[str, Any]:
        """The docker options as plain values, what differs from the defaults."""
        return _dump(self.docker)

    @property
    def uses_secret_manager(self) -> bool:
        """Whether the cores get secrets through the Greengrass secret manager (Nucleus Lite has none)."""
        return self.nucleus == "classic" and bool(self.secret_arns())


class Image(Model):
    """The container image."""

    architectures: tuple[Literal["amd64", "arm64"], ...] = Field(
        default=("amd64",),
        description="Processors of the cores: `amd64`, `arm64`; an image is built for each.",
    )
    delivery: Literal["s3", "ecr"] = Field(
        default="s3",
        description="How cores get it: `s3`, a compressed tarball in the artifact bucket; `ecr`, pulled by "
        "its digest from a repository that is made.",
    )
    base: ImageName = Field(default=DEFAULT_BASE_IMAGE, description="The image it is built on.")
    pinned: bool = Field(
        default=False, description="true, for releases, takes a `base` with its digest only: `NAME@sha256:…`."
    )

    @field_validator("architectures")
    @classmethod
    def _each_once(cls, architectures: tuple[str, ...]) -> tuple[str, ...]:
        if not architectures or len(set(architectures)) < len(architectures):
            raise ValueError(f"expected one or more of {', '.join(ARCHITECTURES)}, each once")
        return architectures

    @model_validator(mode="after")
    def _base_by_digest(self) -> Self:
        if self.pinned:
            expect_pinned(self.base)
        return self


class Aws(Model):
    """Where in AWS, and what is there already."""

    account: Account | None = Field(
        default=None, description="Account; default the one whose credentials are used."
    )
    region: Region | None = Field(default=None, description="Region; default as the credentials say.")
    component_prefix: ComponentName = Field(
        default="com.edgecam",
        max_length=100,
        description="First part of the components' names.",
    )
    artifact_bucket: Bucket | None = Field(
        default=None,
        description="Existing bucket for artifacts, in the same Region; default a new one.",
    )
    token_exchange_role: RoleName | None = Field(
        default=None,
        description="Name of the role that the cores have already, such as `GreengrassV2TokenExchangeRole`; "
        "default a new one, with role alias and IoT policy.",
    )

    camera_secrets: SecretNames | None = Field(
        default=None,
        description="How the camera secrets of things are named, such as `cameras/{thing}/*`: each core may "
        "read what is named after its own thing. For many sites; default exactly those that its cameras "
        "name.",
    )
    site_stacks: int | None = Field(
        default=None,
        ge=2,
        le=500,
        description="For fleets of more than a hundred sites: how many stacks hold their deployments, such "
        "as 32, and as many their devices. Choose it once: another number moves most sites to another stack.",
    )

    pipeline: Pipeline | None = Field(
        default=None, description="Who deploys by itself, without a stored key; default nobody."
    )

    @model_validator(mode="after")
    def _both_or_none(self) -> Self:
        if (self.account is None) != (self.region is None):
            raise ValueError("expected account and region together, or neither")
        return self

    @field_validator("component_prefix")
    @classmethod
    def _not_amazons(cls, prefix: str) -> str:
        if prefix.startswith("aws."):
            raise ValueError("expected a name of your own: aws. belongs to Amazon's components")
        return prefix


class Fleet(Model):
    """All sites, and what they share."""

    include: tuple[str, ...] = Field(
        default=(), description="Further files with `sites:`, relative to this one, such as `sites/*.yaml`."
    )
    defaults: dict[str, Any] = Field(default={}, description="Settings under every site.")
    templates: dict[str, dict[str, Any]] = Field(
        default={}, description="Settings, by name, under the sites that say `template: NAME`."
    )
    sites: dict[SiteName, Site] = Field(description="The deployment targets, by a name of your choice.")
    image: Image = Field(default=Image(), description="The container image.")
    aws: Aws = Field(default=Aws(), description="Where in AWS, and what is there already.")
    gcp: Gcp | None = Field(default=None, description="The Google side: recordings and devices.")
    cores: Cores = Field(default=Cores(), description="The core devices: how they register, and their logs.")
    watch: Watch | None = Field(default=None, description="Alarms and a dashboard; default none.")
    waves: tuple[Wave, ...] = Field(
        default=(), description="Sites that come first, in this order; default all at once."
    )

    @field_validator("sites")
    @classmethod
    def _not_empty(cls, sites: dict[str, Site]) -> dict[str, Site]:
        if not sites:
            raise ValueError("expected at least one site, found none")
        return sites

    def sites_of(self, variant: str) -> dict[str, Site]:
        """The sites of a variant, by name."""
        return {name: site for name, site in self.sites.items() if site.variant == variant}

    @property
    def has_devices(self) -> bool:
        """Whether any camera is made a device."""
        return any(site.devices for site in self.sites.values())

    def secret_arns(self) -> tuple[str, ...]:
        """The secrets that the sites' cameras name, sorted, each once."""
        return tuple(sorted({arn for site in self.sites.values() for arn in site.secret_arns()}))


def load_fleet(path: Path) -> Fleet:
    """The fleet in the file `path` and those that it includes.

    Raises:
        ConfigurationError: with every mistake, or when a file cannot be read.
    """
    return fleet_of(read_fleet(path))


def fleet_of(document: FleetDocument) -> Fleet:
    """The fleet that stands in files.

    Raises:
        ConfigurationError: with every mistake.
    """
    fleet = document.validated(Fleet)
    if mistakes := mistakes_of(fleet):
        raise document.traced(mistakes)
    return fleet


def fleet_path(named: object, *, beside: Path) -> Path:
    """The file that `-c fleet=…` names (relative to the working folder), else `fleet.yaml` in `beside`.

    Raises:
        EdgecamError: when `named` is not a path.
    """
    if named is None:
        return beside / "fleet.yaml"
    if not isinstance(named, str) or not named:
        raise EdgecamError(f"context fleet: expected the path of a file, found {named!r}")
    return Path(named)


def _dump(model: Model) -> dict[str, Any]:
    # No nulls and no empty objects: not every nucleus keeps them through a merge.
    return model.model_dump(mode="json", exclude_defaults=True, exclude_none=True)
