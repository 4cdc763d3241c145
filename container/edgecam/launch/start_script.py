"""The shell script that starts the node on a core, `start.sh` beside this module.

It is in the image and not in the recipe, since nucleus lite reads recipes of at most 8,196 bytes only.
"""

from __future__ import annotations

from importlib.resources import files


def start_script() -> str:
    """The text for a POSIX shell, the same whatever is configured."""
    return files("edgecam.launch").joinpath("start.sh").read_text(encoding="utf-8")
