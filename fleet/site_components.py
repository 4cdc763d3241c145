"""What runs on the cores of a site, and with which configuration: the components of its deployment.

Without AWS CDK, so that a fleet that fits into no deployment is refused before anything is synthesized.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from edgecam.brokers.topics import ACCESS_OPERATION, ACCESS_SERVICE, topic_of
from fleet.component_settings import PackedSettings, configuration, pack, settings_of
from fleet.deployment_size import document_bytes, most_bytes
from fleet.devices import node_of
from fleet.physical_names import PhysicalNames, names_of
from fleet.settings.cores import CoreLogs
from fleet.settings.fleet import Fleet
from fleet.settings.site import SECRET_MANAGER, Site

SECRET_MANAGER_VERSION = "2.2.9"  # noqa: S105 - a version
"""Of the public component, for every nucleus since 2.5.0; `components` of a site names another one."""

SECRET_REFRESH_MIN = 60
"""Minutes after which cores ask for rotated secrets; without it they never would (secret manager 2.2.0)."""

LOG_MANAGER = "aws.greengrass.LogManager"
LOG_MANAGER_VERSION = "2.3.10"
"""Since 2.3.5 it does not wear out a core's disk with its own bookkeeping (developer guide, log manager)."""

LOG_FORWARDER = "aws.greengrass.SystemLogForwarder"
LOG_FORWARDER_VERSION = "2.1.0"

LONGEST_VERSION = "1.999999.999999"
"""Of our components."""

LONGEST_BUCKET = "b" * 63

Components = dict[str, dict[str, Any]]
"""By name: `version`, and what there is of `merge` and `reset`."""


@dataclass(frozen=True)
class SiteSettings:
    """The settings of a site, and how they travel.

    Attributes:
        readable: As plain values.
        packed: The same, compressed.
        pieces: The word in the deployment; None where it fits into none, and an object has the settings.
    """

    readable: Mapping[str, Any]
    packed: PackedSettings
    pieces: tuple[str, ...] | None

    def configuration(self, variant: str, bucket: str) -> dict[str, Any]:
        """What the component's configuration has, with the name of the artifact bucket."""
        return configuration(self.pieces or (f"s3://{bucket}/{self.packed.object_key(variant)}",))


def site_settings(fleet: Fleet, name: str) -> SiteSettings:
    """The settings of a site; in pieces where the deployment then reaches a core of its nucleus."""
    site = fleet.sites[name]
    readable = settings_of(site, node_of(fleet, name))
    packed = pack(readable)
    pieces = packed.pieces()
    if pieces is not None and largest_document(fleet, name, configuration(pieces)) > most_bytes(site):
        pieces = None
    return SiteSettings(readable, packed, pieces)


def largest_document(fleet: Fleet, name: str, own: Mapping[str, Any]) -> int:
    """How long the document of a site's deployment may be, bytes, with `own` for our component."""
    site = fleet.sites[name]
    names = names_of(fleet)
    components = components_of(site, own, names, LONGEST_VERSION, fleet.cores.logs)
    return document_bytes(names.deployment(name), site, components, region=fleet.aws.region)


def components_of(
    site: Site, own: Mapping[str, Any], names: PhysicalNames, version: str, logs: CoreLogs | None = None
) -> Components:
    """What runs on the cores of `site`: component → version, and what is merged into its configuration.

    The secret manager gets those of the cameras' passwords whose whole ARNs are known, since it takes no
    others (SecretManager.java of the component, VALID_SECRET_ARN_PATTERN), and not the devices' keys: theirs
    end in random characters. Nor is it missed: a core without network needs no token, and the manager
    would put a copy on the core's disk.

    Args:
        site: The site.
        own: Its settings, as `SiteSettings.configuration` has them.
        names: Of the fleet.
        version: Of our component.
        logs: Of `cores.logs`: the cores upload theirs.
    """
    name = names.component(site.variant)
    components: Components = {
        extra: {"version": entry.version, "merge": dict(entry.merge)}
        for extra, entry in site.components.items()
    }
    merge = dict(own)
    if access := _access_control(site, name):
        merge["accessControl"] = access
    if site.uses_secret_manager:
        manager = components.setdefault(SECRET_MANAGER, {"version": SECRET_MANAGER_VERSION, "merge": {}})
        manager["merge"].setdefault("periodicRefreshIntervalMin", SECRET_REFRESH_MIN)
        others = manager["merge"].get("cloudSecrets", [])
        manager["merge"]["cloudSecrets"] = [*others, *({"arn": arn} for arn in site.whole_secret_arns)]
    if logs is not None:
        uploader, its_version, its_merge = log_component(
            logs, nucleus=site.nucleus, component=name, forwarded=names.forwarded_logs
        )
        # Named in `components`, its configuration there is the one that counts.
        components.setdefault(uploader, {"version": its_version, "merge": its_merge})
    # Reset first: what an earlier version was configured with must not live on in the core's memory.
    components[name] = {"version": version, "merge": merge, "reset": [""]}
    return components


def log_component(
    logs: CoreLogs, *, nucleus: str, component: str, forwarded: str
) -> tuple[str, str, dict[str, Any]]:
    """What uploads the logs of a site's cores: a component, its version, and its configuration.

    Args:
        logs: Of `cores.logs`.
        nucleus: `classic` or `lite`.
        component: Ours, whose log is wanted beside the nucleus' own.
        forwarded: The log group into which Nucleus Lite forwards.
    """
    if nucleus == "lite":
        # Its default takes all services that begin with ggl., which all components' do.
        return (
            LOG_FORWARDER,
            LOG_FORWARDER_VERSION,
            {"maxUploadIntervalSec": logs.every_s, "logGroup": forwarded},
        )
    one = {"minimumLogLevel": logs.level, "diskSpaceLimit": str(logs.disk_mb), "diskSpaceLimitUnit": "MB"}
    return (
        LOG_MANAGER,
        LOG_MANAGER_VERSION,
        {
            "logsUploaderConfiguration": {
                "systemLogsConfiguration": {"uploadToCloudWatch": "true", **one},
                "componentLogsConfigurationMap": {component: one},
            },
            "periodicUploadIntervalSec": str(logs.every_s),
        },
    )


def _access_control(site: Site, name: str) -> dict[str, Any]:
    """What is laid over the recipe's accessControl, which the reset has brought back.

    On Nucleus Lite no secret stands here, however many there are: it has no secret manager, and the core's
    role says what may be read.
    """
    access: dict[str, Any] = {}
    if site.uses_secret_manager:
        access |= _may_read(name, site.whole_secret_arns)
    if site.thing is not None and site.aws_iot.enabled:
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
