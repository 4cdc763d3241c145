"""Types of names that AWS and Greengrass limit: length, characters."""

from __future__ import annotations

from typing import Annotated

from edgecam.config.forms import form

DEFAULT_COMPONENT_PREFIX = "com.edgecam"
"""Of the names of components."""


FleetName = Annotated[
    str,
    form(
        r"(?=.{1,20}$)[a-z][a-z0-9]*(-[a-z0-9]+)*",
        "1 to 20 lower case letters and digits, a letter first, single hyphens between",
    ),
]
"""As long as the names made with it in fleet/physical_names.py can take."""

SiteName = Annotated[
    str,
    form(
        r"(?=.{1,63}$)[a-z0-9]+(-[a-z0-9]+)*", "1 to 63 lower case letters and digits, single hyphens between"
    ),
]

ThingName = Annotated[
    str, form(r"[a-zA-Z0-9:_-]{1,128}", "1 to 128 letters, digits, colons, underscores and hyphens")
]

ComponentName = Annotated[
    str, form(r"[a-zA-Z0-9._-]{1,128}", "1 to 128 letters, digits, dots, underscores and hyphens")
]

PlainVersion = Annotated[
    str, form(r"\d{1,6}\.\d{1,6}\.\d{1,6}", 'a version of three numbers, such as "2.3.7"')
]

Account = Annotated[str, form(r"\d{12}", 'twelve digits in quotes, such as "123456789012"')]

Region = Annotated[str, form(r"[a-z]{2}(-[a-z]+)+-\d", "the name of a Region, such as eu-central-1")]

Bucket = Annotated[str, form(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", "the name of a bucket")]

KeyArn = Annotated[
    str,
    form(
        r"arn:aws[a-z-]*:kms:[a-z0-9-]+:\d{12}:key/[A-Za-z0-9-]{1,64}",
        "the ARN of a KMS key, arn:aws:kms:REGION:ACCOUNT:key/ID (an alias gives no right)",
    ),
]

RoleName = Annotated[str, form(r"[\w+=,.@-]{1,64}", "the name of an IAM role, not its ARN")]

SecretNames = Annotated[
    str, form(r"([\w+=.@-]+/)*\{thing\}/\*", "names below that of a thing, such as cameras/{thing}/*")
]

ImageName = Annotated[str, form(r"[a-zA-Z0-9][\w./:@-]*", "the name of an image")]
