"""The root of the image, while it is made in a folder of the build stage."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

MERGED_FOLDERS = ("bin", "sbin", "lib", "lib64")  # Debian links these into /usr


class PruneError(Exception):
    """Things that frame-grabber.toml names and that are missing or do not load, one a line."""


class Root:
    """The folder that becomes the root of the image."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def link_merged_folders(self) -> None:
        """Make the links that Debian has at its top."""
        for link in (Path("/") / name for name in MERGED_FOLDERS):
            if link.is_symlink():
                self._link(link)

    def inside(self, path: Path) -> Path:
        """Return where `path` of this stage lies in the new root."""
        return self.folder / path.relative_to("/")

    def files(self) -> Iterator[Path]:
        """Yield every regular file of the new root."""
        return (path for path in self.folder.rglob("*") if path.is_file() and not path.is_symlink())

    def take(self, path: Path, destination: Path | None = None) -> None:
        """Copy a file, a folder, or a link with all that it leads to.

        `destination` is the path in the image, where it differs.
        """
        path = path.parent.resolve() / path.name
        if path.is_symlink():
            self._link(path)
            self.take(path.parent / path.readlink())
        elif path.is_dir():
            for child in path.iterdir():
                if child.name != "__pycache__":
                    self.take(child, (destination or path) / child.name)
        else:
            target = self.inside(destination or path)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, target)

    def remove(self, pattern: str) -> None:
        """Remove whatever matches, files and folders."""
        for path in list(self.folder.glob(pattern.lstrip("/"))):
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)

    def run(self, *command: str, env: Mapping[str, str], stdin: str = "") -> None:
        """Run a command that sees this folder as its root.

        Raises:
            PruneError: it failed; with what it wrote to stderr.
        """
        done = subprocess.run(
            ["chroot", str(self.folder), *command],
            env=env,
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise PruneError(done.stderr.strip() or f"{command[0]} ended with code {done.returncode}")

    def _link(self, path: Path) -> None:
        link = self.inside(path)
        if not link.is_symlink():
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(path.readlink())
