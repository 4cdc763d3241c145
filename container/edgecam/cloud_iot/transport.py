"""Each camera as a device of Cloud IoT Core's protocol, over MQTT.

Google's service ended in August 2023; ClearBlade IoT Core speaks the same protocol
(https://cloud.google.com/iot/docs/how-tos/mqtt-bridge). Every device has a connection, a key and a thread of
its own, so that one whose key is wrong takes nothing from the others.
"""

from __future__ import annotations

import logging
import os
import random
from collections.abc import Iterable, Mapping

from edgecam.brokers.interface import DeviceControl, StateSource
from edgecam.clock import Clock
from edgecam.cloud_iot.connection import Limits
from edgecam.cloud_iot.device_session import DeviceSession
from edgecam.cloud_iot.key_source import KeySource
from edgecam.cloud_iot.tls import TrustStore
from edgecam.config.brokers import CloudIot
from edgecam.config.camera import Camera
from edgecam.credentials.secrets import SecretSource
from edgecam.status.reports import LinkReport

log = logging.getLogger(__name__)


class CloudIotTransport:
    """See `edgecam.brokers.interface.Transport`.

    Args:
        config: Which bridge and registry.
        cameras: Those that are devices; others are left out.
        states: Knows their states.
        control: Does what they are asked to do.
        secrets: Fetches keys.
        clock: Time; also what a token is dated by.
        environment: Where keys given as variables are.
        limits: Timeouts of the connection.
        random_source: For jitter.
    """

    def __init__(
        self,
        config: CloudIot,
        cameras: Iterable[Camera],
        *,
        states: StateSource,
        control: DeviceControl,
        secrets: SecretSource,
        clock: Clock,
        environment: Mapping[str, str] = os.environ,
        limits: Limits | None = None,
        random_source: random.Random | None = None,
    ) -> None:
        self._clock = clock
        trust, limits = TrustStore(config.ca_file), limits or Limits()
        self._sessions = {
            camera.id: DeviceSession(
                camera,
                config,
                states=states,
                control=control,
                keys=KeySource(
                    camera.device.key,
                    config.device_name(camera.device_id),
                    camera_id=camera.id,
                    secrets=secrets,
                    clock=clock,
                    environment=environment,
                    min_refresh_s=limits.key_s,
                ),
                trust=trust,
                clock=clock,
                limits=limits,
                random_source=random_source,
            )
            for camera in cameras
            if camera.device is not None
        }

    def start(self) -> None:
        """See `Transport.start`."""
        for session in self._sessions.values():
            session.start()

    def stop(self, timeout_s: float) -> None:
        """See `Transport.stop`; all devices at once."""
        deadline_s = self._clock.monotonic_s() + timeout_s
        for session in self._sessions.values():
            session.stop(deadline_s)
        for session in self._sessions.values():
            session.join()
        unconfirmed = [
            camera_id for camera_id, session in self._sessions.items() if not session.final_state_acked
        ]
        if unconfirmed:
            log.info("left the bridge without the final state of %s", ", ".join(unconfirmed))

    def reports(self) -> Mapping[str, LinkReport]:
        """See `Transport.reports`."""
        return {camera_id: session.report() for camera_id, session in self._sessions.items()}

    def key_version(self, camera_id: str) -> str | None:
        """The version of the key that the bridge has taken last of this camera; None where unknown."""
        session = self._sessions.get(camera_id)
        return None if session is None else session.key_version
