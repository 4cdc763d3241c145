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

from edgecam.errors import CredentialsError
from edgecam.redaction import redact

SOCKET_VARIABLE = "AWS_GG_NUCLEUS_DOMAIN_SOCKET_FILEPATH_FOR_COMPONENT"
TOKEN_VARIABLE = "SVCUID"  # noqa: S105 - the name of a variable, not its value

_IPC_TIMEOUT_S = 4.0  # the nucleus is on this machine; with latest=True it asks the cloud first
_CONNECT_TIMEOUT_S = 3
_READ_TIMEOUT_S = 5
_ATTEMPTS = 2  # the camera's own retry loop comes back; a long wait here would only delay it

_log = logging.getLogger(__name__)


class SecretSource:
    """Fetches secrets; holds no value. Safe to use from any thread.

    Args:
        environment: The variables in which a nucleus says where it is.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self._lock = threading.Lock()
        self._clients: dict[str, Any] = {}

    def fetch(self, arn: str, *, latest: bool = False) -> str:
        """The text of the secret `arn`.

        Args:
            arn: The secret's ARN.
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
                return fetch(arn, latest)
            except _Unavailable as problem:
                _log.debug("secret %s: not from %s: %s", arn, way, problem)
                tried.append(f"{way}: {problem}")
        raise CredentialsError(
            f"secret {arn}: expected its value, found none. Tried {'; '.join(tried)}. "
            "Grant secretsmanager:GetSecretValue on it to the core's role, and check the core's network"
        )

    def _from_nucleus(self, arn: str, latest: bool) -> str:
        path, token = self._environment.get(SOCKET_VARIABLE), self._environment.get(TOKEN_VARIABLE)
        if not path or not token:
            raise _Unavailable(f"{SOCKET_VARIABLE} and {TOKEN_VARIABLE} are not both set")
        try:
            with _Nucleus(path, token) as nucleus:
                return nucleus.secret(arn, latest)
        except _Unavailable:
            raise
        except Exception as error:  # the SDK's errors share no root below Exception
            raise _Unavailable(_problem(error)) from None

    def _from_cloud(self, arn: str, latest: bool) -> str:  # noqa: ARG002 - it is always the latest
        try:
            answer = self._client(arn.split(":")[3]).get_secret_value(SecretId=arn)
        except Exception as error:  # botocore builds the classes of its errors at run time
            raise _Unavailable(_problem(error)) from None
        text = answer.get("SecretString")
        if not isinstance(text, str):
            raise _Unavailable("it holds binary data, expected text")
        return text

    def _client(self, region: str) -> Any:
        """The client for the secret's own Region: a core may stand in another."""
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
    """This way does not lead to the value; the message says why and holds no secret."""


class _Nucleus:
    """One short connection to the nucleus' socket (a secret is asked for once an hour)."""

    def __init__(self, path: str, token: str) -> None:
        from awscrt.io import (
            ClientBootstrap,
            DefaultHostResolver,
            EventLoopGroup,
            SocketDomain,
            SocketOptions,
        )
        from awsiot.eventstreamrpc import Connection, LifecycleHandler, MessageAmendment
        from awsiot.greengrasscoreipc.client import GreengrassCoreIPCClient
        from awsiot.greengrasscoreipc.clientv2 import GreengrassCoreIPCClientV2

        loop = EventLoopGroup(num_threads=1)
        options = SocketOptions()
        options.domain = SocketDomain.Local
        # Not greengrasscoreipc.connect(): when that runs into its timeout the connection is left open.
        self._connection = Connection(
            host_name=path,
            port=0,
            bootstrap=ClientBootstrap(loop, DefaultHostResolver(loop)),
            socket_options=options,
            connect_message_amender=MessageAmendment.create_static_authtoken_amender(token),
        )
        self._handler = LifecycleHandler()
        self._client = GreengrassCoreIPCClientV2(GreengrassCoreIPCClient(self._connection), executor=None)

    def __enter__(self) -> _Nucleus:
        try:
            self._connection.connect(self._handler).result(_IPC_TIMEOUT_S)
        except BaseException:
            self._connection.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def secret(self, arn: str, latest: bool) -> str:
        """The text of the secret; the nucleus' copy when the latest cannot be had."""
        try:
            # A secret manager that is too old to know `refresh` ignores it.
            return self._ask(arn, refresh=True if latest else None)
        except Exception as error:
            if not latest:
                raise
            _log.debug("secret %s: the nucleus could not refresh it: %s", arn, _problem(error))
            return self._ask(arn, refresh=None)

    def _ask(self, arn: str, *, refresh: bool | None) -> str:
        answer = self._client.get_secret_value_async(secret_id=arn, refresh=refresh).result(_IPC_TIMEOUT_S)
        text = answer.secret_value.secret_string if answer.secret_value is not None else None
        if not isinstance(text, str):
            raise _Unavailable("it answered without text")
        return text


def _problem(error: BaseException) -> str:
    """What went wrong, in one redacted line: the SDKs' errors often have no text of their own."""
    text = str(getattr(error, "message", None) or error).strip().replace("\n", " ")
    name = type(error).__name__
    return redact(f"{name}: {text}" if text and text != name else name)
