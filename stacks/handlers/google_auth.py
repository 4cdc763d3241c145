"""Who a function is to Google: its AWS role by workload identity federation, or a service account's key."""

from __future__ import annotations

import json
from collections.abc import Mapping

from google.auth import aws
from google.auth.credentials import Credentials
from google.oauth2 import service_account

from .cloudformation import RequestFailed
from .secret_text import secret_text

_SCOPES = ("https://www.googleapis.com/auth/cloud-platform",)


def credentials_of(login: Mapping[str, str]) -> Credentials:
    """The credentials that the property `Login` (Audience and ServiceAccount, or Secret) asks for.

    Raises:
        RequestFailed: the secret cannot be read, or holds something else.
    """
    if "Secret" in login:
        return _from_secret(login["Secret"])
    impersonation = None
    if "ServiceAccount" in login:
        account = login["ServiceAccount"]
        impersonation = f"https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/{account}:generateAccessToken"
    # Lambda hands the role's keys and its Region to the function by environment variables, where the library
    # looks first. With them it signs a request for GetCallerIdentity; the keys do not leave the function.
    return aws.Credentials(
        audience=login["Audience"],
        subject_token_type="urn:ietf:params:aws:token-type:aws4_request",  # noqa: S106 - a type
        token_url="https://sts.googleapis.com/v1/token",  # noqa: S106 - an address
        service_account_impersonation_url=impersonation,
        credential_source={
            "environment_id": "aws1",
            "regional_cred_verification_url": "https://sts.{region}.amazonaws.com"
            "?Action=GetCallerIdentity&Version=2011-06-15",
        },
        scopes=_SCOPES,
    )


def _from_secret(arn: str) -> Credentials:
    text = secret_text(arn, "gcp.login.secret")
    try:
        key = json.loads(text)
        credentials: Credentials = service_account.Credentials.from_service_account_info(key, scopes=_SCOPES)
    except (ValueError, RecursionError, AttributeError, TypeError):
        # Neither cause nor content: both could hold parts of the key.
        raise RequestFailed(
            f"gcp.login.secret: {arn} must hold the JSON key of a service account, as Google's console "
            "or gcloud iam service-accounts keys create writes it"
        ) from None
    return credentials
