"""The templates of `cores:`: who may register, who may do what, what becomes of logs."""

from __future__ import annotations

import json
from typing import Any

import pytest
from core_fleets import CORES, EVERYTHING, EXISTING_CORES, WATCHED_SITES
from fleets import Synthesize, flat, of_type
from granted_rights import Rights, rights
from masked_templates import masked
from policy_evaluation import text_of
from syrupy.assertion import SnapshotAssertion

from fleet.load import load_fleet
from fleet.physical_names import names_of
from fleet.settings.fleet import Fleet
from fleet.site_components import LOG_FORWARDER, LOG_MANAGER, components_of

LOG_GROUPS = [
    "/aws/greengrass/UserComponent/<AWS::Region>/com.edgecam.frame-grabber",
    "/aws/greengrass/UserComponent/<AWS::Region>/com.edgecam.gcs-uploader",
    "/aws/greengrass/GreengrassSystemComponent/<AWS::Region>/System",
    "/aws/greengrass/systemLogs",
]
IOT = "arn:<AWS::Partition>:iot:<AWS::Region>:<AWS::AccountId>"


@pytest.fixture
def template(synthesize: Synthesize) -> dict[str, Any]:
    return synthesize(EVERYTHING)["EdgecamFoundation"]


@pytest.fixture
def existing(synthesize: Synthesize) -> dict[str, Any]:
    return synthesize(WATCHED_SITES + EXISTING_CORES)["EdgecamFoundation"]


@pytest.fixture
def registering(template: dict[str, Any]) -> Rights:
    return rights(template, "ProvisioningRole")


def provisioned(template: dict[str, Any]) -> dict[str, Any]:
    (found,) = of_type(template, "AWS::IoT::ProvisioningTemplate")
    body: dict[str, Any] = json.loads(text_of(found["TemplateBody"], {}))
    return body


def test_foundation_with_cores(template: dict[str, Any], snapshot: SnapshotAssertion) -> None:
    assert masked(template) == snapshot


def test_foundation_with_cores_and_an_existing_role(
    existing: dict[str, Any], snapshot: SnapshotAssertion
) -> None:
    assert masked(existing) == snapshot


def test_only_this_template_may_call_the_hook(template: dict[str, Any]) -> None:
    (permission,) = of_type(template, "AWS::Lambda::Permission")
    assert permission["Principal"] == "iot.amazonaws.com"
    assert flat(permission["SourceArn"]) == f"{IOT}:provisioningtemplate/EdgecamCores"
    assert flat(permission["SourceAccount"]) == "<AWS::AccountId>"
    assert permission["Action"] == "lambda:InvokeFunction"


def test_hook_may_see_who_has_a_certificate_and_nothing_else(template: dict[str, Any]) -> None:
    assert rights(template, "ProvisioningHookServiceRole") == {
        ("logs:CreateLogStream", "logs:PutLogEvents"): ["<ProvisioningHookServiceLog.Arn>"],
        ("iot:ListThingPrincipals",): [f"{IOT}:thing/*"],
    }


def test_registering_role_changes_things_certificates_policies_and_the_groups_of_cores_only(
    registering: Rights,
) -> None:
    (writes,) = [actions for actions in registering if "iot:CreateThing" in actions]
    assert registering[writes] == [
        f"{IOT}:cert/*",
        f"{IOT}:policy/*",
        f"{IOT}:thing/*",
        f"{IOT}:thinggroup/edgecam-core-*",
        f"{IOT}:thinggroup/edgecam-cores",
        f"{IOT}:thinggroup/lobby-cores",
    ]
    (reads,) = [actions for actions in registering if actions != writes]
    assert [action for action in reads if not action.startswith(("iot:Describe", "iot:Get", "iot:List"))] == [
        "iot:RegisterThing"
    ]


def test_only_aws_iot_takes_on_the_registering_role(template: dict[str, Any]) -> None:
    services = {
        role["AssumeRolePolicyDocument"]["Statement"][0]["Principal"]["Service"]
        for role in of_type(template, "AWS::IAM::Role")
    }
    assert sorted(services) == ["credentials.iot.amazonaws.com", "iot.amazonaws.com", "lambda.amazonaws.com"]


def test_claim_may_connect_as_nobody_and_register_by_this_template(template: dict[str, Any]) -> None:
    (policy,) = [
        found
        for found in of_type(template, "AWS::IoT::Policy")
        if found["PolicyName"] == "EdgecamClaimPolicy"
    ]
    connect, publish, subscribe = policy["PolicyDocument"]["Statement"]
    assert flat(connect["Resource"]) == f"{IOT}:client/????????-????-????-????-????????????"
    topics = [
        "$aws/certificates/create/*",
        "$aws/certificates/create-from-csr/*",
        "$aws/provisioning-templates/EdgecamCores/provision/*",
    ]
    assert list(map(flat, publish["Resource"])) == [f"{IOT}:topic/{topic}" for topic in topics]
    assert list(map(flat, subscribe["Resource"])) == [f"{IOT}:topicfilter/{topic}" for topic in topics]


def test_group_of_all_cores_is_made_unless_a_site_makes_it(synthesize: Synthesize) -> None:
    def groups(fleet: str) -> list[str]:
        template = synthesize(fleet)["EdgecamFoundation"]
        return sorted(group["ThingGroupName"] for group in of_type(template, "AWS::IoT::ThingGroup"))

    alone = ["edgecam-core-roof-core", "edgecam-core-yard-core"]
    assert groups(EVERYTHING) == [*alone, "edgecam-cores", "lobby-cores"]
    assert groups(EVERYTHING.replace("lobby-cores", "edgecam-cores")) == [*alone, "edgecam-cores"]


def test_existing_role_alias_and_policy_are_used_by_name(existing: dict[str, Any]) -> None:
    policy = provisioned(existing)["Resources"]["policy"]
    assert policy["Properties"] == {"PolicyName": "OurCorePolicy"}
    assert "OurRoleAlias" in flat(existing["Outputs"]["CoreConfigLite"]["Value"])
    assert of_type(existing, "AWS::IoT::RoleAlias") == []


def test_existing_role_may_write_the_log_groups(existing: dict[str, Any], template: dict[str, Any]) -> None:
    writes = ("logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents")
    assert len(rights(existing, "GreengrassV2TokenExchangeRole")[writes]) == 4
    assert writes not in rights(template, "CoresRole")


def test_log_groups_of_the_cores_have_an_end_to_what_they_keep(template: dict[str, Any]) -> None:
    (groups,) = of_type(template, "Custom::EdgecamLogGroups")
    assert list(map(flat, groups["Names"])) == LOG_GROUPS
    assert groups["RetentionDays"] == "14"


def test_function_may_make_and_limit_these_log_groups_only(template: dict[str, Any]) -> None:
    logs = "arn:<AWS::Partition>:logs:<AWS::Region>:<AWS::AccountId>:log-group"
    assert rights(template, "LogsKeeperRole") == {
        ("logs:CreateLogStream", "logs:PutLogEvents"): ["<LogsKeeperLog.Arn>"],
        ("logs:CreateLogGroup", "logs:PutRetentionPolicy"): sorted(
            f"{logs}:{name}{end}" for name in LOG_GROUPS for end in ("", ":*")
        ),
    }


def test_logs_are_uploaded_by_what_each_nucleus_has(synthesize: Synthesize) -> None:
    deployed = {
        deployment["DeploymentName"]: deployment["Components"]
        for stack in ("EdgecamFrameGrabber", "EdgecamGcsUploader")
        for deployment in of_type(synthesize(EVERYTHING)[stack], "AWS::GreengrassV2::Deployment")
    }
    assert sorted(deployed["edgecam yard"]) == [LOG_FORWARDER, "com.edgecam.frame-grabber"]
    assert sorted(deployed["edgecam dock"]) == [LOG_MANAGER, "com.edgecam.gcs-uploader"]
    merge = json.loads(deployed["edgecam dock"][LOG_MANAGER]["ConfigurationUpdate"]["Merge"])
    assert merge["logsUploaderConfiguration"]["componentLogsConfigurationMap"] == {
        "com.edgecam.gcs-uploader": {
            "minimumLogLevel": "INFO",
            "diskSpaceLimit": "25",
            "diskSpaceLimitUnit": "MB",
        }
    }


def test_log_manager_of_a_site_stays_as_the_site_says(write_fleet: Any) -> None:
    theirs = f"components: {{{LOG_MANAGER}: 2.3.7}}"
    fleet = fleet_of(
        write_fleet, WATCHED_SITES.replace("thing: dock-core", f"thing: dock-core\n    {theirs}")
    )
    components = components_of(fleet.sites["dock"], {}, names_of(fleet), "1.0.0", fleet.cores.logs)
    assert components[LOG_MANAGER] == {"version": "2.3.7", "merge": {}}


def test_fleet_that_asks_for_nothing_gets_nothing(synthesize: Synthesize) -> None:
    template = synthesize(WATCHED_SITES.replace("    nucleus: lite\n", ""))["EdgecamFoundation"]
    types = {found["Type"] for name, found in template["Resources"].items() if not name.startswith("Guard")}
    assert not types & {"AWS::IoT::ProvisioningTemplate", "AWS::Lambda::Function", "AWS::Logs::LogGroup"}


def test_claim_key_is_in_no_template(synthesize: Synthesize) -> None:
    assert "PRIVATE KEY" not in json.dumps(synthesize(EVERYTHING))


def fleet_of(write_fleet: Any, sites: str) -> Fleet:
    return load_fleet(write_fleet(sites + CORES))
