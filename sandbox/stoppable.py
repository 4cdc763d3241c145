"""What runs from its making, or from entering, until it is stopped."""

from __future__ import annotations

from types import TracebackType
from typing import Self


class Stoppable:
    """A context manager whose end is `stop()`."""

    def stop(self) -> None:
        """End it; a subclass says how."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
