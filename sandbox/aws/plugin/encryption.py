"""KMS keys of customers: who reads or writes what one encrypts needs a right to use it, as on AWS.

S3 and Secrets Manager ask KMS in the name of their caller: their own name is `kms:ViaService`, and what it is
about the encryption context. Nothing is encrypted here; only the rights are checked.
"""

from __future__ import annotations

from collections.abc import Iterator

from sandbox.aws.ministack import host, iam, s3, secretsmanager
from sandbox.aws.ministack.iam import Right

_OF_S3 = {"s3:GetObject": "kms:Decrypt", "s3:PutObject": "kms:GenerateDataKey"}


def rights_behind(action: str, resource: str) -> Iterator[Right]:
    """What an action on a resource needs of KMS."""
    if action in _OF_S3:
        bucket = resource.removeprefix("arn:aws:s3:::").partition("/")[0]
        yield from _rights(_OF_S3[action], s3.customer_key(bucket), "s3", {"aws:s3:arn": resource})
    elif action == "secretsmanager:GetSecretValue":
        key = secretsmanager.customer_key(resource)
        yield from _rights("kms:Decrypt", key, "secretsmanager", {"SecretARN": resource})


def _rights(action: str, key: str | None, service: str, context: dict[str, str]) -> Iterator[Right]:
    if key is not None:
        keys = {"kms:ViaService": f"{service}.{host.region()}.amazonaws.com"}
        keys |= {f"kms:EncryptionContext:{name}": value for name, value in context.items()}
        yield Right(action=action, resource=key, keys=keys)


def install() -> None:
    """Ask for these rights from now on."""
    iam.ask_also(rights_behind)
