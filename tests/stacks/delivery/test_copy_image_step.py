"""The step of a copy, against a registry with ECR's habits: layers come from elsewhere, answers get lost."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from stacks.delivery import copy_image_step as copy_image

LOGIN = base64.b64encode(b"AWS:password").decode()
KIND = "application/vnd.docker.distribution.manifest.v2+json"


def digest_of(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


class Server(ThreadingHTTPServer):
    """What both hosts have: an address, and what they were asked for."""

    def __init__(self, handler: type[BaseHTTPRequestHandler]) -> None:
        super().__init__(("127.0.0.1", 0), handler)
        self.asked: list[str] = []
        self.layers: dict[str, bytes] = {}
        self.stored: dict[str, bytes] = {}
        self.storage = ""
        self.refusals: list[int] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def say(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *arguments: object) -> None:
        """Say nothing."""


class Storage(Handler):
    """Hands out layers by signed addresses, as S3 does: a second login beside the signature is an error."""

    def do_GET(self) -> None:
        if self.headers["Authorization"]:
            self.say(400, b"Only one auth mechanism allowed")
        else:
            self.say(200, self.server.layers[self.path.removeprefix("/")])


class Registry(Handler):
    """Speaks the distribution specification, to clients that are logged in."""

    def do_GET(self) -> None:
        if not self.logged_in():
            return
        kind, reference = self.path.split("/")[-2:]
        if kind == "blobs":
            self.say(307, Location=f"{self.server.storage}/{reference}")
        else:
            self.say(200, self.server.stored[f"published/{reference}"], Content_Type=KIND)

    def do_HEAD(self) -> None:
        if self.logged_in():
            there = f"ours/{self.path.rpartition('/')[2]}" in self.server.stored
            self.say(200 if there else 404)

    def do_POST(self) -> None:
        if self.logged_in():
            self.say(202, Location="/upload?session=1")

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if not self.logged_in():
            return
        if self.server.refusals:
            self.say(self.server.refusals.pop())
            return
        address = urlsplit(self.path)
        name = parse_qs(address.query).get("digest", [address.path.rpartition("/")[2]])[0]
        self.server.stored[f"ours/{name}"] = body
        self.say(201)

    def logged_in(self) -> bool:
        self.server.asked.append(f"{self.command} {self.path}")
        if self.headers["Authorization"] == f"Basic {LOGIN}":
            return True
        self.say(401)
        return False


class Ecr:
    """Says where the registry is and how to log in."""

    def __init__(self, url: str, token: str = LOGIN) -> None:
        self._answer = {"authorizationData": [{"proxyEndpoint": url, "authorizationToken": token}]}

    def get_authorization_token(self) -> dict[str, Any]:
        return self._answer


@pytest.fixture
def registry() -> Iterator[Server]:
    """A registry with an image of two layers and a configuration."""
    with Server(Storage) as storage, Server(Registry) as server:
        threads = [threading.Thread(target=each.serve_forever, args=(0.01,)) for each in (storage, server)]
        for thread in threads:
            thread.start()
        storage.layers = {digest_of(layer): layer for layer in (b"one" * 100_000, b"two", b"configuration")}
        entries = [{"digest": digest, "size": len(layer)} for digest, layer in storage.layers.items()]
        manifest = {"schemaVersion": 2, "config": entries.pop(), "layers": entries}
        server.storage = storage.url
        server.stored["published/tag"] = json.dumps(manifest).encode()
        yield server
        for each in (storage, server):
            each.shutdown()
        for thread in threads:
            thread.join()


def copy(registry: Server) -> str:
    return copy_image.copy(copy_image.Registry(Ecr(registry.url)), "published:tag", "ours:one")


def test_manifest_and_layers_arrive_as_they_are_and_the_manifest_last(registry: Server) -> None:
    manifest = registry.stored["published/tag"]
    assert copy(registry) == digest_of(manifest)
    arrived = {name.removeprefix("ours/"): body for name, body in registry.stored.items() if "ours/" in name}
    assert arrived.pop("one") == manifest
    assert {name: digest_of(body) for name, body in arrived.items()} == {name: name for name in arrived}
    assert len(arrived) == 3
    assert registry.asked[-1] == "PUT /v2/ours/manifests/one"


def test_layer_that_is_there_is_not_sent_again(registry: Server) -> None:
    layer = json.loads(registry.stored["published/tag"])["layers"][0]["digest"]
    registry.stored[f"ours/{layer}"] = b"there"
    copy(registry)
    assert registry.stored[f"ours/{layer}"] == b"there"


def test_layer_whose_upload_fails_is_sent_again(registry: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []
    monkeypatch.setattr(copy_image.time, "sleep", waited.append)
    registry.refusals = [503, 500]
    copy(registry)
    assert waited == [1, 2]
    assert "ours/one" in registry.stored


def test_upload_that_keeps_failing_ends_the_copy_without_a_manifest(
    registry: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copy_image.time, "sleep", lambda _: None)
    registry.refusals = [503] * copy_image.ATTEMPTS
    with pytest.raises(OSError, match="503"):
        copy(registry)
    assert "ours/one" not in registry.stored


def test_refused_login_is_an_error(registry: Server) -> None:
    refused = copy_image.Registry(Ecr(registry.url, token="wrong"))
    with pytest.raises(OSError, match="401"):
        copy_image.copy(refused, "published:tag", "ours:one")
