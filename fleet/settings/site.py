"""Settings of a site.

A site is a node configuration (`edgecam.config`, the only definition of a camera) and how it is deployed.
Every mistake is found here, at synth, with the path of the setting, what was expected and what was found.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Literal, Self

from pydantic import (
    Field,
    ModelWrapValidatorHandler,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import InitErrorDetails

from container.image.inputs import FRAME_GRABBER, GCS_UPLOADER
from edgecam.config.brokers import DeviceId
from edgecam.config.node import NodeConfig
from edgecam.config.secret_ids import is_whole_arn
from edgecam.config.validation import Model
from edgecam.config.values import CameraId
from edgecam.errors import ConfigurationError
from edgecam.launch.command_override import (
    ENTRYPOINT_VARIABLE,
    EXPECTED_PROGRAM,
    command_from_environment,
    is_known_to_lack,
    split_command,
)
from edgecam.launch.docker_options import DockerOptions
from edgecam.redaction import holds_password_argument
from fleet.settings.gcp import Member
from fleet.settings.names import ComponentName, PlainVersion, SiteName, ThingName
from fleet.settings.rollout import Rollout
from fleet.settings.target import KINDS, GroupOfOne, Target, Thing, target_of

SECRET_MANAGER = "aws.greengrass.SecretManager"  # noqa: S105 - a component's name
TOKEN_EXCHANGE = "aws.greengrass.TokenExchangeService"  # noqa: S105 - a component's name


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
        default="classic",
        description="Which nucleus the cores run: decides how camera secrets get there, how a `thing` is "
        "deployed to, and who goes back from a version that fails.",
    )
    docker: DockerOptions = Field(default=DockerOptions(), description="How the container runs.")
    entrypoint: str = Field(
        default="",
        description="For debugging: a program of the image that runs in place of the node: "
        "`gst-launch-1.0`, `gst-inspect-1.0`, `python3` or `edgecam`; there is no shell.",
    )
    command: tuple[str, ...] = Field(
        default=(),
        description="For debugging: its arguments, a list with each as typed, or one text that is split into "
        "words as a shell splits it; no shell sees them.",
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

    @model_validator(mode="wrap")
    @classmethod
    def _in_one_go(cls, site: Any, validated: ModelWrapValidatorHandler[Self]) -> Self:
        """What settings have to do with each other, beside what is wrong with single ones: pydantic would
        ask for it when those are right."""
        problems = list(_between_settings(site)) if isinstance(site, dict) else []
        if not problems:
            return validated(site)
        found = [
            InitErrorDetails(type="value_error", loc=(), input=site, ctx={"error": ValueError(problem)})
            for problem in problems
        ]
        try:
            validated(site)
        except ValidationError as error:
            found += [
                InitErrorDetails(
                    type=each["type"], loc=each["loc"], input=each["input"], ctx=each.get("ctx", {})
                )
                for each in error.errors(include_url=False)
            ]
        raise ValidationError.from_exception_data(cls.__name__, found)

    @model_validator(mode="after")
    def _devices_of_its_cameras(self) -> Self:
        unknown = self.device_ids.keys() - {camera.id for camera in self.cameras}
        if unknown:
            raise ValueError(
                f"expected cameras of this site in device_ids, found {', '.join(sorted(unknown))}"
            )
        return self

    @field_validator("entrypoint")
    @classmethod
    def _runs_without_password(cls, entrypoint: str) -> str:
        _expect_no_password(_arguments(entrypoint))
        return entrypoint

    @field_validator("entrypoint")
    @classmethod
    def _program_of_the_image(cls, entrypoint: str, info: ValidationInfo) -> str:
        docker = info.data.get("docker", DockerOptions())
        program = next(iter(_arguments(entrypoint)), "")
        if program and is_known_to_lack(program, [mount.target for mount in docker.mounts]):
            raise ValueError(f"expected {EXPECTED_PROGRAM}")
        return entrypoint

    @field_validator("command", mode="before")
    @classmethod
    def _one_text(cls, command: Any) -> Any:
        return tuple(split_command(command)) if isinstance(command, str) else command

    @field_validator("command")
    @classmethod
    def _no_password(cls, command: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        # An entrypoint of its own mistake is none here.
        _expect_no_password([*_arguments(info.data.get("entrypoint", "")), *command])
        return command

    @field_validator("components")
    @classmethod
    def _not_provided(cls, components: dict[str, ExtraComponent]) -> dict[str, ExtraComponent]:
        if TOKEN_EXCHANGE in components:
            raise ValueError(f"expected no {TOKEN_EXCHANGE}: the nucleus adds it by itself")
        return components

    @property
    def target(self) -> Target:
        """What the site is deployed to."""
        named = target_of(self._named_targets)
        return GroupOfOne(named.name) if isinstance(named, Thing) and self.nucleus == "lite" else named

    @property
    def made_group(self) -> str | None:
        """The name of the thing group that is made for the site; None where there is none to make."""
        if isinstance(self.target, GroupOfOne):
            return self.target.group
        return self.thing_group if self.create_thing_group else None

    @property
    def _named_targets(self) -> dict[str, str | None]:
        return {kind.setting: getattr(self, kind.setting) for kind in KINDS}

    @property
    def node(self) -> dict[str, Any]:
        """The node configuration as plain values: what differs from the defaults, to keep documents small."""
        return {name: value for name, value in _dump(self).items() if name in NodeConfig.model_fields}

    @property
    def docker_options(self) -> dict[str, Any]:
        """The docker options as plain values, what differs from the defaults."""
        return _dump(self.docker)

    @property
    def expects_bucket(self) -> bool:
        """Without one, what is recorded has nowhere to go; that other variants do not record is a mistake of
        its own."""
        return self.variant == GCS_UPLOADER

    @property
    def uses_secret_manager(self) -> bool:
        """Whether the cores get secrets through the Greengrass secret manager (Nucleus Lite has none)."""
        return self.nucleus == "classic" and bool(self.whole_secret_arns)

    @property
    def whole_secret_arns(self) -> tuple[str, ...]:
        """The secrets that the nucleus' secret manager can fetch; the node itself asks for the others."""
        return tuple(secret for secret in self.secret_ids() if is_whole_arn(secret))


def _between_settings(site: dict[str, Any]) -> Iterator[str]:
    """What is wrong between the settings of a site as they were written."""
    named = {kind.setting: site.get(kind.setting) for kind in KINDS}
    try:
        target_of(named)
    except ValueError as error:
        yield str(error)
    if site.get("create_thing_group") is True and named["thing_group"] is None:
        yield "expected create_thing_group only with thing_group, found none"
    if site.get("devices") is True and named["thing"] is None:
        yield (
            "expected thing beside devices: true: every core of a group would be the same devices, and of "
            "those only one can be connected, found none"
        )
    if site.get("device_ids") and site.get("devices", False) is False:
        yield "expected device_ids only with devices: true, found no such setting"


def _arguments(entrypoint: str) -> list[str]:
    """What the core will run of `entrypoint`, which may be a list of texts as JSON."""
    try:
        return command_from_environment({ENTRYPOINT_VARIABLE: entrypoint})
    except ConfigurationError as error:
        (mistake,) = error.mistakes
        raise ValueError(f"expected {mistake.expected}, found {mistake.found}") from None


def _expect_no_password(arguments: Sequence[str]) -> None:
    if holds_password_argument(arguments):
        raise ValueError(
            "expected arguments without a password, which everybody who reads the configuration would "
            "see: a camera's belongs into its credentials, found one (***)"
        )


def _dump(model: Model) -> dict[str, Any]:
    # No nulls and no empty objects: not every nucleus keeps them through a merge.
    return model.model_dump(mode="json", exclude_defaults=True, exclude_none=True)
