"""The settings of waves: which sites get a new deployment first, and when the next ones may."""

from __future__ import annotations

from pydantic import Field

from edgecam.config.validation import Model
from edgecam.config.values import MOST_COUNTED


class Wave(Model):
    """Sites that are deployed together and waited for. Sites that no wave names come last."""

    sites: tuple[str, ...] = Field(
        min_length=1,
        description="Names of sites, or patterns such as `berlin-*`; the first wave that names a site has "
        "it.",
    )
    percent: float = Field(
        default=100, gt=0, le=100, description="Share of a site's cores that have to succeed."
    )
    at_least: int = Field(
        default=1,
        ge=0,
        le=MOST_COUNTED,
        description="Cores of each site that have to; `0` lets sites without cores pass.",
    )
    within_min: float = Field(
        default=30,
        gt=0,
        le=55,
        description="Minutes until then, or the stack rolls back. CloudFormation waits an hour at most.",
    )
