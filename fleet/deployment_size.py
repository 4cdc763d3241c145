"""How large a deployment is on its way to a core, and what a nucleus takes.

Nucleus Lite's figures were measured with its release 2.6.0 and its source of July 2026 (design/nuclei.md):
what is larger fails, or stays QUEUED for ever without a word.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from fleet.settings.site import Site
from fleet.settings.target import Thing

LITE_DOCUMENT_BYTES = 4_027
"""The largest that succeeded; 4,537 failed, nothing between was tried. Nucleus Lite fetches no larger one."""

LITE_VALUE_BYTES = 1_024
"""Of each value that is no mapping, as JSON."""

LITE_CONFIGURATION_BYTES = 10_000
"""Of a component's configuration as a whole: the longest message between Nucleus Lite's own parts."""

CLASSIC_DOCUMENT_BYTES = {"thing": 7_000, "thing_group": 31_000}
"""Larger ones are fetched by the core itself (Greengrass v2 developer guide, deployments)."""

_ACCOUNT = "0" * 12
_LONGEST_REGION = "ap-southeast-1"
_LONGEST_REVISION = 999_999
_UUID = "0" * 36
_POLICY = "SKIP_NOTIFY_COMPONENTS"
_MILLISECONDS = 1_700_000_000_000
_DEFAULT_UPDATE_S = 60
_DEFAULT_VALIDATION_S = 30


def most_bytes(site: Site) -> int:
    """The largest document that reaches the site's cores by itself."""
    if site.nucleus == "lite":
        return LITE_DOCUMENT_BYTES
    return CLASSIC_DOCUMENT_BYTES["thing" if isinstance(site.target, Thing) else "thing_group"]


def document_bytes(
    name: str, site: Site, components: Mapping[str, Mapping[str, Any]], *, region: str | None = None
) -> int:
    """The size of a deployment's document as a core gets it, at the most.

    Args:
        name: Of the deployment.
        site: The site.
        components: By name: `version`, and what there is of `merge` and `reset`.
        region: Of AWS, where it is known.
    """
    kind, _, target = str(site.target).partition("/")
    arn = f"arn:aws:{{}}:{region or _LONGEST_REGION}:{_ACCOUNT}:{{}}"
    document = {
        "deploymentId": _UUID,
        "deploymentName": name,
        "targetArn": arn.format("iot", f"{kind}/{target}"),
        "configurationArn": arn.format("greengrass", f"configuration:{kind}/{target}:{_LONGEST_REVISION}"),
        "creationTimestamp": _MILLISECONDS,
        "requiredCapabilities": [],
        "failureHandlingPolicy": "DO_NOTHING",
        "componentUpdatePolicy": {"timeout": _DEFAULT_UPDATE_S, "action": _POLICY},
        "configurationValidationPolicy": {"timeout": _DEFAULT_VALIDATION_S},
        "components": {component: _entry(entry) for component, entry in components.items()},
    }
    return json_bytes(document)


def json_bytes(value: object) -> int:
    """How long `value` is as JSON."""
    return len(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode())


def values_of(configuration: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    """Each value that is no mapping, with where it is."""
    for key, value in configuration.items():
        below = f"{path}.{key}" if path else str(key)
        if isinstance(value, Mapping):
            yield from values_of(value, below)
        else:
            yield below, value


def _entry(entry: Mapping[str, Any]) -> dict[str, Any]:
    update = {part: entry[part] for part in ("merge", "reset") if entry.get(part)}
    return {"version": entry["version"], **({"configurationUpdate": update} if update else {})}
