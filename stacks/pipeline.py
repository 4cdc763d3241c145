"""The stack that lets a repository at GitHub deploy by itself: no key is stored anywhere.

A job authenticates with a token that GitHub signed for it. The token's claims name repository, environment
and branch of the job; the trust policy of each role below names those that it accepts. The roles may do one
thing: assume roles that `cdk bootstrap` made.

It is deployed by hand, once: `cdk deploy EdgecamPipeline`. Its outputs are the variables of the workflows.
"""

from __future__ import annotations

from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from constructs import Construct

from fleet.settings.pipeline import Pipeline

ISSUER = "token.actions.githubusercontent.com"
AUDIENCE = "sts.amazonaws.com"
"""Of the tokens that aws-actions/configure-aws-credentials requests."""

DEPLOYING_ROLES = ("deploy", "file-publishing", "image-publishing", "lookup")
READING_ROLES = ("lookup",)
"""Of the roles that `cdk bootstrap` makes: those that `cdk deploy` assumes, and that of a `cdk diff`."""

_DEPLOY_SESSION = cdk.Duration.hours(2)
"""A first deployment builds images, for an architecture that is emulated as well."""

_DIFF_SESSION = cdk.Duration.hours(1)  # the least that IAM takes


class PipelineStack(cdk.Stack):
    """Identity provider → a role that deploys, a role that reads what is deployed.

    Attributes:
        deploy_role: For the job that deploys.
        diff_role: For pull requests, whose code is not reviewed yet.
    """

    def __init__(self, scope: Construct, construct_id: str, *, pipeline: Pipeline, **stack: Any) -> None:
        super().__init__(
            scope, construct_id, description="edgecam: what GitHub's jobs may do in this account", **stack
        )
        provider_arn = self._provider_arn(create=pipeline.create_provider)
        subject = f"repo:{pipeline.repository}"
        self.deploy_role = self._role(
            "Deploy",
            provider_arn,
            claims={
                "sub": f"{subject}:environment:{pipeline.environment}",
                "ref": f"refs/heads/{pipeline.branch}",
            },
            description=f"Deploys branch {pipeline.branch} of {pipeline.repository}.",
            session=_DEPLOY_SESSION,
        )
        self.diff_role = self._role(
            "Diff",
            provider_arn,
            claims={"sub": f"{subject}:pull_request"},
            description=f"Compares pull requests of {pipeline.repository} with what is deployed.",
            session=_DIFF_SESSION,
        )
        self._let_assume(self.deploy_role, DEPLOYING_ROLES, pipeline.bootstrap_qualifier)
        self._let_assume(self.diff_role, READING_ROLES, pipeline.bootstrap_qualifier)
        for name, role in (("DeployRoleArn", self.deploy_role), ("DiffRoleArn", self.diff_role)):
            cdk.CfnOutput(self, name, value=role.role_arn, description="A variable of the workflows.")

    def _provider_arn(self, *, create: bool) -> str:
        if create:
            provider = iam.OidcProviderNative(self, "GitHub", url=f"https://{ISSUER}", client_ids=[AUDIENCE])
            return provider.oidc_provider_arn
        return self.format_arn(service="iam", region="", resource="oidc-provider", resource_name=ISSUER)

    def _role(
        self,
        name: str,
        provider_arn: str,
        *,
        claims: dict[str, str],
        description: str,
        session: cdk.Duration,
    ) -> iam.Role:
        # Equal, never like: the author of a branch could otherwise choose a name that fits a pattern.
        trusted = {f"{ISSUER}:{claim}": value for claim, value in {"aud": AUDIENCE, **claims}.items()}
        return iam.Role(
            self,
            name,
            assumed_by=iam.WebIdentityPrincipal(provider_arn, {"StringEquals": trusted}),
            description=description,
            max_session_duration=session,
        )

    def _let_assume(self, role: iam.Role, kinds: tuple[str, ...], qualifier: str) -> None:
        names = [f"cdk-{qualifier}-{kind}-role-{self.account}-{self.region}" for kind in kinds]
        resources = [
            self.format_arn(service="iam", region="", resource="role", resource_name=name) for name in names
        ]
        role.add_to_policy(
            iam.PolicyStatement(sid="TakeOnBootstrapRoles", actions=["sts:AssumeRole"], resources=resources)
        )
