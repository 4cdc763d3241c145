"""The stack of the devices, and what it changes in the others."""

from __future__ import annotations

import json
import sys
from typing import Any

import pytest
from fleets import (
    ACCOUNT_SECRET,
    AUDIENCE,
    DEVICE_SITES,
    DEVICES,
    EXISTING,
    SECRET,
    Synthesize,
    Templates,
    flat,
    of_type,
    settings_in,
)
from granted_rights import rights
from masked_templates import masked
from syrupy.assertion import SnapshotAssertion

from edgecam.config.node import NodeConfig
from edgecam.config.validation import validate

GOOGLE = f"""
gcp:
  project: our-project
  login: {{audience: "{AUDIENCE}"}}
  registry: {{name: cameras, region: europe-west1, provider: google, host: bridge.example.com}}
"""
DEVICE_KEYS = "arn:<AWS::Partition>:secretsmanager:<AWS::Region>:<AWS::AccountId>:secret:edgecam/devices"


def device(templates: Templates, camera: str) -> dict[str, Any]:
    found = of_type(templates["EdgecamCloudIot"], "Custom::EdgecamCloudIotDevice")
    (one,) = [each for each in found if each["Secret"].split("/")[-2] == camera]
    return one


def test_devices(devices: Templates, snapshot: SnapshotAssertion) -> None:
    assert masked(devices["EdgecamCloudIot"]) == snapshot


def test_fleet_without_devices_has_no_stack_for_them(templates: Templates) -> None:
    assert "EdgecamCloudIot" not in templates


def test_each_camera_is_a_device_with_a_key_below_its_core(devices: Templates) -> None:
    found = device(devices, "bell")
    assert (found["Device"], found["Secret"]) == ("front-bell", "edgecam/devices/gate-core/bell/key")
    wanted = ("Algorithm", "KeyVersion", "KeyDays", "RecoveryDays")
    assert [found[name] for name in wanted] == ["ES256", "1", "365", "30"]


def test_devices_are_made_after_their_registry_and_go_before_it(devices: Templates) -> None:
    resources = devices["EdgecamCloudIot"]["Resources"]
    (registry,) = [
        name for name, found in resources.items() if found["Type"] == "Custom::EdgecamCloudIotRegistry"
    ]
    waits = [
        found["DependsOn"] for found in resources.values() if found["Type"] == "Custom::EdgecamCloudIotDevice"
    ]
    assert len(waits) == 2
    assert all(registry in names for names in waits)
    assert resources[registry]["Properties"]["EventTopics"] == ["projects/our-project/topics/events"]


def test_existing_registry_is_left_untouched(synthesize: Synthesize) -> None:
    fleet = DEVICES.replace("name: cameras", "name: cameras\n    create: false")
    template = synthesize(fleet)["EdgecamCloudIot"]
    assert of_type(template, "Custom::EdgecamCloudIotRegistry") == []
    assert len(of_type(template, "Custom::EdgecamCloudIotDevice")) == 2


def test_another_key_version_changes_the_devices_and_no_deployment(
    devices: Templates, synthesize: Synthesize
) -> None:
    changed = synthesize(DEVICES.replace("token_s: 1800", "token_s: 1800\n    key_version: 2"))
    assert device(changed, "gate")["KeyVersion"] == "2"
    assert changed["EdgecamFrameGrabber"] == devices["EdgecamFrameGrabber"]
    assert changed["EdgecamFoundation"] == devices["EdgecamFoundation"]


def test_login_is_that_of_the_provider(devices: Templates, synthesize: Synthesize) -> None:
    assert device(devices, "gate")["Login"] == {"Secret": ACCOUNT_SECRET}
    found = device(synthesize(DEVICE_SITES + GOOGLE), "gate")
    assert (found["Provider"], found["Login"]) == ("google", {"Audience": AUDIENCE})


def test_function_runs_on_the_newest_python_that_the_library_loads_on(
    devices: Templates, synthesize: Synthesize
) -> None:
    def function(templates: Templates) -> dict[str, Any]:
        (found,) = of_type(templates["EdgecamCloudIot"], "AWS::Lambda::Function")
        return found

    assert (function(devices)["Runtime"], "Environment" in function(devices)) == ("python3.13", False)
    embedded = function(synthesize(DEVICES.replace("token_s: 1800", "endpoint: 'http://localhost:9080'")))
    assert embedded["Environment"] == {"Variables": {"CLOUD_IOT_ENDPOINT": "http://localhost:9080"}}
    # An embedded AWS has no other Python than this one.
    assert embedded["Runtime"] == f"python{sys.version_info.major}.{sys.version_info.minor}"


def test_node_finds_its_keys_wherever_the_stack_is_deployed_to(devices: Templates) -> None:
    found = {
        found["DeploymentName"]: found
        for found in of_type(devices["EdgecamFrameGrabber"], "AWS::GreengrassV2::Deployment")
    }
    node = validate(NodeConfig, settings_in(found["edgecam gate"])["node"])
    assert [camera.device.key.secret for camera in node.cameras if camera.device] == [
        f"edgecam/devices/gate-core/{camera}/key" for camera in ("gate", "bell")
    ]


def test_keys_of_devices_do_not_go_through_the_secret_manager(devices: Templates) -> None:
    # It finds no secret by an ARN without its last characters, and would write the key to the core's disk.
    for found in of_type(devices["EdgecamFrameGrabber"], "AWS::GreengrassV2::Deployment"):
        assert list(found["Components"]) == ["com.edgecam.frame-grabber"]


@pytest.mark.parametrize("more", ["", EXISTING])
def test_core_may_read_the_keys_below_its_own_name_only(synthesize: Synthesize, more: str) -> None:
    template = synthesize(DEVICES + more)["EdgecamFoundation"]
    role = "GreengrassV2TokenExchangeRole" if more else "CoresRole"
    found = rights(template, role)["secretsmanager:GetSecretValue",]
    assert found == [f"{DEVICE_KEYS}/${{credentials-iot:ThingName}}/*"]


def test_maker_of_devices_may_keep_their_keys_and_read_its_login(devices: Templates) -> None:
    found = rights(devices["EdgecamCloudIot"], "DevicesMakerRole")
    assert found.pop(("logs:CreateLogStream", "logs:PutLogEvents")) == ["<DevicesMakerLog.Arn>"]
    assert found.pop(("secretsmanager:GetSecretValue",)) == [ACCOUNT_SECRET]
    ((actions, resources),) = found.items()
    assert resources == [f"{DEVICE_KEYS}/*"]
    assert [action.removeprefix("secretsmanager:") for action in actions] == [
        *("CreateSecret", "DeleteSecret", "DescribeSecret", "GetSecretValue", "PutSecretValue"),
        *("RestoreSecret", "TagResource", "UpdateSecretVersionStage"),
    ]


def test_maker_at_google_may_read_the_secret_that_is_its_login_or_none(synthesize: Synthesize) -> None:
    def logins(gcp: str) -> list[str]:
        found = rights(synthesize(DEVICE_SITES + gcp)["EdgecamCloudIot"], "DevicesMakerRole")
        return found.get(("secretsmanager:GetSecretValue",), [])

    assert logins(GOOGLE) == []
    assert logins(GOOGLE.replace(f'audience: "{AUDIENCE}"', f"secret: {SECRET}")) == [SECRET]


def test_maker_has_a_role_whose_name_google_can_be_given_beforehand(devices: Templates) -> None:
    names = [flat(role["RoleName"]) for role in of_type(devices["EdgecamCloudIot"], "AWS::IAM::Role")]
    assert names == ["EdgecamCloudIot-<AWS::Region>"]


def test_only_stacks_with_devices_come_after_theirs_and_none_shares_values(write_fleet: Any) -> None:
    import aws_cdk as cdk

    from app import build
    from fleet.load import load_fleet

    camera = '{id: a, uri: "rtsp://h/1", recording: {enabled: true}}'
    dock = f"  dock: {{variant: gcs-uploader, thing: dock-core, bucket: gs://abc, cameras: [{camera}]}}\n"
    app = cdk.App()
    build(app, load_fleet(write_fleet(DEVICES.replace("sites:\n", f"sites:\n{dock}"))))
    assembly = app.synth()
    after = {
        stack.stack_name: sorted(
            other.manifest.display_name or other.id
            for other in stack.dependencies
            if not other.id.endswith(".assets")
        )
        for stack in assembly.stacks
    }
    assert after == {
        "EdgecamFoundation": [],
        "EdgecamCloudIot": ["EdgecamFoundation"],
        "EdgecamFrameGrabber": ["EdgecamCloudIot", "EdgecamFoundation"],
        "EdgecamGcsUploader": ["EdgecamFoundation"],
    }
    shared = assembly.get_stack_by_name("EdgecamCloudIot").template
    assert not [output for output in shared["Outputs"].values() if "Export" in output]
    assert "Fn::ImportValue" not in json.dumps(shared)


def test_secret_that_a_device_names_by_hand_is_granted_to_the_cores(synthesize: Synthesize) -> None:
    where = "{project: our-project, region: us-central1, registry: cameras, host: bridge.example.com}"
    camera = f'{{id: gate, uri: "rtsp://h/1", device: {{key: {{secret: "{SECRET}"}}}}}}'
    found = synthesize(f"sites: {{gate: {{thing: core, cloud_iot: {where}, cameras: [{camera}]}}}}")
    assert rights(found["EdgecamFoundation"], "CoresRole")["secretsmanager:GetSecretValue",] == [SECRET]
    (deployment,) = of_type(found["EdgecamFrameGrabber"], "AWS::GreengrassV2::Deployment")
    manager = deployment["Components"]["aws.greengrass.SecretManager"]["ConfigurationUpdate"]["Merge"]
    assert json.loads(manager)["cloudSecrets"] == [{"arn": SECRET}]
