"""Every number of every setting has a least and a most, wherever the setting comes from."""

from __future__ import annotations

import types
from collections.abc import Iterator
from typing import Annotated, Any, Union, get_args, get_origin

import pytest
from pydantic import BaseModel

from edgecam.config.node import NodeConfig
from edgecam.config.runtime import RuntimeConfig
from edgecam.config.validation import validate
from edgecam.errors import ConfigurationError
from fleet.settings.fleet import Fleet

LEAST, MOST = ("ge", "gt"), ("le", "lt")


def models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from models_in(part)


def numbers_in(annotation: Any, metadata: list[Any]) -> Iterator[list[Any]]:
    """What is said about each number that a setting may be."""
    if get_origin(annotation) is Annotated:
        inner, *more = get_args(annotation)
        yield from numbers_in(inner, [*metadata, *more])
    elif get_origin(annotation) in (Union, types.UnionType):
        for part in get_args(annotation):
            yield from numbers_in(part, metadata)
    elif annotation in (int, float):
        yield [inner for item in metadata for inner in getattr(item, "metadata", [item])]


def unbounded(model: type[BaseModel], path: str, seen: set[type[BaseModel]]) -> Iterator[str]:
    if model in seen:
        return
    seen.add(model)
    for name, field in model.model_fields.items():
        for said in numbers_in(field.annotation, list(field.metadata)):
            if not all(
                any(hasattr(item, limit) for item in said for limit in side) for side in (LEAST, MOST)
            ):
                yield f"{path}.{name}"
        for inner in models_in(field.annotation):
            yield from unbounded(inner, f"{path}.{name}", seen)


@pytest.mark.parametrize("model", [NodeConfig, RuntimeConfig, Fleet])
def test_every_number_has_a_least_and_a_most(model: type[BaseModel]) -> None:
    assert list(unbounded(model, model.__name__, set())) == []


@pytest.mark.parametrize("number", [10**400, -(10**400), float("inf"), float("nan"), "1" * 5000, 1e308])
def test_numbers_beyond_all_measure_are_refused_in_a_short_sentence(number: object) -> None:
    document = {
        "cameras": [{"id": "lobby", "uri": "rtsp://127.0.0.1/", "frames": {"max_fps": number}}],
        "bucket": "file:///tmp/bucket",
        "spool": {"max_bytes": number},
        "upload": {"max_bytes_per_s": number, "max_requests_per_s": number},
    }
    with pytest.raises(ConfigurationError) as caught:
        validate(NodeConfig, document)
    assert {mistake.path for mistake in caught.value.mistakes} == {
        "cameras[0].frames.max_fps",
        "spool.max_bytes",
        "upload.max_bytes_per_s",
        "upload.max_requests_per_s",
    }
    assert all(len(str(mistake)) < 400 for mistake in caught.value.mistakes)
