"""Whether the token exchange service is there, and knows the token: the nuclei's answers, over HTTP."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator

import pytest

from edgecam.credentials.token_exchange import KEY_VARIABLE, TOKEN_VARIABLE, URI_VARIABLE, TokenExchange
from sandbox.http_server import HttpServer, RequestHandler
from sandbox.ports import free_port

OWN = "0123456789abcdef"
Answers = Callable[[str], tuple[int, bytes]]


class Service:
    """A token exchange service that answers as a test wants, by the token."""

    def __init__(self) -> None:
        self.answers: Answers = lambda _: (200, b"{}")
        self.asked: list[str] = []
        service = self

        class Handler(RequestHandler):
            def respond(self) -> None:
                token = self.headers.get("Authorization") or ""
                service.asked.append(token)
                status, body = service.answers(token)
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        self.server = HttpServer(0, Handler, name="token-exchange")
        uri = f"http://localhost:{self.server.server_port}/2016-11-01/credentialprovider/"
        self.exchange = TokenExchange(uri, OWN)


@pytest.fixture
def service() -> Iterator[Service]:
    running = Service()
    yield running
    running.server.stop()


def lite(token: str) -> tuple[int, bytes]:
    """Nucleus Lite since its IPC daemon was started again: no token is known."""
    return (404, b"No such svcuid present.") if len(token) == len(OWN) else (400, b"SVCUID length")


def classic_without_role(token: str) -> tuple[int, bytes]:
    """The classic nucleus, where AWS IoT refuses the role alias: its status, and its words."""
    return (403, b"TES responded with status code: 403. Access Denied") if token == OWN else (403, b"")


@pytest.mark.parametrize(
    ("answers", "is_refused"),
    [
        (lambda _: (200, b"{}"), False),
        (lite, True),
        (lambda _: (403, b""), True),
        (classic_without_role, False),
        (lambda _: (500, b"Failed to get connection"), False),
        (lambda _: (503, b"Failed to fetch SVCUID. Try again."), False),
    ],
)
def test_token_is_refused_when_one_that_nobody_has_gets_the_same_answer(
    service: Service, answers: Answers, is_refused: bool
) -> None:
    service.answers = answers
    assert service.exchange.takes_token() is not is_refused
    assert service.exchange.is_open() is True
    assert service.asked[0] == OWN
    assert {len(token) for token in service.asked} == {len(OWN)}


def test_port_where_nobody_listens_is_refused_and_says_nothing_of_the_token() -> None:
    exchange = TokenExchange(f"http://localhost:{free_port()}/", OWN)
    assert exchange.is_open() is False
    assert exchange.takes_token()


def test_service_that_does_not_answer_is_not_refused() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        assert TokenExchange(f"http://127.0.0.1:{silent.getsockname()[1]}/", OWN).is_open() is not False
    assert TokenExchange("http://no-such-host.invalid:1/", OWN).is_open() is None


def test_service_is_asked_only_where_the_aws_sdk_would_ask_it() -> None:
    variables = {URI_VARIABLE: "http://localhost:1/", TOKEN_VARIABLE: OWN}
    assert TokenExchange.of(variables) == TokenExchange("http://localhost:1/", OWN)
    assert TokenExchange.of(variables | {KEY_VARIABLE: "AKID"}) is None
    assert TokenExchange.of({URI_VARIABLE: "http://localhost:1/"}) is None
    assert TokenExchange.of({}) is None
