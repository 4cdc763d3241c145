"""Python environments of their own for parts of the sandbox: installed from a lock, once, below `build`.

The locks hold hashes and no download hosts: packages come from whatever index this machine is configured for.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from sandbox.errors import StartError

STAMP = "installed-lock.sha256"
INSTALL_TIMEOUT_S = 300


@dataclass(frozen=True)
class LockedEnvironment:
    """What is installed where.

    Attributes:
        name: How messages name what it is for, in the middle of a sentence.
        source: Folder of the `pyproject.toml` and the `uv.lock`.
        folder: Where it is installed.
        groups: The dependency groups that it has besides the dependencies.
    """

    name: str
    source: Path
    folder: Path
    groups: tuple[str, ...] = ()

    @property
    def interpreter(self) -> Path:
        """Its Python."""
        return self.folder / "bin" / "python"

    def install(self) -> Path:
        """Make it agree with the lock, at once when it does; returns its Python.

        Raises:
            StartError: uv is not there, or cannot get the packages.
        """
        wanted = hashlib.sha256((self.source / "uv.lock").read_bytes()).hexdigest()
        stamp = self.folder / STAMP
        if stamp.exists() and stamp.read_text() == wanted and self.interpreter.exists():
            return self.interpreter
        uv = _uv()
        if uv is None:
            raise StartError(f"{self._beginning} is installed with uv, which is not on PATH: install uv")
        if self.folder.exists():
            shutil.rmtree(self.folder)
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        self._run(uv, "venv", "--quiet", "--python", sys.base_prefix, str(self.folder))
        requirements = self.folder / "requirements.txt"
        # --frozen: a lock without download hosts cannot be checked against an index, only taken as it is.
        self._run(
            *(uv, "export", "--frozen", "--no-emit-project", "--quiet"),
            *(f"--group={group}" for group in self.groups),
            *("--project", str(self.source), "--output-file", str(requirements)),
        )
        self._run(
            *(uv, "pip", "install", "--quiet", "--require-hashes"),
            *("--python", str(self.interpreter), "--requirement", str(requirements)),
        )
        stamp.write_text(wanted)
        return self.interpreter

    @property
    def _beginning(self) -> str:
        return self.name[0].upper() + self.name[1:]

    def _run(self, *command: str) -> None:
        try:
            subprocess.run(command, check=True, capture_output=True, text=True, timeout=INSTALL_TIMEOUT_S)
        except subprocess.CalledProcessError as error:
            output = error.stderr.strip()
            raise StartError(
                f"{self._beginning} cannot be installed, `{' '.join(command[:3])}` says: {output}"
            ) from error


def _uv() -> str | None:
    """uv, from PATH or from the environment that runs this."""
    return shutil.which("uv") or shutil.which("uv", path=str(Path(sys.executable).parent))
