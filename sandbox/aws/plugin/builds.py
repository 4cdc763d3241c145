"""CodeBuild that builds: a project's build specification, run as a process on this machine.

ministack notes every build as succeeded. Here the commands of each phase run as one shell script, with the
rights of the project's role, in a folder that goes afterwards. This machine stands for CodeBuild's image: the
Python of this environment, which has boto3 as that of the image has, comes first on PATH.
"""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import yaml

from sandbox.aws.ministack import codebuild, host, iam
from sandbox.aws.plugin.trust import trusts

logger = logging.getLogger(__name__)

SERVICE = "codebuild.amazonaws.com"
PHASES = ("install", "pre_build", "build", "post_build")
"""In their order; each ends the build when it fails (build specification reference, version 0.2)."""

PASSED_THROUGH = ("LANG", "TMPDIR")


class BuildFailedError(Exception):
    """A build that did not succeed: the phase, and the status and words that CodeBuild has for it."""

    def __init__(self, phase: str, status: str, message: str) -> None:
        super().__init__(message)
        self.phase = phase
        self.status = status


def _starting(original: host.Operation) -> host.Operation:
    def start_build(data: dict[str, Any]) -> host.Answer:
        status, headers, body = original(data)
        answer = json.loads(body)
        if "build" not in answer:
            return status, headers, body
        record = codebuild.build_record(answer["build"]["id"])
        record.pop("endTime", None)
        record |= {"buildStatus": "IN_PROGRESS", "currentPhase": "QUEUED", "phases": []}
        begun = json.dumps({"build": record}).encode()
        host.in_background(lambda: _build(record))
        return status, headers, begun

    return start_build


def _build(record: dict[str, Any]) -> None:
    """Run a build to its end and note how it went."""
    try:
        _run(record, codebuild.build_project(record["projectName"]))
        outcome = "SUCCEEDED"
    except BuildFailedError as error:
        outcome = error.status
        _note(record, error.phase, outcome, str(error))
    except Exception as error:  # who waits for the build has to be notified
        logger.exception("build %s", record["id"])
        outcome = "FAULT"
        _note(record, "PROVISIONING", outcome, f"{type(error).__name__}: {error}")
    _note(record, "COMPLETED", outcome)
    record["endTime"] = time.time()
    # Last: from now on BatchGetBuilds reports the build as ended.
    record["buildStatus"] = outcome


def _run(record: dict[str, Any], project: dict[str, Any]) -> None:
    role = project["serviceRole"]
    if not trusts(role, SERVICE):
        raise BuildFailedError("SUBMITTED", "FAULT", f"{role} does not exist or does not trust {SERVICE}")
    specification = yaml.safe_load(project["source"].get("buildspec") or "{}")
    deadline_s = time.monotonic() + 60 * project["timeoutInMinutes"]
    with tempfile.TemporaryDirectory(prefix="build-") as folder:
        environment = _environment(record, project, folder)
        for phase in PHASES:
            commands = specification.get("phases", {}).get(phase, {}).get("commands", [])
            record["currentPhase"] = phase.upper()
            _run_phase(record, phase.upper(), commands, environment, Path(folder), deadline_s)
            _note(record, phase.upper(), "SUCCEEDED")


def _run_phase(
    record: dict[str, Any],
    phase: str,
    commands: list[str],
    environment: dict[str, str],
    folder: Path,
    deadline_s: float,
) -> None:
    write = codebuild.build_log(record)
    try:
        done = subprocess.run(
            ["sh", "-c", "\n".join(["set -e", *commands])],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=max(0.0, deadline_s - time.monotonic()),
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise BuildFailedError(phase, "TIMED_OUT", f"Build timed out in {phase}") from None
    for line in done.stdout.splitlines():
        logger.info("build %s: %s", record["id"], line)
        write(line)
    if done.returncode != 0:
        raise BuildFailedError(
            phase, "FAILED", f"Error while executing command. Reason: exit status {done.returncode}"
        )


def _environment(record: dict[str, Any], project: dict[str, Any], folder: str) -> dict[str, str]:
    session = iam.role_session(project["serviceRole"], "AWSCodeBuild", 3600, {})
    declared = project.get("environment", {}).get("environmentVariables") or []
    return {
        **{name: os.environ[name] for name in PASSED_THROUGH if name in os.environ},
        "PATH": f"{Path(sys.executable).parent}:{os.environ.get('PATH', os.defpath)}",
        "HOME": folder,
        "AWS_REGION": host.region(),
        "AWS_DEFAULT_REGION": host.region(),
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_ENDPOINT_URL": f"http://localhost:{host.port()}",
        "AWS_ACCESS_KEY_ID": session["accessKeyId"],
        "AWS_SECRET_ACCESS_KEY": session["secretAccessKey"],
        "AWS_SESSION_TOKEN": session["sessionToken"],
        "CODEBUILD_BUILD_ID": record["id"],
        **{variable["name"]: variable["value"] for variable in declared},
    }


def _note(record: dict[str, Any], phase: str, status: str, message: str = "") -> None:
    contexts = [{"statusCode": "COMMAND_EXECUTION_ERROR", "message": message}] if message else []
    record["phases"].append(
        {"phaseType": phase, "phaseStatus": status, "endTime": time.time(), "contexts": contexts}
    )
    record["currentPhase"] = phase


def install() -> None:
    """Let StartBuild start something, and let the right to see a project be the right to see its builds."""
    codebuild.replace_start_build(_starting)
    iam.name_resources("codebuild", "ids", lambda build_id: f"project/{build_id.rpartition(':')[0]}")
