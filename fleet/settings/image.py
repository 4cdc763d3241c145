"""Settings of the container image."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from container.image.inputs import ARCHITECTURES, DEFAULT_BASE_IMAGE, expect_pinned
from container.image.released import ReleasedImage, released_image
from edgecam.config.validation import Model, found_text
from fleet.settings.names import ImageName


class Image(Model):
    """The container image."""

    architectures: tuple[Literal["amd64", "arm64"], ...] = Field(
        default=("amd64",),
        description="Processors of the cores: `amd64`, `arm64`; an image is built for each.",
    )
    released: dict[Literal["frame-grabber", "gcs-uploader"], str] = Field(
        default={},
        description="By variant: an image of a release in place of a built one, `REGISTRY/NAME@sha256:…`, as "
        "the release's text has it.",
    )
    delivery: Literal["s3", "ecr", "registry"] = Field(
        default="s3",
        description="How cores get it: `s3`, a compressed tarball in the artifact bucket; `ecr`, pulled by "
        "its digest from a repository that is made; `registry`, pulled by its digest from where it is "
        "`released`, without a login.",
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

    @field_validator("released")
    @classmethod
    def _by_digest(cls, released: dict[str, str]) -> dict[str, str]:
        for variant, name in released.items():
            try:
                released_image(name)
            except ValueError as error:
                raise ValueError(f"{error}, found {found_text((), name)} for {variant}") from error
        return released

    @model_validator(mode="after")
    def _base_by_digest(self) -> Self:
        if self.pinned and not self.released:
            expect_pinned(self.base)
        return self

    @model_validator(mode="after")
    def _built_or_released(self) -> Self:
        if self.released and "base" in self.model_fields_set:
            raise ValueError(
                "expected base only where an image is built (leave out either), found base and released"
            )
        if self.delivery == "registry" and not self.released:
            raise ValueError(
                "expected released with delivery: registry, which is where cores pull images from, found none"
            )
        return self

    def release_of(self, variant: str) -> ReleasedImage | None:
        """The released image of a variant; None where it is built."""
        return next((released_image(name) for each, name in self.released.items() if each == variant), None)

    def build_arguments(self, variant: str) -> list[str]:
        """What `container/build` makes the image of a variant from, where that is not its default."""
        if (released := self.release_of(variant)) is not None:
            return ["--released", str(released)]
        return [] if self.base == DEFAULT_BASE_IMAGE else ["--base-image", self.base]
