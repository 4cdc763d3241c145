"""Who may do what: one test for each grant."""

from __future__ import annotations

import re
from typing import Any

import pytest
from fleets import EXISTING, FLEET, RECORDED, RECORDED_SITES, SECRET, Synthesize, Templates, flat, of_type
from granted_rights import Rights, rights

from fleet.camera_secrets import exact_secret

COMPONENTS = "arn:<AWS::Partition>:greengrass:<AWS::Region>:<AWS::AccountId>:components"
STACKS = {"frame-grabber": "EdgecamFrameGrabber", "gcs-uploader": "EdgecamGcsUploader"}


def masked(arns: list[str]) -> list[str]:
    return [re.sub(r"[0-9a-f]{64}", "HASH", re.sub(r"[0-9a-f]{12}(?=-a)", "TAG", arn)) for arn in arns]


@pytest.fixture
def core(templates: Templates) -> Rights:
    return rights(templates["EdgecamFoundation"], "CoresRole")


@pytest.fixture(params=sorted(STACKS))
def variant(request: pytest.FixtureRequest) -> str:
    found: str = request.param
    return found


@pytest.fixture
def stack(variant: str, synthesize: Synthesize) -> dict[str, Any]:
    """The template of a variant's stack, for two architectures."""
    return synthesize(RECORDED + "image: {architectures: [amd64, arm64]}")[STACKS[variant]]


@pytest.fixture
def copier(stack: dict[str, Any]) -> Rights:
    return rights(stack, "ArtifactCopierRole")


@pytest.fixture
def registrar(stack: dict[str, Any]) -> Rights:
    return rights(stack, "ComponentRegistrarRole")


def test_cores_may_fetch_artifacts_of_the_variants_only(core: Rights) -> None:
    assert core["s3:GetObject",] == [
        "<ArtifactsBucket.Arn>/frame-grabber/*",
        "<ArtifactsBucket.Arn>/gcs-uploader/*",
    ]


def test_cores_may_ask_for_the_region_of_the_artifact_bucket(core: Rights) -> None:
    assert core["s3:GetBucketLocation",] == ["<ArtifactsBucket.Arn>"]


def test_cores_may_read_exactly_the_secrets_that_sites_name(core: Rights) -> None:
    assert core["secretsmanager:GetSecretValue",] == [SECRET]


def test_cores_have_no_other_policies(core: Rights) -> None:
    assert len(core) == 3


def test_uploading_takes_no_further_right_on_aws(recorded: Templates) -> None:
    # Google is shown a signed request for sts:GetCallerIdentity, which everybody may make.
    assert sorted(rights(recorded["EdgecamFoundation"], "CoresRole")) == [
        ("s3:GetBucketLocation",),
        ("s3:GetObject",),
    ]
    for policy in of_type(recorded["EdgecamGcsUploader"], "AWS::IAM::Policy"):
        assert "Cores" not in str(policy["Roles"])


def core_role(templates: Templates) -> dict[str, Any]:
    """The role of the cores; that of the function that lets them join their groups has no inline policy."""
    (role,) = [
        found for found in of_type(templates["EdgecamFoundation"], "AWS::IAM::Role") if "Policies" in found
    ]
    return role


def test_cores_may_write_their_logs(templates: Templates) -> None:
    (policy,) = core_role(templates)["Policies"]
    (statement,) = policy["PolicyDocument"]["Statement"]
    assert flat(statement["Resource"]).endswith(":log-group:/aws/greengrass/*")
    assert {action.split(":")[0] for action in statement["Action"]} == {"logs"}


def test_only_iot_takes_on_the_role_of_the_cores(templates: Templates) -> None:
    (statement,) = core_role(templates)["AssumeRolePolicyDocument"]["Statement"]
    assert statement["Principal"] == {"Service": "credentials.iot.amazonaws.com"}


def test_existing_role_gets_the_same_grants(synthesize: Synthesize, core: Rights) -> None:
    template = synthesize(FLEET + EXISTING)["EdgecamFoundation"]
    existing = rights(template, "GreengrassV2TokenExchangeRole")
    assert existing.keys() == core.keys()
    assert existing["s3:GetObject",] == [
        "arn:<AWS::Partition>:s3:::our-artifacts/frame-grabber/*",
        "arn:<AWS::Partition>:s3:::our-artifacts/gcs-uploader/*",
    ]


def test_fleet_without_secrets_grants_no_secret(synthesize: Synthesize) -> None:
    template = synthesize('sites: {a: {thing: c, cameras: [{id: a, uri: "rtsp://h/1"}]}}')[
        "EdgecamFoundation"
    ]
    assert ("secretsmanager:GetSecretValue",) not in rights(template, "CoresRole")


def test_whole_secret_arn_is_granted_as_it_is_and_what_lacks_its_six_characters_with_them() -> None:
    arn, own = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:gate", "arn:own:secret:"
    assert exact_secret(f"{arn}-AbCdEf", own) == f"{arn}-AbCdEf"
    assert exact_secret(arn, own) == f"{arn}-??????"
    assert exact_secret("cameras/gate", own) == "arn:own:secret:cameras/gate-??????"
    assert exact_secret("cameras/gate-AbCdEf", own) == "arn:own:secret:cameras/gate-AbCdEf-??????"


def test_secret_that_is_known_by_its_name_is_granted_in_the_stacks_own_account(
    synthesize: Synthesize,
) -> None:
    text = (
        "sites: {a: {thing: core-a, cameras: "
        '[{id: a, uri: "rtsp://h/1", credentials: {secret: cameras/gate}}]}}'
    )
    template = synthesize(text)["EdgecamFoundation"]
    assert rights(template, "CoresRole")["secretsmanager:GetSecretValue",] == [
        "arn:<AWS::Partition>:secretsmanager:<AWS::Region>:<AWS::AccountId>:secret:cameras/gate-??????"
    ]


def test_copier_may_read_its_assets_only(copier: Rights) -> None:
    assets = "arn:<AWS::Partition>:s3:::cdk-hnb659fds-assets-${AWS::AccountId}-${AWS::Region}"
    assert masked(copier["s3:GetObject",]) == [f"{assets}/HASH", f"{assets}/HASH"]


def test_copier_may_write_its_artifacts_only(copier: Rights, variant: str) -> None:
    written = masked(copier["s3:AbortMultipartUpload", "s3:PutObject"])
    assert {arn.split("/", 1)[1] for arn in written} == {
        f"{variant}/TAG-{architecture}.tar.gz" for architecture in ("amd64", "arm64")
    }


def test_copier_may_list_its_artifacts_only(stack: dict[str, Any], variant: str) -> None:
    statements = [
        statement
        for policy in of_type(stack, "AWS::IAM::Policy")
        for statement in policy["PolicyDocument"]["Statement"]
        if statement["Action"] == "s3:ListBucket"
    ]
    (statement,) = statements
    prefixes = statement["Condition"]["StringEquals"]["s3:prefix"]
    assert masked(prefixes) == [f"{variant}/TAG-amd64.tar.gz", f"{variant}/TAG-arm64.tar.gz"]


def test_registrar_may_look_after_versions_of_this_component_only(registrar: Rights, variant: str) -> None:
    component = f"{COMPONENTS}:com.edgecam.{variant}"
    (actions,) = [actions for actions in registrar if actions[0].startswith("greengrass:")]
    assert registrar[actions] == [component, f"{component}:versions:*"]
    assert actions == (
        "greengrass:CreateComponentVersion",
        "greengrass:DeleteComponent",
        "greengrass:DescribeComponent",
        "greengrass:ListComponentVersions",
        "greengrass:TagResource",
    )


def test_registrar_may_read_the_artifacts_that_it_registers(registrar: Rights) -> None:
    assert {arn.rsplit("/", 1)[1] for arn in masked(registrar["s3:GetObject",])} == {
        "TAG-amd64.tar.gz",
        "TAG-arm64.tar.gz",
    }


@pytest.mark.parametrize("role", ["ArtifactCopier", "ComponentRegistrar"])
def test_functions_may_write_their_own_log_and_nothing_else(stack: dict[str, Any], role: str) -> None:
    found = rights(stack, f"{role}Role")
    assert found["logs:CreateLogStream", "logs:PutLogEvents"] == [f"<{role}Log.Arn>"]
    assert len(found) == {"ArtifactCopier": 4, "ComponentRegistrar": 3}[role]


def test_maker_of_the_bucket_may_write_its_own_log_and_nothing_else(recorded: Templates) -> None:
    found = rights(recorded["EdgecamGcsUploader"], "RecordingsMakerRole")
    assert found == {("logs:CreateLogStream", "logs:PutLogEvents"): ["<RecordingsMakerLog.Arn>"]}


def test_maker_of_the_bucket_may_read_the_secret_that_is_its_login(synthesize: Synthesize) -> None:
    bucket = "{name: our-recordings, location: EU}"
    gcp = f"gcp: {{project: our-project, login: {{secret: '{SECRET}'}}, bucket: {bucket}}}"
    found = rights(synthesize(RECORDED_SITES + gcp)["EdgecamGcsUploader"], "RecordingsMakerRole")
    assert found["secretsmanager:GetSecretValue",] == [SECRET]
    assert len(found) == 2


def test_maker_of_the_bucket_has_a_role_whose_name_google_can_be_given_beforehand(
    recorded: Templates,
) -> None:
    roles = of_type(recorded["EdgecamGcsUploader"], "AWS::IAM::Role")
    names = [flat(role["RoleName"]) for role in roles if "RoleName" in role]
    assert names == ["EdgecamGcsBucket-<AWS::Region>"]
