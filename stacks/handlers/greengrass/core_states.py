"""How far a deployment has come on the cores of its target, asked of Greengrass core by core.

The cores of a thing group are the things directly in it that Greengrass knows as cores. ListCoreDevices with
a group lists only cores that a deployment to the group has succeeded on (its API reference), which leaves out
exactly those that matter here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

SUCCEEDED = ("SUCCEEDED", "COMPLETED")
FAILED = ("FAILED", "REJECTED", "TIMED_OUT", "CANCELED")
WAITING = "QUEUED"

_REASON_LENGTH = 600
_NAMED = 5
"""Of a core's reason, and of further cores, in a response that may have 1,000 characters."""


@dataclass(frozen=True, kw_only=True)
class CoreState:
    """What a deployment came to on one core, in Greengrass' words; `reason` may have several lines."""

    status: str
    reason: str = ""

    @property
    def ended(self) -> bool:
        """Whether nothing more comes from this core."""
        return self.status in SUCCEEDED + FAILED


def failed_of(states: Mapping[str, CoreState]) -> dict[str, CoreState]:
    """The cores on which the deployment has failed."""
    return {name: state for name, state in states.items() if state.status in FAILED}


def described(failed: Mapping[str, CoreState]) -> str:
    """The first failure with its reason, and which other cores failed."""
    (name, first), *others = failed.items()
    # A reason begins with what broke and ends with what the core runs now: both are worth the space.
    reason = first.reason.strip() or "the core gives no reason"
    if len(reason) > _REASON_LENGTH:
        reason = f"{reason[: _REASON_LENGTH // 2]} … {reason[-_REASON_LENGTH // 2 :]}"
    also = f" (also {', '.join(other for other, _ in others[:_NAMED])})" if others else ""
    return f"{name} {first.status}{also}: {reason}"


class Cores:
    """The cores of one deployment; each is asked until it has ended."""

    def __init__(
        self,
        greengrass: Any,
        iot: Any,
        *,
        target_arn: str,
        deployment_id: str,
        before_each: Callable[[], None] = lambda: None,
    ) -> None:
        """Ask with the clients `greengrass` (version 2) and `iot`; `before_each` core may raise."""
        self._greengrass = greengrass
        self._iot = iot
        self._kind, _, self._name = target_arn.rpartition(":")[2].partition("/")
        self._deployment_id = deployment_id
        self._before_each = before_each
        self._ended: dict[str, CoreState] = {}

    def states(self) -> Mapping[str, CoreState]:
        """State of each core, by its name; empty when the target has no cores."""
        found = {}
        for name in self._members():
            state = self._ended.get(name) or self._ask(name)
            if state is not None:
                found[name] = state
        self._ended = {name: state for name, state in found.items() if state.ended}
        return found

    def _members(self) -> list[str]:
        if self._kind == "thing":
            return [self._name]
        pages = self._iot.get_paginator("list_things_in_thing_group").paginate(thingGroupName=self._name)
        return [thing for page in pages for thing in page["things"]]

    def _ask(self, name: str) -> CoreState | None:
        """The state on one core; None when the thing is no core (yet)."""
        self._before_each()
        pages = self._greengrass.get_paginator("list_effective_deployments").paginate(
            coreDeviceThingName=name
        )
        try:
            listed = [entry for page in pages for entry in page["effectiveDeployments"]]
        except self._greengrass.exceptions.ResourceNotFoundException:
            return None
        for entry in listed:
            if entry["deploymentId"] == self._deployment_id:
                return CoreState(status=entry["coreDeviceExecutionStatus"], reason=_reason(entry))
        return CoreState(status=WAITING)


def _reason(entry: Mapping[str, Any]) -> str:
    stack = entry.get("statusDetails", {}).get("errorStack", [])
    return str(entry.get("reason") or ", ".join(stack))
