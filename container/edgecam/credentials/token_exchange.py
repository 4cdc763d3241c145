"""The nucleus' token exchange service: is it there, and does it still know this component's token?

It listens on a port of the core that it chooses at its own start, and gives AWS credentials for the token
that the nucleus gave this component. Both are passed as variables when the component starts; when the service
or the nucleus starts again on its own, they stay dead for the rest of the component's life.

Read in the sources: Nucleus Lite answers 404 to a token that it does not know, the classic nucleus 403; the
latter passes on the status of AWS IoT as well, where a role alias may be missing or forbidden. So a refusal
is taken for the token's only if a token that nobody was ever given gets the very same answer.
"""

from __future__ import annotations

import http.client
import secrets
import socket
from collections.abc import Mapping
from http import HTTPStatus
from typing import NamedTuple
from urllib.parse import urlsplit

URI_VARIABLE = "AWS_CONTAINER_CREDENTIALS_FULL_URI"
TOKEN_VARIABLE = "AWS_CONTAINER_AUTHORIZATION_TOKEN"  # noqa: S105 - the name of a variable, not its value
KEY_VARIABLE = "AWS_ACCESS_KEY_ID"
"""The AWS SDK takes credentials in variables before it asks the service."""

_TIMEOUT_S = 5.0
_MOST_BYTES = 4096  # an answer with credentials has two thousand
_DIGITS = "0123456789abcdef"
_REFUSALS = (HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND)


class TokenExchange(NamedTuple):
    """Where the service was when this component was started, and the token for it."""

    uri: str
    token: str

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> TokenExchange | None:
        """By the variables; None where the AWS SDK asks no such service."""
        uri, token = environment.get(URI_VARIABLE), environment.get(TOKEN_VARIABLE)
        return cls(uri, token) if uri and token and not environment.get(KEY_VARIABLE) else None

    def is_open(self) -> bool | None:
        """Whether somebody listens at the port. None where that is not known: of a service that is slow, and
        where anything else goes wrong."""
        try:
            socket.create_connection(_place(self.uri), timeout=_TIMEOUT_S).close()
        except ConnectionRefusedError:
            return False
        except (OSError, ValueError):  # no address at all, or no answer
            return None
        return True

    def takes_token(self) -> bool:
        """False where the service knows the token no more than one that was made up just now; a service that
        does not answer, or fails in another way, says nothing of the token."""
        own = self._answer(self.token)
        if own is None or own.status not in _REFUSALS:
            return True
        # Of the same length: another one is a bad request to Nucleus Lite.
        unknown = "".join(secrets.choice(_DIGITS) for _ in self.token)
        return self._answer(unknown) != own

    def _answer(self, token: str) -> _Answer | None:
        try:
            connection = http.client.HTTPConnection(*_place(self.uri), timeout=_TIMEOUT_S)
        except ValueError:
            return None
        try:
            connection.request("GET", urlsplit(self.uri).path or "/", headers={"Authorization": token})
            response = connection.getresponse()
            return _Answer(response.status, response.read(_MOST_BYTES))
        except (OSError, http.client.HTTPException, ValueError):
            return None
        finally:
            connection.close()


def port_refused(uri: str) -> str:
    """The message for a port that is dead."""
    return (
        f"{URI_VARIABLE}: expected the nucleus' token exchange service at {uri}, "
        "found the connection refused: it listens at another port since it was started again"
    )


def never_passed(started: str) -> str:
    """The message for an address that was not passed to what was `started`."""
    return (
        f"{URI_VARIABLE}: expected the nucleus to pass it, found it missing: the token exchange "
        f"service was started after {started}"
    )


def token_unknown(variable: str, given_to: str) -> str:
    """The message for a token of which the nucleus knows nothing, in `variable`."""
    return (
        f"{variable}: expected the nucleus to know the token that it gave {given_to}, found it "
        "refused: it was given by an earlier start of the nucleus"
    )


def has_other_credentials() -> bool:
    """Whether the AWS SDK finds credentials without the service: in a file, or from the machine (EC2)."""
    from botocore.session import Session

    try:
        return Session().get_credentials() is not None
    except Exception:  # its errors share no root with those of the ways that it tries
        return False


class _Answer(NamedTuple):
    status: int
    body: bytes


def _place(uri: str) -> tuple[str, int]:
    parts = urlsplit(uri)
    return parts.hostname or "localhost", parts.port or http.client.HTTP_PORT
