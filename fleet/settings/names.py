"""Types of names that AWS and Greengrass limit: length, characters."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator

DEFAULT_COMPONENT_PREFIX = "com.edgecam"
"""Of the names of components."""


def _matches(pattern: str, expected: str) -> AfterValidator:
    """Check a text against `pattern`; the message has `expected` and not the pattern."""

    def check(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise ValueError(f"expected {expected}")
        return text

    return AfterValidator(check)


SiteName = Annotated[
    str,
    _matches(
        r"(?=.{1,63}$)[a-z0-9]+(-[a-z0-9]+)*", "1 to 63 lower case letters and digits, single hyphens between"
    ),
]

ThingName = Annotated[
    str, _matches(r"[a-zA-Z0-9:_-]{1,128}", "1 to 128 letters, digits, colons, underscores and hyphens")
]

ComponentName = Annotated[
    str, _matches(r"[a-zA-Z0-9._-]{1,128}", "1 to 128 letters, digits, dots, underscores and hyphens")
]

PlainVersion = Annotated[
    str, _matches(r"\d{1,6}\.\d{1,6}\.\d{1,6}", 'a version of three numbers, such as "2.3.7"')
]

Account = Annotated[str, _matches(r"\d{12}", 'twelve digits in quotes, such as "123456789012"')]

Region = Annotated[str, _matches(r"[a-z]{2}(-[a-z]+)+-\d", "the name of a Region, such as eu-central-1")]

Bucket = Annotated[str, _matches(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", "the name of a bucket")]

RoleName = Annotated[str, _matches(r"[\w+=,.@-]{1,64}", "the name of an IAM role, not its ARN")]

SecretNames = Annotated[
    str, _matches(r"([\w+=.@-]+/)*\{thing\}/\*", "names below that of a thing, such as cameras/{thing}/*")
]

ImageName = Annotated[str, _matches(r"[a-zA-Z0-9][\w./:@-]*", "the name of an image")]
