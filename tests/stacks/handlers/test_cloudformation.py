"""What CloudFormation hears from a custom resource, over real HTTP."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from types import SimpleNamespace
from typing import Any

import pytest

from stacks.handlers.cloudformation import CloudFormationResponse, RequestFailed, respond

CONTEXT = SimpleNamespace(log_stream_name="2026/11/21/stream")


class Receiver(HTTPServer):
    """Records what is PUT; answers 503 for `failures` requests first."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.bodies: list[dict[str, Any]] = []
        self.sizes_bytes: list[int] = []
        self.failures = 0

    @property
    def event(self) -> dict[str, Any]:
        return {
            "RequestType": "Create",
            "ResponseURL": f"http://127.0.0.1:{self.server_port}/answer?signature=x",
            "StackId": "stack",
            "RequestId": "request",
            "LogicalResourceId": "Version",
        }


class Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.sizes_bytes.append(len(body))
        self.server.failures -= 1
        if self.server.failures >= 0:
            self.send_error(503)
            return
        assert self.headers["Content-Type"] == ""
        self.server.bodies.append(json.loads(body))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *arguments: object) -> None:
        """Say nothing."""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_success_carries_id_and_attributes(receiver: Receiver) -> None:
    respond(
        receiver.event,
        CONTEXT,
        lambda _: CloudFormationResponse(physical_id="id", attributes={"Arn": "arn"}),
        fallback_id="fallback",
    )
    assert receiver.bodies == [
        {
            "Status": "SUCCESS",
            "PhysicalResourceId": "id",
            "Data": {"Arn": "arn"},
            "StackId": "stack",
            "RequestId": "request",
            "LogicalResourceId": "Version",
        }
    ]


def failing(error: Exception) -> Any:
    def apply(_: Any) -> CloudFormationResponse:
        raise error

    return apply


def test_refusal_is_reported_in_its_own_words(receiver: Receiver) -> None:
    respond(receiver.event, CONTEXT, failing(RequestFailed("It cannot be.")), fallback_id="fallback")
    (body,) = receiver.bodies
    assert body["Status"] == "FAILED"
    assert body["Reason"] == "It cannot be. (log: 2026/11/21/stream)"


def test_unexpected_error_is_answered_too(receiver: Receiver) -> None:
    respond(receiver.event, CONTEXT, failing(KeyError("Bucket")), fallback_id="fallback")
    assert receiver.bodies[0]["Reason"].startswith("KeyError: 'Bucket'")


def test_failure_keeps_the_id_so_that_nothing_is_replaced(receiver: Receiver) -> None:
    respond(
        {**receiver.event, "PhysicalResourceId": "known"},
        CONTEXT,
        failing(RequestFailed("x")),
        fallback_id="fallback",
    )
    respond(receiver.event, CONTEXT, failing(RequestFailed("x")), fallback_id="fallback")
    assert [body["PhysicalResourceId"] for body in receiver.bodies] == ["known", "fallback"]


@pytest.mark.parametrize("character", ["x", "ü", "場", "🎥", '"', "\n", "\x01", "\udc80"], ids=ascii)
def test_long_reason_is_cut_before_cloudformation_refuses_it(
    receiver: Receiver, character: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A lone surrogate in a captured log cannot be handed from a worker of the tests to their runner.
    monkeypatch.setattr("stacks.handlers.cloudformation.logger.disabled", True)
    # The other members may take a third of the room: names have up to 255 characters, an id 1,024.
    event = {**receiver.event, "LogicalResourceId": "V" * 255, "PhysicalResourceId": "p" * 1024}
    respond(event, CONTEXT, failing(RequestFailed(character * 10_000)), fallback_id="fallback")
    assert 4000 < receiver.sizes_bytes[0] <= 4096
    assert receiver.bodies[0]["Reason"].endswith("… (log: 2026/11/21/stream)")


def test_reason_of_another_alphabet_has_room_for_as_much_as_its_bytes_say(receiver: Receiver) -> None:
    reason = "場所" * 500
    respond(receiver.event, CONTEXT, failing(RequestFailed(reason)), fallback_id="fallback")
    assert receiver.sizes_bytes[0] <= 4096
    assert receiver.bodies[0]["Reason"].startswith(f"{reason} (")


@pytest.mark.parametrize("character", ["x", "場", "\x01"])
def test_long_attribute_is_cut_and_short_ones_stay(receiver: Receiver, character: str) -> None:
    attributes = {"Arn": "arn:x", "GoneBack": character * 10_000, "Name": "name"}
    respond(
        receiver.event,
        CONTEXT,
        lambda _: CloudFormationResponse(physical_id="id", attributes=attributes),
        fallback_id="fallback",
    )
    assert 4000 < receiver.sizes_bytes[0] <= 4096
    data = receiver.bodies[0]["Data"]
    assert (data["Arn"], data["Name"], data["GoneBack"][-1]) == ("arn:x", "name", "…")


def test_answer_is_sent_again_when_it_did_not_arrive(receiver: Receiver) -> None:
    receiver.failures = 1
    respond(
        receiver.event, CONTEXT, lambda _: CloudFormationResponse(physical_id="id"), fallback_id="fallback"
    )
    assert len(receiver.bodies) == 1
