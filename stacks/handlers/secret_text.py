"""The text of a secret in AWS Secrets Manager, by its ARN or its name."""

from __future__ import annotations

import boto3
from botocore.exceptions import ClientError

from .cloudformation import RequestFailed
from .customer_keys import advice


def secret_text(secret_id: str, setting: str) -> str:
    """The text of a secret that a setting names.

    Args:
        secret_id: Its ARN, whose Region may be another than the function's, or its name in the function's.
        setting: Of fleet.yaml.

    Raises:
        RequestFailed: it cannot be read; with the service's words and the remedy.
    """
    region = secret_id.split(":")[3] if secret_id.startswith("arn:") else None
    manager = boto3.client("secretsmanager", region_name=region)
    try:
        text: str = manager.get_secret_value(SecretId=secret_id)["SecretString"]
    except (ClientError, KeyError) as error:
        remedy = advice(str(error), "aws.secret_keys")
        raise RequestFailed(f"{setting}: {secret_id} cannot be read as text: {error}{remedy}") from error
    return text
