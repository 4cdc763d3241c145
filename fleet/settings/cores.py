"""The settings of the core devices themselves: how they register, and what becomes of their logs."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from edgecam.config.forms import form
from edgecam.config.validation import Model


def _name_or_pattern(text: str) -> str:
    if not re.fullmatch(r"[a-zA-Z0-9:_*-]{1,128}", text) or text == "*":
        raise ValueError("expected the name of a core, or a pattern such as lobby-core-*")
    return text


def _alias(text: str) -> str:
    # AWS IoT's API reference, CreateRoleAlias and CreatePolicy.
    if not re.fullmatch(r"[\w+=,.@-]{1,128}", text):
        raise ValueError("expected a name, not an ARN")
    return text


def _group(text: str) -> str:
    if not re.fullmatch(r"[a-zA-Z0-9:_-]{1,128}", text):
        raise ValueError("expected 1 to 128 letters, digits, colons, underscores and hyphens")
    return text


CorePattern = Annotated[str, AfterValidator(_name_or_pattern)]
IotName = Annotated[str, AfterValidator(_alias)]
GroupName = Annotated[str, AfterValidator(_group)]

NucleusVersion = Annotated[
    str, form(r"2\.\d{1,3}\.\d{1,3}", 'a version of the classic nucleus, such as "2.18.0"')
]

RetentionDays = Literal[
    1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653
]
"""What CloudWatch Logs knows (PutRetentionPolicy)."""


class Provisioning(Model):
    """Fleet provisioning: cores register by themselves, with a claim certificate that many of them share."""

    things: dict[GroupName, tuple[CorePattern, ...]] = Field(
        default={},
        description="Which cores may register, by the thing group that they come into: names, or patterns "
        "such as `lobby-core-*`. The things of sites may in any case, and come into `edgecam-cores` "
        "(`edgecam-cores-NAME` in a fleet with a name), each with Nucleus Lite into a group of its own.",
    )
    replace_certificates: bool = Field(
        default=False,
        description="true lets a core register that has a certificate already, such as one that is installed "
        "again. Then anybody with a claim can become any core.",
    )
    nucleus_version: NucleusVersion = Field(
        default="2.18.0",
        description="Of the classic nucleus, in the commands that install it.",
    )
    role_alias: IotName | None = Field(
        default=None,
        description="With `aws.token_exchange_role`: the role alias of that role, which exists already.",
    )
    iot_policy: IotName | None = Field(
        default=None,
        description="An IoT policy of yours that all cores get, which exists already; default each gets one "
        "of its own, for its own thing only.",
    )


class CoreLogs(Model):
    """The logs of the cores in CloudWatch."""

    retention_days: RetentionDays = Field(default=30, description="Days until CloudWatch forgets a line.")
    level: Literal["DEBUG", "INFO", "WARN", "ERROR"] = Field(
        default="INFO", description="Least level that is uploaded (classic nucleus)."
    )
    every_s: int = Field(default=300, ge=10, le=86_400, description="Seconds between two uploads of a core.")
    disk_mb: int = Field(
        default=25, ge=1, le=10_000, description="What the logs may take of a core's disk (classic nucleus)."
    )


class Cores(Model):
    """The core devices."""

    provisioning: Provisioning | None = Field(
        default=None, description="Fleet provisioning of new cores; default none."
    )
    logs: CoreLogs | None = Field(
        default=None, description="Upload of the cores' logs to CloudWatch; default none."
    )
