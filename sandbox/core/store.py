"""What a core keeps on its disk between its starts, as one JSON file that is replaced whole."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


class Store:
    """The file; what it holds is its owner's affair."""

    def __init__(self, path: Path) -> None:
        """The folder is made with the first content."""
        self._path = path

    def load(self) -> dict[str, Any]:
        """What was saved last; empty on a new core."""
        if not self._path.exists():
            return {}
        found: dict[str, Any] = json.loads(self._path.read_text(encoding="utf-8"))
        return found

    def save(self, content: dict[str, Any]) -> None:
        """Keep `content`, in the place of what was there."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        partial = self._path.with_suffix(".partial")
        partial.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
        partial.replace(self._path)
