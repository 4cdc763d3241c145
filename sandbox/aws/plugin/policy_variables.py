"""Variables in IAM policies, such as `${credentials-iot:ThingName}` in a resource.

As on AWS (IAM user guide, "IAM policy elements: Variables and tags"): in policies of version 2012-10-17, in
resources and in the values of conditions. Where a request has no such key, the text stays as it is, which
matches nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from sandbox.aws.ministack import iam

_VARIABLE = re.compile(r"\$\{(?P<key>[A-Za-z0-9-]+:[A-Za-z0-9/._-]+)\}")


def fill(text: str, value_of: Callable[[str], str | None]) -> str:
    """`text` with the values of the variables that there are."""

    def value(found: re.Match[str]) -> str:
        known = value_of(found["key"])
        return found[0] if known is None else known

    return _VARIABLE.sub(value, text)


def install() -> None:
    """Let policies have variables."""
    iam.show_session_keys()
    iam.fill_policy_variables(fill)
