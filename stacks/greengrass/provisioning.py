"""Fleet provisioning: a machine with a claim certificate becomes a core, if the fleet knows its name.

The claim is one for many machines and may do nothing but ask. AWS IoT asks our hook, and then makes a thing
with a certificate of its own, in the thing group that the hook names, with an IoT policy of its own.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_iot as iot
from constructs import Construct

from fleet.physical_names import PhysicalNames
from fleet.settings.cores import Provisioning
from fleet.settings.target import OWN_GROUP
from stacks.functions.code import FunctionCode
from stacks.functions.custom_resource_function import FunctionSpec
from stacks.functions.nag import acknowledge_wildcard
from stacks.functions.service_function import ServiceFunction
from stacks.greengrass.core_policy import in_template
from stacks.greengrass.core_role import core_policy_of
from stacks.greengrass.install_commands import (
    Registration,
    claim_command,
    classic_config_command,
    classic_install_command,
    lite_config_command,
    lite_install_command,
)

CLAIM_CLIENTS = "????????-????-????-????-????????????"
"""Both nuclei connect with a claim as a random UUID. A policy with `*` would let the holder of a claim take
any core's client id, and so throw that core off its connection, again and again."""

_HOOK_TIMEOUT = cdk.Duration.seconds(5)
"""AWS IoT waits no longer."""

_TEMPLATE = {
    "Parameters": {
        "ThingName": {"Type": "String"},
        "ThingGroupName": {"Type": "String"},
        "AWS::IoT::Certificate::Id": {"Type": "String"},
    },
    "Resources": {
        "thing": {
            "Type": "AWS::IoT::Thing",
            "Properties": {"ThingName": {"Ref": "ThingName"}, "ThingGroups": [{"Ref": "ThingGroupName"}]},
            # A thing may be there already, made for its site: it stays in its other groups.
            "OverrideSettings": {"ThingGroups": "MERGE"},
        },
        "certificate": {
            "Type": "AWS::IoT::Certificate",
            "Properties": {"CertificateId": {"Ref": "AWS::IoT::Certificate::Id"}, "Status": "Active"},
        },
    },
}


class FleetProvisioning(Construct):
    """Template, hook, claim policy, and the commands that use them."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        settings: Provisioning,
        names: PhysicalNames,
        known: Mapping[str, str],
        role_alias: str,
        iot_policy: str | None,
        makes_group: bool,
    ) -> None:
        """Let cores register.

        Args:
            scope: The stack.
            construct_id: The construct's id.
            settings: Of `cores.provisioning`.
            names: Of the fleet.
            known: Names of cores, or patterns, and their thing groups.
            role_alias: Of the token exchange role.
            iot_policy: Name of the policy that all cores' certificates get; None for one of its own each.
            makes_group: Whether the group of all cores is made here; else a site makes it.
        """
        super().__init__(scope, construct_id)
        self._names = names
        if makes_group:
            iot.CfnThingGroup(self, "Group", thing_group_name=names.all_cores)
        hook = self._hook(settings, known)
        policy = (
            {"PolicyName": iot_policy}
            if iot_policy is not None
            else {"PolicyDocument": in_template(core_policy_of(self, role_alias), "ThingName")}
        )
        self._template(hook, self._role(_groups_of(names.all_cores, known), iot_policy), policy)
        self._claim_policy()
        registration = Registration(
            region=cdk.Stack.of(self).region,
            template=names.provisioning_template,
            role_alias=role_alias,
            claim_policy=names.claim_policy,
        )
        self._print_commands(registration, settings.nucleus_version)

    def _hook(self, settings: Provisioning, known: Mapping[str, str]) -> ServiceFunction:
        things = _iot_arn(self, "thing", "*")
        function = ServiceFunction(
            self,
            "Hook",
            FunctionSpec(
                description="Tells AWS IoT which cores may register, and in which thing group.",
                code=FunctionCode(module="provisioning.hook", data={"known_cores.json": dict(known)}),
                timeout=_HOOK_TIMEOUT,
                statements=[
                    iam.PolicyStatement(
                        sid="SeeCertificates", actions=["iot:ListThingPrincipals"], resources=[things]
                    )
                ],
                environment={"REPLACE_CERTIFICATES": str(settings.replace_certificates).lower()},
            ),
        )
        acknowledge_wildcard(
            function.policy, things, "Any core of the fleet may ask, and a policy has no room for all names."
        )
        return function

    def _template(self, hook: ServiceFunction, role: iam.Role, policy: dict[str, Any]) -> None:
        body = json.loads(json.dumps(_TEMPLATE))
        body["Parameters"]["ThingGroupName"]["Default"] = self._names.all_cores
        body["Resources"]["policy"] = {"Type": "AWS::IoT::Policy", "Properties": policy}
        template = iot.CfnProvisioningTemplate(
            self,
            "Template",
            template_name=self._names.provisioning_template,
            template_type="FLEET_PROVISIONING",
            description="edgecam: machines with a claim become cores",
            enabled=True,
            provisioning_role_arn=role.role_arn,
            pre_provisioning_hook=iot.CfnProvisioningTemplate.ProvisioningHookProperty(
                target_arn=hook.function.attr_arn, payload_version="2020-04-01"
            ),
            template_body=cdk.Stack.of(self).to_json_string(body),
        )
        # AWS IoT looks at once whether it may call the hook.
        template.node.add_dependency(
            hook.let_call(
                "iot.amazonaws.com",
                _iot_arn(self, "provisioningtemplate", self._names.provisioning_template),
            )
        )

    def _role(self, groups: list[str], iot_policy: str | None) -> iam.Role:
        role = iam.Role(
            self,
            "Role",
            assumed_by=iam.ServicePrincipal("iot.amazonaws.com"),
            description="Lets AWS IoT make things and certificates of cores that register.",
        )
        made = [_iot_arn(self, "thing", "*"), _iot_arn(self, "cert", "*")]
        made += [_iot_arn(self, "thinggroup", group) for group in groups if group.endswith("*")]
        exact = [_iot_arn(self, "thinggroup", group) for group in groups if not group.endswith("*")]
        if iot_policy is None:
            made.append(_iot_arn(self, "policy", "*"))
        else:
            exact.append(_iot_arn(self, "policy", iot_policy))
        rights = iam.Policy(
            self,
            "Rights",
            roles=[role],
            statements=[
                iam.PolicyStatement(
                    sid="MakeCores",
                    actions=[*_WRITES, *([_MAKES_POLICIES] if iot_policy is None else [])],
                    resources=[*made, *exact],
                ),
                iam.PolicyStatement(sid="Register", actions=_READS, resources=["*"]),
            ],
        )
        for resource in made:
            acknowledge_wildcard(
                rights,
                resource,
                "Things, their groups of one, certificates and policies (AWS IoT names a policy after its "
                "content) are known when they register.",
            )
        acknowledge_wildcard(
            rights,
            "*",
            "RegisterThing and the listings know no resources; they change nothing by themselves.",
        )
        return role

    def _claim_policy(self) -> None:
        topics = [
            "$aws/certificates/create/*",
            "$aws/certificates/create-from-csr/*",
            f"$aws/provisioning-templates/{self._names.provisioning_template}/provision/*",
        ]
        iot.CfnPolicy(
            self,
            "ClaimPolicy",
            policy_name=self._names.claim_policy,
            policy_document={
                "Version": "2012-10-17",
                "Statement": [
                    {
                        "Effect": "Allow",
                        "Action": "iot:Connect",
                        "Resource": _iot_arn(self, "client", CLAIM_CLIENTS),
                    },
                    {
                        "Effect": "Allow",
                        "Action": ["iot:Publish", "iot:Receive"],
                        "Resource": [_iot_arn(self, "topic", topic) for topic in topics],
                    },
                    {
                        "Effect": "Allow",
                        "Action": "iot:Subscribe",
                        "Resource": [_iot_arn(self, "topicfilter", topic) for topic in topics],
                    },
                ],
            },
        )

    def _print_commands(self, registration: Registration, nucleus_version: str) -> None:
        for name, command, description in (
            ("MakeClaim", claim_command(registration), "1, with the account's credentials: a claim."),
            (
                "ConfigClassic",
                classic_config_command(registration, nucleus_version),
                "2, with the account's credentials: config.yaml of a core with the classic nucleus.",
            ),
            (
                "InstallClassic",
                classic_install_command(nucleus_version),
                "3, as root on the core, beside claim and config.yaml: the classic nucleus.",
            ),
            (
                "ConfigLite",
                lite_config_command(registration),
                "2, with the account's credentials: config.yaml of a core with Nucleus Lite.",
            ),
            (
                "InstallLite",
                lite_install_command(),
                "3, as root on the core, beside claim, config.yaml and Nucleus Lite's package.",
            ),
        ):
            cdk.CfnOutput(self, name, value=command, description=description).override_logical_id(
                f"Core{name}"
            )


_MAKES_POLICIES = "iot:CreatePolicy"
_WRITES = [
    "iot:AddThingToThingGroup",
    "iot:AttachPolicy",
    "iot:AttachPrincipalPolicy",
    "iot:AttachThingPrincipal",
    "iot:CreateThing",
    "iot:UpdateCertificate",
    "iot:UpdateThing",
    "iot:UpdateThingGroupsForThing",
]
_READS = [
    "iot:DescribeCertificate",
    "iot:DescribeThing",
    "iot:DescribeThingGroup",
    "iot:GetPolicy",
    "iot:ListAttachedPolicies",
    "iot:ListPolicyPrincipals",
    "iot:ListPrincipalPolicies",
    "iot:ListPrincipalThings",
    "iot:ListTargetsForPolicy",
    "iot:ListThingGroupsForThing",
    "iot:ListThingPrincipals",
    "iot:RegisterThing",
]
"""Of the managed policy AWSIoTThingsRegistration, what this template may ask for. AWS does not document which
step needs which right: reads are left as there, writes are for our resources."""


def _groups_of(all_cores: str, known: Mapping[str, str]) -> list[str]:
    """The groups that cores come into; those of one core each by their pattern, since they are many."""
    groups = {f"{OWN_GROUP}*" if group.startswith(OWN_GROUP) else group for group in known.values()}
    return sorted({all_cores, *groups})


def _iot_arn(scope: Construct, kind: str, name: str) -> str:
    return cdk.Stack.of(scope).format_arn(service="iot", resource=kind, resource_name=name)
