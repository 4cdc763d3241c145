"""Settings of the AWS account."""

from __future__ import annotations

from typing import Self

from pydantic import Field, field_validator, model_validator

from edgecam.config.validation import Model
from fleet.settings.names import (
    Account,
    Bucket,
    ComponentName,
    KeyArn,
    Region,
    RoleName,
    SecretNames,
)
from fleet.settings.pipeline import Pipeline


class Aws(Model):
    """Where in AWS, and what is there already."""

    account: Account | None = Field(
        default=None, description="Account; default the one whose credentials are used."
    )
    region: Region | None = Field(default=None, description="Region; default as the credentials say.")
    component_prefix: ComponentName | None = Field(
        default=None,
        max_length=100,
        description="First part of the components' names; their containers' too where it is not the default, "
        "which is `com.edgecam`, and `com.edgecam.NAME` in a fleet with a name.",
    )
    artifact_bucket: Bucket | None = Field(
        default=None,
        description="Existing bucket for artifacts, in the same Region; default a new one.",
    )
    artifact_key: KeyArn | None = Field(
        default=None,
        description="With `artifact_bucket`: ARN of the KMS key of yours that encrypts it. Cores and "
        "functions get the right to use it for artifacts; its key policy has to leave that to IAM.",
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
    secret_keys: tuple[KeyArn, ...] = Field(
        default=(),
        description="ARNs of the KMS keys of yours that encrypt secrets: of cameras, `gcp.login`, "
        "`gcp.registry`. Who may read such a secret may decrypt it; the key policies have to leave that to "
        "IAM.",
    )
    site_stacks: int | None = Field(
        default=None,
        ge=2,
        le=500,
        description="For fleets of more than a hundred sites: how many stacks hold their deployments, such "
        "as 32, and as many their devices. Choose it once: another number moves most sites to another stack.",
    )
    pipeline: Pipeline | None = Field(
        default=None, description="A repository that deploys without a stored key; default none."
    )

    @model_validator(mode="after")
    def _both_or_none(self) -> Self:
        if (self.account is None) != (self.region is None):
            raise ValueError("expected account and region together, or neither")
        return self

    @model_validator(mode="after")
    def _key_of_a_bucket(self) -> Self:
        if self.artifact_key is not None and self.artifact_bucket is None:
            raise ValueError(
                "expected artifact_key only with artifact_bucket, whose key it is (a new bucket has Amazon's)"
            )
        return self

    @field_validator("component_prefix")
    @classmethod
    def _not_amazons(cls, prefix: str | None) -> str | None:
        if prefix is not None and prefix.startswith("aws."):
            raise ValueError("expected a name of your own: aws. belongs to Amazon's components")
        return prefix
