"""Whether a port speaks TLS: GStreamer calls each such mistake "(Generic error)"."""

from __future__ import annotations

import socket
import ssl
from enum import Enum, auto

from edgecam.rtsp.tls import ASKS

_TIMEOUT_S = 1.0
_REQUEST = b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n"  # RFC 2326, 10.1: harmless, and asks for no login


class Speech(Enum):
    """What a port speaks."""

    TLS = auto()
    TLS_WITH_CLIENT_CERTIFICATE = auto()
    PLAIN = auto()
    UNKNOWN = auto()


def speech_of(host: str, port: int) -> Speech:
    """Connect once, and see. Blocks for three seconds at the most."""
    # Nothing secret is sent, so it does not matter whose certificate it is.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        with socket.create_connection((host, port), timeout=_TIMEOUT_S) as plain:
            with context.wrap_socket(plain, server_hostname=host) as tls:
                # TLS 1.3 refuses a client after its own handshake: with the first answer.
                tls.sendall(_REQUEST)
                is_answered = bool(tls.recv(1))
            # Many hang up without a word; no camera leaves this request unanswered for another reason.
            return Speech.TLS if is_answered else Speech.TLS_WITH_CLIENT_CERTIFICATE
    except ConnectionResetError:
        return Speech.TLS_WITH_CLIENT_CERTIFICATE
    except ssl.SSLError as error:
        if any(word in str(error) for word in ASKS):
            return Speech.TLS_WITH_CLIENT_CERTIFICATE
        return (
            Speech.PLAIN
            if error.reason in ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE")
            else Speech.UNKNOWN
        )
    except (OSError, ValueError):
        return Speech.UNKNOWN
