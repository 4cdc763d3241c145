"""Which settings a model has where, and which one was meant by a name that is unknown."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Any, get_args, get_origin

from pydantic import BaseModel

_MOST_DEEP = 8
_CLOSE_BESIDE, _CLOSE_WITHIN = 0.6, 0.8
"""How alike two names have to be, of 1: at the same place, and further in."""
_LONGEST_NAME = 80

Model = type[BaseModel]


def keys_at(model: Model, location: Sequence[str | int]) -> list[str]:
    """The settings that there are at `location` of `model`, sorted."""
    return sorted({key for inner in _models_at(model, location) for key in _fields(inner)})


def hint_for(model: Model, location: Sequence[str | int]) -> str:
    """What was meant by the last name of `location`, as ` (did you mean …?)`; empty where nothing is near.

    A setting of that very name comes first: further in, as `frames.max_fps` of a camera, else elsewhere, by
    its whole path. Then one that is spelt alike, or has more words.
    """
    meant = _meant(model, tuple(_models_at(model, location[:-1])), str(location[-1]))
    return f" (did you mean {meant}?)" if meant else ""


@lru_cache(maxsize=1024)  # a slip in the settings of ten thousand sites is one and the same
def _meant(model: Model, here: tuple[Model, ...], name: str) -> str | None:
    within = [path for inner in here for path in _paths(inner)]
    beside = [path for path in within if "." not in path]
    return (
        _nearest(within, lambda key: key == name)
        or _nearest(_paths(model), lambda key: key == name)
        or _alike(name, beside, _CLOSE_BESIDE)
        or _nearest(within, lambda key: key.startswith(f"{name}_") or key.endswith(f"_{name}"))
        or _alike(name, within, _CLOSE_WITHIN)
    )


def is_union_tag(part: str | int) -> bool:
    """pydantic puts the class of a union's member into the path; a user's document has no such key."""
    return isinstance(part, str) and part[:1].isupper()


def _nearest(paths: Iterable[str], is_meant: Callable[[str], bool]) -> str | None:
    """The shortest path whose last name `is_meant`."""
    found = [path for path in paths if is_meant(_last(path))]
    return min(found, key=lambda path: path.count(".")) if found else None


def _alike(name: str, paths: Iterable[str], cutoff: float) -> str | None:
    by_name = {_last(path): path for path in sorted(paths, key=lambda path: -path.count("."))}
    close = difflib.get_close_matches(name[:_LONGEST_NAME], by_name, n=1, cutoff=cutoff)
    return by_name[close[0]] if close else None


def _last(path: str) -> str:
    return path.rpartition(".")[2]


def _models_at(model: Model, location: Sequence[str | int]) -> list[Model]:
    current: list[Model] = [model]
    for part in location:
        if isinstance(part, int):
            continue
        if is_union_tag(part):
            current = [inner for inner in current if inner.__name__ == part] or current
            continue
        annotations = [_fields(inner)[part] for inner in current if part in _fields(inner)]
        # A key of a mapping (a site's name, say) is no field: its values are what the annotation named.
        current = [found for each in annotations for _, found in _models_in(each)] or current
    return current


def _paths(model: Model, before: str = "", deep: int = 0) -> Iterator[str]:
    """Every setting of `model`: `sites.NAME.cameras[].frames.max_fps`."""
    for key, annotation in _fields(model).items():
        yield f"{before}{key}"
        for place, inner in _models_in(annotation) if deep < _MOST_DEEP else ():
            yield from _paths(inner, f"{before}{key}{place}.", deep + 1)


def _fields(model: Model) -> dict[str, Any]:
    return {field.alias or name: field.annotation for name, field in model.model_fields.items()}


def _models_in(annotation: Any, place: str = "") -> Iterator[tuple[str, Model]]:
    """The models in an annotation, each with how a path goes on to it."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield place, annotation
        return
    origin = get_origin(annotation)
    inward = ".NAME" if origin is dict else "[]" if origin in (list, tuple) else ""
    for part in get_args(annotation):
        yield from _models_in(part, place + inward)
