"""Variables in recipes: `{configuration:/pointer}` and the rest, replaced as Nucleus Lite does.

Strings are put in raw, everything else as compact JSON. What Lite refuses is refused here: a pointer without
a value, the root pointer, a variable that does not exist. So `${NAME:-default}` of a shell is refused too:
Lite takes its braces for a variable.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sandbox.configuration import look_up
from sandbox.errors import InterpolationError

VARIABLE = re.compile(r"\{([^{}:\s]+):([^{}\s]*)\}")


@dataclass(frozen=True, kw_only=True)
class Variables:
    """What a component's recipe may refer to."""

    configuration: Mapping[str, Any]
    artifacts: Path
    work: Path
    root: Path
    thing_name: str

    def interpolate(self, text: str, place: str) -> str:
        """`text` with every variable replaced; `place` tells where it stands, for the error."""
        return VARIABLE.sub(lambda match: self._value(match[1], match[2], place), text)

    def _value(self, namespace: str, key: str, place: str) -> str:
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
                f"{place} refers to {{{namespace}:{key}}}, which no nucleus knows; "
                "a shell's ${NAME:-default} must be written otherwise"
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
