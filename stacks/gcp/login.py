"""A function's login at Google: the property of its resources, and what the function may read for it."""

from __future__ import annotations

from collections.abc import Sequence

from aws_cdk import aws_iam as iam
from constructs import Construct

from fleet.camera_secrets import exact_secret
from fleet.settings.gcp import Login
from stacks.functions.customer_keys import decrypt_secrets
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


def read_secrets(scope: Construct, secret: str | None, keys: Sequence[str]) -> list[iam.PolicyStatement]:
    """What the function may do on AWS for its login: nothing, unless that is a secret.

    Args:
        scope: The function.
        secret: Its ARN.
        keys: KMS keys of the user's that encrypt secrets.
    """
    if secret is None:
        return []
    action, resource = "secretsmanager:GetSecretValue", exact_secret(secret, own_secrets(scope))
    return [
        iam.PolicyStatement(sid="ReadLogin", actions=[action], resources=[resource]),
        *decrypt_secrets(keys, [resource]),
    ]
