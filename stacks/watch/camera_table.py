"""The last state of every camera, in a table: what AWS IoT Core receives on `edgecam/<thing>/<camera>/state`.

A rule of AWS IoT writes each message into the table itself; no function runs for it. Ten thousand cameras
send some four hundred million messages a month, and what costs something for each is chosen with care: see
design/decisions.md, "The watch counts cameras, not messages".
"""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam
from aws_cdk import aws_iot as iot
from aws_cdk import aws_logs
from constructs import Construct

from fleet.physical_names import PhysicalNames
from stacks.functions.nag import acknowledge

ADDED = ("topic(2) AS thing", "topic(3) AS camera", "timestamp() AS received_ms")
SELECTED = (
    "state",
    "reason",
    "since",
    "sent_at",
    "every_s",
    "chunks_recorded",
    "chunks_waiting",
    "chunks_lost",
    "spool_bytes",
    "spool_limit_bytes",
)
"""Of a state message: what the watch reads. A row stays below 1 KB, the size that one write costs; the rest
of the message is not needed."""

_SQL = f"SELECT {', '.join((*ADDED, *SELECTED))} FROM 'edgecam/+/+/state'"  # noqa: S608 - of our own words
"""`timestamp()` is the cloud's clock, for a core's own may be wrong."""

SQL_VERSION = "2016-03-23"


class CameraTable(Construct):
    """Table, and the rule that fills it.

    Attributes:
        table: Its key is thing and camera.
        error_log_group_name: What AWS IoT could not write, and why.
    """

    def __init__(self, scope: Construct, construct_id: str, *, names: PhysicalNames) -> None:
        super().__init__(scope, construct_id)
        self._rule_name, self._fleet = names.camera_state_rule, names.fleet
        self.table = dynamodb.CfnTable(
            self,
            "Table",
            key_schema=[
                dynamodb.CfnTable.KeySchemaProperty(attribute_name="thing", key_type="HASH"),
                dynamodb.CfnTable.KeySchemaProperty(attribute_name="camera", key_type="RANGE"),
            ],
            attribute_definitions=[
                dynamodb.CfnTable.AttributeDefinitionProperty(attribute_name=name, attribute_type="S")
                for name in ("thing", "camera")
            ],
            billing_mode="PAY_PER_REQUEST",
        )
        self.table.apply_removal_policy(cdk.RemovalPolicy.DESTROY)
        acknowledge(
            self.table,
            "AwsSolutions-DDB3",
            "Every camera tells its state again within a period: there is nothing to restore.",
        )
        errors = aws_logs.CfnLogGroup(self, "Errors", retention_in_days=30)
        errors.apply_removal_policy(cdk.RemovalPolicy.DESTROY)
        self.error_log_group_name: str = errors.ref
        self._fill(errors)

    def _fill(self, errors: aws_logs.CfnLogGroup) -> None:
        role = iam.Role(
            self,
            "RuleRole",
            assumed_by=iam.ServicePrincipal("iot.amazonaws.com"),
            description="Lets AWS IoT write the cameras' states into a table.",
        )
        rights = iam.Policy(
            self,
            "RuleRights",
            roles=[role],
            statements=[
                iam.PolicyStatement(
                    sid="WriteStates", actions=["dynamodb:PutItem"], resources=[self.table.attr_arn]
                ),
                iam.PolicyStatement(
                    sid="WriteErrors",
                    actions=["logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"],
                    resources=[errors.attr_arn],
                ),
            ],
        )
        rule = iot.CfnTopicRule(
            self,
            "Rule",
            rule_name=self._rule_name,
            topic_rule_payload=iot.CfnTopicRule.TopicRulePayloadProperty(
                description="edgecam: the last state of every camera",
                sql=f"{_SQL} WHERE {_is_own(self._fleet)}",
                aws_iot_sql_version=SQL_VERSION,
                rule_disabled=False,
                actions=[
                    iot.CfnTopicRule.ActionProperty(
                        dynamo_d_bv2=iot.CfnTopicRule.DynamoDBv2ActionProperty(
                            put_item=iot.CfnTopicRule.PutItemInputProperty(table_name=self.table.ref),
                            role_arn=role.role_arn,
                        )
                    )
                ],
                error_action=iot.CfnTopicRule.ActionProperty(
                    cloudwatch_logs=iot.CfnTopicRule.CloudwatchLogsActionProperty(
                        log_group_name=errors.ref, role_arn=role.role_arn
                    )
                ),
            ),
        )
        rule.node.add_dependency(rights)


def _is_own(fleet: str | None) -> str:
    """The condition that a message is of this fleet: topics are those of all fleets of the account."""
    return "isUndefined(fleet)" if fleet is None else f"fleet = '{fleet}'"
