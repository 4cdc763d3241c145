"""The settings of the Google side: the bucket of the recordings, the registry of the devices, who makes them.

What a core does there is part of the node configuration (`edgecam.config.storage`, `edgecam.config.brokers`);
this is what happens once, when `cdk deploy` runs.
"""

from __future__ import annotations

import re
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from edgecam.config.forms import Audience, ProjectId, ServiceAccount, form
from edgecam.config.secret_ids import SecretId
from edgecam.config.validation import Model
from fleet.settings.registry import Registry, embedded


def _bucket_name(name: str) -> str:
    # https://cloud.google.com/storage/docs/buckets#naming; names with dots belong to who owns the domain.
    if not re.fullmatch(r"[a-z0-9][a-z0-9._-]{1,61}[a-z0-9]", name) or name.startswith("goog"):
        raise ValueError("expected 3 to 63 lower case letters, digits, hyphens, dots, underscores; not goog…")
    return name


def _member(text: str) -> str:
    if not re.fullmatch(
        r"(serviceAccount:[^@\s]+@[^@\s]+|principal(Set)?://iam\.googleapis\.com/[^\s]+)", text
    ):
        raise ValueError(
            "expected serviceAccount:NAME@…, principal://iam.googleapis.com/… or principalSet://…"
        )
    return text


GcsBucketName = Annotated[str, AfterValidator(_bucket_name)]
Location = Annotated[
    str, form(r"[A-Za-z]+(-[A-Za-z]+)?\d*", "where buckets may lie, such as EU or europe-west3")
]
Member = Annotated[str, AfterValidator(_member)]


class Login(Model):
    """Who makes the bucket: the function's AWS role by federation, or a service account's key."""

    audience: Audience | None = Field(
        default=None, description="The full name of the workload identity provider."
    )
    service_account: ServiceAccount | None = Field(
        default=None,
        description="With audience: the service account to act as; default the federated identity itself.",
    )
    secret: SecretId | None = Field(
        default=None,
        description="In place of audience: ARN or name of an AWS Secrets Manager secret that holds the JSON "
        "key of a service account.",
    )

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.audience is None) == (self.secret is None):
            raise ValueError("expected audience or secret, one of them")
        if self.service_account is not None and self.audience is None:
            raise ValueError("expected service_account only with audience")
        return self


class RecordingBucket(Model):
    """The bucket, and what is seen to at every deploy."""

    name: GcsBucketName = Field(description="Its name, as in a site's `bucket: gs://NAME`.")
    create: bool = Field(
        default=True, description="false: it exists, and nothing of it is touched or looked after."
    )
    location: Location | None = Field(
        default=None,
        description="Where recordings lie, such as `EU` or `europe-west3`; cannot be changed later. Required "
        "to create it.",
    )
    storage_class: Literal["STANDARD", "NEARLINE", "COLDLINE", "ARCHIVE"] = Field(
        default="STANDARD", description="The class of new objects."
    )
    nearline_after_days: int | None = Field(
        default=30, ge=1, le=36_500, description="Days until a recording moves to NEARLINE; `null`: never."
    )
    delete_after_days: int | None = Field(
        default=None, ge=1, le=36_500, description="Days until a recording is deleted; default never."
    )
    delete_with_stack: bool = Field(
        default=False,
        description="true deletes the bucket with the stack, which fails as long as it holds objects; false "
        "keeps it. An empty one always goes.",
    )
    writers: tuple[Member, ...] = Field(
        default=(),
        description="Who may upload to all of it, as in Google's IAM (`principalSet://…`, "
        "`serviceAccount:…`): for one site, or sites that may reach each other's; default nobody.",
    )

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.create and self.location is None:
            raise ValueError("expected location, such as EU or europe-west3 (or create: false)")
        if self.storage_class != "STANDARD" and "nearline_after_days" in self.model_fields_set:
            raise ValueError("expected nearline_after_days only with storage_class: STANDARD")
        return self

    @property
    def to_nearline_after_days(self) -> int | None:
        """The age at which the rule applies; None where it would come too late or changes nothing."""
        days, last_day = self.nearline_after_days, self.delete_after_days
        if self.storage_class != "STANDARD" or days is None or (last_day is not None and last_day <= days):
            return None
        return days


class Gcp(Model):
    """The Google side: where recordings go, and where cameras are devices."""

    project: ProjectId | None = Field(
        default=None,
        description="Id of the project of bucket and registry.",
    )
    login: Login | None = Field(
        default=None, description="Who makes the bucket, and the devices where `provider` is `google`."
    )
    bucket: RecordingBucket | None = Field(
        default=None, description="The bucket of the recordings; default there is nothing to make."
    )
    registry: Registry | None = Field(
        default=None,
        description="The registry of the sites with `devices: true`, by Cloud IoT Core's protocol.",
    )
    endpoint: Annotated[str, embedded("an embedded store")] | None = Field(
        default=None,
        description="For tests: an embedded store, `http://localhost:PORT`, in place of Google's.",
    )

    @model_validator(mode="after")
    def _has_a_purpose(self) -> Self:
        if self.bucket is None and self.registry is None:
            raise ValueError("expected bucket or registry, or both, found neither")
        return self

    @model_validator(mode="after")
    def _can_create(self) -> Self:
        if self.bucket is None or not self.bucket.create:
            return self
        if self.project is None:
            raise ValueError("expected project, where the bucket is made (or bucket: {create: false})")
        if self.login is None and self.endpoint is None:
            raise ValueError("expected login, since a bucket is made (or bucket: {create: false})")
        return self

    @model_validator(mode="after")
    def _can_make_devices(self) -> Self:
        if self.registry is None:
            return self
        if self.project is None:
            raise ValueError("expected project, which the registry belongs to, found none")
        if self.registry.provider == "google" and self.registry.endpoint is None and self.login is None:
            raise ValueError("expected login, since devices are made at Google, found none")
        return self
