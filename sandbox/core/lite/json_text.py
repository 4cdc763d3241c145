"""JSON as Nucleus Lite writes it: compact, UTF-8 as it is, doubles with seventeen digits."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any


def encoded(value: Any) -> str:
    """The value as Lite's `gg_json_encode` writes it: 0.1 becomes 0.10000000000000001."""
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{encoded(str(key))}:{encoded(entry)}" for key, entry in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(encoded(entry) for entry in value) + "]"
    if isinstance(value, float):
        return f"{value:.17g}"
    return json.dumps(value, ensure_ascii=False)
