"""Deployments as they reach Nucleus Lite: IoT Jobs to thing groups, each with its document.

A deployment to a thing travels by a shadow for which Lite has no code: it stays QUEUED. A document that is
too large is refused, or not even read; Lite does not fetch it by itself, as the classic nucleus does.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sandbox.aws.clients import ACCOUNT, REGION
from sandbox.core.cloud import Cloud, EffectiveDeployment
from sandbox.core.lite.json_text import encoded

GROUP_PREFIX = f"arn:aws:iot:{REGION}:{ACCOUNT}:thinggroup/"
OPEN = ("QUEUED", "IN_PROGRESS")


@dataclass(frozen=True, kw_only=True)
class Job:
    """A job that is open for this core, with the document of its deployment."""

    deployment_id: str
    name: str
    group: str
    document: Mapping[str, Any]

    @property
    def document_bytes(self) -> int:
        """The size of the document as it travels."""
        return len(encoded(self.document).encode())

    @property
    def components(self) -> Mapping[str, Mapping[str, Any]]:
        """By name: version and how the configuration changes."""
        found: Mapping[str, Mapping[str, Any]] = self.document["components"]
        return found


def groups(deployments: list[EffectiveDeployment]) -> set[str]:
    """The thing groups of this core that something is deployed to."""
    return {entry.target_arn.removeprefix(GROUP_PREFIX) for entry in deployments if _to_a_group(entry)}


def open_jobs(cloud: Cloud, deployments: list[EffectiveDeployment]) -> list[Job]:
    """The jobs that a core has not ended yet, oldest first."""
    waiting = [entry for entry in deployments if _to_a_group(entry) and entry.status in OPEN]
    return [_job(cloud, entry) for entry in sorted(waiting, key=lambda entry: entry.created)]


def _to_a_group(deployment: EffectiveDeployment) -> bool:
    return deployment.target_arn.startswith(GROUP_PREFIX)


def _job(cloud: Cloud, deployment: EffectiveDeployment) -> Job:
    answer = cloud.described(deployment.deployment_id)
    group = deployment.target_arn.removeprefix(GROUP_PREFIX)
    return Job(
        deployment_id=deployment.deployment_id,
        name=answer.get("deploymentName") or deployment.deployment_id,
        group=group,
        document=_document(answer, group, deployment.created),
    )


def _document(answer: Mapping[str, Any], group: str, created: datetime) -> dict[str, Any]:
    """The fleet configuration that a job holds; `merge` is an object there, and no text as in the API."""
    policies = answer.get("deploymentPolicies") or {}
    update = policies.get("componentUpdatePolicy") or {}
    configuration = f"thinggroup/{group}:{answer.get('revisionId', '1')}"
    return {
        "deploymentId": answer["deploymentId"],
        "deploymentName": answer.get("deploymentName", ""),
        "targetArn": f"{GROUP_PREFIX}{group}",
        "requiredCapabilities": [],
        "creationTimestamp": int(created.timestamp() * 1000),
        "configurationArn": f"arn:aws:greengrass:{REGION}:{ACCOUNT}:configuration:{configuration}",
        "components": {name: _component(entry) for name, entry in (answer.get("components") or {}).items()},
        "failureHandlingPolicy": policies.get("failureHandlingPolicy", "ROLLBACK"),
        "componentUpdatePolicy": {
            "timeout": update.get("timeoutInSeconds", 60),
            "action": update.get("action", "NOTIFY_COMPONENTS"),
        },
        "configurationValidationPolicy": {"timeout": 60},
    }


def _component(entry: Mapping[str, Any]) -> dict[str, Any]:
    result: dict[str, Any] = {"version": entry["componentVersion"]}
    update = entry.get("configurationUpdate") or {}
    if update:
        result["configurationUpdate"] = {
            **({"reset": list(update["reset"])} if update.get("reset") else {}),
            **({"merge": json.loads(update["merge"])} if update.get("merge") else {}),
        }
    return result
