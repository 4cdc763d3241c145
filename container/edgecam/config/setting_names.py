"""Which settings a model has where, and which one was meant by a name that is unknown."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from types import UnionType
from typing import Any, Union, get_args, get_origin

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


def without_union_tags(model: Model, location: Sequence[str | int]) -> list[str | int]:
    """`location` as the user's document has it: pydantic puts the class of a union's member into the path."""
    here: list[Any] = [model]
    shown: list[str | int] = []
    for part in location:
        members = [members_of(annotation) for annotation in here]
        tagged = [
            each
            for union in members
            if len(union) > 1
            for each in union
            if _is_model(each) and each.__name__ == part
        ]
        if tagged:
            here = tagged
            continue
        shown.append(part)
        here = [inner for union in members for each in union for inner in _inside(each, part)]
    return shown


def members_of(annotation: Any) -> list[Any]:
    """What a union is made of, without None; of anything else that itself."""
    if hasattr(annotation, "__metadata__"):
        return members_of(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        return [each for part in get_args(annotation) for each in members_of(part)]
    return [] if annotation is type(None) else [annotation]


def _inside(annotation: Any, part: str | int) -> Iterator[Any]:
    """The annotation of what is at `part` of a value."""
    if _is_model(annotation):
        fields = _fields(annotation)
        if part in fields:
            yield fields[str(part)]
    elif get_origin(annotation) in (dict, list, tuple):
        yield from get_args(annotation)[1:] if get_origin(annotation) is dict else get_args(annotation)[:1]


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


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
        if tagged := [inner for inner in current if inner.__name__ == part]:
            current = tagged
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
    if _is_model(annotation):
        yield place, annotation
        return
    origin = get_origin(annotation)
    inward = ".NAME" if origin is dict else "[]" if origin in (list, tuple) else ""
    for part in get_args(annotation):
        yield from _models_in(part, place + inward)
