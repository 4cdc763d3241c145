"""Settings of the container image."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from container.image.inputs import ARCHITECTURES, DEFAULT_BASE_IMAGE, expect_pinned
from edgecam.config.validation import Model
from fleet.settings.names import ImageName


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
