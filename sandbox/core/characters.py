"""What a core is like: the classic nucleus, or Nucleus Lite in a release, with the shell of its machine.

`design/nucleus-lite.md` has every behaviour of Lite that is modelled here, with its number and its source.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sandbox.errors import StartError

CLASSIC, LITE_RELEASE, LITE_NEWEST = "classic", "lite-2.6.0", "lite-newest"
NUCLEI = (CLASSIC, LITE_RELEASE, LITE_NEWEST)

SHELLS = {"dash": Path("/bin/dash"), "bash": Path("/bin/bash")}
"""What `/bin/sh` may be: dash on Debian and Ubuntu, bash on Fedora, on Yocto's images and others."""

_SHELL_OF = {CLASSIC: "dash", LITE_RELEASE: "bash", LITE_NEWEST: "dash"}
"""Each in the combination that refuses most, the newest in the plainest."""


@dataclass(frozen=True, kw_only=True)
class Character:
    """A nucleus, and the program behind `/bin/sh` on its machine."""

    nucleus: str = CLASSIC
    shell: str = "dash"

    @property
    def is_lite(self) -> bool:
        """Whether it is Nucleus Lite, in any release."""
        return self.nucleus != CLASSIC

    @property
    def quotes_environment(self) -> bool:
        """Whether a value of Setenv comes to the script in quotes: unreleased in Lite 2.6.0."""
        return self.nucleus == LITE_NEWEST

    @property
    def sh(self) -> Path:
        """The program behind `/bin/sh`."""
        return SHELLS[self.shell]


def character(nucleus: str = "", shell: str = "") -> Character:
    """The character by its names, as `make run NUCLEUS=… NUCLEUS_SHELL=…` has them; empty for the default.

    Raises:
        StartError: there is no such nucleus or shell.
    """
    nucleus = nucleus or CLASSIC
    if nucleus not in NUCLEI:
        raise StartError(f"NUCLEUS must be one of {', '.join(NUCLEI)}, found {nucleus!r}")
    shell = shell or _SHELL_OF[nucleus]
    if shell not in SHELLS:
        raise StartError(f"NUCLEUS_SHELL must be one of {', '.join(SHELLS)}, found {shell!r}")
    if not SHELLS[shell].exists():
        raise StartError(f"NUCLEUS_SHELL={shell} needs {SHELLS[shell]}, which is not on this machine")
    return Character(nucleus=nucleus, shell=shell)
