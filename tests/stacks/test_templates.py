"""The templates whole, and what they must never hold."""

from __future__ import annotations

import json

from fleets import EXISTING, FLEET, PROJECT, RECORDED_SITES, Synthesize, Templates, of_type
from masked_templates import masked
from syrupy.assertion import SnapshotAssertion


def test_foundation_with_everything_new(templates: Templates, snapshot: SnapshotAssertion) -> None:
    assert masked(templates["EdgecamFoundation"]) == snapshot


def test_foundation_with_existing_bucket_and_role(
    synthesize: Synthesize, snapshot: SnapshotAssertion
) -> None:
    assert masked(synthesize(FLEET + EXISTING)["EdgecamFoundation"]) == snapshot


def test_frame_grabber(templates: Templates, snapshot: SnapshotAssertion) -> None:
    assert masked(templates["EdgecamFrameGrabber"]) == snapshot


def test_frame_grabber_with_existing_bucket(synthesize: Synthesize, snapshot: SnapshotAssertion) -> None:
    assert masked(synthesize(FLEET + EXISTING)["EdgecamFrameGrabber"]) == snapshot


def test_existing_bucket_and_role_are_not_made_again(synthesize: Synthesize) -> None:
    # A core with Nucleus Lite would have a function that lets it join its group.
    text = FLEET.replace("    nucleus: lite\n", "") + EXISTING
    resources = synthesize(text)["EdgecamFoundation"]["Resources"]
    types = {found["Type"] for name, found in resources.items() if not name.startswith("Guard")}
    assert types == {"AWS::IAM::Policy", "AWS::IoT::ThingGroup"}


def test_templates_name_nothing_of_this_machine(templates: Templates) -> None:
    text = json.dumps(templates)
    assert str(PROJECT) not in text


def test_artifact_bucket_is_encrypted_versioned_private_tls_only_and_kept(templates: Templates) -> None:
    resources = templates["EdgecamFoundation"]["Resources"].values()
    (bucket,) = [resource for resource in resources if resource["Type"] == "AWS::S3::Bucket"]
    (policy,) = [resource for resource in resources if resource["Type"] == "AWS::S3::BucketPolicy"]
    properties = bucket["Properties"]
    assert bucket["DeletionPolicy"] == "Retain"
    assert properties["VersioningConfiguration"] == {"Status": "Enabled"}
    assert "BucketEncryption" in properties
    assert set(properties["PublicAccessBlockConfiguration"].values()) == {True}
    denied = [statement["Condition"] for statement in policy["Properties"]["PolicyDocument"]["Statement"]]
    assert {"Bool": {"aws:SecureTransport": "false"}} in denied
    assert {"NumericLessThan": {"s3:TlsVersion": 1.2}} in denied


def test_custom_resources_give_up_before_cloudformation_would(templates: Templates) -> None:
    resources = templates["EdgecamFrameGrabber"]["Resources"].values()
    timeouts = {
        resource["Type"]: resource["Properties"]["ServiceTimeout"]
        for resource in resources
        if resource["Type"].startswith("Custom::")
    }
    assert timeouts == {
        "Custom::EdgecamArtifact": "600",
        "Custom::EdgecamGoingBack": "3600",
        "Custom::GreengrassComponentVersion": "600",
    }


def test_outputs_name_bucket_component_version_and_deployments(templates: Templates) -> None:
    assert sorted(templates["EdgecamFrameGrabber"]["Outputs"]) == [
        "ArtifactBucket",
        "ComponentArn",
        "ComponentVersion",
        "DeploymentGate",
        "DeploymentLobby",
        "DeploymentYard",
    ]


def test_gcs_uploader(recorded: Templates, snapshot: SnapshotAssertion) -> None:
    assert masked(recorded["EdgecamGcsUploader"]) == snapshot


def test_each_stack_deploys_the_sites_of_its_variant_only(recorded: Templates) -> None:
    names = {
        stack: sorted(
            deployment["DeploymentName"] for deployment in of_type(template, "AWS::GreengrassV2::Deployment")
        )
        for stack, template in recorded.items()
    }
    assert names == {
        "EdgecamFoundation": [],
        "EdgecamFrameGrabber": ["edgecam lobby"],
        "EdgecamGcsUploader": ["edgecam depot", "edgecam dock"],
    }


def test_variant_without_sites_has_no_stack(templates: Templates, synthesize: Synthesize) -> None:
    assert sorted(templates) == ["EdgecamFoundation", "EdgecamFrameGrabber"]
    camera = '{id: a, uri: "rtsp://h/1", recording: {enabled: true}}'
    alone = synthesize(
        f"sites: {{a: {{variant: gcs-uploader, thing: c, bucket: gs://abc, cameras: [{camera}]}}}}"
    )
    assert sorted(alone) == ["EdgecamFoundation", "EdgecamGcsUploader"]


def test_bucket_is_ready_before_a_core_records(recorded: Templates) -> None:
    resources = recorded["EdgecamGcsUploader"]["Resources"]
    (bucket,) = [name for name, found in resources.items() if found["Type"] == "Custom::EdgecamGcsBucket"]
    waits = [
        found["DependsOn"] for found in resources.values() if found["Type"] == "AWS::GreengrassV2::Deployment"
    ]
    assert len(waits) == 2
    assert all(bucket in names for names in waits)


def test_bucket_knows_where_sites_put_their_objects(recorded: Templates) -> None:
    (bucket,) = of_type(recorded["EdgecamGcsUploader"], "Custom::EdgecamGcsBucket")
    assert bucket["Prefixes"] == ["", "dock"]
    assert (bucket["NearlineAfterDays"], bucket["DeleteAfterDays"]) == ("30", "90")


def test_existing_bucket_is_left_untouched(synthesize: Synthesize) -> None:
    for gcp in ("", "gcp: {bucket: {name: our-recordings, create: false}}"):
        template = synthesize(RECORDED_SITES + gcp)["EdgecamGcsUploader"]
        assert of_type(template, "Custom::EdgecamGcsBucket") == []
        assert "RecordingBucket" not in template["Outputs"]


def test_embedded_store_is_named_to_the_function_only_where_settings_name_one(
    recorded: Templates, synthesize: Synthesize
) -> None:
    embedded = synthesize(
        RECORDED_SITES
        + "gcp: {project: our-project, endpoint: 'http://localhost:9023', "
        + "bucket: {name: our-recordings, location: US}}"
    )
    for template, expected in (
        (recorded, []),
        (embedded, [{"Variables": {"STORAGE_EMULATOR_HOST": "http://localhost:9023"}}]),
    ):
        functions = of_type(template["EdgecamGcsUploader"], "AWS::Lambda::Function")
        assert [found["Environment"] for found in functions if "Environment" in found] == expected
