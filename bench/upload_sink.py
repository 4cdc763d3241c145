"""A store that takes everything in and keeps nothing: what uploads are measured against.

    python -m bench.upload_sink --certificate FILE --key FILE

Prints its two ports (plain, TLS) and serves until its standard input ends. It speaks just enough of Google's
JSON API (multipart, resumable in one or several parts, `bytes */N`), computes the checksum as Google does,
and is a process of its own, so that its work does not count as the client's.
"""

from __future__ import annotations

import argparse
import base64
import json
import re
import socket
import ssl
import sys
import threading
from dataclasses import dataclass, field

import google_crc32c

RECEIVE_BYTES = 1024 * 1024
_HEAD_END = b"\r\n\r\n"


@dataclass
class Session:
    """A resumable upload."""

    received: int = 0
    crc32c: int = 0


@dataclass
class Connection:
    """One client, served until it goes."""

    socket: socket.socket
    port: int
    tls: bool
    sessions: dict[str, Session]
    rest: bytes = field(default=b"")

    def serve(self) -> None:
        """Answer one request after another."""
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while head := self._head():
            target = head.split(" ", 2)[1]
            found = re.search(r"\ncontent-length: *(\d+)", head, re.IGNORECASE)
            self._handle(head, target, int(found[1]) if found else 0)

    def _handle(self, head: str, target: str, length: int) -> None:
        if "upload_id=" in target:
            session = self.sessions.setdefault(target.split("upload_id=")[1].split("&")[0], Session())
            session.crc32c = self._media(length, session.crc32c)
            session.received += length
            total = re.search(r"\ncontent-range: *bytes [^/]+/(\d+)", head, re.IGNORECASE)
            if total and session.received >= int(total[1]):
                self._stored(session)
            elif session.received:
                self._answer(308, {"Range": f"bytes=0-{session.received - 1}"})
            else:
                self._answer(308, {})
        elif "uploadType=multipart" in target:
            self._multipart(head, length)
        elif "uploadType=resumable" in target:
            self._media(length, 0)
            scheme = "https" if self.tls else "http"
            place = f"{scheme}://127.0.0.1:{self.port}/upload/storage/v1/b/sink/o"
            self._answer(200, {"Location": f"{place}?uploadType=resumable&upload_id={len(self.sessions)}"})
            self.sessions[str(len(self.sessions))] = Session()
        else:  # uploadType=media
            crc32c = self._media(length, 0)
            self._stored(Session(length, crc32c))

    def _multipart(self, head: str, length: int) -> None:
        found = re.search(r"boundary=\"?([^\"\s;]+)", head)
        line = b"\r\n--" + (found[1].encode() if found else b"")
        while (second := self.rest.find(line)) < 0 or (start := self.rest.find(_HEAD_END, second + 4)) < 0:
            self._more()
        start += len(_HEAD_END)
        self.rest = self.rest[start:]
        tail = len(line) + 2
        size = length - start - tail
        crc32c = self._media(size, 0)
        self._media(tail, 0)
        self._stored(Session(size, crc32c))

    def _media(self, size: int, crc32c: int) -> int:
        while size:
            piece = self.rest[:size]
            self.rest = self.rest[size:]
            if not piece:
                piece = self.socket.recv(min(size, RECEIVE_BYTES))
                if not piece:
                    raise ConnectionResetError
            size -= len(piece)
            crc32c = google_crc32c.extend(crc32c, piece)
        return crc32c

    def _stored(self, session: Session) -> None:
        crc32c = base64.b64encode(session.crc32c.to_bytes(4, "big")).decode()
        self._answer(
            200, {}, {"name": "o", "generation": "1", "crc32c": crc32c, "size": str(session.received)}
        )

    def _answer(self, status: int, headers: dict[str, str], document: dict[str, str] | None = None) -> None:
        body = json.dumps(document).encode() if document else b""
        lines = [f"HTTP/1.1 {status} .", "Content-Type: application/json", f"Content-Length: {len(body)}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        self.socket.sendall("\r\n".join(lines).encode() + _HEAD_END + body)

    def _head(self) -> str:
        while _HEAD_END not in self.rest:
            try:
                self._more()
            except OSError:
                return ""
        head, _, self.rest = self.rest.partition(_HEAD_END)
        return head.decode()

    def _more(self) -> None:
        piece = self.socket.recv(65536)
        if not piece:
            raise ConnectionResetError
        self.rest += piece


def _listen(context: ssl.SSLContext | None, sessions: dict[str, Session]) -> int:
    listening = socket.create_server(("127.0.0.1", 0))
    port: int = listening.getsockname()[1]

    def take(raw: socket.socket) -> None:
        try:
            connection = context.wrap_socket(raw, server_side=True) if context else raw
            Connection(connection, port, context is not None, sessions).serve()
        except OSError:
            pass

    def accept() -> None:
        while True:
            raw, _ = listening.accept()
            threading.Thread(target=take, args=(raw,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    return port


def main() -> None:
    """Listen, say where, wait for the end of the standard input."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--certificate", required=True)
    parser.add_argument("--key", required=True)
    options = parser.parse_args()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(options.certificate, options.key)
    sessions: dict[str, Session] = {}
    print(_listen(None, sessions), _listen(context, sessions), flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
