"""A function's login at Google: the property of its resources, and what the function may read for it."""

from __future__ import annotations

from aws_cdk import aws_iam as iam
from constructs import Construct

from fleet.camera_secrets import exact_secret
from fleet.settings.gcp import Login
from stacks.functions.own_secrets import own_secrets


def login_properties(login: Login | None) -> dict[str, str]:
    """`gcp.login` as a property of a custom resource; what is not set is left out."""
    if login is None:
        return {}
    names = {
        "Audience": login.audience,
        "ServiceAccount": login.service_account,
        "Secret": login.secret,
    }
    return {key: value for key, value in names.items() if value is not None}


def read_secrets(scope: Construct, secret: str | None) -> list[iam.PolicyStatement]:
    """What the function may do on AWS for its login: nothing, unless that is a secret."""
    if secret is None:
        return []
    action, resource = "secretsmanager:GetSecretValue", exact_secret(secret, own_secrets(scope))
    return [iam.PolicyStatement(sid="ReadLogin", actions=[action], resources=[resource])]
