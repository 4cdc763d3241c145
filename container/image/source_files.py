"""Which files of a folder are the project's own, and what is in them, the same in every checkout.

What enters an image, a function or a version has to be the same bytes on every machine. A checkout on Windows
may have other line ends, and editors, synchronizers and file managers leave files of their own beside ours.
"""

from __future__ import annotations

import re
from pathlib import Path, PurePath

SOURCE_SUFFIXES = frozenset({".py", ".sh", ".typed", ".html", ".css", ".js", ".json", ".svg", ".png", ".ico"})
"""What of the program's folder enters the image. What editors and the interpreter leave ends otherwise."""

_BINARY_SUFFIXES = frozenset({".png", ".ico"})
_STEM = re.compile(r"[A-Za-z0-9_-]+")
"""Of the names that we give: `main (copy).py`, `main.orig.py` and `#main.py` are not among them."""


def is_source(relative: PurePath) -> bool:
    """Whether a file is the project's own.

    Args:
        relative: Its path within the folder that is looked through.
    """
    hidden = any(part.startswith(".") or part == "__pycache__" for part in relative.parts)
    own_name = _STEM.fullmatch(relative.stem) is not None
    return relative.suffix in SOURCE_SUFFIXES and own_name and not hidden


def source_content(path: Path) -> bytes:
    """The file's bytes, of a text with the line ends that the repository has.

    Raises:
        OSError: it cannot be read.
    """
    content = path.read_bytes()
    return content if path.suffix in _BINARY_SUFFIXES else content.replace(b"\r\n", b"\n")
