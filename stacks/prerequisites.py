"""What has to be on this machine before the stacks can be built, looked for without AWS CDK."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys

PACKAGES = ("aws_cdk", "cdk_docker_image_deployment", "constructs", "edgecam", "pydantic", "yaml")
"""Of those that the stacks import, one of each that somebody could have installed without the others."""

SUPPORTED_NODE = 22
"""The oldest release line of Node.js that is still maintained."""

_INSTALL = "tools/install deploy"
_JSII_SILENCE = "JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION"
_NODE_TIMEOUT_S = 10.0


def check_prerequisites() -> None:
    """Look for the packages, and say it in one line where Node.js is older than it should be.

    Raises:
        SystemExit: packages are missing; with the command that installs them.
    """
    if missing := [name for name in PACKAGES if importlib.util.find_spec(name) is None]:
        raise SystemExit(
            f"app.py: expected the Python packages of uv.lock, found no {', '.join(missing)} with "
            f"{sys.executable}: run {_INSTALL} in this folder, then the same command again."
        )
    if _JSII_SILENCE in os.environ:
        return
    major = node_major()
    if major is not None and major < SUPPORTED_NODE:
        # In place of the page that jsii would print.
        os.environ[_JSII_SILENCE] = str(major)
        sys.stderr.write(
            f"Node.js {major} is no longer maintained: install {SUPPORTED_NODE} or later; "
            "until then everything works as it is.\n"
        )


def node_major() -> int | None:
    """The release line of the Node.js that jsii will find; None where there is none that answers."""
    try:
        answer = subprocess.run(
            ["node", "--version"], capture_output=True, text=True, check=True, timeout=_NODE_TIMEOUT_S
        )
    except (OSError, subprocess.SubprocessError):
        return None
    found = re.match(r"v(\d{1,4})\.", answer.stdout)
    return int(found[1]) if found else None
