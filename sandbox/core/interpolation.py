"""Variables in recipes: `{configuration:/pointer}` and the rest, replaced as Nucleus Lite does.

Strings are put in raw, everything else as compact JSON. What Lite refuses is refused here: a pointer without
a value, the root pointer, a variable that does not exist, and every other use of a brace, since Lite takes
each `{` for the beginning of a variable (its recipe runner). So no `${NAME:-default}` and no `{ …; }`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sandbox.core.configuration import look_up
from sandbox.errors import InterpolationError

VARIABLE = re.compile(r"\{([^}]*)(\}?)")


@dataclass(frozen=True, kw_only=True)
class Variables:
    """What a component's recipe may refer to."""

    configuration: Mapping[str, Any]
    artifacts: Path
    work: Path
    root: Path
    thing_name: str

    def interpolate(self, text: str, place: str) -> str:
        """`text` with every variable replaced; `place` says where it is, for the error."""
        return VARIABLE.sub(lambda match: self._value(match, place), text)

    def _value(self, match: re.Match[str], place: str) -> str:
        namespace, _, key = match[1].partition(":")
        if not match[2]:
            raise InterpolationError(f"{place} has a brace that is never closed: {match[0][:60]!r}")
        if namespace == "configuration":
            return self._configured(key, place)
        fixed = {
            ("artifacts", "path"): str(self.artifacts),
            ("work", "path"): str(self.work),
            ("kernel", "rootPath"): str(self.root),
            ("iot", "thingName"): self.thing_name,
        }
        if (namespace, key) not in fixed:
            raise InterpolationError(
                f"{place} has {match[0][:60]!r}, which no nucleus knows: Nucleus Lite takes every brace "
                "for a variable, so a shell's ${NAME:-default} or { …; } must be written otherwise"
            )
        return fixed[namespace, key]

    def _configured(self, pointer: str, place: str) -> str:
        if pointer in ("", "/"):
            raise InterpolationError(
                f"{place} refers to {{configuration:{pointer}}}: Nucleus Lite refuses the whole "
                "configuration, name a member"
            )
        try:
            value = look_up(self.configuration, pointer)
        except KeyError as error:
            raise InterpolationError(
                f"{place} refers to {{configuration:{pointer}}}, which has no value; "
                f"the configuration has {', '.join(sorted(self.configuration)) or 'no members'}"
            ) from error
        return (
            value if isinstance(value, str) else json.dumps(value, separators=(",", ":"), ensure_ascii=False)
        )
