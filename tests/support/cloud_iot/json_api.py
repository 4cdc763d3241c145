"""A few answers of Google's JSON API, for what the embedded store never says, and what was asked of it."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any, NamedTuple
from urllib.parse import urlsplit


class Asked(NamedTuple):
    """A request."""

    method: str
    path: str
    body: dict[str, Any]


class JsonApi(HTTPServer):
    """Answers each `METHOD /path` with what is laid out for it, in turn; the last answer stays."""

    def __init__(self, answers: dict[str, list[tuple[int, dict[str, Any]]]]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers = answers
        self.asked: list[Asked] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def methods(self) -> list[str]:
        return [asked.method for asked in self.asked]


class _Handler(BaseHTTPRequestHandler):
    server: JsonApi

    def _answer(self) -> None:
        text = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path = urlsplit(self.path).path.removeprefix("/storage/v1")
        self.server.asked.append(Asked(self.command, path, json.loads(text) if text else {}))
        answers = self.server.answers[f"{self.command} {path}"]
        status, document = answers.pop(0) if len(answers) > 1 else answers[0]
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _answer  # noqa: N815

    def log_message(self, *arguments: object) -> None:
        """Say nothing."""


def refusal(code: int, message: str) -> tuple[int, dict[str, Any]]:
    """An error as the JSON API describes it."""
    return code, {"error": {"code": code, "message": message, "errors": [{"message": message}]}}


@contextmanager
def serving(answers: dict[str, list[tuple[int, dict[str, Any]]]]) -> Iterator[JsonApi]:
    """The API, while it runs."""
    with JsonApi(answers) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
