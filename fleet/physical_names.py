"""The names of what a fleet has in an AWS account: all of them are made here.

Stacks, roles, policies, secrets, alarms and the rest are unique within an account and Region. A fleet without
`name` has the plain names; those of a named fleet contain its name where no name of another fleet could have
it, so that both live side by side. What CloudFormation names is named after the stack.

A fleet's name has lower case letters, digits and single hyphens (`fleet/settings/names.py`), which is why a
capital letter, an underscore, a colon or a second word cannot be part of it.

Meant to be common to all fleets: the log group of the classic nucleus itself, whose name is the nucleus', and
an artifact bucket that several fleet files name, in which objects are named after their content. The thing
group of one core is named after the core alone, which is in one fleet (`fleet/settings/target.py`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from container.image.inputs import VARIANTS
from fleet.settings.fleet import Fleet
from fleet.settings.names import DEFAULT_COMPONENT_PREFIX

_DEPLOYMENT = re.compile(r"edgecam (?:[a-z0-9-]+: )?([a-z0-9-]+)")
"""The name of a deployment of any fleet, and the site within."""


@dataclass(frozen=True, kw_only=True)
class PhysicalNames:
    """The names of one fleet.

    Attributes:
        fleet: Its name; None for the fleet without one.
        component_prefix: `aws.component_prefix` of its file; None for the default.
    """

    fleet: str | None = None
    component_prefix: str | None = None

    def stack(self, kind: str) -> str:
        """A stack, of a kind in CamelCase: EdgecamFoundation, or Edgecam-staging-Foundation."""
        return f"{self._stacks}{kind}"

    def owns_stack(self, name: str) -> bool:
        """Whether a stack of this name is one of this fleet's, with those for parts of its sites."""
        kind = name.removeprefix(self._stacks)
        return kind != name and kind[:1].isupper()

    def role(self, kind: str, region: str) -> str:
        """A role that others have to name before it exists. IAM's names are those of all Regions."""
        return f"Edgecam{kind}{self._hyphened}-{region}"

    @property
    def role_alias(self) -> str:
        """Of the cores' role."""
        return f"EdgecamCoreRoleAlias{self._hyphened}"

    @property
    def provisioning_template(self) -> str:
        """Of fleet provisioning; AWS IoT takes 36 characters."""
        return f"EdgecamCores{self._hyphened}"

    @property
    def claim_policy(self) -> str:
        """The IoT policy of claims."""
        return f"EdgecamClaimPolicy{self._hyphened}"

    @property
    def all_cores(self) -> str:
        """The thing group of cores that no other group was named for."""
        return f"edgecam-cores{self._hyphened}"

    def component(self, variant: str) -> str:
        """The component of a variant."""
        return f"{self._components}.{variant}"

    @property
    def components(self) -> tuple[str, ...]:
        """The components of all variants."""
        return tuple(map(self.component, VARIANTS))

    def is_component(self, name: str) -> bool:
        """Whether a component of this name is one that edgecam makes, or would with another variant."""
        return name.startswith(f"{self._components}.")

    def deployment(self, site: str) -> str:
        """The deployment of a site."""
        return f"{self._spoken}{site}"

    @property
    def device_secrets(self) -> str:
        """How the names of the secrets with the devices' keys begin, without the slash."""
        return f"edgecam/devices{self._hyphened}"

    @property
    def forwarded_logs(self) -> str:
        """The log group into which cores with Nucleus Lite forward."""
        return f"/aws/greengrass/systemLogs{self._hyphened}"

    @property
    def core_events_log(self) -> str:
        """The log group of what Greengrass reports of cores; EventBridge's console wants this beginning."""
        return f"/aws/events/edgecam-cores{self._hyphened}"

    @property
    def core_events_policy(self) -> str:
        """The resource policy with which EventBridge writes it."""
        return f"EdgecamCoreEvents{self._hyphened}"

    @property
    def camera_state_rule(self) -> str:
        """The rule of AWS IoT that keeps the states of cameras; a rule's name has no hyphens."""
        return f"EdgecamCameraStates{self._hyphened.replace('-', '_')}"

    @property
    def metric_namespace(self) -> str:
        """The namespace of the watch's metrics."""
        return "Edgecam" if self.fleet is None else f"Edgecam/{self.fleet}"

    def alarm(self, subject: str) -> str:
        """An alarm."""
        return f"{self._spoken}{subject}"

    def dashboard(self, region: str) -> str:
        """The dashboard; CloudWatch's are those of all Regions."""
        return f"edgecam{self._hyphened}-{region}"

    @property
    def title(self) -> str:
        """What people read: the sender of mails, the head of the dashboard."""
        return "edgecam" if self.fleet is None else f"edgecam {self.fleet}"

    @property
    def _stacks(self) -> str:
        return "Edgecam" if self.fleet is None else f"Edgecam-{self.fleet}-"

    @property
    def _hyphened(self) -> str:
        return "" if self.fleet is None else f"-{self.fleet}"

    @property
    def _spoken(self) -> str:
        return "edgecam " if self.fleet is None else f"edgecam {self.fleet}: "

    @property
    def _components(self) -> str:
        if self.component_prefix is not None:
            return self.component_prefix
        return DEFAULT_COMPONENT_PREFIX if self.fleet is None else f"{DEFAULT_COMPONENT_PREFIX}.{self.fleet}"


def site_of(deployment: str) -> str | None:
    """The site whose deployment has this name, in whichever fleet; None for a deployment of somebody else."""
    return found[1] if (found := _DEPLOYMENT.fullmatch(deployment)) else None


def names_of(fleet: Fleet) -> PhysicalNames:
    """The names of a fleet."""
    return PhysicalNames(fleet=fleet.name, component_prefix=fleet.aws.component_prefix)
