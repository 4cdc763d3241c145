"""The templates whole, and what they must never hold."""

from __future__ import annotations

import json
import re
from typing import Any

from fleets import EXISTING, FLEET, PROJECT, Synthesize, Templates
from syrupy.assertion import SnapshotAssertion

MASKS = (
    (r"\b[0-9a-f]{64}\b", "<content hash>"),
    (r"(?<=frame-grabber[:/])[0-9a-f]{12}\b", "<tag>"),
    (r"(?<=path}/)[0-9a-f]{12}\b", "<tag>"),
    (r"\b1\.\d{1,6}\.\d{1,6}\b(?=\\?\"|$)", "<version>"),
)
"""What changes with the program's content: a snapshot is about the rest."""


def masked(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: masked(entry) for key, entry in value.items() if key not in ("Parameters", "Rules")}
    if isinstance(value, list):
        return [masked(entry) for entry in value]
    if isinstance(value, str):
        for pattern, name in MASKS:
            value = re.sub(pattern, name, value)
    return value


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
    resources = synthesize(FLEET + EXISTING)["EdgecamFoundation"]["Resources"].values()
    assert {resource["Type"] for resource in resources} == {"AWS::IAM::Policy", "AWS::IoT::ThingGroup"}


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
    assert timeouts == {"Custom::EdgecamArtifact": "600", "Custom::GreengrassComponentVersion": "600"}


def test_outputs_name_bucket_component_version_and_deployments(templates: Templates) -> None:
    assert sorted(templates["EdgecamFrameGrabber"]["Outputs"]) == [
        "ArtifactBucket",
        "ComponentArn",
        "ComponentVersion",
        "DeploymentGate",
        "DeploymentLobby",
        "DeploymentYard",
    ]
