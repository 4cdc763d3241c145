"""The tables of settings and of sources in `docs/`, made from the models, so that they cannot drift apart.

`python -m tools.settings_table` writes them between the pages' markers; a test compares.
"""

from __future__ import annotations

import re
import types
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from edgecam.config.camera import Camera
from edgecam.config.schemes import SCHEMES
from fleet.settings.aws import Aws
from fleet.settings.cores import Cores
from fleet.settings.fleet import Fleet
from fleet.settings.gcp import Gcp
from fleet.settings.image import Image
from fleet.settings.site import Site
from fleet.settings.watch import Watch
from fleet.settings.waves import Wave

DOCS = Path(__file__).parent.parent / "docs"
SETTINGS = ("<!-- settings: made by `make docs` -->", "<!-- end of settings -->")
SOURCES = ("<!-- sources: made by `make docs` -->", "<!-- end of sources -->")

_SHARED = ("name", "include", "defaults", "templates")
"""Keys of the file that have no table of their own."""

_Sections = tuple[tuple[str, list[str]], ...]
"""Tables: a heading, and a row of Markdown for each setting."""

_MANY_CAMERAS = (
    '| `for` | mapping |  | Many cameras of one entry: names and what they run through, such as `{n: "1-4"}` '
    'or `{side: [north, south]}`; `id: "door-{n}"` and other texts name them. |'
)
"""The one key of a camera that is not the node's: it is resolved before (fleet/reading/placeholders.py)."""


def made() -> dict[Path, str]:
    """Each page that holds tables, with the tables as the models have them now.

    Raises:
        ValueError: a page lacks the markers.
    """
    return {
        DOCS / name: _between(DOCS / name, markers, text)
        for name, markers, text in (
            ("cameras.md", SOURCES, source_table()),
            ("settings.md", SETTINGS, _tables(_of_sites())),
            ("settings-account.md", SETTINGS, _tables(_of_the_account())),
        )
    }


def source_table() -> str:
    """What a camera's `uri` may be, as Markdown."""
    rows = "".join(f"| `{scheme.example}` | {scheme.meaning} |\n" for scheme in SCHEMES)
    return f"| uri | pictures from |\n| --- | --- |\n{rows}"


def _of_sites() -> _Sections:
    shared = [row for name in _SHARED for row in _field_rows(name, Fleet.model_fields[name])]
    return (
        ("The file: `fleet.yaml`", shared),
        ("A camera: `sites.<name>.cameras[]`", [*_rows(Camera), _MANY_CAMERAS]),
        ("A site: `sites.<name>`", [row for row in _rows(Site) if not row.startswith("| `cameras[].")]),
    )


def _of_the_account() -> _Sections:
    return (
        ("The image: `image`", _rows(Image)),
        ("The account: `aws`", _rows(Aws)),
        ("The Google side: `gcp`", _rows(Gcp)),
        ("The core devices: `cores`", _rows(Cores)),
        ("Alarms and dashboard: `watch`", _rows(Watch)),
        ("Waves: `waves[]`", _rows(Wave)),
    )


def _tables(sections: _Sections) -> str:
    head = "| setting | values | default | |\n| --- | --- | --- | --- |\n"
    return "\n".join(f"## {title}\n\n{head}" + "\n".join(rows) + "\n" for title, rows in sections)


def _between(page: Path, markers: tuple[str, str], text: str) -> str:
    before, begin, rest = page.read_text(encoding="utf-8").partition(markers[0])
    _, end, after = rest.partition(markers[1])
    if not begin or not end:
        raise ValueError(f"{page.name}: expected the lines {markers[0]} and {markers[1]}, found none")
    return f"{before}{begin}\n\n{text}\n{end}{after}"


def _rows(model: type[BaseModel], prefix: str = "") -> list[str]:
    return [row for name, field in model.model_fields.items() for row in _field_rows(prefix + name, field)]


def _field_rows(path: str, field: FieldInfo) -> Iterator[str]:
    inner, many = _inner_model(field.annotation)
    if inner is None or field.default is None or many:
        yield f"| `{path}` | {_values(field)} | {_default(field)} | {_one_line(field.description or '')} |"
    if inner is not None:
        yield from _rows(inner, f"{path}{many}.")


def _inner_model(annotation: Any) -> tuple[type[BaseModel] | None, str]:
    """The model that a field holds, and what follows the field where it holds many: `[]`, `.<name>`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation, ""
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin in (Union, types.UnionType):
        found = [model for part in parts if (model := _inner_model(part)[0]) is not None]
        return (found[0] if found else None), ""
    if origin is tuple:
        return _inner_model(parts[0])[0], "[]"
    if origin is dict:
        return _inner_model(parts[1])[0], ".<name>"
    return None, ""


def _values(field: FieldInfo) -> str:
    limits = {
        name: getattr(item, name)
        for item in field.metadata
        for name in ("ge", "gt", "le")
        if hasattr(item, name)
    }
    text = _type(field.annotation)
    if "le" in limits and ("ge" in limits or "gt" in limits):
        low = _number(limits["ge"]) if "ge" in limits else f"over {_number(limits['gt'])}"
        return f"{text}, {low} to {_number(limits['le'])}"
    return f"{text}, from {_number(limits['ge'])}" if "ge" in limits else text


def _number(limit: float) -> str:
    # Whole numbers as one would type them.
    return str(limit) if isinstance(limit, int) else f"{limit:g}"


def _type(annotation: Any) -> str:
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _type(parts[0])
    if origin in (Union, types.UnionType):
        return " or ".join(_type(part) for part in parts if part is not type(None))
    if origin is Literal:
        return ", ".join(f"`{part}`" for part in parts)
    if origin is tuple:
        return f"list of {_type(parts[0])}"
    if origin is dict or annotation is dict:
        return "mapping"
    if isinstance(annotation, type) and issubclass(annotation, StrEnum):
        return ", ".join(f"`{member.value}`" for member in annotation)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return "mapping"
    return {str: "text", bool: "`true`, `false`", int: "whole number", float: "number"}.get(annotation, "any")


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "(required)"
    value = field.default
    if value is None or value in ((), {}, ""):
        return ""
    if isinstance(value, tuple):
        return f"`[{', '.join(value)}]`"
    if isinstance(value, float):
        return f"`{value:g}`"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _one_line(text: str) -> str:
    return re.sub(r"\s+", " ", text).replace("|", "\\|")


if __name__ == "__main__":
    for path, content in made().items():
        path.write_text(content, encoding="utf-8")
