"""Deployments that no template holds: what a target had before, and what is left when ours goes.

A target obeys its newest deployment, and deleting that one changes nothing on the cores. So going back takes
a new deployment, with the document of the former one. It is known by a tag with the stack's name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from botocore.exceptions import ClientError

from ..cloudformation import logger

STACK_TAG = "edgecam:stack"

_NAME_LENGTH = 256
"""Of a deployment's name, in characters (Greengrass v2 API reference, CreateDeployment)."""

_DOCUMENT = ("targetArn", "deploymentName", "components", "deploymentPolicies", "iotJobConfiguration")
"""Members of a deployment that CreateDeployment takes again."""

Components = Mapping[str, Any]


def newest(greengrass: Any, target_arn: str) -> str | None:
    """The id of the deployment that the target obeys; None when it has none."""
    pages = greengrass.get_paginator("list_deployments").paginate(
        targetArn=target_arn, historyFilter="LATEST_ONLY"
    )
    found = [entry["deploymentId"] for page in pages for entry in page["deployments"]]
    return found[0] if found else None


def before(greengrass: Any, target_arn: str, deployment_id: str) -> str | None:
    """The id of the deployment that the target obeyed before the named one; None when it had none."""
    found = _newest_first(greengrass, target_arn)
    since = next((each["creationTimestamp"] for each in found if each["deploymentId"] == deployment_id), None)
    older = [each["deploymentId"] for each in found if since and each["creationTimestamp"] < since]
    return older[0] if older else None


def newest_but(greengrass: Any, target_arn: str, deployment_id: str | None) -> str | None:
    """The id of the newest deployment of a target but for the named one, which may be gone by now."""
    found = [each["deploymentId"] for each in _newest_first(greengrass, target_arn)]
    return next((each for each in found if each != deployment_id), None)


def _newest_first(greengrass: Any, target_arn: str) -> list[dict[str, Any]]:
    pages = greengrass.get_paginator("list_deployments").paginate(targetArn=target_arn, historyFilter="ALL")
    found = [entry for page in pages for entry in page["deployments"]]
    return sorted(found, key=lambda each: each["creationTimestamp"], reverse=True)


def deploy_again(
    greengrass: Any,
    deployment_id: str,
    *,
    stack: str,
    name: str | None = None,
    choose: Callable[[Components], Components] = lambda components: components,
) -> str:
    """A new deployment like the named one, with those of its components that `choose` picks; its id.

    Args:
        greengrass: The client, of version 2.
        deployment_id: The former one.
        stack: Named by its tag.
        name: In place of the former one's; cut to what a name may have, in one line of ASCII.
        choose: What stays of its components.
    """
    former = greengrass.get_deployment(deploymentId=deployment_id)
    document = {member: former[member] for member in _DOCUMENT if former.get(member)}
    if name is not None:
        document["deploymentName"] = " ".join(name.split()).encode("ascii", "replace").decode()[:_NAME_LENGTH]
    document["components"] = dict(choose(former.get("components") or {}))
    created: str = greengrass.create_deployment(**document, tags={STACK_TAG: stack})["deploymentId"]
    return created


def made_here(greengrass: Any, deployment_id: str, stack: str) -> bool:
    """Whether it came from `deploy_again` for this stack."""
    tags = greengrass.get_deployment(deploymentId=deployment_id).get("tags") or {}
    return bool(tags.get(STACK_TAG) == stack)


def cancel(greengrass: Any, target_arn: str, stack: str) -> None:
    """Remove the newest deployment of a target if it came from `deploy_again` for this stack."""
    try:
        deployment_id = newest(greengrass, target_arn)
        if deployment_id is not None and made_here(greengrass, deployment_id, stack):
            greengrass.cancel_deployment(deploymentId=deployment_id)
            greengrass.delete_deployment(deploymentId=deployment_id)
            logger.info("removed deployment %s of %s", deployment_id, target_arn)
    except ClientError as error:
        logger.error("the newest deployment of %s stays: %s", target_arn, error)
