"""Another user of this machine, without any rights, who does things in folders that belong to everybody."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

UID = 1234


def become_stranger() -> None:
    """From here on this process, which must be one of its own, has no rights that every user has not."""
    if os.geteuid() == 0:
        os.setgroups([])
        os.setresgid(UID, UID, UID)
        os.setresuid(UID, UID, UID)


class Stranger:
    """Runs commands as user 1234.

    Attributes:
        folder: A name in /dev/shm that nobody has taken yet.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def does(self, script: str) -> str:
        """What the shell `script` writes; its `$1` is the folder's name."""
        become = ["setpriv", f"--reuid={UID}", f"--regid={UID}", "--clear-groups"]
        asked = [] if os.geteuid() == 0 else ["sudo", "-n"]
        done = subprocess.run(
            [*asked, *become, "sh", "-c", f"umask 0; {script}", "sh", str(self.folder)],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            cwd="/",
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def takes_the_folder(self, *names: str) -> None:
        """Makes it, and those of `names` in it, so that everybody may write there."""
        self.does("mkdir " + " ".join(["$1", *(f"$1/{name}" for name in names)]))

    def links(self, name: str, target: str | Path) -> None:
        """Puts a link under `name`, in place of what is there."""
        self.does(f"ln -sfn '{target}' \"$1/{name}\"")

    def leaves(self) -> None:
        """Everything goes."""
        asked = [] if os.geteuid() == 0 else ["sudo", "-n"]
        subprocess.run([*asked, "rm", "-rf", str(self.folder)], check=True)
