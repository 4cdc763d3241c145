"""Waiting for cores in a custom resource, for longer than its function may run.

In time the function calls itself again, and leaves the response to that call; `WaitingSince` in the event is
when the wait began. A call that Lambda ends instead would be repeated with its own event, and wait from the
beginning: so time is kept for a further round as long as the longest, and is looked at before each core.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import boto3
from botocore.config import Config

from ..cloudformation import CloudFormationResponse, Event, RequestFailed, ResponseDeferred, logger, respond
from .core_states import Cores

POLL_S = 3.0
RESERVE_S = 30.0
"""Of the function's time, kept for a slow request and for the call that continues."""

LONGEST_S = 3600.0
"""As long as CloudFormation waits: nobody reads what a later call finds out."""

_CLIENT = Config(retries={"mode": "adaptive", "max_attempts": 8})
"""Many cores are asked often: slower when Greengrass throttles."""

_SINCE = "WaitingSince"


@dataclass(frozen=True, kw_only=True)
class Clock:
    """Time as the handler sees it: of day, how long the function may still run, and waiting; seconds."""

    now_s: Callable[[], float] = time.time
    left_s: Callable[[], float] = lambda: math.inf
    sleep: Callable[[float], None] = time.sleep


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """What a handler that waits works with: `continue_later` hands the event to a new call in time."""

    greengrass: Any
    iot: Any
    continue_later: Callable[[Event], None]
    clock: Clock = Clock()

    def cores(self, target_arn: str, deployment_id: str) -> Cores:
        """The cores of a deployment, asked for as long as there is time in this call."""
        return Cores(
            self.greengrass,
            self.iot,
            target_arn=target_arn,
            deployment_id=deployment_id,
            before_each=self._expect_time,
        )

    def _expect_time(self) -> None:
        if self.clock.left_s() < RESERVE_S:
            raise _OutOfTime


class _OutOfTime(Exception):  # noqa: N818 - no error: another call goes on
    """This call ends within a round."""


Apply = Callable[[Event, Surroundings], CloudFormationResponse]


def respond_in_time(event: Event, context: Any, apply: Apply, *, fallback_id: str) -> None:
    """Run `apply` as the handler of a Lambda function that may call itself."""

    def continue_later(later: Event) -> None:
        boto3.client("lambda").invoke(
            FunctionName=context.invoked_function_arn, InvocationType="Event", Payload=json.dumps(later)
        )

    around = Surroundings(
        greengrass=boto3.client("greengrassv2", config=_CLIENT),
        iot=boto3.client("iot", config=_CLIENT),
        continue_later=continue_later,
        clock=Clock(left_s=lambda: context.get_remaining_time_in_millis() / 1000),
    )
    respond(event, context, lambda asked: apply(asked, around), fallback_id=fallback_id)


def wait_until(
    done: Callable[[float], bool], event: Event, around: Surroundings, carried: Mapping[str, Any]
) -> None:
    """Ask `done`, with the seconds since the wait began, again and again.

    Args:
        done: Whether there is nothing to wait for any more.
        event: The request.
        around: Clock, and who continues.
        carried: What the next call finds in its event beside.

    Raises:
        ResponseDeferred: another call goes on.
        RequestFailed: the cores are too many to be asked at all.
    """
    clock = around.clock
    since_s, longest_s = event.get(_SINCE, clock.now_s()), 0.0
    try:
        while clock.left_s() >= RESERVE_S + POLL_S + 2 * longest_s:
            began_s = clock.now_s()
            if done(began_s - since_s):
                return
            longest_s = max(longest_s, clock.now_s() - began_s)
            clock.sleep(POLL_S)
    except _OutOfTime:
        logger.info("not all cores could be asked in this call")
    if clock.now_s() - since_s >= LONGEST_S:
        raise RequestFailed(f"the cores could not be asked often enough within {LONGEST_S / 60:g} min")
    around.continue_later({**event, **carried, _SINCE: since_s})
    raise ResponseDeferred
