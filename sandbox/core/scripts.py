"""Lifecycle scripts on a core: each in a session of its own, output in the component's log."""

from __future__ import annotations

import contextlib
import os
import pwd
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sandbox.errors import ScriptError


@dataclass(frozen=True)
class Identity:
    """Who runs scripts that do not ask for privilege."""

    uid: int
    gid: int
    home: str

    @classmethod
    def named(cls, user: str) -> Identity:
        """The user of this name, with its primary group."""
        try:
            entry = pwd.getpwnam(user)
        except KeyError as error:
            raise ScriptError(f"Scripts are to run as {user!r}, but there is no such user here") from error
        return cls(entry.pw_uid, entry.pw_gid, entry.pw_dir)

    @classmethod
    def current(cls) -> Identity:
        """The user that the core itself runs as."""
        return cls(os.geteuid(), os.getegid(), pwd.getpwuid(os.geteuid()).pw_dir)


class Script:
    """A running script."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        environment: Mapping[str, str],
        work: Path,
        log: Path,
        identity: Identity,
        executable: Path | None = None,
        descriptors: Sequence[int] = (),
    ) -> None:
        """Start it; output is added to `log`.

        Args:
            command: The arguments, its own name first.
            environment: Without HOME, which is that of `identity`.
            work: The folder that it starts in.
            log: Where standard output and error go.
            identity: Who runs it.
            executable: The program, where it is another than its name says.
            descriptors: Open files that it inherits.
        """
        switches = identity.uid != os.geteuid()
        self._log = log
        with log.open("ab") as output:
            self._popen = subprocess.Popen(
                list(command),
                executable=executable,
                pass_fds=descriptors,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**environment, "HOME": identity.home},
                cwd=work,
                start_new_session=True,
                user=identity.uid if switches else None,
                group=identity.gid if switches else None,
                extra_groups=_groups_of(identity) if switches else None,
            )

    def exit_code(self) -> int | None:
        """The exit code (negative: the signal that ended it), or None while it runs."""
        return self._popen.poll()

    def stop(self, timeout_s: float) -> bool:
        """SIGTERM to the script and its children, SIGKILL after `timeout_s`; True when SIGTERM was enough.

        Both nuclei signal all processes of a component, not the shell alone.
        """
        self._signal(signal.SIGTERM)
        try:
            self._popen.wait(timeout_s)
            return True
        except subprocess.TimeoutExpired:
            return False
        finally:
            self._signal(signal.SIGKILL)
            self._popen.wait()

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._popen.pid, number)


def _groups_of(identity: Identity) -> list[int]:
    """All groups of the user: the docker group is what lets an unprivileged component use Docker."""
    return os.getgrouplist(pwd.getpwuid(identity.uid).pw_name, identity.gid)
