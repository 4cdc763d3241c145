"""`make run`: start everything, say where to look, take everything down.

`ONCE=1` checks the system instead of staying up, and exits with the verdict. AWS_PORT, AWS_IOT_PORT,
GCS_PORT, CLOUD_IOT_PORT, MQTT_PORT, CAMERAS_PORT, PAGE_PORT and RECORDER_PAGE_PORT choose other ports,
SANDBOX_FOLDER another folder than build/sandbox, COMPONENT_PREFIX other names of components and containers.
NUCLEUS is what the cores run, classic, lite-2.6.0 or lite-newest, and NUCLEUS_SHELL what /bin/sh is there.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

from edgecam.cli.terminal import adapt_output
from sandbox import preflight
from sandbox.aws.clients import ACCOUNT, REGION
from sandbox.aws.environment import REPOSITORY
from sandbox.checks.frames import Checks, summary
from sandbox.checks.recordings import RecordingChecks
from sandbox.console import say, step
from sandbox.core.characters import character
from sandbox.errors import PreflightError, SandboxError
from sandbox.fleet import BUCKET, DEVICES
from sandbox.ports import is_free
from sandbox.settings import Settings
from sandbox.system import System

WATCH_S = 1.0


class Stopped(BaseException):
    """SIGINT or SIGTERM came: not an error, and nothing on the way may catch it as one."""


def settings_from(environ: Mapping[str, str]) -> Settings:
    """Settings with the ports and the names that the environment gives."""
    ports: dict[str, Any] = {}
    for name in Settings().ports:
        if value := environ.get(name):
            if not value.isdecimal() or not 1024 <= int(value) <= 65535:
                raise PreflightError(f"{name} must be a port from 1024 to 65535, found {value!r}")
            ports[name.lower()] = int(value)
    settings = Settings(
        **ports, character=character(environ.get("NUCLEUS", ""), environ.get("NUCLEUS_SHELL", ""))
    )
    if folder := environ.get("SANDBOX_FOLDER"):
        settings = replace(settings, folder=Path(folder).resolve())
    if prefix := environ.get("COMPONENT_PREFIX"):
        settings = replace(settings, component_prefix=prefix)
    return settings


def main(environ: Mapping[str, str] = os.environ) -> int:
    """Run the sandbox; the exit code."""
    adapt_output()
    once = environ.get("ONCE", "") not in ("", "0")
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _stop)
    try:
        settings = settings_from(environ)
        with step("looking at this machine"):
            preflight.check(
                project=REPOSITORY,
                folder=settings.folder,
                ports=settings.ports,
                containers=settings.containers,
            )
        system = System(settings)
    except Stopped:
        return 0
    except SandboxError as error:
        say(f"The sandbox cannot start:\n{error}")
        return 1
    return _run(system, once)


def _run(system: System, once: bool) -> int:
    checks = Checks(system)
    code = 0
    try:
        _start(system)
        if once:
            checks.run()
        else:
            _stay(system)
    except Stopped:
        say("\nAsked to stop.")
        code = 1 if once else 0
    except SandboxError as error:
        say(f"\nThe sandbox failed: {error}")
        code = 1
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)  # a second Ctrl-C must not interrupt the clearing up
        left = _take_down(system)
    if once:
        checks.say(
            not left, "everything is taken down", "; ".join(left) or "no process, container or port left"
        )
        code = code or int(checks.failed > 0)
        say(f"Verdict: {'all is well' if code == 0 else 'NOT well'}")
    return code


def _start(system: System) -> None:
    started_s = time.monotonic()
    system.start_images()
    with step("starting two test cameras, and the embedded AWS, Google Cloud Storage and Cloud IoT"):
        system.start_cameras()
        system.start_gcs()
        system.start_iot()
        system.start_aws()
    with step("cdk bootstrap"):
        system.bootstrap()
    with step("cdk deploy (builds the images when they have changed)", system.building):
        outputs = system.deploy()
    say(summary(outputs))
    with step("waiting for the test cameras (films are made once)"):
        system.await_cameras()
    with step("starting two cores, one for each variant"):
        for core in system.settings.cores:
            system.start_core(core)
        system.check_processes()
    say(f"Up after {time.monotonic() - started_s:.0f} s.")
    _say_where(system.settings)


def _say_where(settings: Settings) -> None:
    store = f"http://127.0.0.1:{settings.gcs_port}/storage/v1/b/{BUCKET}/o"
    say(f"  page    http://127.0.0.1:{settings.page_port}/ (as soon as the core has loaded the image)")
    say(f"  page    http://127.0.0.1:{settings.recorder_page_port}/ of the node that records")
    say(f"  frames  {settings.data_dir}/lobby/frame.jpg and {settings.data_dir}/yard/frame.jpg")
    say(f"  chunks  gs://{BUCKET} in the embedded store; a list: curl '{store}?prefix=lobby/'")
    say(f"          one as a file: curl -o chunk.mp4 '{store}/NAME?alt=media', with every / in NAME as %2F")
    devices = f"http://127.0.0.1:{settings.cloud_iot_port}/v1/{DEVICES[0].rpartition('/')[0]}"
    say(f"  states  curl '{devices}/{DEVICES[0].rpartition('/')[2]}/states'; {devices} lists the devices")
    say(f"  spool   {settings.spool}/ holds what the store has not confirmed yet")
    say(
        f"  AWS     AWS_ENDPOINT_URL=http://localhost:{settings.aws_port} AWS_ACCESS_KEY_ID={ACCOUNT} "
        f"AWS_SECRET_ACCESS_KEY=test AWS_REGION={REGION}"
    )
    say(f"  logs    {settings.logs}/, {settings.grabber.root}/logs/ and {settings.recorder.root}/logs/")


def _stay(system: System) -> None:
    """Until a signal, printing what the cores do."""
    say("Ctrl-C takes everything down.")
    printed: dict[str, str] = {}
    recorded = RecordingChecks(system)
    shown = False
    while True:
        system.check_processes()
        for core in system.settings.cores:
            execution = system.execution(core)
            status = str(execution.get("coreDeviceExecutionStatus", ""))
            if status and status != printed.get(core.name):
                deployment = f"deployment {execution['deploymentId']}"
                say(f"  {core.name}: {deployment} {status} {execution.get('reason', '')}")
                printed[core.name] = status
        if not shown and (chunks := recorded.chunks()):
            say(f"  first chunk, says ffprobe: {recorded.example(chunks[0])}")
            shown = True
        time.sleep(WATCH_S)


def _take_down(system: System) -> list[str]:
    with step("taking everything down"):
        try:
            left = system.stop()
        except SandboxError as error:
            left = [str(error)]
    left += [
        f"port {port} of {purpose} is still in use"
        for purpose, port in system.settings.ports.values()
        if not is_free(port)
    ]
    for line in left:
        say(f"  left over: {line}")
    return left


def _stop(_number: int, _frame: FrameType | None) -> NoReturn:
    raise Stopped


if __name__ == "__main__":
    sys.exit(main())
