"""The whole fleet file."""

from __future__ import annotations

from typing import Any

from pydantic import Field, field_validator

from edgecam.config.validation import Model
from fleet.settings.aws import Aws
from fleet.settings.cores import Cores
from fleet.settings.gcp import Gcp
from fleet.settings.image import Image
from fleet.settings.names import FleetName, SiteName
from fleet.settings.site import Site
from fleet.settings.watch import Watch
from fleet.settings.waves import Wave


class Fleet(Model):
    """All sites, and what they share."""

    name: FleetName | None = Field(
        default=None,
        description="Of this fleet, where several are in one account and Region: part of the names of its "
        "stacks and of everything in them. Without a name they are called as this page has them; one fleet "
        "of an account and Region may be without.",
    )
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

    def secret_ids(self) -> tuple[str, ...]:
        """The secrets that the sites' cameras name, sorted, each once."""
        return tuple(sorted({each for site in self.sites.values() for each in site.secret_ids()}))
