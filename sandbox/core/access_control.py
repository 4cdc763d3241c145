"""Whether a component's accessControl allows a request: what both nuclei make of its resources.

`+` stands for one level of a topic and `#` for the rest, as in an MQTT filter; `*` stands for anything. What
they differ in is left out, since a recipe cannot rely on it: the classic nucleus replaces `{iot:thingName}`
in a configuration only where `interpolateComponentConfiguration` is set, which is not the default, Nucleus
Lite not at all up to 2.6.0. Sources: the classic nucleus' `WildcardTrie`, Lite's `ipc_authz.c` and
`mqttproxy.c`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any


def allows(access_control: Mapping[str, Any], service: str, operation: str, resource: str) -> bool:
    """Whether `operation` of `service` may be done with `resource`, such as a topic."""
    return any(
        operation in policy["operations"] or "*" in policy["operations"]
        for policy in access_control.get(service, {}).values()
        if any(_matches(pattern, resource) for pattern in policy["resources"])
    )


def _matches(pattern: str, resource: str) -> bool:
    levels = pattern.split("/")
    if levels[-1] == "#":
        return _expression(levels[:-1]).match("/".join(resource.split("/")[: len(levels) - 1])) is not None
    return _expression(levels).fullmatch(resource) is not None


def _expression(levels: list[str]) -> re.Pattern[str]:
    parts = ["[^/]*" if level == "+" else re.escape(level).replace(r"\*", ".*") for level in levels]
    return re.compile("/".join(parts))
