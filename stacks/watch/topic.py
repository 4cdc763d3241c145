"""What alarms notify: a topic that exists, or one that is made for an address."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_sns as sns
from constructs import Construct

from fleet.settings.watch import Watch


def topic_arn_of(scope: Construct, watch: Watch, title: str) -> str | None:
    """The topic's ARN; None where alarms are only shown. A mail's sender is called `title`."""
    return watch.topic if watch.email is None else _made(scope, watch.email, title)


def _made(scope: Construct, email: str, title: str) -> str:
    # Without a key: CloudWatch cannot publish to a topic with that of SNS, and an alarm names no camera.
    topic = sns.CfnTopic(scope, "Topic", display_name=title)
    sns.CfnSubscription(scope, "Mail", topic_arn=topic.ref, protocol="email", endpoint=email)
    sns.CfnTopicPolicy(
        scope,
        "TopicPolicy",
        topics=[topic.ref],
        policy_document={
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Sid": "AlarmsOfThisAccount",
                    "Effect": "Allow",
                    "Principal": {"Service": "cloudwatch.amazonaws.com"},
                    "Action": "sns:Publish",
                    "Resource": topic.ref,
                    "Condition": {"StringEquals": {"aws:SourceAccount": cdk.Aws.ACCOUNT_ID}},
                },
                {
                    "Sid": "TlsOnly",
                    "Effect": "Deny",
                    "Principal": "*",
                    "Action": "sns:Publish",
                    "Resource": topic.ref,
                    "Condition": {"Bool": {"aws:SecureTransport": "false"}},
                },
            ],
        },
    )
    return topic.ref
