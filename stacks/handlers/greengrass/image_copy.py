"""Custom::EdgecamImage: an image of the CDK's asset repository, copied to our repository by CodeBuild.

- Create-only: a tag names its content and cannot be moved. An image that is there already is left as it is,
  so that an unchanged one, a repeated deploy and a rollback copy nothing.
- Deleting keeps the image: earlier component versions, and cores that fetch late, still need it.

Properties: Project, Repository, Tag. The resource's id is `REPOSITORY:TAG`.
Attributes: Digest, by which cores fetch it.
"""

from __future__ import annotations

import time
from typing import Any

import boto3

from ..cloudformation import (
    CloudFormationResponse,
    Event,
    RequestFailed,
    logger,
    respond,
)

_POLL_S = 2


def handler(event: Event, context: Any) -> None:
    """Lambda's entry point."""
    codebuild, ecr = boto3.client("codebuild"), boto3.client("ecr")
    respond(event, context, lambda request: apply(request, codebuild, ecr), fallback_id=_name(event))


def apply(event: Event, codebuild: Any, ecr: Any) -> CloudFormationResponse:
    """Do what CloudFormation asks for, with the CodeBuild client `codebuild` and the ECR client `ecr`."""
    name = _name(event)
    if event["RequestType"] == "Delete":
        logger.info("keeping %s", name)
        return CloudFormationResponse(physical_id=name)
    digest = _digest(event, ecr)
    if digest is None:
        _build(event, codebuild)
        digest = _digest(event, ecr)
        if digest is None:
            raise RequestFailed(
                f"{name} is not there, although {event['ResourceProperties']['Project']} succeeded"
            )
        logger.info("copied %s, %s", name, digest)
    else:
        logger.info("%s is there already, %s", name, digest)
    return CloudFormationResponse(physical_id=name, attributes={"Digest": digest})


def _digest(event: Event, ecr: Any) -> str | None:
    properties = event["ResourceProperties"]
    try:
        found = ecr.describe_images(
            repositoryName=properties["Repository"], imageIds=[{"imageTag": properties["Tag"]}]
        )
    except ecr.exceptions.ImageNotFoundException:
        return None
    digest: str = found["imageDetails"][0]["imageDigest"]
    return digest


def _build(event: Event, codebuild: Any) -> None:
    """Copy, and wait until it is done: the project's own timeout ends it before Lambda's would."""
    build = codebuild.start_build(projectName=event["ResourceProperties"]["Project"])["build"]
    while build["buildStatus"] == "IN_PROGRESS":
        time.sleep(_POLL_S)
        (build,) = codebuild.batch_get_builds(ids=[build["id"]])["builds"]
    if build["buildStatus"] != "SUCCEEDED":
        log = build.get("logs", {}).get("deepLink") or build["id"]
        raise RequestFailed(
            f"{_name(event)} could not be copied: the build {build['buildStatus']}{_reasons(build)}. "
            f"Its log: {log}"
        )


def _reasons(build: dict[str, Any]) -> str:
    contexts = [context for phase in build.get("phases", ()) for context in phase.get("contexts", ())]
    messages = [context["message"] for context in contexts if context.get("message")]
    return f": {'; '.join(messages)}" if messages else ""


def _name(event: Event) -> str:
    properties = event["ResourceProperties"]
    return f"{properties['Repository']}:{properties['Tag']}"
