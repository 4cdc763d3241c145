"""The nucleus' socket: the one place that opens it.

A nucleus passes its components the path of its socket
(`AWS_GG_NUCLEUS_DOMAIN_SOCKET_FILEPATH_FOR_COMPONENT`) and a token (`SVCUID`). Both nuclei serve
`PublishToIoTCore` and `UpdateState` there, the classic one with `aws.greengrass.SecretManager`
`GetSecretValue` too.

The SDK is imported when a connection is made: most nodes need none, and it costs 16 MB of memory.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping

from edgecam.redaction import LONGEST_MESSAGE, SECRETS

SOCKET_VARIABLE = "AWS_GG_NUCLEUS_DOMAIN_SOCKET_FILEPATH_FOR_COMPONENT"
TOKEN_VARIABLE = "SVCUID"  # noqa: S105 - the name of a variable, not its value
THING_VARIABLE = "AWS_IOT_THING_NAME"

TIMEOUT_S = 4.0  # the nucleus is on this machine; a secret with refresh=True is asked of the cloud first
_LAST_WORD_S = 1.0  # a node that ends by a fault must not be held up by a nucleus that hangs

RUNNING, ERRORED = "RUNNING", "ERRORED"
TOKEN_REFUSED = "refused"  # noqa: S105 - a word for reports
"""The reason where the nucleus does not know the token."""

log = logging.getLogger(__name__)


class Nucleus:
    """One connection, from `with` to its end; safe to use from any thread in between.

    Args:
        path: The socket.
        token: What the nucleus gave this component to show.
        timeout_s: How long any answer may take.
        on_lost: Called from the SDK's thread when an open connection has ended; must not block.
    """

    def __init__(
        self,
        path: str,
        token: str,
        *,
        timeout_s: float | None = None,
        on_lost: Callable[[], None] | None = None,
    ) -> None:
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

        class Handler(LifecycleHandler):  # type: ignore[misc] # the SDK is without types
            def on_disconnect(self, reason: Exception | None) -> None:  # noqa: ARG002 - the SDK's signature
                lost.set()
                if on_lost is not None:
                    on_lost()

        self._timeout_s = TIMEOUT_S if timeout_s is None else timeout_s
        self._lost = lost = threading.Event()
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
        self._handler = Handler()
        self._client = GreengrassCoreIPCClientV2(GreengrassCoreIPCClient(self._connection), executor=None)

    def __enter__(self) -> Nucleus:
        """Connect.

        Raises:
            Exception: it cannot be; the SDK's errors share no root below that.
        """
        try:
            self._connection.connect(self._handler).result(self._timeout_s)
        except BaseException:
            self._connection.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    @property
    def is_lost(self) -> bool:
        """Whether the connection was open and has ended."""
        return self._lost.is_set()

    def secret(self, arn: str, *, refresh: bool | None) -> str | None:
        """The text of the secret, None when the nucleus answers without text. Raises as `__enter__` does."""
        answer = self._client.get_secret_value_async(secret_id=arn, refresh=refresh).result(self._timeout_s)
        text = answer.secret_value.secret_string if answer.secret_value is not None else None
        return text if isinstance(text, str) else None

    def publish(self, topic: str, payload: bytes) -> None:
        """Hand a message for AWS IoT Core to the nucleus, at least once (QoS 1). Raises as `__enter__` does.

        What an answer means is the nucleus' affair: the classic one has taken the message into its queue and
        sends it when it is connected; Nucleus Lite has written it to its connection and refuses when it has
        none.
        """
        self._client.publish_to_iot_core_async(topic_name=topic, qos="1", payload=payload).result(
            self._timeout_s
        )

    def update_state(self, state: str) -> None:
        """Report the state of this component: `RUNNING` or `ERRORED`. Raises as `__enter__` does.

        The classic nucleus acts on `ERRORED`: it ends the component and starts it again, and gives it up
        after three times. It takes a component for running from the start of its script on, and ignores a
        second `RUNNING`. Nucleus Lite hands `RUNNING` to systemd, which asks nobody who has a `run` script,
        and ignores `ERRORED`: there the exit code counts.
        """
        self._client.update_state_async(state=state).result(self._timeout_s)


def address(environment: Mapping[str, str]) -> tuple[str, str] | None:
    """Path of the socket, and token; None where no nucleus has started this process."""
    path, token = environment.get(SOCKET_VARIABLE), environment.get(TOKEN_VARIABLE)
    return (path, token) if path and token else None


def refuses_token(error: BaseException) -> bool:
    """Whether a failure to connect means that the nucleus does not know the token.

    The classic one says so. Nucleus Lite closes the connection without a word ("Requested svcuid not
    registered" is in its log alone).
    """
    is_closed = getattr(error, "name", None) == "AWS_IO_SOCKET_CLOSED"
    return is_closed or type(error).__name__ == "AccessDeniedError"


def report_errored(environment: Mapping[str, str]) -> None:
    """Report to the nucleus, if there is one, that the node ends by a fault of its own; takes 2 s at most.

    Only for what a new start may clear, or else a person has to: the spool in use, the page's
    port taken, a fault in edgecam. Never for a camera, a bucket or a broker that is away: after three such
    errors in an hour the nucleus gives the component up, with all the cameras that do deliver.
    """
    if (where := address(environment)) is None:
        return
    try:
        with Nucleus(*where, timeout_s=_LAST_WORD_S) as nucleus:
            nucleus.update_state(ERRORED)
    except Exception as error:  # the SDK's errors share no root; there is a worse fault to speak of
        log.debug("the nucleus: expected it to take %s, found %s", ERRORED, problem(error))


def problem(error: BaseException) -> str:
    """What went wrong, in one redacted line: the SDKs' errors often have no text of their own."""
    text = str(getattr(error, "message", None) or error).strip().replace("\n", " ")
    name = type(error).__name__
    return SECRETS.shown(f"{name}: {text}" if text and text != name else name, LONGEST_MESSAGE)
