"""Mistakes in a fleet's files, collected until all files are read."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from edgecam.config.validation import found_text
from edgecam.errors import Mistake
from fleet.reading.located import Located

_NAMED_SITES = 3
"""That a mistake in shared settings names."""

LocatedMistake = tuple[str, Mistake, str]
"""File, mistake, and the site for which it is one; empty where the mistake is in the site itself."""


class MistakeList:
    """Mistakes, each with its file.

    Attributes:
        site: The site that is being read; empty for all.
    """

    def __init__(self) -> None:
        self.site = ""
        self._found: list[LocatedMistake] = []

    def __len__(self) -> int:
        return len(self._found)

    def add(self, at: Located, expected: str, found: str | None = None) -> None:
        """Record a mistake at this location."""
        mistake = Mistake(at.where, expected, found or found_text(at.path, at.value))
        self._found.append((at.file, mistake, "" if at.path[:1] == ("sites",) else self.site))

    def once(self) -> list[tuple[str, Mistake]]:
        """Each mistake with its file, once."""
        return each_once(self._found)


def each_once(mistakes: Iterable[LocatedMistake]) -> list[tuple[str, Mistake]]:
    """Each mistake once; one in shared settings names the sites that it is one for."""
    sites: dict[tuple[str, Mistake], dict[str, None]] = {}
    for file, mistake, site in mistakes:
        sites.setdefault((file, mistake), {})[site] = None
    return [
        (file, replace(mistake, found=f"{mistake.found}{_for_sites([name for name in names if name])}"))
        for (file, mistake), names in sites.items()
    ]


def _for_sites(names: list[str]) -> str:
    if not names:
        return ""
    rest = len(names) - _NAMED_SITES
    more = f" and {rest:,} more" if rest > 0 else ""
    return f", for site{'' if len(names) == 1 else 's'} {', '.join(names[:_NAMED_SITES])}{more}"
