"""What names a secret in AWS Secrets Manager: its ARN, or its name.

A name is taken with a slash in it alone, as in `cameras/lobby`: without, it could not be distinguished from a
password that was put there. A whole ARN ends in a hyphen and six random characters, which Secrets Manager
adds to the name; one without them does as well, but for the nucleus' secret manager.
"""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator

_NAME = r"[A-Za-z0-9/_+=.@-]{1,512}"
_ARN = re.compile(rf"arn:aws[a-z-]*:secretsmanager:(?P<region>[a-z0-9-]+):\d{{12}}:secret:(?P<name>{_NAME})")
_WHOLE = re.compile(r".+-[A-Za-z0-9]{6}")


def secret_name(secret_id: str) -> str:
    """The name of the secret, with the random characters of its ARN where that has them."""
    match = _ARN.fullmatch(secret_id)
    return match["name"] if match else secret_id


def secret_region(secret_id: str) -> str | None:
    """The Region in its ARN; None where only the name is known."""
    match = _ARN.fullmatch(secret_id)
    return match["region"] if match else None


def is_arn(secret_id: str) -> bool:
    """Whether it is an ARN, and no name."""
    return _ARN.fullmatch(secret_id) is not None


def is_whole_arn(secret_id: str) -> bool:
    """Whether it is an ARN with the random characters at its end: a name may look as if it had some."""
    return is_arn(secret_id) and _WHOLE.fullmatch(secret_id) is not None


def is_secret_id(text: str) -> bool:
    """Whether `text` is an ARN of a secret, or a name with a slash."""
    return is_arn(text) or ("/" in text.strip("/") and re.fullmatch(_NAME, text) is not None)


def _secret_id(text: str) -> str:
    if not is_secret_id(text):
        raise ValueError(
            "expected the ARN of an AWS Secrets Manager secret (arn:aws:secretsmanager:REGION:ACCOUNT:"
            "secret:NAME), or its name with a slash, such as cameras/lobby"
        )
    return text


SecretId = Annotated[str, AfterValidator(_secret_id)]
