"""Read the devices' last states through Google's own client, in the environment of the Cloud IoT libraries:

    build/cloud-iot/bin/python -m sandbox.iot.read_states URL DEVICE_PATH…

Prints one JSON object: for each device the list of its states, newest first, `{"time": …, "data": …}`. `data`
is what the state holds when that is JSON, and its text otherwise.
"""

from __future__ import annotations

import argparse
import json
import sys
import warnings
from typing import Any
from urllib.parse import urlsplit

from google.auth.credentials import AnonymousCredentials

with warnings.catch_warnings():
    # Of Python versions that they will leave behind some day.
    warnings.simplefilter("ignore", FutureWarning)
    from google.cloud import iot_v1
    from google.cloud.iot_v1.services.device_manager.transports.rest import DeviceManagerRestTransport


def client(url: str) -> Any:
    """Google's client of the embedded Cloud IoT at `url`, over REST."""
    address = urlsplit(url)
    transport = DeviceManagerRestTransport(
        host=address.netloc, url_scheme=address.scheme, credentials=AnonymousCredentials()
    )
    return iot_v1.DeviceManagerClient(transport=transport)


def states(manager: Any, device: str) -> list[dict[str, Any]]:
    """What the service still has of a device's states, newest first."""
    found = manager.list_device_states(request={"name": device}).device_states
    return [{"time": state.update_time.isoformat(), "data": _readable(state.binary_data)} for state in found]


def _readable(data: bytes) -> Any:
    text = data.decode(errors="replace")
    try:
        return json.loads(text)
    except ValueError:
        return text


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(
        prog="python -m sandbox.iot.read_states",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("url", help="of the API, such as http://localhost:8085")
    parser.add_argument("devices", nargs="+", metavar="DEVICE_PATH", help="projects/…/devices/D")
    options = parser.parse_args()
    manager = client(options.url)
    json.dump({device: states(manager, device) for device in options.devices}, sys.stdout, indent=2)
    sys.stdout.write("\n")


if __name__ == "__main__":
    main()
