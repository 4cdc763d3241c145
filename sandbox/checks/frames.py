"""What `ONCE=1` checks, one verdict a line."""

from __future__ import annotations

import functools
import urllib.error
import urllib.request
from collections.abc import Callable

from sandbox.aws.clients import listed
from sandbox.checks import frame_files as pictures
from sandbox.checks import secret_leaks
from sandbox.checks.recordings import RecordingChecks
from sandbox.checks.states import StatusChecks
from sandbox.checks.waiting import wait_until
from sandbox.console import say
from sandbox.deploy import STACK, STACKS, Outputs
from sandbox.errors import CheckFailedError, SandboxError
from sandbox.system import System

SIZES = {"lobby": (1920, 1080), "yard": (1280, 720)}
CHANGED_WIDTH = 640
FIRST_FRAME_TIMEOUT_S = 90.0
"""Loading the image on a slow disk is most of it; a frame follows within seconds."""

CHANGE_TIMEOUT_S = 60.0


class Checks:
    """Runs checks on a running system and counts what failed."""

    def __init__(self, system: System) -> None:
        """Nothing is checked yet."""
        self.failed = 0
        self._system = system

    def run(self) -> None:
        """All checks, in an order in which each can rely on the former."""
        for camera in SIZES:
            self._check(f"{camera} delivers", functools.partial(self._fresh, camera))
        self._check("the page answers", self._page)
        recorded = RecordingChecks(self._system)
        self._check("recordings arrive", recorded.arrive)
        self._check("the newest pictures and the status arrive", recorded.companions)
        status = StatusChecks(self._system)
        self._check("the devices report", status.connected)
        self._check("the devices' states follow the cameras", status.follow)
        self._check("AWS IoT Core is notified as well", status.aws)
        self._check("an outage of the store costs nothing", recorded.outage)
        self._check("deploying again changes nothing", self._no_change)
        self._check("a changed setting takes effect", self._change)
        self._check("neither password, private key nor upload session leaks", self._secret_leaks)
        self._check("the recording ends whole", recorded.end)
        self._check("every recording plays alone", recorded.everything_plays)

    def say(self, passed: bool, what: str, detail: str) -> None:
        """One verdict."""
        self.failed += not passed
        say(f"{'  ok  ' if passed else ' FAIL '} {what}: {detail}")

    def _check(self, what: str, check: Callable[[], str]) -> None:
        try:
            detail = check()
        except SandboxError as error:
            self.say(False, what, str(error))
        else:
            self.say(True, what, detail)

    def _fresh(self, camera: str, width: int | None = None) -> str:
        folder = self._system.settings.data_dir / camera
        expected = SIZES[camera] if width is None else (width, width * SIZES[camera][1] // SIZES[camera][0])

        def fresh() -> pictures.Picture | None:
            found = pictures.look(folder)
            if found is None or found.age_s > float(found.described["stale_after_s"]):
                return None
            return found if (found.width, found.height) == expected else None

        picture = wait_until(
            self._system,
            fresh,
            f"{folder}/frame.jpg is a fresh {expected[0]}x{expected[1]} picture",
            FIRST_FRAME_TIMEOUT_S,
        )
        described = (picture.described["width"], picture.described["height"])
        if described != expected:
            raise CheckFailedError(f"frame.json says {described}, the picture is {expected}")
        if not pictures.decodes(folder / "frame.jpg"):
            raise CheckFailedError("frame.jpg does not decode")
        return f"{picture.width}x{picture.height}, {picture.age_s:.1f} s old, decodes, frame.json agrees"

    def _page(self) -> str:
        address = f"http://127.0.0.1:{self._system.settings.page_port}"

        def answers() -> bool | None:
            try:
                for path in ("/", "/healthz"):
                    with urllib.request.urlopen(f"{address}{path}", timeout=5) as answer:
                        answer.read()
            except (urllib.error.URLError, OSError):
                return None
            return True

        wait_until(self._system, answers, f"{address}/ and /healthz say 200", CHANGE_TIMEOUT_S)
        return f"{address} and /healthz say 200"

    def _no_change(self) -> str:
        before = self._identity()
        self._system.deploy()
        if (after := self._identity()) != before:
            raise CheckFailedError(f"before {before}, after {after}")
        return f"deployment and {', '.join(before['versions'])} as before"

    def _change(self) -> str:
        before = self._identity()
        self._system.deploy(lobby_width=str(CHANGED_WIDTH), stacks=(STACK,))
        wait_until(self._system, self._settled, "the core has finished the deployment", CHANGE_TIMEOUT_S)
        detail = self._fresh("lobby", CHANGED_WIDTH)
        after = self._identity()
        if after["versions"] != before["versions"]:
            raise CheckFailedError(f"the component changed too: {before['versions']}, {after['versions']}")
        if after["deployments"] == before["deployments"]:
            raise CheckFailedError("the deployment was not replaced")
        return f"width {CHANGED_WIDTH}: {detail}; a new deployment of the same component version"

    def _settled(self) -> bool | None:
        execution = self._system.execution()
        status = execution.get("coreDeviceExecutionStatus")
        if status in ("FAILED", "REJECTED"):
            raise CheckFailedError(f"the core says {status}: {execution.get('reason')}")
        return True if status == "SUCCEEDED" else None

    def _secret_leaks(self) -> str:
        count, leaks = secret_leaks.leaks(self._system)
        if leaks:
            raise CheckFailedError(f"found in {', '.join(leaks)}")
        return (
            f"{count} places searched: logs, processes and their environments, docker inspect, images, "
            "templates, recipes, pages, states, recordings, spool"
        )

    def _identity(self) -> dict[str, list[str]]:
        """What a deployment made: ids of the newest deployments and versions of the components."""
        assert self._system.aws is not None
        greengrass = self._system.aws.client("greengrassv2")
        deployments = listed(greengrass, "list_deployments", historyFilter="LATEST_ONLY")
        versions = [
            f"{entry['componentName']} {version['componentVersion']}"
            for entry in listed(greengrass, "list_components")
            for version in listed(greengrass, "list_component_versions", arn=entry["arn"])
        ]
        return {
            "deployments": [entry["deploymentId"] for entry in deployments],
            "versions": sorted(versions),
        }


def summary(outputs: Outputs) -> str:
    """The outputs of the app's stacks, a line each."""
    return "\n".join(
        f"    {stack}.{key} = {value}"
        for stack in STACKS
        for key, value in sorted(outputs.get(stack, {}).items())
    )
