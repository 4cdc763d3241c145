"""Where the value of a secret comes from: the nucleus where it keeps secrets, else AWS Secrets Manager.

The classic nucleus with `aws.greengrass.SecretManager` serves `GetSecretValue` over its socket, also without
network. Nucleus Lite has no such operation: there, and wherever the nucleus refuses, the value is fetched
with the token exchange credentials (`AWS_CONTAINER_CREDENTIALS_FULL_URI`) or whatever else the AWS SDK finds.

Both SDKs are imported on first use only: most cameras need neither, and they cost 16 MB of memory each.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from typing import Any

from edgecam.config.secret_ids import secret_region
from edgecam.errors import CredentialsError
from edgecam.greengrass_ipc import (
    SOCKET_VARIABLE,
    TOKEN_VARIABLE,
    Nucleus,
    address,
    problem,
)

_CONNECT_TIMEOUT_S = 3
_READ_TIMEOUT_S = 5
_ATTEMPTS = 2  # the camera's own retry loop comes back; a long wait here would only delay it

_MOST_CHARACTERS = 65_536
"""AWS Secrets Manager holds no more in a secret (https://docs.aws.amazon.com/secretsmanager/latest/userguide/
reference_limits.html)."""

_log = logging.getLogger(__name__)


class SecretSource:
    """Fetches secrets; holds no value. Safe to use from any thread.

    Args:
        environment: The variables of a nucleus: where its socket is.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self._lock = threading.Lock()
        self._clients: dict[str | None, Any] = {}

    def fetch(self, secret_id: str, *, latest: bool = False) -> str:
        """The text of a secret.

        Args:
            secret_id: Its ARN, or its name where it is in the core's own account and Region.
            latest: Ask past the nucleus' own cache, where it can.

        Raises:
            CredentialsError: with every way that was tried and how it failed.
        """
        tried: list[str] = []
        for way, fetch in (
            ("the nucleus' secret manager", self._from_nucleus),
            ("AWS Secrets Manager", self._from_cloud),
        ):
            try:
                return _measured(fetch(secret_id, latest))
            except _Unavailable as reason:
                _log.debug("secret %s: not from %s: %s", secret_id, way, reason)
                tried.append(f"{way}: {reason}")
        raise CredentialsError(
            f"secret {secret_id}: expected its value, found none. Tried {'; '.join(tried)}. "
            "Grant secretsmanager:GetSecretValue on it to the core's role (and kms:Decrypt, where a key of "
            "yours encrypts it: aws.secret_keys in fleet.yaml), and check the core's network"
        )

    def _from_nucleus(self, secret_id: str, latest: bool) -> str:
        if (where := address(self._environment)) is None:
            raise _Unavailable(f"{SOCKET_VARIABLE} and {TOKEN_VARIABLE} are not both set")
        try:
            with Nucleus(*where) as nucleus:  # a short one: a secret is asked for once an hour
                text = _ask(nucleus, secret_id, latest)
        except Exception as error:  # the SDK's errors share no root below Exception
            raise _Unavailable(problem(error)) from None
        if text is None:
            raise _Unavailable("it answered without text")
        return text

    def _from_cloud(self, secret_id: str, latest: bool) -> str:  # noqa: ARG002 - it is always the latest
        try:
            answer = self._client(self._region_of(secret_id)).get_secret_value(SecretId=secret_id)
        except Exception as error:  # botocore builds the classes of its errors at run time
            raise _Unavailable(problem(error)) from None
        text = answer.get("SecretString")
        if not isinstance(text, str):
            raise _Unavailable("it holds binary data, expected text")
        return text

    def _region_of(self, secret_id: str) -> str | None:
        """None where botocore finds it by itself, in a file of the user's."""
        in_environment = map(self._environment.get, ("AWS_REGION", "AWS_DEFAULT_REGION"))
        return secret_region(secret_id) or next(filter(None, in_environment), None)

    def _client(self, region: str | None) -> Any:
        """The client for the secret's own Region: a core may be in another."""
        from botocore.config import Config
        from botocore.session import Session

        with self._lock:
            if region not in self._clients:
                config = Config(
                    connect_timeout=_CONNECT_TIMEOUT_S,
                    read_timeout=_READ_TIMEOUT_S,
                    retries={"mode": "standard", "total_max_attempts": _ATTEMPTS},
                )
                session = Session()
                self._clients[region] = session.create_client(
                    "secretsmanager", region_name=region, config=config
                )
            return self._clients[region]


class _Unavailable(Exception):  # noqa: N818 - not an error yet: another way may do
    """This way does not lead to the value; the message has the reason and no secret."""


def _measured(text: str) -> str:
    if len(text) > _MOST_CHARACTERS:
        raise _Unavailable(f"expected at most {_MOST_CHARACTERS} characters, found {len(text)}")
    return text


def _ask(nucleus: Nucleus, secret_id: str, latest: bool) -> str | None:
    """The text of the secret; the nucleus' copy when the latest cannot be had."""
    try:
        # A secret manager that is too old to know `refresh` ignores it.
        return nucleus.secret(secret_id, refresh=True if latest else None)
    except Exception as error:
        if not latest:
            raise
        _log.debug("secret %s: the nucleus could not refresh it: %s", secret_id, problem(error))
        return nucleus.secret(secret_id, refresh=None)
