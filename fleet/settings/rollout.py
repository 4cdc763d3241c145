"""Settings of a deployment's rollout to a thing group: rate, abort, component update."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from edgecam.config.validation import Model
from edgecam.config.values import MOST_COUNTED


class ExponentialRate(Model):
    """A rollout that begins slowly and speeds up (IoT Jobs' exponential rate)."""

    base_per_minute: int = Field(ge=1, le=1000, description="Cores a minute at first.")
    factor: float = Field(ge=1.1, le=5, description="By how much the rate grows.")
    after_notified: int | None = Field(
        default=None, ge=1, le=MOST_COUNTED, description="Grows after this number of notified cores."
    )
    after_succeeded: int | None = Field(
        default=None, ge=1, le=MOST_COUNTED, description="Grows after this number of successes."
    )

    @model_validator(mode="after")
    def _one_criterion(self) -> Self:
        if (self.after_notified is None) == (self.after_succeeded is None):
            raise ValueError("expected one of after_notified and after_succeeded")
        return self


class AbortCriterion(Model):
    """When a rollout is aborted."""

    when: Literal["failed", "rejected", "timed_out", "any"] = Field(
        default="failed", description="What is counted."
    )
    percent: float = Field(gt=0, le=100, description="Share of the finished cores that is too much.")
    at_least: int = Field(
        default=1, ge=1, le=MOST_COUNTED, description="Not before this number of cores has finished."
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
    abort: tuple[AbortCriterion, ...] = Field(default=(), description="When the rollout is aborted.")
    timeout_min: int | None = Field(
        default=None, ge=1, le=10_080, description="Minutes a core has; default as long as it takes."
    )
    failure_handling: Literal["rollback", "do_nothing"] = Field(
        default="rollback", description="What a core does when the deployment fails."
    )
    component_update: ComponentUpdate = Field(
        default=ComponentUpdate(), description="How running components are notified."
    )
    remove_on_destroy: bool = Field(
        default=False,
        description="true takes the components from the cores when the site or its stack is removed; else "
        "they go on running.",
    )
