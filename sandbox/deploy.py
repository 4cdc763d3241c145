"""`cdk bootstrap` and `cdk deploy` of the real app into the embedded AWS."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from sandbox.aws.clients import ACCOUNT, REGION
from sandbox.aws.environment import REPOSITORY
from sandbox.aws.server import inherited_environment
from sandbox.errors import DeployError
from sandbox.preflight import cdk_program
from sandbox.process import Process

FOUNDATION = "EdgecamFoundation"
STACK = "EdgecamFrameGrabber"
UPLOADER_STACK = "EdgecamGcsUploader"
STACKS = (STACK, UPLOADER_STACK)
"""Deploying them deploys EdgecamFoundation and EdgecamCloudIot first, which they depend on."""

BOOTSTRAP_TIMEOUT_S = 120.0
DEPLOY_TIMEOUT_S = 1800.0
"""The first deployment on a machine builds the image, which takes minutes."""

PACKAGE_SETTINGS = ("PIP_", "SSL_CERT_", "UV_")
"""How variables begin that say how pip and uv, which pack what is deployed, reach their index."""

Outputs = dict[str, dict[str, str]]
"""By stack, by output."""


class Cdk:
    """The project's pinned CDK, pointed at an embedded AWS."""

    def __init__(self, *, folder: Path, aws: Mapping[str, str]) -> None:
        """What the CDK writes goes below `folder`; `aws` are the variables that name the AWS."""
        self._folder = folder
        self._running: Process | None = None
        self._count = 0
        docker_config = folder / "docker-config"
        docker_config.mkdir(parents=True, exist_ok=True)
        inherited = inherited_environment()
        inherited |= {name: value for name, value in os.environ.items() if name.startswith(PACKAGE_SETTINGS)}
        self._environment = {
            **inherited,
            # app.py and its assets run with this very Python, whichever is first on PATH.
            "PATH": f"{Path(sys.executable).parent}:{inherited.get('PATH', os.defpath)}",
            **aws,
            "CDK_DEFAULT_ACCOUNT": ACCOUNT,
            "CDK_DEFAULT_REGION": REGION,
            "CDK_DISABLE_CLI_TELEMETRY": "true",
            "CDK_DISABLE_VERSION_CHECK": "1",
            "DOCKER_CONFIG": str(docker_config),
        }

    @property
    def assembly(self) -> Path:
        """The folder with the synthesized templates."""
        return self._folder / "cdk.out"

    def bootstrap(self) -> None:
        """Prepare the account, as everybody does once for a real one."""
        self._run("bootstrap", BOOTSTRAP_TIMEOUT_S, f"aws://{ACCOUNT}/{REGION}", cwd=self._folder)

    def deploy(self, fleet: Path, project: Path, stacks: Sequence[str] = STACKS) -> Outputs:
        """Deploy stacks of the tree `project`, and what they need, with a fleet file; their outputs."""
        outputs = self._folder / "outputs.json"
        self._run(
            "deploy",
            DEPLOY_TIMEOUT_S,
            *(*stacks, "--require-approval", "never", "--output", str(self.assembly)),
            *("--context", f"fleet={fleet}", "--outputs-file", str(outputs), "--method", "direct"),
            cwd=project,
        )
        found: Outputs = json.loads(outputs.read_text())
        return found

    def stop(self) -> None:
        """End a command that is still running."""
        if self._running is not None:
            self._running.stop()

    def _run(self, command: str, timeout_s: float, *arguments: str, cwd: Path) -> None:
        self._count += 1
        self._running = process = Process(
            f"cdk {command}",
            [str(cdk_program(REPOSITORY)), command, *arguments, "--no-notices", "--progress", "events"],
            log=self._folder / "logs" / f"cdk-{self._count}-{command}.log",
            env=self._environment,
            cwd=cwd,
        )
        try:
            code = process.wait(timeout_s)
        finally:
            process.stop()
            self._running = None
        if code is None:
            raise DeployError(f"cdk {command} did not end within {timeout_s:.0f} s:\n{process.tail()}")
        if code != 0:
            raise DeployError(f"cdk {command} failed, {process.log} says:\n{process.tail()}")
