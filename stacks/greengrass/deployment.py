"""The deployment of a site: which components, with which configuration, and how it is rolled out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_greengrassv2 as greengrass
from constructs import Construct

from edgecam.brokers.topics import ACCESS_OPERATION, ACCESS_SERVICE, topic_of
from fleet.physical_names import PhysicalNames
from fleet.settings.cores import CoreLogs
from fleet.settings.rollout import Rollout
from fleet.settings.site import SECRET_MANAGER, Site
from fleet.settings.target import Thing
from stacks.greengrass.component import Component
from stacks.greengrass.core_logs import log_component

SECRET_MANAGER_VERSION = "2.2.9"  # noqa: S105 - a version
"""Of the public component, for every nucleus since 2.5.0; `components` of a site names another one."""

SECRET_REFRESH_MIN = 60
"""Minutes after which cores ask for rotated secrets; without it they never would (secret manager 2.2.0)."""

DOCUMENT_LIMITS_BYTES = {"thing": 7_000, "thing_group": 31_000}
"""Larger deployment documents are fetched by the core itself (Greengrass v2 developer guide, deployments)."""

_Deployment = greengrass.CfnDeployment
_FAILURE = {"rollback": "ROLLBACK", "do_nothing": "DO_NOTHING"}
_UPDATE = {"notify": "NOTIFY_COMPONENTS", "skip": "SKIP_NOTIFY_COMPONENTS"}
_ABORT = {"failed": "FAILED", "rejected": "REJECTED", "timed_out": "TIMED_OUT", "any": "ALL"}


class SiteDeployment(Construct):
    """One deployment. A changed setting replaces it; the newest of a target is the one that counts.

    Attributes:
        deployment: The deployment.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        name: str,
        site: Site,
        node: Mapping[str, Any],
        component: Component,
        names: PhysicalNames,
        logs: CoreLogs | None = None,
        fetches_large: bool = False,
    ) -> None:
        """Deploy a site.

        Args:
            scope: The stack.
            construct_id: The construct's id.
            name: Of the site.
            site: The target, and what runs there.
            node: Its node configuration as plain values.
            component: Ours, in the version that is deployed.
            names: Of the fleet.
            logs: Of `cores.logs`: the cores upload theirs.
            fetches_large: Whether the cores' IoT policy is known to let them fetch a large document.
        """
        super().__init__(scope, construct_id)
        kind, _, target = str(site.target).partition("/")
        components = components_of(site, node, names, component.version, logs)
        self.deployment = _Deployment(
            self,
            "Deployment",
            deployment_name=names.deployment(name),
            target_arn=cdk.Stack.of(self).format_arn(service="iot", resource=kind, resource_name=target),
            components={key: _property(entry) for key, entry in components.items()},
            deployment_policies=_policies(site.rollout),
            iot_job_configuration=_jobs(site.rollout),
        )
        # The version is text in the template, so that `cdk diff` shows it; the component has to come first.
        self.deployment.node.add_dependency(component.resource)
        if not fetches_large:
            self._warn_when_large(name, site, json.dumps(components))

    def _warn_when_large(self, name: str, site: Site, document: str) -> None:
        kind = "thing" if isinstance(site.target, Thing) else "thing_group"
        size, limit = len(document.encode()), DOCUMENT_LIMITS_BYTES[kind]
        if size > limit:
            cdk.Annotations.of(self).add_warning_v2(
                "edgecam:large-deployment",
                f"sites.{name}: the deployment has {size} bytes, more than the {limit} that reach a {kind} "
                "by themselves. The cores' IoT policy has to allow greengrass:GetDeploymentConfiguration, or "
                "the deployment stays IN_PROGRESS for ever.",
            )


def components_of(
    site: Site, node: Mapping[str, Any], names: PhysicalNames, version: str, logs: CoreLogs | None = None
) -> dict[str, dict[str, Any]]:
    """What runs on the cores of `site`: component → version, and what is merged into its configuration.

    The secret manager gets those of the cameras' passwords whose whole ARNs are known, since it takes no
    others (SecretManager.java of the component, VALID_SECRET_ARN_PATTERN), and not the devices' keys: theirs
    end in random characters. Nor is it missed: a core without network needs no token, and the manager
    would put a copy on the core's disk.
    """
    name = names.component(site.variant)
    components: dict[str, dict[str, Any]] = {
        extra: {"version": entry.version, "merge": dict(entry.merge)}
        for extra, entry in site.components.items()
    }
    configuration = component_configuration(site, node)
    if access := _access_control(site, configuration["node"], name):
        configuration["accessControl"] = access
    if site.uses_secret_manager:
        arns = site.whole_secret_arns
        manager = components.setdefault(SECRET_MANAGER, {"version": SECRET_MANAGER_VERSION, "merge": {}})
        manager["merge"].setdefault("periodicRefreshIntervalMin", SECRET_REFRESH_MIN)
        others = manager["merge"].get("cloudSecrets", [])
        manager["merge"]["cloudSecrets"] = [*others, *({"arn": arn} for arn in arns)]
    if logs is not None:
        uploader, its_version, merge = log_component(
            logs, nucleus=site.nucleus, component=name, forwarded=names.forwarded_logs
        )
        # Named in `components`, its configuration there is the one that counts.
        components.setdefault(uploader, {"version": its_version, "merge": merge})
    # Reset first: a setting that was taken out of fleet.yaml must not live on in the core's memory.
    components[name] = {"version": version, "merge": configuration, "reset": [""]}
    return components


def component_configuration(site: Site, node: Mapping[str, Any]) -> dict[str, Any]:
    """The component configuration that the recipe's Setenv hands on; the recipe has the defaults."""
    within = {name: value for name, value in node.items() if name != "data_dir"}
    configuration: dict[str, Any] = {"data_dir": site.data_dir, "node": within}
    if site.docker_options:
        configuration["docker"] = site.docker_options
    if site.entrypoint:
        configuration["entrypoint"] = site.entrypoint
    if site.command:
        configuration["command"] = list(site.command)
    return configuration


def _access_control(site: Site, node: Mapping[str, Any], name: str) -> dict[str, Any]:
    """What is laid over the recipe's accessControl, which the reset has brought back."""
    access: dict[str, Any] = {}
    if site.uses_secret_manager:
        access |= _may_read(name, site.whole_secret_arns)
    if site.thing is not None and node.get("aws_iot", {}).get("enabled"):
        access |= _may_publish(name, site.thing)
    return access


def _may_publish(name: str, thing: str) -> dict[str, Any]:
    """The recipe's policy of that name, for this thing alone: lists are replaced whole. One wildcard for all
    cameras, since Nucleus Lite reads the policies of a service into 4 kB."""
    return {
        ACCESS_SERVICE: {
            f"{name}:states:1": {
                "policyDescription": "Publishes the states of its cameras.",
                "operations": [ACCESS_OPERATION],
                "resources": [topic_of(thing, "+")],
            }
        }
    }


def _may_read(name: str, arns: tuple[str, ...]) -> dict[str, Any]:
    return {
        SECRET_MANAGER: {
            f"{name}:secrets:1": {
                "policyDescription": "Reads the credentials of its cameras.",
                "operations": ["aws.greengrass#GetSecretValue"],
                "resources": list(arns),
            }
        }
    }


def _property(entry: dict[str, Any]) -> greengrass.CfnDeployment.ComponentDeploymentSpecificationProperty:
    update = None
    if entry["merge"] or "reset" in entry:
        update = _Deployment.ComponentConfigurationUpdateProperty(
            merge=json.dumps(entry["merge"], ensure_ascii=False, separators=(",", ":"))
            if entry["merge"]
            else None,
            reset=entry.get("reset"),
        )
    return _Deployment.ComponentDeploymentSpecificationProperty(
        component_version=entry["version"], configuration_update=update
    )


def _policies(rollout: Rollout) -> greengrass.CfnDeployment.DeploymentPoliciesProperty:
    return _Deployment.DeploymentPoliciesProperty(
        failure_handling_policy=_FAILURE[rollout.failure_handling],
        component_update_policy=_Deployment.DeploymentComponentUpdatePolicyProperty(
            action=_UPDATE[rollout.component_update.action],
            timeout_in_seconds=rollout.component_update.timeout_s,
        ),
    )


def _jobs(rollout: Rollout) -> greengrass.CfnDeployment.DeploymentIoTJobConfigurationProperty | None:
    abort = rate = timeout = None
    if rollout.abort:
        abort = _Deployment.IoTJobAbortConfigProperty(
            criteria_list=[
                _Deployment.IoTJobAbortCriteriaProperty(
                    action="CANCEL",
                    failure_type=_ABORT[criterion.when],
                    threshold_percentage=criterion.percent,
                    min_number_of_executed_things=criterion.at_least,
                )
                for criterion in rollout.abort
            ]
        )
    if rollout.per_minute is not None or rollout.exponential is not None:
        rate = _Deployment.IoTJobExecutionsRolloutConfigProperty(
            maximum_per_minute=rollout.per_minute, exponential_rate=_exponential(rollout)
        )
    if rollout.timeout_min is not None:
        timeout = _Deployment.IoTJobTimeoutConfigProperty(in_progress_timeout_in_minutes=rollout.timeout_min)
    if abort is None and rate is None and timeout is None:
        return None
    return _Deployment.DeploymentIoTJobConfigurationProperty(
        abort_config=abort, job_executions_rollout_config=rate, timeout_config=timeout
    )


def _exponential(rollout: Rollout) -> greengrass.CfnDeployment.IoTJobExponentialRolloutRateProperty | None:
    rate = rollout.exponential
    if rate is None:
        return None
    return _Deployment.IoTJobExponentialRolloutRateProperty(
        base_rate_per_minute=rate.base_per_minute,
        increment_factor=rate.factor,
        rate_increase_criteria=(
            {"NumberOfNotifiedThings": rate.after_notified}
            if rate.after_notified is not None
            else {"NumberOfSucceededThings": rate.after_succeeded}
        ),
    )
