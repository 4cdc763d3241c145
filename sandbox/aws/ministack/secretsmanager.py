"""Secrets, and what encrypts them."""

from __future__ import annotations

from ministack.services import secretsmanager  # type: ignore[import-not-found]


def customer_key(secret_arn: str) -> str | None:
    """ARN of the customer's KMS key that encrypts a secret, or None."""
    _, secret = secretsmanager._resolve(secret_arn)
    found: str | None = secret.get("KmsKeyId") if secret else None
    return found
