"""The stack for GitHub's jobs: who is let in, and what for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from fleets import Synthesize, flat, of_type
from syrupy.assertion import SnapshotAssertion

from edgecam.errors import ConfigurationError
from fleet.load import load_fleet

SITE = 'sites: {a: {thing: c, cameras: [{id: a, uri: "rtsp://h/1"}]}}\n'
PIPELINE = SITE + "aws: {pipeline: {repository: acme/cameras}}"
ISSUER = "token.actions.githubusercontent.com"
ROLES = "arn:<AWS::Partition>:iam::<AWS::AccountId>:role/cdk-hnb659fds"


@pytest.fixture
def template(synthesize: Synthesize) -> dict[str, Any]:
    return synthesize(PIPELINE)["EdgecamPipeline"]


def roles(template: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Its two roles, by the first word of what they are for."""
    return {role["Description"].split()[0]: role for role in of_type(template, "AWS::IAM::Role")}


def conditions(role: dict[str, Any]) -> dict[str, Any]:
    (statement,) = role["AssumeRolePolicyDocument"]["Statement"]
    assert statement["Action"] == "sts:AssumeRoleWithWebIdentity"
    found: dict[str, Any] = statement["Condition"]
    return found


def may_take_on(template: dict[str, Any], role: str) -> list[str]:
    (policy,) = [
        policy
        for policy in of_type(template, "AWS::IAM::Policy")
        if any(flat(name).strip("<>").startswith(role) for name in policy["Roles"])
    ]
    (statement,) = policy["PolicyDocument"]["Statement"]
    assert (statement["Effect"], statement["Action"]) == ("Allow", "sts:AssumeRole")
    resources = statement["Resource"]
    return [flat(arn) for arn in (resources if isinstance(resources, list) else [resources])]


def test_pipeline(template: dict[str, Any], snapshot: SnapshotAssertion) -> None:
    assert {key: template[key] for key in ("Resources", "Outputs")} == snapshot


def test_fleet_without_pipeline_has_no_such_stack(synthesize: Synthesize) -> None:
    assert "EdgecamPipeline" not in synthesize(SITE)


def test_only_the_environment_on_the_branch_may_deploy(template: dict[str, Any]) -> None:
    assert conditions(roles(template)["Deploys"]) == {
        "StringEquals": {
            f"{ISSUER}:aud": "sts.amazonaws.com",
            f"{ISSUER}:sub": "repo:acme/cameras:environment:production",
            f"{ISSUER}:ref": "refs/heads/main",
        }
    }


def test_only_pull_requests_of_the_repository_may_compare(template: dict[str, Any]) -> None:
    assert conditions(roles(template)["Compares"]) == {
        "StringEquals": {
            f"{ISSUER}:aud": "sts.amazonaws.com",
            f"{ISSUER}:sub": "repo:acme/cameras:pull_request",
        }
    }


def test_role_that_deploys_may_take_on_the_bootstrap_roles_and_nothing_else(template: dict[str, Any]) -> None:
    where = "role-<AWS::AccountId>-<AWS::Region>"
    assert may_take_on(template, "Deploy") == [
        f"{ROLES}-{kind}-{where}" for kind in ("deploy", "file-publishing", "image-publishing", "lookup")
    ]


def test_role_that_compares_may_read_only(template: dict[str, Any]) -> None:
    assert may_take_on(template, "Diff") == [f"{ROLES}-lookup-role-<AWS::AccountId>-<AWS::Region>"]


def test_roles_have_no_rights_but_those(template: dict[str, Any]) -> None:
    assert len(of_type(template, "AWS::IAM::Policy")) == 2
    for role in of_type(template, "AWS::IAM::Role"):
        assert role.keys() <= {"AssumeRolePolicyDocument", "Description", "MaxSessionDuration"}


def test_provider_that_is_there_is_used(synthesize: Synthesize) -> None:
    template = synthesize(SITE + "aws: {pipeline: {repository: acme/cameras, create_provider: false}}")[
        "EdgecamPipeline"
    ]
    assert of_type(template, "AWS::IAM::OIDCProvider") == []
    for role in of_type(template, "AWS::IAM::Role"):
        (statement,) = role["AssumeRolePolicyDocument"]["Statement"]
        trusted = flat(statement["Principal"]["Federated"])
        assert trusted == f"arn:<AWS::Partition>:iam::<AWS::AccountId>:oidc-provider/{ISSUER}"


def test_everything_can_be_named_otherwise(synthesize: Synthesize) -> None:
    named = "{repository: acme@12/cameras@34, branch: live, environment: shops, bootstrap_qualifier: acme}"
    template = synthesize(SITE + f"aws: {{pipeline: {named}}}")["EdgecamPipeline"]
    trusted = conditions(roles(template)["Deploys"])["StringEquals"]
    assert trusted[f"{ISSUER}:sub"] == "repo:acme@12/cameras@34:environment:shops"
    assert trusted[f"{ISSUER}:ref"] == "refs/heads/live"
    assert all(":role/cdk-acme-" in arn for arn in may_take_on(template, "Deploy"))


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        ("repository: acme", "expected OWNER/NAME"),
        ('repository: "acme/*"', "expected OWNER/NAME"),
        ("repository: acme@12/cameras", "OWNER@ID/NAME@ID"),
        ("repository: acme/cameras:x", "expected OWNER/NAME"),
        ('repository: acme/cameras, branch: "*"', "no pattern"),
        ('repository: acme/cameras, environment: "prod*"', "no pattern"),
    ],
)
def test_setting_that_would_let_in_others_is_refused(tmp_path: Path, setting: str, expected: str) -> None:
    path = tmp_path / "fleet.yaml"
    path.write_text(SITE + f"aws: {{pipeline: {{{setting}}}}}")
    with pytest.raises(ConfigurationError, match=r"aws\.pipeline") as refused:
        load_fleet(path)
    assert expected in str(refused.value)
