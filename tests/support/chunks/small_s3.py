"""A small S3 on this machine: takes objects in one request, or refuses every write in S3's own words."""

from __future__ import annotations

import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from xml.sax.saxutils import escape

_CHECKSUM = "x-amz-checksum-crc32c"


class SmallS3:
    """Takes what it is sent, until `refuse` is called.

    Attributes:
        objects: Content by path, `/BUCKET/KEY`.
        keys: The access key of each object's last write, by path.
    """

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.keys: dict[str, str] = {}
        self._checksums: dict[str, str] = {}
        self._refusal: tuple[int, str, str] | None = None
        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_PUT(self) -> None:
                content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                if service._refusal is not None:
                    self._refuse(*service._refusal)
                    return
                if self.headers.get("If-None-Match") and self.path in service.objects:
                    self._refuse(412, "PreconditionFailed", "At least one of the pre-conditions did not hold")
                    return
                service._keep(self.path, content, dict(self.headers.items()))
                self._found(b"")

            def do_HEAD(self) -> None:
                if self.path in service.objects:
                    self._found(service.objects[self.path])
                else:
                    self._refuse(404, "NoSuchKey", "The specified key does not exist.")

            def _found(self, content: bytes) -> None:
                self.send_response(200)
                self.send_header("ETag", '"an-etag"')
                self.send_header(_CHECKSUM, service._checksums[self.path])
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()

            def _refuse(self, status: int, code: str, message: str) -> None:
                content = (
                    '<?xml version="1.0" encoding="UTF-8"?>\n'
                    f"<Error><Code>{escape(code)}</Code><Message>{escape(message)}</Message>"
                    "<RequestId>4442587FB7D0A2F9</RequestId></Error>"
                ).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(content)

            def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def refuse(self, status: int, code: str, message: str) -> None:
        """From now on refuse every write like this."""
        self._refusal = status, code, message

    def stop(self) -> None:
        """Close the port."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _keep(self, path: str, content: bytes, headers: dict[str, str]) -> None:
        found = re.search(r"Credential=([^/]+)/", headers.get("Authorization", ""))
        lower = {name.lower(): value for name, value in headers.items()}
        self._checksums[path] = lower.get(_CHECKSUM, "")
        self.keys[path] = found[1] if found else ""
        self.objects[path] = content
