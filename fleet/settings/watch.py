"""The settings of the watch: what is notified of problems of cameras and cores, and when."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from edgecam.config.forms import form
from edgecam.config.storage import MOST_SPOOL_BYTES
from edgecam.config.validation import Model
from edgecam.config.values import MOST_COUNTED

TopicArn = Annotated[
    str,
    form(
        r"arn:aws[a-z-]*:sns:[a-z0-9-]+:\d{12}:[A-Za-z0-9_-]{1,256}",
        "the ARN of an SNS topic, arn:aws:sns:REGION:ACCOUNT:NAME",
    ),
]
MailAddress = Annotated[str, form(r"[^@\s]+@[^@\s]+\.[^@\s]+", "a mail address, such as cameras@example.com")]
Count = Annotated[int, Field(ge=1, le=MOST_COUNTED)]


class Alarms(Model):
    """The number from which on an alarm notifies; `null` for never."""

    silent_cameras: Count | None = Field(
        default=1, description="Cameras of which no state came for longer than the node promised."
    )
    stalled_cameras: Count | None = Field(
        default=1, description="Cameras that are connected and send no picture."
    )
    disconnected_cameras: Count | None = Field(default=1, description="Cameras that cannot be reached.")
    not_recording_cameras: Count | None = Field(
        default=1, description="Cameras that send pictures, of which no chunk is finished."
    )
    filling_spools: Count | None = Field(
        default=1, description="Cores with at least `spool_bytes` in their spool."
    )
    lost_chunks: Count | None = Field(default=1, description="Chunks lost between two runs.")
    odd_states: Count | None = Field(
        default=1, description="Cameras and cores whose states no edgecam sends."
    )
    unhealthy_cores: Count | None = Field(default=1, description="Cores with a broken component.")
    failed_deployments: Count | None = Field(
        default=1, description="Cores that a deployment failed on, between two runs."
    )


class Watch(Model):
    """Alarms and a dashboard. Cameras are watched where `aws_iot: {enabled: true}` sends their states."""

    topic: TopicArn | None = Field(
        default=None,
        description="ARN of the SNS topic that is notified; it has to let CloudWatch publish.",
    )
    email: MailAddress | None = Field(
        default=None,
        description="In place of topic: an address, for a topic that is made. It gets a mail to confirm.",
    )
    every_min: int = Field(default=5, ge=1, le=60, description="Minutes between two runs over all cameras.")
    late_s: int = Field(
        default=120, ge=10, le=86_400, description="How much later than promised a state may come, seconds."
    )
    trouble_after_s: int = Field(
        default=300, ge=0, le=86_400, description="How long a camera may be stalled or disconnected, seconds."
    )
    no_chunks_after_s: int | None = Field(
        default=None,
        ge=30,
        le=86_400,
        description="How long a recording may finish no chunk, seconds; default 300, or three of them.",
    )
    spool_bytes: int | None = Field(
        default=None,
        ge=1,
        le=MOST_SPOOL_BYTES,
        description="What a spool may hold; default four fifths of its own limit, `spool.max_bytes`.",
    )
    forget_after_days: int = Field(
        default=7, ge=1, le=365, description="A camera that was silent for this long is not watched any more."
    )
    alarms: Alarms = Field(default=Alarms(), description="The number from which on each alarm notifies.")

    @model_validator(mode="after")
    def _one_target(self) -> Self:
        if self.topic is not None and self.email is not None:
            raise ValueError("expected topic or email, not both")
        return self
