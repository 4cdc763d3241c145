"""Assesses the states of all cameras, by a schedule, and publishes how many have problems.

One run reads the whole table, 1 MB a request: ten thousand cameras are about 3 MB. It writes a dozen numbers
without dimensions, however many cameras there are, and logs the cameras and cores with problems, one JSON
object a line, where the dashboard finds them.
"""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Iterator, Mapping
from typing import Any

import boto3

from . import progress_store
from .camera_states import (
    MEMORY,
    forget,
    judged,
    read_rows,
)
from .problems import (
    METRIC_OF,
    Assessment,
    Limits,
    Problem,
    ProblemKind,
    assess,
)

logger = logging.getLogger()
logger.setLevel(logging.INFO)

TABLE_VARIABLE = "CAMERA_TABLE"
LIMITS_VARIABLE = "LIMITS"
NAMESPACE_VARIABLE = "METRIC_NAMESPACE"

LONGEST_LIST = 200
"""Problems in the log of one run. More of them have one cause, and the metrics count them."""


def handler(event: object, context: object) -> dict[str, float]:
    """Lambda's entry point; returns the metrics."""
    del event, context
    limits = Limits(**json.loads(os.environ[LIMITS_VARIABLE]))
    assessment = watch(
        boto3.client("dynamodb"),
        boto3.client("greengrassv2"),
        table=os.environ[TABLE_VARIABLE],
        limits=limits,
        now_s=time.time(),
    )
    publish_metrics(boto3.client("cloudwatch"), assessment.metrics, namespace=os.environ[NAMESPACE_VARIABLE])
    log_problems(assessment.problems)
    return assessment.metrics


def watch(dynamodb: Any, greengrass: Any, *, table: str, limits: Limits, now_s: float) -> Assessment:
    """One run: reads states and memory, writes the memory, forgets cameras that are gone."""
    rows = list(read_rows(dynamodb, table))
    remembered = [row for row in rows if row["thing"] == MEMORY]
    states = (judged(row, now_s) for row in rows if row["thing"] != MEMORY)
    assessment = assess(states, progress_store.read(remembered), limits, now_s)
    progress_store.write(dynamodb, table, assessment.memory, len(remembered))
    for name in assessment.forgotten:
        forget(dynamodb, table, name)
    if assessment.forgotten:
        named = ", ".join(assessment.forgotten[:LONGEST_LIST])
        logger.info("forgot %d, silent for long or too many: %s", len(assessment.forgotten), named)
    unhealthy = [Problem(core, ProblemKind.UNHEALTHY) for core in unhealthy_cores(greengrass)]
    assessment.problems += unhealthy
    assessment.metrics[METRIC_OF[ProblemKind.UNHEALTHY]] = len(unhealthy)
    return assessment


def unhealthy_cores(greengrass: Any) -> Iterator[str]:
    """Cores with a broken component, as they reported it; all of the account in this Region."""
    pages = greengrass.get_paginator("list_core_devices").paginate(status="UNHEALTHY")
    return (core["coreDeviceThingName"] for page in pages for core in page["coreDevices"])


def publish_metrics(cloudwatch: Any, metrics: Mapping[str, float], *, namespace: str) -> None:
    """Publish the metrics, all of one moment, in the namespace of the fleet."""
    data = [{"MetricName": name, "Value": float(value)} for name, value in sorted(metrics.items())]
    cloudwatch.put_metric_data(Namespace=namespace, MetricData=data)


def log_problems(problems: list[Problem]) -> None:
    """Log each problem as a JSON object, the longest lasting first; the dashboard queries them."""
    longest_first = sorted(problems, key=lambda one: -(one.for_s or 0.0))
    for one in longest_first[:LONGEST_LIST]:
        values = {
            "name": one.name,
            "trouble": one.kind,
            "reason": one.reason,
            "for_s": None if one.for_s is None else round(one.for_s),
        }
        print(json.dumps(values, ensure_ascii=False))  # noqa: T201 - a function's log is its output
    if len(problems) > LONGEST_LIST:
        logger.warning("%d more problems", len(problems) - LONGEST_LIST)
