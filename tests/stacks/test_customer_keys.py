"""An artifact bucket and secrets that a KMS key of the user's encrypts: what templates grant is enough."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from assumed_role import ClientOf, assumed
from fleets import AUDIENCE, FLEET, RECORDED, SECRET, Synthesize
from policy_evaluation import PSEUDO, resolved
from role_statements import role_statements

from edgecam.errors import ConfigurationError
from fleet.load import load_fleet
from stacks.handlers.cloudformation import RequestFailed
from stacks.handlers.greengrass import artifact, component_version
from stacks.handlers.secret_text import secret_text

ARTIFACT_KEY = "arn:aws:kms:us-east-1:123456789012:key/11111111-2222-3333-4444-555555555555"
SECRET_KEY = "arn:aws:kms:eu-central-1:123456789012:key/mrk-1234567890abcdef"
BUCKET = "our-encrypted-artifacts"
EXISTING = f"""
aws: {{artifact_bucket: {BUCKET}, token_exchange_role: GreengrassV2TokenExchangeRole}}
"""
ENCRYPTED = f"""
aws:
  artifact_bucket: {BUCKET}
  token_exchange_role: GreengrassV2TokenExchangeRole
  artifact_key: {ARTIFACT_KEY}
  secret_keys: [{SECRET_KEY}]
"""


def here(document: Any) -> Any:
    """A document of a template, in the Region of the embedded AWS."""
    text = json.dumps(resolved(substituted(document), {}))
    return json.loads(text.replace("eu-central-1", "us-east-1"))


def substituted(document: Any) -> Any:
    """Names of the CDK's own bucket are the one use of Fn::Sub."""
    if isinstance(document, list):
        return [substituted(value) for value in document]
    if not isinstance(document, dict):
        return document
    if document.keys() == {"Fn::Sub"}:
        text: str = document["Fn::Sub"]
        for name, value in PSEUDO.items():
            text = text.replace(f"${{{name}}}", value)
        return text
    return {key: substituted(value) for key, value in document.items()}


def rights(template: dict[str, Any], policy: str) -> list[Any]:
    """The statements of the policies whose logical id begins so."""
    return [
        statement
        for name, found in template["Resources"].items()
        if found["Type"] == "AWS::IAM::Policy" and name.startswith(policy)
        for statement in here(found["Properties"]["PolicyDocument"])["Statement"]
    ]


def requests(template: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    """As CloudFormation sends them, for the resources of a kind."""
    return [
        {
            "RequestType": "Create",
            "StackId": "arn:aws:cloudformation:us-east-1:123456789012:stack/EdgecamFrameGrabber/1",
            "ResourceProperties": here(found["Properties"]),
        }
        for found in template["Resources"].values()
        if found["Type"] == kind
    ]


@pytest.fixture(scope="module")
def bucket(aws: ClientOf) -> str:
    """The artifact bucket, encrypted by default."""
    s3 = aws("s3")
    s3.create_bucket(Bucket=BUCKET)
    default = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": ARTIFACT_KEY}
    s3.put_bucket_encryption(
        Bucket=BUCKET,
        ServerSideEncryptionConfiguration={"Rules": [{"ApplyServerSideEncryptionByDefault": default}]},
    )
    return BUCKET


@pytest.fixture
def copy(aws: ClientOf, bucket: str) -> Callable[[dict[str, Any]], None]:
    """Copies the artifacts of a template with the rights of its function."""

    def run(template: dict[str, Any]) -> None:
        copier = assumed(aws, rights(template, "ArtifactCopierRights"))
        for request in requests(template, "Custom::EdgecamArtifact"):
            asked = request["ResourceProperties"]
            aws("s3").create_bucket(Bucket=asked["SourceBucket"])
            aws("s3").put_object(Bucket=asked["SourceBucket"], Key=asked["SourceKey"], Body=b"an image")
            assert asked["Bucket"] == bucket
            artifact.apply(request, copier("s3"))

    return run


def test_image_reaches_a_core_through_a_bucket_with_a_key_of_yours(
    aws: ClientOf, synthesize: Synthesize, copy: Callable[[dict[str, Any]], None]
) -> None:
    templates = synthesize(FLEET + ENCRYPTED)
    template = templates["EdgecamFrameGrabber"]
    copy(template)
    (request,) = requests(template, "Custom::GreengrassComponentVersion")
    registrar = assumed(aws, rights(template, "ComponentRegistrarRights"))
    component_version.apply(request, registrar("greengrassv2"))
    core = assumed(aws, here(role_statements(templates["EdgecamFoundation"])))("s3")
    for copied in requests(template, "Custom::EdgecamArtifact"):
        found = core.get_object(Bucket=BUCKET, Key=copied["ResourceProperties"]["Key"])
        assert found["Body"].read() == b"an image"


def test_missing_key_is_named_with_the_setting(
    synthesize: Synthesize, copy: Callable[[dict[str, Any]], None], aws: ClientOf
) -> None:
    template = synthesize(FLEET + EXISTING)["EdgecamFrameGrabber"]
    for request in requests(template, "Custom::EdgecamArtifact"):
        aws("s3").delete_object(Bucket=BUCKET, Key=request["ResourceProperties"]["Key"])
    with pytest.raises(
        RequestFailed,
        match=r"s3://our-encrypted-artifacts/.* cannot be written: .*kms:.*: name the KMS key "
        r"in aws\.artifact_key, and let its key policy leave",
    ):
        copy(template)


def test_core_uses_each_key_for_its_own_artifacts_and_secrets_only(synthesize: Synthesize) -> None:
    template = synthesize(FLEET + ENCRYPTED)["EdgecamFoundation"]
    used = [
        (statement["Resource"], statement["Condition"])
        for statement in role_statements(template)
        if statement["Action"] == "kms:Decrypt"
    ]
    assert sorted(used, key=str) == sorted(
        [
            *(
                (
                    ARTIFACT_KEY,
                    {
                        "StringEquals": {"kms:ViaService": "s3.us-east-1.amazonaws.com"},
                        "StringLike": {
                            "kms:EncryptionContext:aws:s3:arn": [
                                f"arn:aws:s3:::{BUCKET}",
                                f"arn:aws:s3:::{BUCKET}/{variant}/*",
                            ]
                        },
                    },
                )
                for variant in ("frame-grabber", "gcs-uploader")
            ),
            (SECRET_KEY, {"StringEquals": {"kms:ViaService": ["secretsmanager.eu-central-1.amazonaws.com"]}}),
        ],
        key=str,
    )


def test_function_decrypts_its_login_only(synthesize: Synthesize) -> None:
    fleet = RECORDED.replace(f'login: {{audience: "{AUDIENCE}"}}', f"login: {{secret: {SECRET}}}")
    template = synthesize(f"{fleet}\naws: {{secret_keys: [{SECRET_KEY}]}}\n")["EdgecamGcsUploader"]
    (used,) = [one for one in rights(template, "RecordingsMakerRights") if one["Action"] == "kms:Decrypt"]
    assert used["Resource"] == SECRET_KEY.replace("eu-central-1", "us-east-1")
    assert used["Condition"]["StringLike"] == {
        "kms:EncryptionContext:SecretARN": [SECRET.replace("eu-central-1", "us-east-1")]
    }


def test_secret_of_a_key_that_no_setting_names_is_refused_with_the_setting(
    aws: ClientOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = aws("secretsmanager").create_secret(
        Name="encrypted-login", SecretString="{}", KmsKeyId=SECRET_KEY
    )
    reads = {"Effect": "Allow", "Action": "secretsmanager:GetSecretValue", "Resource": secret["ARN"]}
    client = assumed(aws, [reads])("secretsmanager")
    monkeypatch.setattr("boto3.client", lambda *_, **__: client)
    with pytest.raises(
        RequestFailed,
        match=r"^gcs\.login\.secret: arn:.* cannot be read as text: .*kms:Decrypt.*: name the KMS key in "
        r"aws\.secret_keys, and let its key policy leave",
    ):
        secret_text(secret["ARN"], "gcs.login.secret")


@pytest.mark.parametrize(
    ("aws_settings", "said"),
    [
        (f"{{artifact_key: {ARTIFACT_KEY}}}", "aws: expected artifact_key only with artifact_bucket"),
        ("{secret_keys: [alias/ours]}", "aws.secret_keys[0]: expected the ARN of a KMS key"),
    ],
)
def test_key_without_its_bucket_and_alias_are_mistakes(
    write_fleet: Any, aws_settings: str, said: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load_fleet(write_fleet(f"{FLEET}aws: {aws_settings}\n"))
    assert said in str(caught.value)
