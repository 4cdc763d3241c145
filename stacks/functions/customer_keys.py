"""What a KMS key of the user's may be used for: by one service, for what it encrypts there and nothing else.

KMS sees which service asks for somebody (`kms:ViaService`) and what about (the encryption context). S3's is
the object, or the bucket where that has an S3 Bucket Key; Secrets Manager's is the secret
(https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingKMSEncryption.html and
https://docs.aws.amazon.com/secretsmanager/latest/userguide/security-encryption.html).
"""

from __future__ import annotations

from collections.abc import Sequence

from aws_cdk import aws_iam as iam


def use_for_artifacts(
    key: str | None, bucket_arn: str, names: Sequence[str], *, writes: bool = False
) -> list[iam.PolicyStatement]:
    """Let a role read, and perhaps write, objects that `key` encrypts.

    Args:
        key: ARN of the artifact bucket's key; None for Amazon's, which takes no right.
        bucket_arn: The bucket.
        names: Of objects, or patterns.
        writes: Whether it writes them.
    """
    if key is None:
        return []
    return [
        iam.PolicyStatement(
            sid="UseArtifactKey",
            actions=["kms:Decrypt", *(["kms:GenerateDataKey"] if writes else [])],
            resources=[key],
            conditions={
                "StringEquals": {"kms:ViaService": _service("s3", key)},
                "StringLike": {
                    "kms:EncryptionContext:aws:s3:arn": [
                        bucket_arn,
                        *(f"{bucket_arn}/{name}" for name in names),
                    ]
                },
            },
        )
    ]


def decrypt_secrets(keys: Sequence[str], secrets: Sequence[str] = ()) -> list[iam.PolicyStatement]:
    """Let a role decrypt secrets that `keys` encrypt, as far as Secrets Manager lets it read them.

    Args:
        keys: Their ARNs.
        secrets: Those secrets, as resources of IAM; empty for each that the role may read, where naming all
            would be too long for a policy: Secrets Manager asks for both rights.
    """
    if not keys:
        return []
    conditions: dict[str, dict[str, object]] = {
        "StringEquals": {"kms:ViaService": sorted({_service("secretsmanager", key) for key in keys})}
    }
    if secrets:
        conditions["StringLike"] = {"kms:EncryptionContext:SecretARN": list(secrets)}
    return [
        iam.PolicyStatement(
            sid="UseSecretKeys", actions=["kms:Decrypt"], resources=list(keys), conditions=conditions
        )
    ]


def _service(name: str, key: str) -> str:
    """As `kms:ViaService` names a service in the Region of a key."""
    return f"{name}.{key.split(':')[3]}.amazonaws.com"
