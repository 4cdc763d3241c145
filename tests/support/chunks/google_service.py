"""Google's token service on this machine: checks what a core would send to it, and gives tokens."""

from __future__ import annotations

import json
import threading
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote


class GoogleService:
    """`/v1/token` (exchange), `/key/token` (service account), `/sa/ACCOUNT:generateAccessToken`."""

    def __init__(self) -> None:
        self.lives_s = 3600
        self.failure: tuple[int, dict[str, Any]] | None = None
        self.exchanged: list[dict[str, Any]] = []
        self.impersonated: list[str] = []
        self.given = 0
        self.changed = threading.Condition()
        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                status, answer = service._answer(self.path, body, self.headers.get("Authorization"))
                content = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _answer(self, path: str, body: str, authorization: str | None) -> tuple[int, dict[str, Any]]:
        if self.failure is not None:
            return self.failure
        with self.changed:
            self.given += 1
            token = f"google-token-{self.given}"
            self.changed.notify_all()
        if path == "/v1/token":
            self.exchanged.append(_subject({name: values[0] for name, values in parse_qs(body).items()}))
        elif path.endswith(":generateAccessToken"):
            self.impersonated.append(f"{path} {authorization}")
            until = datetime.now(UTC) + timedelta(seconds=self.lives_s)
            return 200, {"accessToken": token, "expireTime": until.strftime("%Y-%m-%dT%H:%M:%SZ")}
        return 200, {"access_token": token, "expires_in": self.lives_s, "token_type": "Bearer"}


def _subject(form: dict[str, str]) -> dict[str, Any]:
    request: dict[str, Any] = json.loads(unquote(form["subject_token"]))
    headers = {header["key"].lower(): header["value"] for header in request["headers"]}
    return {"form": form, "request": request, "headers": headers}
