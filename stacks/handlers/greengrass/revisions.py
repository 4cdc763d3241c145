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


def deploy_again(
    greengrass: Any,
    deployment_id: str,
    *,
    stack: str,
    choose: Callable[[Components], Components] = lambda components: components,
) -> str:
    """A new deployment like the named one, with those of its components that `choose` picks; its id."""
    former = greengrass.get_deployment(deploymentId=deployment_id)
    document = {name: former[name] for name in _DOCUMENT if former.get(name)}
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
