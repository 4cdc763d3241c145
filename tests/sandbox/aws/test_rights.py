"""What IAM allows decides about Greengrass, and about what a customer's key encrypts, as on AWS."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from assumed_role import ClientOf, assumed
from botocore.exceptions import ClientError

from sandbox.aws.clients import ACCOUNT, REGION
from sandbox.aws.server import EmbeddedAws

Recipe = Callable[..., str]
KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/1234abcd-12ab-34cd-56ef-1234567890ab"
COMPONENTS = f"arn:aws:greengrass:{REGION}:{ACCOUNT}:components"
IOT = f"arn:aws:iot:{REGION}:{ACCOUNT}"


def allow(actions: str | list[str], *resources: str, **conditions: Any) -> dict[str, Any]:
    statement = {"Effect": "Allow", "Action": actions, "Resource": list(resources)}
    return {**statement, "Condition": conditions} if conditions else statement


@pytest.fixture
def role_with(embedded_aws: EmbeddedAws) -> Callable[..., ClientOf]:
    """Gives clients of a role with these statements."""
    return lambda *statements: assumed(embedded_aws.client, statements)


def refused(call: Callable[[], Any]) -> str:
    """The words of a call that is refused."""
    with pytest.raises(ClientError) as caught:
        call()
    assert caught.value.response["Error"]["Code"].startswith("AccessDenied")
    return str(caught.value)


def test_component_is_registered_by_who_may(
    role_with: Callable[..., ClientOf], recipe_text: Recipe, component_name: str
) -> None:
    recipe = recipe_text(component_name, "1.0.0", "true").encode()
    nobody = role_with()("greengrassv2")
    words = refused(lambda: nobody.create_component_version(inlineRecipe=recipe))
    assert f"greengrass:CreateComponentVersion on resource: {COMPONENTS}:{component_name}" in words
    registers = allow("greengrass:CreateComponentVersion", f"{COMPONENTS}:{component_name}")
    words = refused(
        lambda: role_with(registers)("greengrassv2").create_component_version(
            inlineRecipe=recipe, tags={"a": "b"}
        )
    )
    assert "greengrass:TagResource" in words
    role_with(registers)("greengrassv2").create_component_version(inlineRecipe=recipe)


def test_artifacts_are_read_with_the_rights_of_who_registers(
    embedded_aws: EmbeddedAws, role_with: Callable[..., ClientOf], recipe_text: Recipe, component_name: str
) -> None:
    bucket = f"{component_name}-bucket"
    embedded_aws.client("s3").create_bucket(Bucket=bucket)
    embedded_aws.client("s3").put_object(Bucket=bucket, Key="image.tar.gz", Body=b"an image")
    registers = allow("greengrass:*", f"{COMPONENTS}:*")
    uri = f"s3://{bucket}/image.tar.gz"

    def registered(version: str, *rights: Any) -> Any:
        text = recipe_text(component_name, version, "true", Artifacts=[{"Uri": uri}])
        client = role_with(registers, *rights)("greengrassv2")
        return client.create_component_version(inlineRecipe=text.encode())["status"]

    without = registered("1.0.0")
    assert (without["componentState"], list(without["errors"])) == ("FAILED", [uri])
    reads = allow("s3:GetObject", f"arn:aws:s3:::{bucket}/image.tar.gz")
    assert registered("1.0.1", reads)["componentState"] == "DEPLOYABLE"


@pytest.mark.parametrize(
    ("kind", "missing"),
    [
        ("thing", "greengrass:CreateDeployment"),
        ("thing", "iot:DescribeThing"),
        ("thing", "iot:UpdateThingShadow"),
        ("thinggroup", "iot:DescribeThingGroup"),
        ("thinggroup", "iot:CreateJob"),
    ],
)
def test_deploying_takes_the_rights_on_aws_iot_behind_it(
    embedded_aws: EmbeddedAws, role_with: Callable[..., ClientOf], kind: str, missing: str
) -> None:
    name = uuid.uuid4().hex[:8]
    embedded_aws.client("iot").create_thing(thingName=name)
    embedded_aws.client("iot").create_thing_group(thingGroupName=name)
    target = f"{IOT}:{kind}/{name}"
    of_iot = ["DescribeThing", "GetThingShadow", "UpdateThingShadow", "DescribeThingGroup", "CreateJob"]
    rights = ["greengrass:CreateDeployment", "iot:DescribeJob", *(f"iot:{action}" for action in of_iot)]
    without = role_with(allow([right for right in rights if right != missing], "*"))("greengrassv2")
    assert missing in refused(lambda: without.create_deployment(targetArn=target, components={}))
    role_with(allow(rights, "*"))("greengrassv2").create_deployment(targetArn=target, components={})


def test_deleting_what_a_group_was_deployed_takes_the_right_to_delete_its_job(
    embedded_aws: EmbeddedAws, role_with: Callable[..., ClientOf]
) -> None:
    name, greengrass = uuid.uuid4().hex[:8], embedded_aws.client("greengrassv2")
    group = embedded_aws.client("iot").create_thing_group(thingGroupName=name)["thingGroupArn"]
    deployed = greengrass.create_deployment(targetArn=group, components={})["deploymentId"]
    greengrass.cancel_deployment(deploymentId=deployed)
    deletes = allow("greengrass:DeleteDeployment", "*")
    words = refused(lambda: role_with(deletes)("greengrassv2").delete_deployment(deploymentId=deployed))
    assert f"iot:DeleteJob on resource: {IOT}:job/" in words
    whole = role_with(deletes, allow("iot:DeleteJob", f"{IOT}:job/*"))("greengrassv2")
    whole.delete_deployment(deploymentId=deployed)


def test_inline_policies_of_a_role_are_bounded_together(embedded_aws: EmbeddedAws) -> None:
    iam, name = embedded_aws.client("iam"), f"role-{uuid.uuid4().hex[:8]}"
    trust = json.dumps({"Version": "2012-10-17", "Statement": [allow("sts:AssumeRole")]})
    iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust)

    def put(policy: str, characters: int, indent: int | None = None) -> None:
        bare = {"Version": "2012-10-17", "Statement": [allow("s3:GetObject", "")]}
        bare["Statement"] = [
            allow("s3:GetObject", "x" * (characters - len("".join(json.dumps(bare).split()))))
        ]
        iam.put_role_policy(RoleName=name, PolicyName=policy, PolicyDocument=json.dumps(bare, indent=indent))

    put("One", 6_000)
    # White space does not count, and a policy that is put again is not added to itself.
    put("Two", 4_240, indent=40)
    put("Two", 4_240)
    with pytest.raises(ClientError, match=r"LimitExceeded.*policy size of 10240 bytes exceeded"):
        put("Three", 200)


def test_deployments_of_a_core_are_seen_by_who_may_see_each(
    embedded_aws: EmbeddedAws, role_with: Callable[..., ClientOf]
) -> None:
    thing = f"core-{uuid.uuid4().hex[:8]}"
    iot, greengrass = embedded_aws.client("iot"), embedded_aws.client("greengrassv2")
    iot.create_thing(thingName=thing)
    group = iot.create_thing_group(thingGroupName=f"{thing}-group")["thingGroupArn"]
    iot.add_thing_to_thing_group(thingGroupName=f"{thing}-group", thingName=thing)
    greengrass.create_deployment(targetArn=group, components={})
    core = f"arn:aws:greengrass:{REGION}:{ACCOUNT}:coreDevices:{thing}"
    sees = [
        allow("greengrass:ListEffectiveDeployments", core),
        allow(["iot:DescribeJob", "iot:DescribeJobExecution"], f"{IOT}:job/*", f"{IOT}:thing/{thing}"),
    ]
    words = refused(
        lambda: role_with(*sees)("greengrassv2").list_effective_deployments(coreDeviceThingName=thing)
    )
    assert f"iot:DescribeThingGroup on resource: {group}" in words
    whole = role_with(*sees, allow("iot:DescribeThingGroup", group))("greengrassv2")
    assert len(whole.list_effective_deployments(coreDeviceThingName=thing)["effectiveDeployments"]) == 1


def test_object_that_a_customers_key_encrypts_is_read_and_written_by_who_may_use_the_key(
    embedded_aws: EmbeddedAws, role_with: Callable[..., ClientOf]
) -> None:
    bucket = f"com.example.{uuid.uuid4().hex[:8]}"
    s3 = embedded_aws.client("s3")
    s3.create_bucket(Bucket=bucket)
    default = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": KEY}
    s3.put_bucket_encryption(
        Bucket=bucket,
        ServerSideEncryptionConfiguration={"Rules": [{"ApplyServerSideEncryptionByDefault": default}]},
    )
    objects = allow(["s3:GetObject", "s3:PutObject"], f"arn:aws:s3:::{bucket}/*")
    without = role_with(objects)("s3")
    assert f"kms:GenerateDataKey on resource: {KEY}" in refused(
        lambda: without.put_object(Bucket=bucket, Key="a", Body=b"x")
    )
    s3.put_object(Bucket=bucket, Key="a", Body=b"x")
    assert f"kms:Decrypt on resource: {KEY}" in refused(lambda: without.get_object(Bucket=bucket, Key="a"))
    uses = allow(
        ["kms:Decrypt", "kms:GenerateDataKey"],
        KEY,
        StringEquals={"kms:ViaService": f"s3.{REGION}.amazonaws.com"},
        StringLike={"kms:EncryptionContext:aws:s3:arn": [f"arn:aws:s3:::{bucket}/*"]},
    )
    role_with(objects, uses)("s3").put_object(Bucket=bucket, Key="b", Body=b"x")
    assert role_with(objects, uses)("s3").get_object(Bucket=bucket, Key="a")["Body"].read() == b"x"


def test_secret_that_a_customers_key_encrypts_is_read_by_who_may_use_the_key(
    embedded_aws: EmbeddedAws, role_with: Callable[..., ClientOf]
) -> None:
    manager = embedded_aws.client("secretsmanager")
    arn = manager.create_secret(Name=uuid.uuid4().hex, SecretString="x", KmsKeyId=KEY)["ARN"]
    reads = allow("secretsmanager:GetSecretValue", arn)
    words = refused(lambda: role_with(reads)("secretsmanager").get_secret_value(SecretId=arn))
    assert f"kms:Decrypt on resource: {KEY}" in words
    other = {"kms:EncryptionContext:SecretARN": f"{arn}-other"}
    refused(
        lambda: role_with(reads, allow("kms:Decrypt", KEY, StringEquals=other))(
            "secretsmanager"
        ).get_secret_value(SecretId=arn)
    )
    uses = allow("kms:Decrypt", KEY, StringEquals={"kms:EncryptionContext:SecretARN": arn})
    found = role_with(reads, uses)("secretsmanager").get_secret_value(SecretId=arn)
    assert found["SecretString"] == "x"
