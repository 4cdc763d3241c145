"""The embedded Cloud IoT as a process, and the environment that it runs in."""

from __future__ import annotations

import os
import signal
import socket
import ssl
import subprocess
from pathlib import Path

import psutil
import pytest
from iot_device import PROJECT, Device, Key

from sandbox.errors import StartError
from sandbox.iot import environment
from sandbox.iot.server import EmbeddedCloudIot

LOCATION = f"projects/{PROJECT}/locations/europe-west1"


def test_port_that_is_taken_is_named_with_who_has_it(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(
            StartError, match=rf"{port}, meant for the embedded MQTT bridge, .*process {os.getpid()}"
        ):
            EmbeddedCloudIot(tmp_path, mqtt_port=port)
        with pytest.raises(StartError, match=rf"{port}, meant for the embedded Cloud IoT's API"):
            EmbeddedCloudIot(tmp_path, api_port=port)


@pytest.mark.parametrize("option", ["--api-port", "--mqtt-port"])
def test_process_says_which_port_is_taken(tmp_path: Path, free_port: int, option: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        ports = {"--api-port": free_port, "--mqtt-port": free_port} | {option: taken.getsockname()[1]}
        done = subprocess.run(
            [
                *(str(environment.interpreter()), "-m", "sandbox.iot", f"--folder={tmp_path}"),
                *(f"{name}={port}" for name, port in ports.items()),
            ],
            cwd=environment.REPOSITORY,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 1
        assert str(ports[option]) in done.stderr
        assert "Traceback" not in done.stderr


def test_process_ends_on_sigterm_and_has_nothing_to_complain_of(tmp_path: Path, key: Key) -> None:
    with EmbeddedCloudIot(tmp_path) as cloud:
        registry = cloud.make_registry(f"{LOCATION}/registries/cameras")
        path = cloud.make_device(f"{registry}/devices/lobby", key.public)
        staying, going = Device(cloud, path, key.token()), Device(cloud, f"{path}-unknown", key.token())
        assert staying.publish("state")
        assert not going.is_connected
        with socket.create_connection(("127.0.0.1", cloud.mqtt_port)) as rude:
            rude.sendall(b"GET / HTTP/1.1\r\n\r\n")
        with pytest.raises(ssl.SSLCertVerificationError):
            ssl.create_default_context().wrap_socket(
                socket.create_connection(("127.0.0.1", cloud.mqtt_port)), server_hostname="localhost"
            )
        process = psutil.Process(cloud.pid)
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
        assert staying.is_gone()
        for device in (staying, going):
            device.stop()
        assert len(cloud.log.read_text().splitlines()) == 1


def test_lock_names_no_host() -> None:
    assert "://" not in (environment.CLOUD_IOT.source / "uv.lock").read_text()


def test_installing_what_is_installed_takes_no_package_index(monkeypatch: pytest.MonkeyPatch) -> None:
    environment.install()
    monkeypatch.setenv("PATH", "")
    assert environment.install() == environment.interpreter()
