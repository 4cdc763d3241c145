"""The certificate authorities that the MQTT bridge's certificate is checked against."""

from __future__ import annotations

import ssl
import threading

from edgecam.cloud_iot.bridge_socket import BridgeSocket


class TrustStore:
    """The authorities that the bridge's certificate is checked against: read once for all
    devices, for it takes 2 MB.

    Safe to use from any thread.

    Args:
        ca_file: PEM; None for the system's.
    """

    def __init__(self, ca_file: str | None) -> None:
        self.ca_file = ca_file
        self._lock = threading.Lock()
        self._context: ssl.SSLContext | None = None

    def context(self) -> ssl.SSLContext:
        """TLS 1.2 or later, certificate and host name verified.

        Raises:
            OSError: the file cannot be read, or holds no certificate.
        """
        with self._lock:
            if self._context is None:
                context = ssl.create_default_context(cafile=self.ca_file)
                context.minimum_version = ssl.TLSVersion.TLSv1_2
                context.sslsocket_class = BridgeSocket
                self._context = context
            return self._context

    def forget(self) -> None:
        """The certificate could not be verified: read the file again next time."""
        with self._lock:
            self._context = None
