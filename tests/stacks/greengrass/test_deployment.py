# ruff: noqa: E501 - fleets stand on one line
"""Deployments: what reaches which cores, and what stays as it was."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from fleets import EXISTING, FLEET, SECRET, Synthesize, Templates, flat, of_type, settings_in
from granted_rights import rights

from edgecam.brokers.topics import ACCESS_OPERATION, ACCESS_SERVICE, topic_of
from sandbox.core.access_control import allows
from sandbox.core.configuration import resolve
from sandbox.core.interpolation import Variables
from stacks.greengrass.recipe import Artifact, Recipe

STACK = "EdgecamFrameGrabber"
COMPONENT = "com.edgecam.frame-grabber"


def deployments(templates: Templates) -> dict[str, dict[str, Any]]:
    """Properties by deployment name."""
    return {
        resource["Properties"]["DeploymentName"]: resource["Properties"]
        for resource in templates[STACK]["Resources"].values()
        if resource["Type"] == "AWS::GreengrassV2::Deployment"
    }


def logical_ids(templates: Templates) -> dict[str, str]:
    return {
        resource["Properties"]["DeploymentName"]: logical_id
        for logical_id, resource in templates[STACK]["Resources"].items()
        if resource["Type"] == "AWS::GreengrassV2::Deployment"
    }


def merged(deployment: dict[str, Any], component: str = COMPONENT) -> dict[str, Any]:
    merge: dict[str, Any] = json.loads(deployment["Components"][component]["ConfigurationUpdate"]["Merge"])
    return merge


def test_each_site_has_one_deployment_to_its_target(templates: Templates) -> None:
    iot = "arn:<AWS::Partition>:iot:<AWS::Region>:<AWS::AccountId>"
    assert {name: flat(found["TargetArn"]) for name, found in deployments(templates).items()} == {
        "edgecam lobby": f"{iot}:thinggroup/lobby-cores",
        "edgecam gate": f"{iot}:thing/gate-core",
        "edgecam yard": f"{iot}:thinggroup/edgecam-core-yard-core",
    }


def test_configuration_is_reset_before_the_sites_own_is_merged(templates: Templates) -> None:
    for deployment in deployments(templates).values():
        assert deployment["Components"][COMPONENT]["ConfigurationUpdate"]["Reset"] == [""]


def test_merged_configuration_is_what_the_recipe_hands_to_the_node(templates: Templates) -> None:
    found = deployments(templates)["edgecam yard"]
    assert settings_in(found) == {
        "data_dir": "/dev/shm/edgecam",
        "node": {
            "site": "yard",
            "cameras": [{"id": "yard", "uri": "rtsp://192.0.2.30/1", "credentials": {"secret": SECRET}}],
        },
    }
    assert merged(found).keys() == {"settings"}


def test_recipe_joins_the_pieces_that_a_deployment_merges(templates: Templates) -> None:
    update = deployments(templates)["edgecam yard"]["Components"][COMPONENT]["ConfigurationUpdate"]
    former = {"settings": dict.fromkeys("0123", "left over"), "node": {"cameras": []}}
    on_the_core = resolve(rendered_defaults(), former, update["Reset"], json.loads(update["Merge"]))
    assert on_the_core["settings"] == merged(deployments(templates)["edgecam yard"])["settings"]
    assert "node" not in on_the_core
    setenv = rendered()["Manifests"][0]["Lifecycle"]["Setenv"]
    variables = Variables(
        configuration=on_the_core, artifacts=Path(), work=Path(), root=Path(), thing_name="core"
    )
    word = variables.interpolate(setenv["EDGECAM_SETTINGS"], "Setenv")
    assert word == "".join(on_the_core["settings"].values())


def test_settings_stand_readable_in_the_template(templates: Templates) -> None:
    for resource in templates[STACK]["Resources"].values():
        if resource["Type"] == "AWS::GreengrassV2::Deployment":
            assert resource["Metadata"]["edgecam:settings"] == settings_in(resource["Properties"])


def test_docker_options_entrypoint_and_command_are_merged_as_typed(synthesize: Synthesize) -> None:
    templates = synthesize(
        'sites: {a: {thing: c, cameras: [{id: a, uri: "test://"}], docker: {memory: 1g, root: true}, '
        "entrypoint: gst-launch-1.0, command: ['videotestsrc', '!', 'capsfilter caps=\"video/x-raw, a=$B\"']}}"
    )
    configuration = settings_in(deployments(templates)["edgecam a"])
    assert configuration["docker"] == {"root": True, "memory": "1g"}
    assert configuration["entrypoint"] == "gst-launch-1.0"
    assert configuration["command"] == ["videotestsrc", "!", 'capsfilter caps="video/x-raw, a=$B"']


def test_classic_site_with_secrets_gets_the_secret_manager_with_exactly_these(templates: Templates) -> None:
    deployment = deployments(templates)["edgecam gate"]
    assert merged(deployment, "aws.greengrass.SecretManager") == {
        "cloudSecrets": [{"arn": SECRET}],
        "periodicRefreshIntervalMin": 60,
    }
    (rule,) = merged(deployment)["accessControl"]["aws.greengrass.SecretManager"].values()
    assert rule["operations"] == ["aws.greengrass#GetSecretValue"]
    assert rule["resources"] == [SECRET]


@pytest.mark.parametrize("secret", ["cameras/gate", SECRET.rpartition("-")[0]])
def test_secret_whose_random_characters_are_not_known_is_none_of_the_secret_managers(
    synthesize: Synthesize, secret: str
) -> None:
    """It would leave it out with a warning, and refuse the node that asks for it."""
    templates = synthesize(
        "sites: {a: {thing: core-a, cameras: "
        f'[{{id: a, uri: "rtsp://h/1", credentials: {{secret: "{secret}"}}}}]}}}}'
    )
    deployment = deployments(templates)["edgecam a"]
    assert list(deployment["Components"]) == [COMPONENT]
    assert settings_in(deployment)["node"]["cameras"][0]["credentials"] == {"secret": secret}


@pytest.mark.parametrize("site", ["lobby", "yard"])
def test_site_without_secrets_or_on_lite_gets_no_secret_manager(templates: Templates, site: str) -> None:
    deployment = deployments(templates)[f"edgecam {site}"]
    assert list(deployment["Components"]) == [COMPONENT]
    assert "accessControl" not in merged(deployment)


def rendered() -> dict[str, Any]:
    """The recipe, as the service keeps it."""
    image = Artifact(architecture="amd64", image="edgecam/frame-grabber:1", key="a.tar.gz", content_hash="")
    recipe = Recipe(variant="frame-grabber", name=COMPONENT, artifacts=[image])
    found: dict[str, Any] = json.loads(recipe.render(version="1.0.0", bucket="b"))
    return found


def rendered_defaults() -> dict[str, Any]:
    """Its default configuration."""
    defaults: dict[str, Any] = rendered()["ComponentConfiguration"]["DefaultConfiguration"]
    return defaults


def test_both_accesses_survive_the_reset_of_the_configuration(synthesize: Synthesize) -> None:
    templates = synthesize(
        f'sites: {{a: {{thing: gate-core, cameras: [{{id: lobby, uri: "rtsp://h/1", credentials: {{secret: "{SECRET}"}}}}], aws_iot: {{enabled: true}}}}}}'
    )
    update = deployments(templates)["edgecam a"]["Components"][COMPONENT]["ConfigurationUpdate"]
    on_the_core = resolve(
        rendered_defaults(), {"accessControl": {}}, update["Reset"], json.loads(update["Merge"])
    )
    access = on_the_core["accessControl"]
    assert allows(access, "aws.greengrass.SecretManager", "aws.greengrass#GetSecretValue", SECRET)
    assert allows(access, ACCESS_SERVICE, ACCESS_OPERATION, topic_of("gate-core", "lobby"))
    assert not allows(access, ACCESS_SERVICE, ACCESS_OPERATION, topic_of("another-core", "lobby"))


def test_secret_managers_access_leaves_the_recipes_own(templates: Templates) -> None:
    update = deployments(templates)["edgecam gate"]["Components"][COMPONENT]["ConfigurationUpdate"]
    access = resolve(rendered_defaults(), None, update["Reset"], json.loads(update["Merge"]))["accessControl"]
    assert allows(access, ACCESS_SERVICE, ACCESS_OPERATION, topic_of("gate-core", "gate"))


def test_cores_of_a_group_keep_the_recipes_access_since_their_names_are_not_known(
    synthesize: Synthesize,
) -> None:
    templates = synthesize(
        'sites: {a: {thing_group: cores, cameras: [{id: lobby, uri: "test://"}], aws_iot: {enabled: true}}}'
    )
    assert "accessControl" not in merged(deployments(templates)["edgecam a"])


def test_other_components_are_deployed_beside_ours(synthesize: Synthesize) -> None:
    templates = synthesize(
        'sites: {a: {thing: c, cameras: [{id: a, uri: "test://", }], components: {aws.greengrass.Cli: 2.14.0, '
        "org.example.Detector: {version: 1.0.3, merge: {model: person}}}}}"
    )
    components = deployments(templates)["edgecam a"]["Components"]
    assert components["aws.greengrass.Cli"] == {"ComponentVersion": "2.14.0"}
    assert components["org.example.Detector"] == {
        "ComponentVersion": "1.0.3",
        "ConfigurationUpdate": {"Merge": '{"model":"person"}'},
    }


def test_named_secret_manager_keeps_its_version_and_its_other_secrets(synthesize: Synthesize) -> None:
    templates = synthesize(
        f'sites: {{a: {{thing: c, cameras: [{{id: a, uri: "rtsp://h/1", credentials: {{secret: "{SECRET}"}}}}], '
        "components: {aws.greengrass.SecretManager: {version: 2.2.0, merge: {cloudSecrets: [{arn: other}], periodicRefreshIntervalMin: 5}}}}}"
    )
    deployment = deployments(templates)["edgecam a"]
    assert deployment["Components"]["aws.greengrass.SecretManager"]["ComponentVersion"] == "2.2.0"
    assert merged(deployment, "aws.greengrass.SecretManager") == {
        "cloudSecrets": [{"arn": "other"}, {"arn": SECRET}],
        "periodicRefreshIntervalMin": 5,
    }


def test_rollout_rate_abort_and_timeout_reach_the_job(templates: Templates) -> None:
    assert deployments(templates)["edgecam lobby"]["IotJobConfiguration"] == {
        "JobExecutionsRolloutConfig": {"MaximumPerMinute": 50},
        "AbortConfig": {
            "CriteriaList": [
                {
                    "Action": "CANCEL",
                    "FailureType": "FAILED",
                    "MinNumberOfExecutedThings": 5,
                    "ThresholdPercentage": 10,
                }
            ]
        },
        "TimeoutConfig": {"InProgressTimeoutInMinutes": 30},
    }


def test_exponential_rollout_failure_handling_and_update_policy_are_settable(synthesize: Synthesize) -> None:
    templates = synthesize(
        'sites: {a: {thing: c, cameras: [{id: a, uri: "test://"}], rollout: {exponential: {base_per_minute: 5, '
        "factor: 1.5, after_succeeded: 20}, failure_handling: do_nothing, "
        "component_update: {action: skip, timeout_s: 5}}}}"
    )
    deployment = deployments(templates)["edgecam a"]
    assert deployment["IotJobConfiguration"]["JobExecutionsRolloutConfig"]["ExponentialRate"] == {
        "BaseRatePerMinute": 5,
        "IncrementFactor": 1.5,
        "RateIncreaseCriteria": {"NumberOfSucceededThings": 20},
    }
    assert deployment["DeploymentPolicies"] == {
        "FailureHandlingPolicy": "DO_NOTHING",
        "ComponentUpdatePolicy": {"Action": "SKIP_NOTIFY_COMPONENTS", "TimeoutInSeconds": 5},
    }


def test_another_site_touches_no_deployment_of_the_others(
    synthesize: Synthesize, templates: Templates
) -> None:
    site = '{thing: new-core, cameras: [{id: a, uri: "test://"}]}'
    more = synthesize(FLEET.replace("sites:\n", f"sites:\n  annex: {site}\n"))
    ids = logical_ids(templates)
    assert logical_ids(more).items() >= ids.items()
    for logical_id in ids.values():
        assert more[STACK]["Resources"][logical_id] == templates[STACK]["Resources"][logical_id]


def test_changed_camera_changes_its_deployment_only(synthesize: Synthesize, templates: Templates) -> None:
    changed = synthesize(FLEET.replace("192.0.2.10", "192.0.2.11"))
    assert changed["EdgecamFoundation"] == templates["EdgecamFoundation"]
    before, after = templates[STACK]["Resources"], changed[STACK]["Resources"]
    assert before.keys() == after.keys()
    assert [key for key in before if before[key] != after[key]] == [logical_ids(templates)["edgecam lobby"]]


def test_deployments_wait_for_the_component_version(templates: Templates) -> None:
    resources = templates[STACK]["Resources"]
    (version,) = [
        key for key, found in resources.items() if found["Type"] == "Custom::GreengrassComponentVersion"
    ]
    for logical_id in logical_ids(templates).values():
        assert version in resources[logical_id]["DependsOn"]


@pytest.mark.parametrize(
    ("target", "cameras", "role", "warns"),
    [
        ("thing", 60, "aws: {token_exchange_role: OurRole}", True),
        ("thing", 3, "aws: {token_exchange_role: OurRole}", False),
        ("thing_group", 60, "aws: {token_exchange_role: OurRole}", False),
        ("thing", 60, "", False),
    ],
)
def test_large_deployment_is_warned_about_where_the_cores_have_an_iot_policy_of_their_own(
    write_fleet: Any, target: str, cameras: int, role: str, warns: bool
) -> None:
    import aws_cdk as cdk
    from aws_cdk.assertions import Annotations, Match

    from app import build
    from fleet.load import load_fleet

    listed = "".join(
        f'\n      - {{id: camera-{number}, uri: "rtsp://h/{number}", credentials: {{secret: "{SECRET[:-6]}{number:06}"}}}}'
        for number in range(cameras)
    )
    app = cdk.App()
    build(app, load_fleet(write_fleet(f"sites:\n  a:\n    {target}: c\n    cameras:{listed}\n{role}\n")))
    found = Annotations.from_stack(app.node.find_child(STACK)).find_warning(
        "*", Match.string_like_regexp("sites.a: the deployment has .*GetDeploymentConfiguration")
    )
    assert bool(found) is warns


LARGE = "".join(
    f'\n      - {{id: camera-{number}, uri: "rtsp://192.0.2.1/{hashlib.sha256(str(number).encode()).hexdigest()}"}}'
    for number in range(100)
)
LARGE_SITES = f"""
sites:
  small: {{thing: small-core, nucleus: lite, cameras: [{{id: a, uri: "test://"}}]}}
  large:
    thing: large-core
    nucleus: lite
    cameras:{LARGE}
"""


def test_settings_that_fit_into_no_deployment_are_an_object_that_is_there_before_it(
    synthesize: Synthesize,
) -> None:
    resources = synthesize(LARGE_SITES)[STACK]["Resources"]
    ((name, objects),) = [each for each in resources.items() if each[1]["Type"] == "Custom::EdgecamSettings"]
    (digest,) = objects["Properties"]["Hashes"]
    ids = logical_ids({STACK: {"Resources": resources}})
    large, small = resources[ids["edgecam large"]], resources[ids["edgecam small"]]
    update = large["Properties"]["Components"][COMPONENT]["ConfigurationUpdate"]
    merge = json.loads(flat(update["Merge"]))
    assert merge["settings"]["0"].startswith("s3://<")
    assert merge["settings"]["0"].endswith(f"/frame-grabber/settings/{digest}")
    assert [merge["settings"][piece] for piece in "123"] == ["", "", ""]
    assert name in large["DependsOn"]
    assert name not in small["DependsOn"]
    assert len(large["Metadata"]["edgecam:settings"]["node"]["cameras"]) == 100


def test_writer_of_settings_may_write_nothing_else(synthesize: Synthesize) -> None:
    template = synthesize(LARGE_SITES)[STACK]
    found = rights(template, "SettingsWriterRole")
    actions = {action for granted in found for action in granted if not action.startswith("logs:")}
    assert actions == {"s3:GetObject", "s3:ListBucket", "s3:PutObject"}
    (written,) = found["s3:PutObject",]
    assert written.endswith("/frame-grabber/settings/*")
    (asset,) = found["s3:GetObject",]
    assert asset.endswith(".json")
    (listing,) = [
        statement
        for policy in of_type(template, "AWS::IAM::Policy")
        for statement in policy["PolicyDocument"]["Statement"]
        if statement.get("Sid") == "SeeSettings"
    ]
    assert listing["Condition"] == {"StringEquals": {"s3:prefix": "frame-grabber/settings/"}}


def test_sites_of_further_stacks_have_their_objects_beside_them(synthesize: Synthesize) -> None:
    fleet = LARGE_SITES.replace("  large:\n", "  large:\n    stack: north\n")
    templates = synthesize(fleet)
    kinds = {
        stack: {resource["Type"] for resource in template["Resources"].values()}
        for stack, template in templates.items()
    }
    assert "Custom::EdgecamSettings" not in kinds[STACK]
    assert "Custom::EdgecamSettings" in kinds[f"{STACK}-Sites-north"]


def test_settings_go_into_an_existing_bucket_by_its_name(synthesize: Synthesize) -> None:
    template = synthesize(LARGE_SITES + EXISTING)[STACK]
    ((objects,),) = [of_type(template, "Custom::EdgecamSettings")]
    assert objects["Bucket"] == "our-artifacts"
    (written,) = rights(template, "SettingsWriterRole")["s3:PutObject",]
    assert written == "arn:<AWS::Partition>:s3:::our-artifacts/frame-grabber/settings/*"


def test_settings_are_written_with_the_users_own_key_where_the_bucket_has_one(synthesize: Synthesize) -> None:
    key = "arn:aws:kms:eu-central-1:123456789012:key/12345678-1234-1234-1234-123456789012"
    fleet = f"{LARGE_SITES}aws: {{artifact_bucket: our-artifacts, artifact_key: '{key}'}}\n"
    found = rights(synthesize(fleet)[STACK], "SettingsWriterRole")
    assert found["kms:Decrypt", "kms:GenerateDataKey"] == [key]
