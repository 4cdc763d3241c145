"""What IAM has to allow for an operation of Greengrass v2: its own action, and those of AWS IoT behind it.

As the service authorization reference lists them, for what an operation is about: Greengrass asks AWS IoT in
the name of its caller, for the shadow of a thing and the job of a thing group
(https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsiotgreengrassv2.html).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from sandbox.aws.ministack import host, iam
from sandbox.aws.ministack.iam import Right
from sandbox.aws.plugin import deployments, recipes
from sandbox.aws.plugin.deployments import Deployment
from sandbox.aws.plugin.failures import ForbiddenError, NotFoundError

_SEES_THING = ("iot:DescribeThing", "iot:GetThingShadow")
_OF_THING = {
    "CreateDeployment": (*_SEES_THING, "iot:UpdateThingShadow"),
    "CancelDeployment": (*_SEES_THING, "iot:DeleteThingShadow", "iot:UpdateThingShadow"),
}
_OF_JOB = {
    "CreateDeployment": ("iot:CreateJob", "iot:DescribeJob"),
    "CancelDeployment": ("iot:CancelJob", "iot:DescribeJob", "iot:UpdateJob"),
}


def check(headers: Mapping[str, str], rights: Iterable[Right]) -> None:
    """ForbiddenError, with IAM's words, unless who has signed a request has all of `rights`."""
    for right in rights:
        if (why := iam.refusal(headers, right)) is not None:
            raise ForbiddenError(why)


def artifact_reader(headers: Mapping[str, str]) -> Callable[[str, str], bool]:
    """Whether who has signed a request may read an object, named by bucket and key."""

    def may_read(bucket: str, key: str) -> bool:
        right = Right(action="s3:GetObject", resource=f"arn:aws:s3:::{bucket}/{key}")
        return iam.refusal(headers, right) is None

    return may_read


def needed(
    operation: str, body: Mapping[str, Any], arguments: Mapping[str, str], listed: Iterable[Deployment]
) -> Iterator[Right]:
    """What a request needs.

    Args:
        operation: Its name in the API.
        body: Its members.
        arguments: What its path names.
        listed: The deployments that it lists.
    """
    match operation:
        case "CreateComponentVersion":
            yield from _of_new_component(body)
        case "CreateDeployment":
            yield _own(operation, "*")
            if body.get("tags"):
                yield _own("TagResource", host.arn("greengrass", "deployments:*"))
            yield from _of_target(operation, str(body.get("targetArn", "")), "*")
        case "GetDeployment" | "CancelDeployment" | "DeleteDeployment":
            yield from _of_deployment(operation, arguments["deployment_id"])
        case "ListEffectiveDeployments":
            yield _own(operation, host.arn("greengrass", f"coreDevices:{arguments['thing']}"))
            for deployment in listed:
                yield from _of_target(operation, deployment.target_arn, deployment.job_id)
                yield _iot("iot:DescribeJobExecution", f"thing/{arguments['thing']}")
        case "ListDeployments":
            yield _own(operation, "*")
            for deployment in listed:
                yield from _of_target(operation, deployment.target_arn, deployment.job_id)
        case _:
            yield _own(operation, _resource(arguments))


def _of_new_component(body: Mapping[str, Any]) -> Iterator[Right]:
    recipe = recipes.parse(recipes.text_of(body))
    component = host.arn("greengrass", f"components:{recipes.value(recipe, 'ComponentName')}")
    yield _own("CreateComponentVersion", component)
    if body.get("tags"):
        yield _own("TagResource", f"{component}:versions:{recipes.value(recipe, 'ComponentVersion')}")


def _of_deployment(operation: str, deployment_id: str) -> Iterator[Right]:
    yield _own(operation, host.arn("greengrass", f"deployments:{deployment_id}"))
    try:
        found = deployments.get(deployment_id)
    except NotFoundError:
        return
    if operation == "DeleteDeployment":
        if _is_group(found.target_arn):
            yield _iot("iot:DeleteJob", f"job/{found.job_id}")
        return
    yield from _of_target(operation, found.target_arn, found.job_id)


def _of_target(operation: str, target_arn: str, job_id: str) -> Iterator[Right]:
    target = target_arn.rpartition(":")[2]
    if not _is_group(target_arn):
        yield from (_iot(action, target) for action in _OF_THING.get(operation, _SEES_THING))
        return
    yield _iot("iot:DescribeThingGroup", target)
    yield from (_iot(action, f"job/{job_id}") for action in _OF_JOB.get(operation, ("iot:DescribeJob",)))
    if operation == "CreateDeployment":
        yield _iot("iot:CreateJob", target)


def _is_group(target_arn: str) -> bool:
    """Whether a deployment to it travels by a job; one to a thing travels by a shadow."""
    return not target_arn.rpartition(":")[2].startswith("thing/")


def _resource(arguments: Mapping[str, str]) -> str:
    if "arn" in arguments:
        return arguments["arn"]
    return host.arn("greengrass", f"coreDevices:{arguments['thing']}") if "thing" in arguments else "*"


def _own(operation: str, resource: str) -> Right:
    return Right(action=f"greengrass:{operation}", resource=resource)


def _iot(action: str, resource: str) -> Right:
    return Right(action=action, resource=host.arn("iot", resource))
