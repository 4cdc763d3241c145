"""Serve until SIGTERM, in the environment of the Cloud IoT libraries:

python -m sandbox.iot --api-port 8085 --mqtt-port 8883 --folder build/iot
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import signal
import sys
from pathlib import Path

from sandbox.errors import StartError
from sandbox.gcs.certificate import Certificate
from sandbox.iot.api.clearblade import ClearBladeApi
from sandbox.iot.api.control import Control
from sandbox.iot.api.google import GoogleApi
from sandbox.iot.api.http_server import ApiHttpServer
from sandbox.iot.clock import ServerClock
from sandbox.iot.faults import Faults
from sandbox.iot.mqtt.admission import Gate
from sandbox.iot.mqtt.bridge import Bridge
from sandbox.iot.registries import Registries


def main() -> None:
    """Start, say where, wait, stop."""
    parser = argparse.ArgumentParser(
        prog="python -m sandbox.iot",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--api-port", type=int, required=True, help="of the DeviceManager API, on 127.0.0.1")
    parser.add_argument("--mqtt-port", type=int, required=True, help="of the MQTT bridge, on 127.0.0.1")
    parser.add_argument("--folder", type=Path, required=True, help="where the bridge's certificate lies")
    options = parser.parse_args()
    logging.basicConfig(stream=sys.stdout, level=logging.INFO, format="%(asctime)s %(name)s: %(message)s")
    for noisy in ("amqtt", "transitions"):
        # Whatever a client does wrong is a warning of amqtt's; here the gate keeps account of it.
        logging.getLogger(noisy).setLevel(logging.CRITICAL)
    try:
        asyncio.run(serve(options.api_port, options.mqtt_port, options.folder))
    except StartError as error:
        parser.exit(1, f"{error}\n")


async def serve(api_port: int, mqtt_port: int, folder: Path) -> None:
    """Serve until SIGTERM or SIGINT.

    Raises:
        StartError: a port is taken.
    """
    ending = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ending.set)
    clock, faults = ServerClock(), Faults()
    registries = Registries(clock)
    gate = Gate(registries, clock)
    bridge = Bridge(mqtt_port, Certificate.make(folder).server_context(), registries, gate)
    google = GoogleApi(registries, bridge)
    clearblade = ClearBladeApi(registries, google, f"http://localhost:{api_port}/clearblade")
    control = Control(registries, gate, bridge, faults, clock, loop)
    routes = [*google.routes(), *clearblade.routes(), *control.routes()]
    try:
        await bridge.up()
    except OSError as error:
        raise StartError(f"The embedded Cloud IoT cannot start: {error}") from error
    try:
        http_server = ApiHttpServer(api_port, routes, faults)
    except OSError as error:
        await bridge.down()
        raise StartError(f"The embedded Cloud IoT cannot listen on port {api_port}: {error}") from error
    logging.info("embedded Cloud IoT: API on http://localhost:%d, MQTT on port %d", api_port, mqtt_port)
    await ending.wait()
    await asyncio.to_thread(http_server.stop)
    await bridge.down()


if __name__ == "__main__":
    main()
