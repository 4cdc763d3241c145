"""Start and stop the embedded Cloud IoT, look into it, and let it fail.

with EmbeddedCloudIot(tmp_path) as cloud:
    device = cloud.make_device(f"{cloud.make_registry(REGISTRY)}/devices/lobby", public_key_pem)
    …                       # the node, with cloud.mqtt_port and cloud.ca_file
    cloud.bridge_down()     # nobody listens; connections are closed; devices and states stay
    cloud.bridge_up()
    cloud.states(device)[0].data
"""

from __future__ import annotations

import base64
import json
import os
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from sandbox.errors import CloudError, StartError
from sandbox.iot import environment
from sandbox.iot.reports import Connections, Ending, Event, State, endings_of, time_of
from sandbox.ports import check_free, free_port
from sandbox.process import POLL_S, Process
from sandbox.stoppable import Stoppable

__all__ = ["Connections", "EmbeddedCloudIot", "Ending", "Event", "State"]

START_TIMEOUT_S = 60.0
"""One second is usual; an idle machine's first import of everything may take many times that."""
REQUEST_TIMEOUT_S = 30.0
CLEARBLADE_PATH = "/clearblade"
PASSED_THROUGH = ("PATH", "HOME", "LANG", "TMPDIR")


class EmbeddedCloudIot(Stoppable):
    """A running embedded Cloud IoT; a context manager that stops it. What it knows ends with it.

    Args:
        folder: For its log and the bridge's certificate.
        api_port: Of the DeviceManager API, on 127.0.0.1; 0 for one that is free.
        mqtt_port: Of the MQTT bridge, likewise.
    """

    def __init__(self, folder: Path, *, api_port: int = 0, mqtt_port: int = 0) -> None:
        self.api_port = api_port or free_port()
        self.mqtt_port = mqtt_port or free_port()
        check_free(self.api_port, "the embedded Cloud IoT's API", "stop that, or choose another port")
        check_free(self.mqtt_port, "the embedded MQTT bridge", "stop that, or choose another port")
        self.ca_file = (folder / "cloud-iot" / "certificate.pem").absolute()
        self._process = Process(
            "the embedded Cloud IoT",
            [
                *(str(environment.install()), "-m", "sandbox.iot"),
                *(f"--api-port={self.api_port}", f"--mqtt-port={self.mqtt_port}"),
                f"--folder={self.ca_file.parent}",
            ],
            log=folder / "logs" / "cloud-iot.log",
            env={name: os.environ[name] for name in PASSED_THROUGH if name in os.environ}
            | {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONUNBUFFERED": "1"},
            cwd=environment.REPOSITORY,
        )
        try:
            self._wait_until_ready()
        except BaseException:
            self.stop()
            raise

    @property
    def url(self) -> str:
        """Of the API: what CLOUD_IOT_ENDPOINT holds."""
        return f"http://localhost:{self.api_port}"

    @property
    def log(self) -> Path:
        """The file that its output goes to."""
        return self._process.log

    @property
    def pid(self) -> int:
        """Of its process."""
        return self._process.pid

    def clearblade_configuration(self, project: str) -> dict[str, str]:
        """What the file of CLEARBLADE_CONFIGURATION holds."""
        # The library writes ":443" behind whatever URL this says.
        url = f"{self.url}{CLEARBLADE_PATH}"
        return {"systemKey": "embedded", "token": "embedded", "url": url, "project": project}

    # Registries and devices

    def make_registry(self, name: str, *, event_topic: bool = True) -> str:
        """Make a registry; returns `name`, `projects/P/locations/R/registries/G`. Without `event_topic` its
        devices cannot publish events: the service closes their connection."""
        location, _, registry_id = name.rpartition("/registries/")
        project = name.split("/")[1]
        topics = [{"pubsubTopicName": f"projects/{project}/topics/events"}] if event_topic else []
        self._call(
            "POST", f"/v1/{location}/registries", {"id": registry_id, "eventNotificationConfigs": topics}
        )
        return name

    def make_device(self, device_path: str, public_key_pem: str | bytes, *, format: str = "ES256_PEM") -> str:  # noqa: A002
        """Make a device with one key; returns `device_path`. `format` is `ES256_PEM` or `RSA_PEM`."""
        registry, _, device_id = device_path.rpartition("/devices/")
        credentials = [_credential(public_key_pem, format)]
        self._call("POST", f"/v1/{registry}/devices", {"id": device_id, "credentials": credentials})
        return device_path

    def set_keys(
        self,
        device_path: str,
        *public_keys_pem: str | bytes,
        format: str = "ES256_PEM",  # noqa: A002 - the API's name
        expires_s: float | None = None,
    ) -> None:
        """Replace the device's credentials; they end at `expires_s`, seconds since 1970, or never."""
        credentials = [_credential(key, format) for key in public_keys_pem]
        if expires_s is not None:
            end = time_of(expires_s).isoformat().replace("+00:00", "Z")
            credentials = [credential | {"expirationTime": end} for credential in credentials]
        self._call("PATCH", f"/v1/{device_path}?updateMask=credentials", {"credentials": credentials})

    def block(self, device_path: str, *, blocked: bool = True) -> None:
        """Let the device connect no longer, or again."""
        self._call("PATCH", f"/v1/{device_path}?updateMask=blocked", {"blocked": blocked})

    def device(self, device_path: str) -> dict[str, Any]:
        """The device as REST shows it: credentials, lastStateTime, lastErrorStatus …"""
        return self._call("GET", f"/v1/{device_path}")

    def devices(self, registry: str) -> list[str]:
        """The ids of the registry's devices."""
        found = self._call("GET", f"/v1/{registry}/devices")
        return [device["id"] for device in found["devices"]]

    def delete_device(self, device_path: str) -> None:
        """Delete it; its connection is closed."""
        self._call("DELETE", f"/v1/{device_path}")

    # What devices publish and receive

    def states(self, device_path: str) -> list[State]:
        """All states of this run, newest first."""
        found = self._look("states", device_path)["states"]
        return [State(time_of(state["at_s"]), base64.b64decode(state["data"])) for state in found]

    def events(self, device_path: str) -> list[Event]:
        """All events of this run, oldest first."""
        found = self._look("events", device_path)["events"]
        return [
            Event(time_of(event["at_s"]), event["subfolder"], base64.b64decode(event["data"]))
            for event in found
        ]

    def connections(self, client_id: str) -> Connections:
        """The connections that clients with this id have opened."""
        found = self._look("connections", client_id)
        return Connections(
            accepted=found["accepted"],
            is_open=found["is_open"],
            refused=endings_of(found["refused"]),
            closed=endings_of(found["closed"]),
        )

    def set_config(self, device_path: str, data: bytes) -> int:
        """Give the device a configuration; returns its version."""
        body = {"binaryData": base64.b64encode(data).decode()}
        return int(self._call("POST", f"/v1/{device_path}:modifyCloudToDeviceConfig", body)["version"])

    def send_command(self, device_path: str, data: bytes, subfolder: str = "") -> None:
        """Send a command, and wait until the device has acknowledged it.

        Raises:
            CloudError: it is not connected, not subscribed, or silent.
        """
        body = {"binaryData": base64.b64encode(data).decode(), "subfolder": subfolder}
        self._call("POST", f"/v1/{device_path}:sendCommandToDevice", body)

    # What goes wrong on purpose

    def bridge_down(self) -> None:
        """Close every connection to the bridge, and refuse new ones."""
        self._call("POST", "/sandbox/bridge", {"state": "down"})

    def bridge_silent(self) -> None:
        """Leave connections open and take new ones, but answer nothing, as a network that lost its way."""
        self._call("POST", "/sandbox/bridge", {"state": "silent"})

    def bridge_up(self) -> None:
        """Everything works again."""
        self._call("POST", "/sandbox/bridge", {"state": "up"})

    def set_clock(self, *, ahead_s: float) -> None:
        """Let the service's clock be so much ahead of the devices' (negative: behind)."""
        self._call("POST", "/sandbox/clock", {"ahead_s": ahead_s})

    def fail(
        self,
        path: str = "",
        *,
        method: str | None = None,
        status: str = "UNAVAILABLE",
        times: int = 1,
        answer_lost: bool = False,
    ) -> None:
        """Let API requests fail whose path holds the regular expression `path`.

        Args:
            path: Google's path is `/v1/projects/…`, ClearBlade's ends in `/cloudiot_devices` and the like.
            method: Only requests of this method.
            status: Canonical code: `UNAVAILABLE` (503), `PERMISSION_DENIED` (403), `RESOURCE_EXHAUSTED` …
            times: How often in all.
            answer_lost: Do what is asked for, and cut the connection instead of answering.
        """
        fault = {"path": path, "method": method, "status": status, "times": times, "answer_lost": answer_lost}
        self._call("POST", "/sandbox/faults", fault)

    def heal(self) -> None:
        """API requests fail no longer."""
        self._call("DELETE", "/sandbox/faults")

    def requests(self) -> list[tuple[str, str, int]]:
        """Method, path and status of what the API was asked for, the requests of this class included."""
        found = self._call("GET", "/sandbox/requests")["requests"]
        return [(seen["method"], seen["path"], seen["status"]) for seen in found]

    def stop(self) -> None:
        """End it."""
        self._process.stop()

    def _look(self, what: str, device_path: str) -> dict[str, Any]:
        return self._call("GET", f"/sandbox/{what}?{urlencode({'device': device_path})}")

    def _call(self, method: str, path: str, document: object = None) -> dict[str, Any]:
        target, _, query = path.partition("?")
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.api_port}{quote(target, safe='/:')}" + (f"?{query}" if query else ""),
            data=None if document is None else json.dumps(document).encode(),
            method=method,
            headers={"Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=REQUEST_TIMEOUT_S) as answer:
                found: dict[str, Any] = json.load(answer)
                return found
        except urllib.error.HTTPError as error:
            with error:
                failure = json.loads(error.read())["error"]
            raise CloudError(f"{method} {target}: {failure['status']}: {failure['message']}") from error
        except OSError as error:
            raise CloudError(f"The embedded Cloud IoT does not answer {method} {target}: {error}") from error

    def _wait_until_ready(self) -> None:
        deadline_s = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline_s:
            if self._process.exit_code() is not None:
                raise StartError(
                    f"The embedded Cloud IoT ended at once, its last words:\n{self._process.tail()}"
                )
            try:
                self._call("GET", "/sandbox/ready")
                return
            except CloudError:
                time.sleep(POLL_S)
        raise StartError(
            f"The embedded Cloud IoT did not answer within {START_TIMEOUT_S:.0f} s:\n{self._process.tail()}"
        )


def _credential(public_key_pem: str | bytes, key_format: str) -> dict[str, Any]:
    pem = public_key_pem.decode() if isinstance(public_key_pem, bytes) else public_key_pem
    return {"publicKey": {"format": key_format, "key": pem}}
