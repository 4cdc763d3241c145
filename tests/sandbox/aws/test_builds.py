"""Builds of the embedded AWS: what a project's specification says is done, with the rights of its role."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from typing import Any

import pytest

from sandbox.aws.server import EmbeddedAws

Until = Callable[..., Any]
Build = Callable[..., dict[str, Any]]


def role(aws: EmbeddedAws, service: str, action: str) -> str:
    """The ARN of a new role that `service` takes on and that may do `action`."""
    name = f"builder-{uuid.uuid4().hex[:8]}"
    trust = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
    right = {"Effect": "Allow", "Action": action, "Resource": "*"}
    iam = aws.client("iam")
    created = iam.create_role(
        RoleName=name, AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    )
    iam.put_role_policy(
        RoleName=name,
        PolicyName="One",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [right]}),
    )
    arn: str = created["Role"]["Arn"]
    return arn


@pytest.fixture
def build(embedded_aws: EmbeddedAws, until: Until) -> Build:
    """A function that runs phases in a project of their own and returns the build once it has ended."""
    codebuild = embedded_aws.client("codebuild")

    def run(
        phases: dict[str, list[str]],
        *,
        service: str = "codebuild.amazonaws.com",
        action: str = "ecr:GetAuthorizationToken",
        **variables: str,
    ) -> dict[str, Any]:
        name = f"project-{uuid.uuid4().hex[:8]}"
        commands = {phase: {"commands": lines} for phase, lines in phases.items()}
        codebuild.create_project(
            name=name,
            source={"type": "NO_SOURCE", "buildspec": json.dumps({"version": "0.2", "phases": commands})},
            artifacts={"type": "NO_ARTIFACTS"},
            environment={
                "type": "LINUX_CONTAINER",
                "image": "any",
                "computeType": "BUILD_GENERAL1_SMALL",
                "environmentVariables": [{"name": key, "value": value} for key, value in variables.items()],
            },
            serviceRole=role(embedded_aws, service, action),
        )
        started = codebuild.start_build(projectName=name)["build"]
        assert started["buildStatus"] == "IN_PROGRESS"

        def ended() -> dict[str, Any] | None:
            found: dict[str, Any] = codebuild.batch_get_builds(ids=[started["id"]])["builds"][0]
            return found if found["buildStatus"] != "IN_PROGRESS" else None

        result: dict[str, Any] = until(ended, f"{started['id']} has ended")
        return result

    return run


def output(aws: EmbeddedAws, build: dict[str, Any]) -> list[str]:
    """What the build wrote to its log."""
    found = aws.client("logs").get_log_events(
        logGroupName=build["logs"]["groupName"], logStreamName=build["logs"]["streamName"]
    )
    return [event["message"] for event in found["events"]]


def test_phases_run_in_their_order_with_the_projects_variables(
    build: Build, embedded_aws: EmbeddedAws
) -> None:
    done = build({"build": ["WORD=two", "echo $WORD $NAME"], "install": ["echo one"]}, NAME="it's $HOME")
    assert (done["buildStatus"], done["currentPhase"]) == ("SUCCEEDED", "COMPLETED")
    assert output(embedded_aws, done) == ["one", "two it's $HOME"]


def test_command_that_fails_ends_the_build(build: Build, embedded_aws: EmbeddedAws) -> None:
    done = build({"build": ["echo before", "exit 3", "echo after"], "post_build": ["echo later"]})
    assert done["buildStatus"] == "FAILED"
    (failed,) = [phase for phase in done["phases"] if phase["phaseType"] == "BUILD"]
    assert failed["contexts"][0]["message"] == "Error while executing command. Reason: exit status 3"
    assert output(embedded_aws, done) == ["before"]


def test_build_has_the_rights_of_its_role_and_no_others(build: Build, embedded_aws: EmbeddedAws) -> None:
    ask = "python3 -c 'import boto3; boto3.client(\"ecr\").get_authorization_token()'"
    assert build({"build": [ask]})["buildStatus"] == "SUCCEEDED"
    done = build({"build": [ask]}, action="s3:GetObject")
    assert done["buildStatus"] == "FAILED"
    assert "AccessDenied" in output(embedded_aws, done)[-1]


def test_role_that_does_not_trust_the_service_is_not_taken_on(build: Build) -> None:
    done = build({"build": ["true"]}, service="lambda.amazonaws.com")
    assert done["buildStatus"] == "FAULT"
    assert "does not trust codebuild.amazonaws.com" in done["phases"][0]["contexts"][0]["message"]


def test_unknown_project_is_refused_as_before(embedded_aws: EmbeddedAws) -> None:
    codebuild = embedded_aws.client("codebuild")
    with pytest.raises(codebuild.exceptions.ResourceNotFoundException):
        codebuild.start_build(projectName="none")
