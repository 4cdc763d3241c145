"""Which stack a resource outside of AWS belongs to."""

from __future__ import annotations

import hashlib
import re

from .cloudformation import Event

OWNER_LABEL = "edgecam-stack"
"""The label with the stack that made something and reconciles it."""


def owner_of(event: Event, stack_name: str | None = None) -> str:
    """The label's value for the stack of this event: readable, and different for each stack anywhere.

    From arn:…:REGION:ACCOUNT:stack/NAME/ID without the id: a stack destroyed and made again has another.
    With `stack_name` it is that of another stack of this account and Region, which owns for this one too.
    """
    stack = event["StackId"].rpartition("/")[0]
    if stack_name is not None:
        stack = f"{stack.rpartition('/')[0]}/{stack_name}"
    readable = re.sub(r"[^a-z0-9-]", "-", stack.rpartition("/")[2].lower())
    return f"{readable[:40]}-{hashlib.sha256(stack.encode()).hexdigest()[:12]}"
