"""Settings of a core at its start, whichever nucleus it is."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from sandbox.aws.clients import REGION
from sandbox.aws.thing import Device
from sandbox.core.characters import Character
from sandbox.core.scripts import Identity

TICK_S = 0.1
PASSED_THROUGH = ("DOCKER_HOST", "STORAGE_EMULATOR_HOST", "TZ")
"""Settings of the machine, not of the core: how scripts reach its Docker, which store stands for Google's."""

INSTALL_LIMIT_S = 300.0
"""So long a deployment waits for a step on Nucleus Lite, whatever the recipe's Timeout is."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Settings of the core at start.

    Attributes:
        url: Of the embedded AWS.
        device: The core's thing, with its certificate.
        role_alias: Of the role that its components get credentials for.
        root: Folder for artifacts, work and logs.
        identity: Who runs scripts that do not ask for privilege.
        poll_s: Seconds between looks for a deployment.
        settle_s: How long `run` must be up for a deployment to succeed.
        restart_delay_s: Before a new try.
        character: Which nucleus it is.
        install_limit_s: See INSTALL_LIMIT_S.
    """

    url: str
    device: Device
    role_alias: str
    root: Path
    identity: Identity
    poll_s: float
    settle_s: float
    restart_delay_s: float
    character: Character = field(default_factory=Character)
    install_limit_s: float = INSTALL_LIMIT_S

    def environment(self) -> dict[str, str]:
        """What components of both nuclei get."""
        return {
            **{name: os.environ[name] for name in PASSED_THROUGH if name in os.environ},
            "AWS_REGION": REGION,
            "AWS_IOT_THING_NAME": self.device.thing_name,
            "AWS_ENDPOINT_URL": self.url,
        }
