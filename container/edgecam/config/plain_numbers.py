"""Numbers and truths as they are typed: what a setting takes, whatever else a program could make of a text.

A text of plain decimals is a number too, since a template's placeholder may stand for one; `"010"` is none,
and a truth is never a text or a number.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

from pydantic import BaseModel

from edgecam.config.setting_names import members_of

INT = r"0|-?[1-9][0-9]*"
FLOAT = r"-?(?:(?:0|[1-9][0-9]*)(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?"

_PLAIN = re.compile(FLOAT)
_LONGEST = 80  # of a text that is a number of a setting


def expect_as_typed(value: object, model: type[BaseModel], field: str) -> None:
    """Expect `value` to be a number where the field is one, and true or false where it is that.

    Raises:
        ValueError: names what was expected.
    """
    if not isinstance(value, (bool, int, float, str)) or not (kinds := _kinds(model, field)):
        return
    if kinds == {bool}:
        if not isinstance(value, bool):
            raise ValueError("expected true or false")
    elif isinstance(value, bool) and bool not in kinds:
        raise ValueError("expected a number")
    elif isinstance(value, str) and not (len(value) <= _LONGEST and _PLAIN.fullmatch(value)):
        raise ValueError("expected a number in plain decimals")


@lru_cache(maxsize=4096)
def _kinds(model: type[BaseModel], field: str) -> frozenset[Any]:
    """The kinds of a field that holds numbers or truths alone; else none."""
    kinds = frozenset(members_of(model.model_fields[field].annotation))
    return kinds if kinds <= {bool, int, float} else frozenset()
