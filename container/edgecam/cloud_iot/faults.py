"""Errors between a device and the MQTT bridge, each with a sentence on who has to act."""

from __future__ import annotations

import os
import socket
import ssl

from edgecam.backoff import STABLE_AFTER_S
from edgecam.clock import Clock, utc_text
from edgecam.cloud_iot.bridge_socket import PacketTooLong
from edgecam.config.brokers import CloudIot
from edgecam.errors import BrokerError

_UNAVAILABLE = 0x88
_WRONG_ID = 0x85
_WRONG_PROTOCOL = 0x84
"""Reason codes of CONNACK as paho gives them: MQTT 5's, also for MQTT 3.1.1."""


class ConnectionErrors:
    """Makes the errors of one device's connection.

    Args:
        config: Which bridge.
        device: The device's full name.
        clock: What the core takes for the time of day: the usual suspect when a token is refused.
    """

    def __init__(self, config: CloudIot, device: str, clock: Clock) -> None:
        self._bridge = f"{config.host}:{config.port}"
        self._port = config.port
        self._project = config.project
        self._device = device
        self._clock = clock

    def not_connected(self, error: Exception) -> BrokerError:
        """No connection, or no TLS."""
        if isinstance(error, ssl.SSLCertVerificationError):
            return self._error(
                "untrusted",
                f"its certificate cannot be verified: {error.verify_message}; check cloud_iot.ca_file and "
                f"this core's clock ({self._time()}), and whether something between answers in its place",
            )
        if isinstance(error, (socket.gaierror, UnicodeError)):
            found = error.strerror if isinstance(error, socket.gaierror) else "no name of a host"
            return self._error(
                "unreachable",
                f"its address cannot be found ({found}); check the core's network and cloud_iot.host",
            )
        if isinstance(error, TimeoutError):
            return self._error(
                "unreachable",
                "expected an answer, found none; check the core's network, and whether a firewall lets "
                f"port {self._port} out",
            )
        if isinstance(error, ConnectionRefusedError):
            return self._error(
                "refused",
                "expected a bridge to listen there, found the connection refused; check cloud_iot.host and "
                "port",
            )
        if isinstance(error, ssl.SSLError):
            found = error.reason or "the connection closed"
            return self._error(
                "tls", f"expected TLS 1.2 or later, found something else ({found}); check cloud_iot.port"
            )
        number = getattr(error, "errno", None)
        return self._error(
            "unreachable", f"the connection failed: {os.strerror(number) if number else type(error).__name__}"
        )

    def unusable_ca_file(self, path: str, error: OSError) -> BrokerError:
        """The file with who is trusted cannot be used."""
        problem = "no certificate in it" if isinstance(error, ssl.SSLError) else error.strerror
        return BrokerError(
            f"cloud_iot.ca_file {path}: expected a PEM file with certificates, found: {problem}",
            reason="untrusted",
        )

    def from_connack(self, code: int, text: str, key_name: str) -> BrokerError:
        """CONNACK refuses."""
        if code == _UNAVAILABLE:
            return self._error("unavailable", f"the bridge cannot take a connection now ({text})")
        if code == _WRONG_PROTOCOL:
            return self._error(
                "unavailable", f"expected MQTT 3.1.1 to be spoken there, found it refused ({text})"
            )
        if code == _WRONG_ID:
            return self._error(
                "unauthorized",
                f"expected the bridge to know {self._device}, found the name refused ({text}): check "
                "cloud_iot.project, region and registry and the camera's device.id",
            )
        return self._error(
            "unauthorized",
            f"the bridge refuses the token of {self._device} ({key_name}; {text}): " + self._suspects(),
        )

    def closed_before_connack(self, key_name: str) -> BrokerError:
        """The connection was closed in place of CONNACK."""
        return self._error(
            "unauthorized",
            f"the bridge closed the connection instead of taking the token of {self._device} ({key_name}): "
            + self._suspects(),
        )

    def timed_out(self, awaited: str, waited_s: float) -> BrokerError:
        """What was sent is not answered, though nobody has closed the connection."""
        return self._error(
            "silent",
            f"expected {awaited} within {waited_s:g} s, found no answer; the bridge "
            "hangs, or the way to it is cut",
        )

    def packet_too_long(self, error: PacketTooLong) -> BrokerError:
        """It sends what is longer than anything that the protocol knows."""
        return self._error("nonsense", f"{error}; the connection was ended, check cloud_iot.host and port")

    def unreadable(self) -> BrokerError:
        """What it sends cannot be read."""
        return self._error("nonsense", "expected MQTT 3.1.1, found packets that cannot be read")

    def closed(self, lived_s: float) -> BrokerError:
        """The bridge closed the connection, or it broke: MQTT 3.1.1 gives no reason."""
        doubt = (
            "; if that comes again, another node is connected as this device, or the device is blocked"
            if lived_s < STABLE_AFTER_S
            else ""
        )
        return self._error(
            "closed",
            f"the connection of {self._device} was closed by the bridge, or broke, after {lived_s:.0f} s"
            + doubt,
        )

    def _suspects(self) -> str:
        return (
            "its public key is not registered there or has expired, the device does not exist or is blocked, "
            f"the project is not {self._project}, or this core's clock is wrong ({self._time()})"
        )

    def _time(self) -> str:
        return f"it says {utc_text(self._clock.now())}"

    def _error(self, reason: str, sentence: str) -> BrokerError:
        return BrokerError(f"{self._bridge}: {sentence}", reason=reason)
