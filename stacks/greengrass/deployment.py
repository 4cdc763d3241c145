"""The deployment of a site: which components, with which configuration, and how it is rolled out."""

from __future__ import annotations

import json
from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_greengrassv2 as greengrass
from constructs import Construct

from fleet.deployment_size import document_bytes, most_bytes
from fleet.physical_names import names_of
from fleet.settings.fleet import Fleet
from fleet.settings.rollout import Rollout
from fleet.settings.site import Site
from fleet.site_components import SiteSettings, components_of
from stacks.greengrass.component import Component

SETTINGS_METADATA = "edgecam:settings"
"""Of the deployment: its site's settings as a person reads them, for `cdk diff` and `edgecam-fleet diff`."""

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
        fleet: Fleet,
        settings: SiteSettings,
        component: Component,
        bucket_name: str,
    ) -> None:
        """Deploy a site.

        Args:
            scope: The stack.
            construct_id: The construct's id.
            name: Of the site.
            fleet: That it is in.
            settings: What it configures.
            component: Ours, in the version that is deployed.
            bucket_name: The artifact bucket, as CloudFormation will know it.
        """
        super().__init__(scope, construct_id)
        site, names = fleet.sites[name], names_of(fleet)
        own = settings.configuration(site.variant, bucket_name)
        components = components_of(site, own, names, component.version, fleet.cores.logs)
        kind, _, target = str(site.target).partition("/")
        self.deployment = _Deployment(
            self,
            "Deployment",
            deployment_name=names.deployment(name),
            target_arn=cdk.Stack.of(self).format_arn(service="iot", resource=kind, resource_name=target),
            components={key: _property(entry) for key, entry in components.items()},
            deployment_policies=_policies(site.rollout),
            iot_job_configuration=_jobs(site.rollout),
        )
        self.deployment.add_metadata(SETTINGS_METADATA, settings.readable)
        # The version is text in the template, so that `cdk diff` shows it; the component has to come first.
        self.deployment.node.add_dependency(component.resource)
        # Our IoT policy lets them fetch it (stacks/greengrass/core_policy.py); another one may or may not.
        if fleet.aws.token_exchange_role is not None:
            size = document_bytes(names.deployment(name), site, components)
            self._warn_when_large(name, site, size)

    def _warn_when_large(self, name: str, site: Site, size: int) -> None:
        limit = most_bytes(site)
        if size > limit:
            cdk.Annotations.of(self).add_warning_v2(
                "edgecam:large-deployment",
                f"sites.{name}: the deployment has {size} bytes, more than the {limit} that reach a "
                f"{site.target.setting} by themselves. The cores' IoT policy has to allow "
                "greengrass:GetDeploymentConfiguration, or the deployment stays IN_PROGRESS for ever.",
            )


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
