"""The embedded AWS' own environment: installed from its lock, once, into the build folder.

It is apart from the project's environment because ministack pins another botocore. The lock holds hashes and
no download hosts: packages come from whatever index this machine is configured for.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

from sandbox.errors import StartError

SOURCE = Path(__file__).parent
REPOSITORY = SOURCE.parent.parent
DEFAULT_FOLDER = REPOSITORY / "build" / "embedded-aws"
STAMP = "installed-lock.sha256"
INSTALL_TIMEOUT_S = 300


def interpreter(folder: Path = DEFAULT_FOLDER) -> Path:
    """The environment's Python."""
    return folder / "bin" / "python"


def install(folder: Path = DEFAULT_FOLDER) -> Path:
    """Make the environment agree with the lock, at once when it does; returns its Python."""
    wanted = hashlib.sha256((SOURCE / "uv.lock").read_bytes()).hexdigest()
    stamp = folder / STAMP
    if stamp.exists() and stamp.read_text() == wanted and interpreter(folder).exists():
        return interpreter(folder)
    if shutil.which("uv") is None:
        raise StartError("The embedded AWS is installed with uv, which is not on PATH: install uv")
    if folder.exists():
        shutil.rmtree(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    _run("uv", "venv", "--quiet", "--python", sys.base_prefix, str(folder))
    requirements = folder / "requirements.txt"
    # UV_FROZEN: a lock without download hosts cannot be checked against an index, only taken as it is.
    _run(
        *("uv", "export", "--frozen", "--no-emit-project", "--quiet"),
        *("--project", str(SOURCE), "--output-file", str(requirements)),
    )
    _run(
        *("uv", "pip", "install", "--quiet", "--require-hashes"),
        *("--python", str(interpreter(folder)), "--requirement", str(requirements)),
    )
    stamp.write_text(wanted)
    return interpreter(folder)


def _run(*command: str) -> None:
    try:
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=INSTALL_TIMEOUT_S)
    except subprocess.CalledProcessError as error:
        raise StartError(
            f"The embedded AWS cannot be installed, `{' '.join(command[:3])}` says: {error.stderr.strip()}"
        ) from error


if __name__ == "__main__":
    sys.stdout.write(f"{install()}\n")
