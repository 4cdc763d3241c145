"""The template of the watch: what is watched, who is notified, who may do what."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from core_fleets import EVERYTHING, WATCH, WATCHED_SITES
from fleets import Synthesize, flat, of_type
from granted_rights import Rights, rights
from masked_templates import masked
from syrupy.assertion import SnapshotAssertion

from fleet.settings.watch import Alarms
from stacks.handlers.watch.problems import METRIC_OF, Limits

TOPIC = "arn:aws:sns:eu-central-1:123456789012:cameras"


def watch_of(synthesize: Synthesize, settings: str) -> dict[str, Any]:
    return synthesize(f"{WATCHED_SITES}\nwatch: {settings}\n")["EdgecamWatch"]


@pytest.fixture
def template(synthesize: Synthesize) -> dict[str, Any]:
    return synthesize(EVERYTHING)["EdgecamWatch"]


@pytest.fixture
def function(template: dict[str, Any]) -> Rights:
    return rights(template, "WatchServiceRole")


def test_watch(template: dict[str, Any], snapshot: SnapshotAssertion) -> None:
    assert masked(template) == snapshot


def test_fleet_that_does_not_ask_for_it_has_no_watch(synthesize: Synthesize) -> None:
    assert "EdgecamWatch" not in synthesize(WATCHED_SITES)


def test_rule_may_write_rows_and_its_errors_only(template: dict[str, Any]) -> None:
    assert rights(template, "CamerasRuleRole") == {
        ("dynamodb:PutItem",): ["<CamerasTable.Arn>"],
        ("logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"): ["<CamerasErrors.Arn>"],
    }


def test_function_may_read_and_forget_states_and_nothing_else_of_dynamodb(function: Rights) -> None:
    assert function["dynamodb:DeleteItem", "dynamodb:PutItem", "dynamodb:Scan"] == ["<CamerasTable.Arn>"]


def test_function_may_publish_metrics_of_one_namespace(template: dict[str, Any], function: Rights) -> None:
    assert function["cloudwatch:PutMetricData",] == ["*"]
    (condition,) = [
        statement["Condition"]
        for policy in of_type(template, "AWS::IAM::Policy")
        for statement in policy["PolicyDocument"]["Statement"]
        if statement["Action"] == "cloudwatch:PutMetricData"
    ]
    assert condition == {"StringEquals": {"cloudwatch:namespace": "Edgecam"}}


def test_function_may_list_cores(function: Rights) -> None:
    assert function["greengrass:ListCoreDevices",] == ["*"]


def test_function_may_write_its_own_log_and_nothing_more(function: Rights) -> None:
    assert function["logs:CreateLogStream", "logs:PutLogEvents"] == ["<WatchServiceLog.Arn>"]
    assert len(function) == 4


def test_only_its_schedule_calls_the_function(template: dict[str, Any]) -> None:
    (permission,) = of_type(template, "AWS::Lambda::Permission")
    assert permission["Principal"] == "events.amazonaws.com"
    assert flat(permission["SourceArn"]) == "<Schedule.Arn>"
    assert flat(permission["SourceAccount"]) == "<AWS::AccountId>"


def test_every_alarm_looks_at_a_metric_that_the_function_publishes() -> None:
    from stacks.watch.alarms import ALARMS  # takes seconds, for the CDK

    assert {row.metric for row in ALARMS} == {*METRIC_OF.values(), "LostChunks"}
    assert {row.name for row in ALARMS} | {"failed_deployments"} == set(Alarms.model_fields)


def test_limits_are_those_that_the_function_reads(template: dict[str, Any]) -> None:
    (function,) = of_type(template, "AWS::Lambda::Function")
    limits = Limits(**json.loads(function["Environment"]["Variables"]["LIMITS"]))
    # Three of the longest chunks, which are 120 s; each spool by its own limit; a week.
    assert limits == Limits(
        late_s=120,
        trouble_after_s=300,
        no_chunks_after_s=360,
        spool_bytes=None,
        forget_after_s=604_800,
    )


def test_address_gets_a_topic_that_alarms_of_this_account_may_publish_to(template: dict[str, Any]) -> None:
    (subscription,) = of_type(template, "AWS::SNS::Subscription")
    assert (subscription["Protocol"], subscription["Endpoint"]) == ("email", "cameras@example.com")
    (policy,) = of_type(template, "AWS::SNS::TopicPolicy")
    allowed, denied = policy["PolicyDocument"]["Statement"]
    assert allowed["Principal"] == {"Service": "cloudwatch.amazonaws.com"}
    assert flat(allowed["Condition"]["StringEquals"]["aws:SourceAccount"]) == "<AWS::AccountId>"
    assert denied["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


def test_topic_that_is_there_already_is_notified_and_not_made(synthesize: Synthesize) -> None:
    template = watch_of(synthesize, f"{{topic: '{TOPIC}'}}")
    assert of_type(template, "AWS::SNS::Topic") == []
    for alarm in of_type(template, "AWS::CloudWatch::Alarm"):
        assert alarm["AlarmActions"] == alarm["OKActions"] == [TOPIC]


def test_without_a_target_alarms_are_only_shown(synthesize: Synthesize) -> None:
    alarms = of_type(watch_of(synthesize, "{}"), "AWS::CloudWatch::Alarm")
    assert len(alarms) == 10
    assert not [alarm for alarm in alarms if "AlarmActions" in alarm]


def test_thresholds_are_settings_and_null_is_no_alarm(synthesize: Synthesize) -> None:
    settings = "{every_min: 1, alarms: {silent_cameras: 25, lost_chunks: null, failed_deployments: null}}"
    template = watch_of(synthesize, settings)
    alarms = {alarm["MetricName"]: alarm for alarm in of_type(template, "AWS::CloudWatch::Alarm")}
    assert alarms["SilentCameras"]["Threshold"] == 25
    assert {alarm["Period"] for alarm in alarms.values()} == {60}
    assert not {"LostChunks", "MatchedEvents"} & set(alarms)
    schedules = [
        rule["ScheduleExpression"]
        for rule in of_type(template, "AWS::Events::Rule")
        if "ScheduleExpression" in rule
    ]
    assert schedules == ["rate(1 minute)"]


def test_alarm_for_a_watch_that_publishes_nothing_cannot_be_switched_off(synthesize: Synthesize) -> None:
    off = ", ".join(f"{name}: null" for name in Alarms.model_fields)
    (alarm,) = of_type(watch_of(synthesize, f"{{alarms: {{{off}}}}}"), "AWS::CloudWatch::Alarm")
    assert (alarm["Statistic"], alarm["TreatMissingData"]) == ("SampleCount", "breaching")


def test_dashboard_is_json_and_shows_all_alarms_and_logs(template: dict[str, Any]) -> None:
    from stacks.watch.alarms import ALARMS  # takes seconds, for the CDK

    (dashboard,) = of_type(template, "AWS::CloudWatch::Dashboard")
    widgets = json.loads(flat(dashboard["DashboardBody"]))["widgets"]
    assert [widget["type"] for widget in widgets] == ["alarm", *["metric"] * 6, *["log"] * 3]
    assert len(widgets[0]["properties"]["alarms"]) == len(of_type(template, "AWS::CloudWatch::Alarm"))
    shown = {metric for widget in widgets[1:7] for _, metric in widget["properties"]["metrics"]}
    assert shown >= {row.metric for row in ALARMS}


def test_watching_changes_no_other_stack(synthesize: Synthesize) -> None:
    plain, watched = synthesize(WATCHED_SITES), synthesize(WATCHED_SITES + WATCH)
    assert {name: watched[name] for name in plain} == plain


def test_sites_that_are_not_watched_are_named_at_synth(
    write_fleet: Callable[[str], Path],
) -> None:
    import aws_cdk as cdk
    from aws_cdk.assertions import Annotations, Match

    from fleet.load import load_fleet
    from stacks.watch.stack import WatchStack

    fleet = load_fleet(write_fleet(EVERYTHING))
    assert fleet.watch is not None
    stack = WatchStack(cdk.App(), "EdgecamWatch", fleet=fleet, watch=fleet.watch)
    (found,) = Annotations.from_stack(stack).find_info("*", Match.any_value())
    assert str(found.entry.data).startswith("2 of 4 sites are not watched")
    assert "yard" in str(found.entry.data)
