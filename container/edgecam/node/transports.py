"""The transports that the configuration asks for: how the states of the cameras get to brokers."""

from __future__ import annotations

import threading
from collections.abc import Mapping

from edgecam.brokers.interface import DeviceControl, Transport
from edgecam.brokers.state_document import NodeStates
from edgecam.clock import Clock
from edgecam.config.node import NodeConfig
from edgecam.credentials.secrets import SecretSource
from edgecam.status.reports import Links

AWS_IOT, CLOUD_IOT = "aws-iot", "cloud-iot"
"""What the brokers are called in metrics, reports and on the page."""


class Transports:
    """Starts and stops them; the libraries of those that nobody asks for are not even imported.

    Args:
        config: The node's.
        states: Knows the states; learns here which keys the devices authenticate with.
        control: Does what a device is asked for.
        environment: The variables in which a nucleus gives its address.
        clock: Time.
    """

    def __init__(
        self,
        config: NodeConfig,
        *,
        states: NodeStates,
        control: DeviceControl,
        environment: Mapping[str, str],
        clock: Clock,
    ) -> None:
        self._states = states
        self._transports: dict[str, Transport] = {}
        if config.cloud_iot is not None:
            from edgecam.cloud_iot.transport import CloudIotTransport

            cloud_iot = CloudIotTransport(
                config.cloud_iot,
                [camera for camera in config.cameras if camera.device is not None],
                states=states.states_every(config.cloud_iot.every_s),
                control=control,
                secrets=SecretSource(environment),
                clock=clock,
            )
            states.set_key_versions(cloud_iot.key_version)
            self._transports[CLOUD_IOT] = cloud_iot
        if config.aws_iot.enabled:
            from edgecam.brokers.aws_iot import AwsIotTransport

            self._transports[AWS_IOT] = AwsIotTransport(
                [camera.id for camera in config.cameras],
                states=states.states_every(config.aws_iot.every_s),
                every_s=config.aws_iot.every_s,
                environment=environment,
                clock=clock,
            )

    def __bool__(self) -> bool:
        """Whether there is any."""
        return bool(self._transports)

    def start(self) -> None:
        """Begin to publish; returns at once."""
        for transport in self._transports.values():
            transport.start()

    def stop(self, timeout_s: float) -> None:
        """The cameras have ended: publish that, to all brokers at once, within `timeout_s` seconds."""
        self._states.end()
        ends = [
            threading.Thread(target=transport.stop, args=(timeout_s,), name=f"end-{name}", daemon=True)
            for name, transport in self._transports.items()
        ]
        for end in ends:
            end.start()
        for end in ends:
            end.join(timeout_s)

    def reports(self) -> Links:
        """How each connection is doing."""
        return {name: transport.reports() for name, transport in self._transports.items()}
