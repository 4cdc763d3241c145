"""Looks at the states of all cameras, by a schedule, and tells CloudWatch how many are in trouble.

One look reads the whole table, 1 MB a request: ten thousand cameras are about 3 MB. It writes a dozen numbers
without dimensions, however many cameras there are, and names the cameras and cores in trouble in its log, one
JSON object a line, where the dashboard finds them.
"""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

import boto3

from . import progress_store as watch_memory
from .camera_states import (
    MEMORY,
    forget,
    judged,
    read_rows,
)
from .problems import (
    METRIC_OF,
    Found,
    Limits,
    Look,
    Trouble,
    look,
)

logger = logging.getLogger()
logger.setLevel(logging.INFO)

NAMESPACE = "Edgecam"
TABLE_VARIABLE = "CAMERA_TABLE"
LIMITS_VARIABLE = "LIMITS"

LONGEST_LIST = 200
"""Names in the log of one look. Whoever has more in trouble has one cause, and the numbers say how many."""


def handler(event: object, context: object) -> dict[str, float]:
    """Lambda's entry point; answers with the metrics."""
    del event, context
    limits = Limits(**json.loads(os.environ[LIMITS_VARIABLE]))
    seen = watch(
        boto3.client("dynamodb"),
        boto3.client("greengrassv2"),
        table=os.environ[TABLE_VARIABLE],
        limits=limits,
        now_s=time.time(),
    )
    tell(boto3.client("cloudwatch"), seen.metrics)
    write_down(seen.found)
    return seen.metrics


def watch(dynamodb: Any, greengrass: Any, *, table: str, limits: Limits, now_s: float) -> Look:
    """One look at everything: reads states and memory, writes the memory, forgets who is gone."""
    rows = list(read_rows(dynamodb, table))
    remembered = [row for row in rows if row["thing"] == MEMORY]
    states = (judged(row, now_s) for row in rows if row["thing"] != MEMORY)
    seen = look(states, watch_memory.read(remembered), limits, now_s)
    watch_memory.write(dynamodb, table, seen.memory, len(remembered))
    for name in seen.forgotten:
        forget(dynamodb, table, name)
    if seen.forgotten:
        named = ", ".join(seen.forgotten[:LONGEST_LIST])
        logger.info("forgot %d, silent for long or too many: %s", len(seen.forgotten), named)
    unhealthy = [Found(core, Trouble.UNHEALTHY) for core in unhealthy_cores(greengrass)]
    seen.found += unhealthy
    seen.metrics[METRIC_OF[Trouble.UNHEALTHY]] = len(unhealthy)
    return seen


def unhealthy_cores(greengrass: Any) -> Iterator[str]:
    """Cores with a broken component, as they reported it; all of the account in this Region."""
    pages = greengrass.get_paginator("list_core_devices").paginate(status="UNHEALTHY")
    return (core["coreDeviceThingName"] for page in pages for core in page["coreDevices"])


def tell(cloudwatch: Any, metrics: Mapping[str, float]) -> None:
    """Put the metrics, all of one moment."""
    data = [{"MetricName": name, "Value": float(value)} for name, value in sorted(metrics.items())]
    cloudwatch.put_metric_data(Namespace=NAMESPACE, MetricData=data)


def write_down(found: list[Found]) -> None:
    """Name what is in trouble, what lasts longest first."""
    longest_first = sorted(found, key=lambda one: -(one.for_s or 0.0))
    for one in longest_first[:LONGEST_LIST]:
        values = {**asdict(one), "for_s": None if one.for_s is None else round(one.for_s)}
        print(json.dumps(values, ensure_ascii=False))  # noqa: T201 - a function's log is its output
    if len(found) > LONGEST_LIST:
        logger.warning("%d more in trouble", len(found) - LONGEST_LIST)
