"""What the embedded AWS has for the watch: rights on one namespace of metrics, cores by their health."""

from __future__ import annotations

import json
import uuid

import pytest
from botocore.exceptions import ClientError

from sandbox.aws import clients
from sandbox.aws.clients import listed
from sandbox.aws.server import EmbeddedAws
from sandbox.core.cloud import Cloud


@pytest.fixture
def limited(embedded_aws: EmbeddedAws) -> clients.Credentials:
    """Credentials of a user who may put metrics of one namespace."""
    iam, name = embedded_aws.client("iam"), f"watch-{uuid.uuid4().hex[:8]}"
    iam.create_user(UserName=name)
    statement = {
        "Effect": "Allow",
        "Action": "cloudwatch:PutMetricData",
        "Resource": "*",
        "Condition": {"StringEquals": {"cloudwatch:namespace": "Ours"}},
    }
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    iam.put_user_policy(UserName=name, PolicyName="Metrics", PolicyDocument=document)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    return clients.Credentials(key["AccessKeyId"], key["SecretAccessKey"], "", "")


def test_metrics_are_taken_for_the_namespace_of_the_policy_only(
    embedded_aws: EmbeddedAws, limited: clients.Credentials
) -> None:
    cloudwatch = clients.client("cloudwatch", embedded_aws.url, limited)
    data = [{"MetricName": "Cameras", "Value": 1.0}]
    cloudwatch.put_metric_data(Namespace="Ours", MetricData=data)
    with pytest.raises(ClientError, match="AccessDenied"):
        cloudwatch.put_metric_data(Namespace="Theirs", MetricData=data)


def test_cores_are_listed_by_their_health(embedded_aws: EmbeddedAws) -> None:
    platform = {"os": "linux", "architecture": "amd64"}
    cores = {f"{state.lower()}-{uuid.uuid4().hex[:8]}": state for state in ("BROKEN", "RUNNING")}
    for core, state in cores.items():
        cloud = Cloud(url=embedded_aws.url, thing_name=core)
        cloud.report(platform, [{"componentName": "com.example.a", "lifecycleState": state}], [])
    for status, expected in (("UNHEALTHY", "BROKEN"), ("HEALTHY", "RUNNING")):
        reported = listed(embedded_aws.client("greengrassv2"), "list_core_devices", status=status)
        found = {core["coreDeviceThingName"] for core in reported} & set(cores)
        assert [cores[core] for core in found] == [expected]
