"""Where a connection to the bridge goes: a name, IPv4, or IPv6 in brackets as in a URI."""

from __future__ import annotations

import socket

import pytest

from edgecam.clock import SystemClock
from edgecam.cloud_iot.connection import BridgeConnection, Limits
from edgecam.cloud_iot.faults import ConnectionErrors
from edgecam.cloud_iot.tls import TrustStore
from edgecam.config.brokers import CloudIot
from edgecam.errors import BrokerError


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]"])
def test_address_is_connected_to_without_its_brackets_and_shown_with_them(host: str) -> None:
    with socket.socket(socket.AF_INET6 if "[" in host else socket.AF_INET) as taken:
        taken.bind((host.strip("[]"), 0))  # nobody listens
        config = CloudIot(
            project="our-project",
            region="europe-west1",
            registry="cameras",
            host=host,
            port=taken.getsockname()[1],
        )
        clock, device = SystemClock(), config.device_name("lobby")
        connection = BridgeConnection(
            config,
            device,
            trust=TrustStore(None),
            errors=ConnectionErrors(config, device, clock),
            clock=clock,
            limits=Limits(),
        )
        with pytest.raises(BrokerError) as caught:
            connection.open("token", "key", 10)
        connection.close()
    assert caught.value.reason == "refused"
    assert f"{host}:{config.port}" in str(caught.value)
