"""AWS IoT calls this before it registers a core that has a claim certificate: may it, and in which group?

A claim certificate lies on many machines, so it proves little. A core may register when

- the fleet knows its name: `known_cores.json` beside this file, written at synth, maps names and patterns
  with `*` to thing groups; and
- it has no certificate yet, or anybody with a claim could become any core of the fleet. A machine that is
  installed again gets in after `aws iot detach-thing-principal`, or with `replace_certificates`. The
  check comes before the certificate is attached, which leaves a window of seconds: design/rights.md.

The group is this function's decision and no parameter of the core. AWS IoT waits five seconds for it
(https://docs.aws.amazon.com/iot/latest/developerguide/pre-provisioning-hook.html).
"""

from __future__ import annotations

import json
import logging
import os
import re
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import boto3

logger = logging.getLogger()
logger.setLevel(logging.INFO)

KNOWN_CORES = "known_cores.json"
THING_PARAMETER = "ThingName"
GROUP_PARAMETER = "ThingGroupName"
REPLACE_VARIABLE = "REPLACE_CERTIFICATES"

_NAME = re.compile(r"[a-zA-Z0-9:_-]{1,128}")
"""Of a thing. Other characters could be a pattern: here, or in the IoT policy that is made for the name."""

Decision = dict[str, Any]


def handler(event: dict[str, Any], context: Any) -> Decision:
    """Lambda's entry point."""
    del context
    known = json.loads(Path(__file__).with_name(KNOWN_CORES).read_text(encoding="utf-8"))
    may_replace = os.environ.get(REPLACE_VARIABLE) == "true"
    return decide(event, known, boto3.client("iot"), may_replace=may_replace)


def decide(event: dict[str, Any], known: dict[str, str], iot: Any, *, may_replace: bool) -> Decision:
    """Whether the core may register, and in which thing group.

    Args:
        event: What AWS IoT knows of the request.
        known: Names of cores, or patterns, and their thing groups.
        iot: A client of AWS IoT.
        may_replace: Whether a core that has a certificate may get another one.
    """
    thing = (event.get("parameters") or {}).get(THING_PARAMETER)
    claim = event.get("claimCertificateId", "unknown")
    # %r: the name is untrusted, sent by the holder of a claim.
    if not isinstance(thing, str) or (group := group_of(thing, known)) is None:
        logger.warning(
            "refused %.200r by claim %s: expected a core of fleet.yaml or cores.provisioning.things",
            thing,
            claim,
        )
        return {"allowProvisioning": False}
    if not may_replace and has_certificate(iot, thing):
        logger.warning(
            "refused %s by claim %s: expected a core without a certificate; detach it for one that is "
            "installed again",
            thing,
            claim,
        )
        return {"allowProvisioning": False}
    logger.info("registered %s in %s by claim %s", thing, group, claim)
    return {"allowProvisioning": True, "parameterOverrides": {GROUP_PARAMETER: group}}


def group_of(thing: str, known: dict[str, str]) -> str | None:
    """The thing group of a core, or None for an unknown core; its own name goes before patterns."""
    if not _NAME.fullmatch(thing):
        return None
    if thing in known:
        return known[thing]
    # Names are plenty, patterns few: matching ten thousand names would take a good part of a second.
    patterns = ((pattern, group) for pattern, group in known.items() if "*" in pattern)
    return next((group for pattern, group in patterns if fnmatchcase(thing, pattern)), None)


def has_certificate(iot: Any, thing: str) -> bool:
    """Whether the thing has a certificate already."""
    pages = iot.get_paginator("list_thing_principals").paginate(thingName=thing)
    try:
        return any(page["principals"] for page in pages)
    except iot.exceptions.ResourceNotFoundException:
        return False
