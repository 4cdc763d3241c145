"""Start and stop the embedded AWS; the variables by which clients reach it."""

from __future__ import annotations

import os
import shutil
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sandbox.aws import clients, environment
from sandbox.aws.clients import ACCOUNT, REGION
from sandbox.errors import StartError
from sandbox.ports import check_free
from sandbox.process import POLL_S, Process
from sandbox.stoppable import Stoppable

START_TIMEOUT_S = 60.0
"""Two seconds are usual; an idle machine's first import of everything may take ten times that."""

PASSED_THROUGH = ("PATH", "HOME", "LANG", "TMPDIR", "UV_CACHE_DIR", "XDG_CACHE_HOME", "DOCKER_HOST")


def client_environment(port: int) -> dict[str, str]:
    """The variables that point every SDK and the CDK at an embedded AWS on `port`.

    `localhost` and not 127.0.0.1: the embedded AWS takes virtual-hosted S3 addresses apart by host name.
    The access key is the account: that is how the embedded AWS distinguishes accounts.
    """
    return {
        "AWS_ENDPOINT_URL": f"http://localhost:{port}",
        "AWS_ACCESS_KEY_ID": ACCOUNT,
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def inherited_environment(environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """What a subprocess may have of this process' environment: no credentials or endpoints of real clouds."""
    return {name: environ[name] for name in PASSED_THROUGH if name in environ}


class EmbeddedAws(Stoppable):
    """A running embedded AWS; a context manager that stops it."""

    def __init__(self, *, port: int, folder: Path, iot_port: int | None = None) -> None:
        """Start on 127.0.0.1:`port` and wait until it answers; logs and scratch files go below `folder`.

        With `iot_port` devices connect there as they do to AWS IoT Core: MQTT or HTTPS, with certificates
        and what the IoT policies attached to those allow.
        """
        check_free(port, "the embedded AWS", "stop that, or choose another port")
        self.port = port
        self._iot_port = iot_port
        self.url = f"http://localhost:{port}"
        self._scratch = folder / "embedded-aws"
        self._scratch.mkdir(parents=True, exist_ok=True)
        self._process = Process(
            "the embedded AWS",
            [str(environment.install()), "-m", "sandbox.aws.plugin"],
            log=folder / "logs" / "embedded-aws.log",
            env={**inherited_environment(), **self._settings()},
            cwd=environment.REPOSITORY,
        )
        try:
            self._wait_until_ready()
        except BaseException:
            self.stop()
            raise

    def _settings(self) -> dict[str, str]:
        return {
            **client_environment(self.port),
            "GATEWAY_PORT": str(self.port),
            "BIND_HOST": "127.0.0.1",
            "MINISTACK_ACCOUNT_ID": ACCOUNT,
            "MINISTACK_REGION": REGION,
            # Every request is checked against the IAM policies of its role, as on AWS: a right that the
            # stacks forget to grant is missing here too.
            "AUTH": "true",
            "IOT_MTLS_ENABLED": "0" if self._iot_port is None else "1",
            "IOT_MTLS_PORT": str(self._iot_port or 8883),
            "SFTP_ENABLED": "0",
            "TMPDIR": str(self._scratch),
            "PYTHONDONTWRITEBYTECODE": "1",
        }

    @property
    def iot_port(self) -> int:
        """Where devices connect."""
        if self._iot_port is None:
            raise StartError("The embedded AWS was started without a port for devices")
        return self._iot_port

    @property
    def log(self) -> Path:
        """The file that its output goes to."""
        return self._process.log

    def running(self) -> bool:
        """Whether the process lives."""
        return self._process.exit_code() is None

    def environment(self) -> dict[str, str]:
        """The variables that point SDKs here."""
        return client_environment(self.port)

    def client(self, service: str) -> Any:
        """A boto3 client; boto3 has no types of its own."""
        return clients.client(service, self.url)

    def stop(self) -> None:
        """End it and the Lambda processes that it started."""
        self._process.stop()
        shutil.rmtree(self._scratch, ignore_errors=True)

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline:
            if self._process.exit_code() is not None:
                raise StartError(f"The embedded AWS ended at once, its last words:\n{self._process.tail()}")
            if self._answers():
                return
            time.sleep(POLL_S)
        raise StartError(
            f"The embedded AWS did not answer within {START_TIMEOUT_S:.0f} s:\n{self._process.tail()}"
        )

    def _answers(self) -> bool:
        try:
            # Readiness covers the devices' port, which opens after that of the API.
            asked = "health" if self._iot_port is None else "ready"
            with urllib.request.urlopen(f"{self.url}/_ministack/{asked}", timeout=2) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False
