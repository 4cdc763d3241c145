"""What a Lambda function's code consists of. Without AWS CDK, as zips are made without it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from container.image.source_files import is_source, source_content

HANDLERS = Path(__file__).resolve().parents[1] / "handlers"


@dataclass(frozen=True, kw_only=True)
class FunctionCode:
    """The module that Lambda calls, with the files of its room and those that all rooms share.

    Files are named by where they are, never by what to leave out, so that a new module cannot be missing.

    Attributes:
        module: The module below `handlers`, as `room.module`, as in `greengrass.wave`.
        data: Files beside the module, by name: what is written there as JSON. Of any size, while environment
            variables end at 4 KB.
    """

    module: str
    data: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def room(self) -> str:
        """The folder of the module."""
        return self.module.partition(".")[0]

    @property
    def handler(self) -> str:
        """The handler, in Lambda's words."""
        return f"{HANDLERS.name}.{self.module}.handler"

    def files(self) -> Iterator[tuple[str, Path]]:
        """Yield the name within the code, and the path, of each module, ordered by name."""
        for path in sorted([*HANDLERS.glob("*.py"), *(HANDLERS / self.room).glob("*.py")]):
            if is_source(path.relative_to(HANDLERS)):
                yield path.relative_to(HANDLERS.parent).as_posix(), path

    def write(self, folder: Path) -> None:
        """Write all of it below `folder`."""
        for name, path in self.files():
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(source_content(path))
        for name, values in self.data.items():
            text = json.dumps(values, indent=0)
            (folder / HANDLERS.name / self.room / name).write_text(text, encoding="utf-8")
