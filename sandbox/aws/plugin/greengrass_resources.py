"""CloudFormation's AWS::GreengrassV2::ComponentVersion and AWS::GreengrassV2::Deployment.

Both are almost wholly create-only: a changed recipe or deployment is a replacement, in which the new
resource is created before the old one is deleted. So the same version with another recipe ends in a
conflict, as it does on AWS.
"""

from __future__ import annotations

from typing import Any

from sandbox.aws.ministack import cloudformation
from sandbox.aws.ministack.cloudformation import Properties
from sandbox.aws.plugin import components, deployments
from sandbox.aws.plugin.failures import NotFoundError, ServiceError

Provisioned = tuple[str, dict[str, Any]]
FREE_FORM = ("Components", "Tags")
"""Members whose keys are names given by the user and must keep their case."""


def _refused(error: ServiceError) -> ValueError:
    return ValueError(f"{error} (Service: GreengrassV2, Status Code: {error.status})")


def _component_attributes(component: components.ComponentVersion) -> dict[str, Any]:
    return {
        "Arn": component.arn,
        "ComponentName": component.name,
        "ComponentVersion": component.version,
    }


def _create_component(logical_id: str, properties: Properties, stack_name: str) -> Provisioned:
    del logical_id, stack_name
    try:
        created = components.create(properties["InlineRecipe"], properties.get("Tags"))
    except ServiceError as error:
        raise _refused(error) from error
    if created.state != components.DEPLOYABLE:
        components.delete(created.arn)
        raise ValueError(f"{created.name} {created.version} is {created.state}: {created.problems}")
    return created.arn, _component_attributes(created)


def _update_component(physical_id: str, old: Properties, new: Properties, stack_name: str) -> Provisioned:
    del old, stack_name
    component = components.get(physical_id)
    component.tags = dict(new.get("Tags") or {})
    return physical_id, _component_attributes(component)


def _delete_component(physical_id: str, properties: Properties) -> None:
    del properties
    try:
        components.delete(physical_id)
    except NotFoundError:
        return  # deleted by hand: what the stack wants is so already


def _create_deployment(logical_id: str, properties: Properties, stack_name: str) -> Provisioned:
    del logical_id, stack_name
    request = _to_request({key: entry for key, entry in properties.items() if key not in FREE_FORM})
    request["components"] = {
        name: _to_request(wanted) for name, wanted in (properties.get("Components") or {}).items()
    }
    request["tags"] = dict(properties.get("Tags") or {})
    try:
        created = deployments.create(request)
    except ServiceError as error:
        raise _refused(error) from error
    return created.deployment_id, {"DeploymentId": created.deployment_id}


def _update_deployment(physical_id: str, old: Properties, new: Properties, stack_name: str) -> Provisioned:
    del old, stack_name
    deployments.get(physical_id).request["tags"] = dict(new.get("Tags") or {})
    return physical_id, {"DeploymentId": physical_id}


def _delete_deployment(physical_id: str, properties: Properties) -> None:
    del properties
    try:
        deployments.cancel(physical_id)
        deployments.delete(physical_id)
    except NotFoundError:
        return  # deleted by hand: what the stack wants is so already


def _to_request(value: Any) -> Any:
    """CloudFormation's PascalCase members as the API's camelCase, numbers and booleans as such."""
    if isinstance(value, dict):
        return {key[:1].lower() + key[1:]: _to_request(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [_to_request(entry) for entry in value]
    return value


def install() -> None:
    """Make both types known to CloudFormation."""
    cloudformation.add_resource_type(
        cloudformation.ResourceType(
            name="AWS::GreengrassV2::ComponentVersion",
            create=_create_component,
            update=_update_component,
            delete=_delete_component,
            create_only=("InlineRecipe", "LambdaFunction"),
        )
    )
    cloudformation.add_resource_type(
        cloudformation.ResourceType(
            name="AWS::GreengrassV2::Deployment",
            create=_create_deployment,
            update=_update_deployment,
            delete=_delete_deployment,
            create_only=(
                "TargetArn",
                "ParentTargetArn",
                "DeploymentName",
                "Components",
                "IotJobConfiguration",
                "DeploymentPolicies",
            ),
        )
    )
