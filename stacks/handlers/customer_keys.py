"""What to do where a KMS key of the user's is why a service refuses."""

from __future__ import annotations


def advice(words: str, setting: str) -> str:
    """The end of a sentence, with a colon before it; nothing where `words` are not about KMS.

    Args:
        words: Those of the service that refuses.
        setting: Of fleet.yaml, where the key belongs.
    """
    if "kms" not in words.lower():
        return ""
    return f": name the KMS key in {setting}, and let its key policy leave who may use it to IAM"
