"""Run a core until SIGTERM: `python -m sandbox.core`."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from sandbox.aws.thing import Device, DeviceConnection
from sandbox.core.characters import NUCLEI, SHELLS, character
from sandbox.core.lite.nucleus import LiteCore, heard_by_lite
from sandbox.core.nucleus import Core, heard_by, log
from sandbox.core.scripts import Identity
from sandbox.core.settings import INSTALL_LIMIT_S, Settings
from sandbox.errors import SandboxError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a core until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(prog="python -m sandbox.core", description=__doc__.splitlines()[0])
    parser.add_argument("--thing-name", required=True)
    parser.add_argument("--certificate", type=Path, required=True, help="folder of the certificate's files")
    parser.add_argument("--iot-port", type=int, required=True, help="where the embedded AWS hears devices")
    parser.add_argument("--root", type=Path, required=True, help="folder for artifacts, work and logs")
    parser.add_argument("--role-alias", required=True)
    parser.add_argument("--run-as", help="user for scripts without RequiresPrivilege; default: this one")
    parser.add_argument("--poll-s", type=float, default=1.0, help="seconds between looks for a deployment")
    parser.add_argument("--settle-s", type=float, default=3.0, help="seconds that run must last to succeed")
    parser.add_argument("--restart-delay-s", type=float, default=1.0, help="seconds before a new try")
    parser.add_argument("--nucleus", choices=NUCLEI, default="", help="default: the classic one")
    parser.add_argument("--shell", choices=SHELLS, default="", help="what /bin/sh is, on a core with lite")
    parser.add_argument(
        "--install-limit-s", type=float, default=INSTALL_LIMIT_S, help="how long lite waits for a step"
    )
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname)s %(message)s")
    if "AWS_ENDPOINT_URL" not in os.environ:
        parser.error("AWS_ENDPOINT_URL must name the embedded AWS: this core serves no other")
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    try:
        settings = Settings(
            url=os.environ["AWS_ENDPOINT_URL"],
            device=Device(
                thing_name=options.thing_name, folder=options.certificate.resolve(), port=options.iot_port
            ),
            role_alias=options.role_alias,
            root=options.root.resolve(),
            identity=Identity.named(options.run_as) if options.run_as else Identity.current(),
            poll_s=options.poll_s,
            settle_s=options.settle_s,
            restart_delay_s=options.restart_delay_s,
            character=character(options.nucleus, options.shell),
            install_limit_s=options.install_limit_s,
        )
        lite = settings.character.is_lite
        topics = heard_by_lite(options.thing_name) if lite else heard_by(options.thing_name)
        with DeviceConnection(settings.device, topics) as connection:
            (LiteCore if lite else Core)(settings, connection, stop).run()
    except SandboxError as error:
        log.error("%s", error)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
