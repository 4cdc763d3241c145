"""Deployments of Greengrass v2, and what cores report about them.

A deployment belongs to a target, a thing or a thing group; the newest of a target replaces the earlier ones.
A core merges the deployments of its thing and of every group that its thing is in. Reports reach the real
service over MQTT (IoT Jobs and the fleet status topic); here they come over HTTP, see greengrass_api.
"""

from __future__ import annotations

import json
import time
import uuid
from dataclasses import dataclass, field
from typing import Any

from sandbox.aws.ministack import host, iot
from sandbox.aws.plugin import components
from sandbox.aws.plugin.failures import ConflictError, InvalidError, NotFoundError

EXECUTION_STATUSES = ("QUEUED", "IN_PROGRESS", "SUCCEEDED", "FAILED", "REJECTED")
ENDED_STATUSES = ("SUCCEEDED", "FAILED", "REJECTED")
PROVIDED_PREFIX = "aws."
"""Components of AWS itself are public, in every account; nobody registers them."""


@dataclass(kw_only=True)
class Execution:
    """What one core did with one deployment."""

    status: str = "QUEUED"
    reason: str = ""
    modified_s: float = field(default_factory=time.time)


@dataclass(kw_only=True)
class Deployment:
    """One deployment; `request` holds the members of CreateDeployment as they came."""

    request: dict[str, Any]
    revision: int
    deployment_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    job_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    status: str = "ACTIVE"
    latest: bool = True
    created_s: float = field(default_factory=time.time)
    executions: dict[str, Execution] = field(default_factory=dict)

    @property
    def target_arn(self) -> str:
        """ARN of the thing or thing group."""
        return str(self.request["targetArn"])

    @property
    def arn(self) -> str:
        """ARN of the deployment, for tags."""
        return host.arn("greengrass", f"deployments:{self.deployment_id}")

    @property
    def tags(self) -> dict[str, str]:
        """The tags, changeable in place."""
        tags: dict[str, str] = self.request.setdefault("tags", {})
        return tags

    def summary(self) -> dict[str, Any]:
        """The entry of ListDeployments."""
        return {
            "targetArn": self.target_arn,
            "revisionId": str(self.revision),
            "deploymentId": self.deployment_id,
            "deploymentName": self.request.get("deploymentName", ""),
            "creationTimestamp": self.created_s,
            "deploymentStatus": self.status,
            "isLatestForTarget": self.latest,
        }

    def description(self) -> dict[str, Any]:
        """The answer of GetDeployment."""
        return {
            **self.request,
            **self.summary(),
            "iotJobId": self.job_id,
            "iotJobArn": host.arn("iot", f"job/{self.job_id}"),
        }

    def effective(self, thing_name: str) -> dict[str, Any]:
        """The entry of ListEffectiveDeployments for one core."""
        execution = self.executions.get(thing_name, Execution(modified_s=self.created_s))
        entry = {
            "deploymentId": self.deployment_id,
            "deploymentName": self.request.get("deploymentName", ""),
            "iotJobId": self.job_id,
            "iotJobArn": host.arn("iot", f"job/{self.job_id}"),
            "targetArn": self.target_arn,
            "coreDeviceExecutionStatus": execution.status,
            "creationTimestamp": self.created_s,
            "modifiedTimestamp": execution.modified_s,
        }
        return {**entry, "reason": execution.reason} if execution.reason else entry


_deployments = host.scoped_store()


def create(request: dict[str, Any]) -> Deployment:
    """A new deployment, which replaces the earlier ones of its target."""
    _check(request)
    earlier = [other for other in _deployments.values() if other.target_arn == request["targetArn"]]
    for other in earlier:
        other.latest = False
        if other.status == "ACTIVE":
            other.status = "INACTIVE"
    created = Deployment(request=request, revision=len(earlier) + 1)
    _deployments[created.deployment_id] = created
    return created


def get(deployment_id: str) -> Deployment:
    """The deployment with this id; NotFoundError."""
    if deployment_id not in _deployments:
        raise NotFoundError(
            f"The deployment {deployment_id} does not exist",
            resourceId=deployment_id,
            resourceType="deployment",
        )
    found: Deployment = _deployments[deployment_id]
    return found


def cancel(deployment_id: str) -> None:
    """Stop rolling out; devices keep what they run."""
    get(deployment_id).status = "CANCELED"


def delete(deployment_id: str) -> None:
    """Remove a deployment that is not active."""
    if get(deployment_id).status == "ACTIVE":
        raise ConflictError(
            f"The deployment {deployment_id} is active: cancel it before deleting it",
            resourceId=deployment_id,
            resourceType="deployment",
        )
    del _deployments[deployment_id]


def all_deployments() -> list[Deployment]:
    """Every deployment of the account and Region, newest first."""
    return sorted(_deployments.values(), key=lambda entry: entry.created_s, reverse=True)


def listed(target_arn: str | None, *, latest_only: bool) -> list[Deployment]:
    """Those of a target, or all; with `latest_only` the one that each target obeys."""
    return [
        entry
        for entry in all_deployments()
        if (target_arn is None or entry.target_arn == target_arn) and (entry.latest or not latest_only)
    ]


def effective_for(thing_name: str) -> list[Deployment]:
    """The newest deployment of a core's thing and of each of its groups; of a canceled one, what it did."""
    targets = {host.arn("iot", f"thing/{thing_name}")}
    targets |= {host.arn("iot", f"thinggroup/{group}") for group in iot.thing_groups_of(thing_name)}
    return [
        entry
        for entry in all_deployments()
        if entry.latest
        and entry.target_arn in targets
        and (entry.status != "CANCELED" or thing_name in entry.executions)
    ]


def report(thing_name: str, deployment_id: str, status: str, reason: str) -> None:
    """Take down what a core did with a deployment."""
    if status not in EXECUTION_STATUSES:
        raise InvalidError(f"status must be one of {', '.join(EXECUTION_STATUSES)}, found {status!r}")
    deployment = get(deployment_id)
    deployment.executions[thing_name] = Execution(status=status, reason=reason)
    to_one_thing = deployment.target_arn == host.arn("iot", f"thing/{thing_name}")
    if to_one_thing and deployment.latest and status in ("SUCCEEDED", "FAILED", "REJECTED"):
        deployment.status = "COMPLETED" if status == "SUCCEEDED" else "FAILED"
    if not to_one_thing and deployment.status == "ACTIVE" and _aborts(deployment):
        deployment.status = "CANCELED"


def _aborts(deployment: Deployment) -> bool:
    """Whether too many cores have failed, as IoT Jobs judges by the job's abort criteria."""
    job = deployment.request.get("iotJobConfiguration") or {}
    ended = [each.status for each in deployment.executions.values() if each.status in ENDED_STATUSES]
    for criterion in (job.get("abortConfig") or {}).get("criteriaList", []):
        kinds = ENDED_STATUSES[1:] if criterion["failureType"] == "ALL" else (criterion["failureType"],)
        failed = sum(status in kinds for status in ended)
        enough = len(ended) >= int(criterion["minNumberOfExecutedThings"])
        if enough and 100 * failed >= float(criterion["thresholdPercentage"]) * len(ended):
            return True
    return False


def _check(request: dict[str, Any]) -> None:
    target = str(request.get("targetArn", ""))
    if not target.startswith((host.arn("iot", "thing/"), host.arn("iot", "thinggroup/"))):
        raise InvalidError(f"targetArn must be an ARN of a thing or a thing group here, found {target!r}")
    kind, _, name = target.rpartition(":")[2].partition("/")
    if kind == "thinggroup" and not iot.group_exists(name):
        raise NotFoundError(
            f"The thing group {name} does not exist", resourceId=name, resourceType="thinggroup"
        )
    for name, wanted in (request.get("components") or {}).items():
        version = str(wanted.get("componentVersion", ""))
        found = components.exists(name, version)
        if found is None and not name.startswith(PROVIDED_PREFIX):
            raise InvalidError(f"Component {name} version {version} does not exist")
        if found is not None and found.state != components.DEPLOYABLE:
            raise InvalidError(f"Component {name} version {version} is {found.state}, not DEPLOYABLE")
        _check_update(name, wanted.get("configurationUpdate") or {})


def _check_update(name: str, update: dict[str, Any]) -> None:
    merge = update.get("merge")
    if merge is not None:
        try:
            parsed = json.loads(merge)
        except (TypeError, ValueError) as error:
            raise InvalidError(
                f"configurationUpdate.merge of {name} must be a JSON string: {error}"
            ) from error
        if not isinstance(parsed, dict):
            raise InvalidError(f"configurationUpdate.merge of {name} must hold an object")
    reset = update.get("reset")
    if reset is not None and not (isinstance(reset, list) and all(isinstance(item, str) for item in reset)):
        raise InvalidError(f"configurationUpdate.reset of {name} must be a list of JSON pointers")
