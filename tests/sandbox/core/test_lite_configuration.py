"""Lite's store of configuration."""

from __future__ import annotations

from typing import Any

import pytest

from sandbox.core.lite.configuration import DEFAULTS_S, ConfigurationTree
from sandbox.errors import CoreError


def tree(content: dict[str, Any], stamp_s: float = 1.0) -> ConfigurationTree:
    made = ConfigurationTree()
    made.write(content, stamp_s)
    return made


def test_objects_are_merged_and_lists_are_replaced() -> None:
    found = tree({"a": {"b": 1, "c": [1, 2]}})
    found.write({"a": {"c": [3]}, "d": {}}, 2.0)
    assert found.plain() == {"a": {"b": 1, "c": [3]}, "d": {}}


def test_defaults_never_lay_over_what_was_deployed_but_over_earlier_defaults() -> None:
    found = tree({"a": 1, "b": 1}, DEFAULTS_S)
    found.write({"a": 2}, 5.0)
    found.write({"a": 3, "b": 3}, DEFAULTS_S)
    assert found.plain() == {"a": 2, "b": 3}


@pytest.mark.parametrize(
    ("text", "fits"), [("x" * 1022, True), ("x" * 1023, False), ("ü" * 511, True), ("ü" * 512, False)]
)
def test_value_of_more_than_1024_bytes_as_json_is_refused(text: str, fits: bool) -> None:
    if fits:
        assert tree({"value": text}).plain() == {"value": text}
        return
    with pytest.raises(CoreError, match="/node/value"):
        tree({"node": {"value": text}})


def test_list_is_one_value() -> None:
    with pytest.raises(CoreError, match="/cameras: 1211 bytes, at most 1024"):
        tree({"cameras": ["x" * 118] * 10})


def test_refused_write_leaves_what_came_before_it_written() -> None:
    found = tree({})
    with pytest.raises(CoreError):
        found.write({"first": 1, "large": "x" * 2000, "last": 1}, 2.0)
    assert found.plain() == {"first": 1}


def test_message_of_more_than_10000_bytes_is_refused_whole() -> None:
    found = tree({})
    with pytest.raises(CoreError, match="at most 10000"):
        found.write({str(number): "x" * 1000 for number in range(10)}, 2.0)
    assert found.plain() == {}


@pytest.mark.parametrize(
    ("first", "second"), [({"a": 1}, {"a": {"b": 1}}), ({"a": {"b": 1}}, {"a": 1}), ({"a": []}, {"a": {}})]
)
def test_map_and_value_never_take_each_others_place(first: dict[str, Any], second: dict[str, Any]) -> None:
    found = tree(first)
    with pytest.raises(CoreError):
        found.write(second, 2.0)
    assert found.plain() == first


@pytest.mark.parametrize(
    ("pointer", "left"),
    [("", {}), ("/a", {"c": 1}), ("/a/b", {"a": {}, "c": 1}), ("/x/y", {"a": {"b": 1}, "c": 1})],
)
def test_delete_removes_what_a_pointer_names(pointer: str, left: dict[str, Any]) -> None:
    found = tree({"a": {"b": 1}, "c": 1})
    found.delete(pointer)
    assert found.plain() == left


def test_what_is_kept_is_the_same_after_a_start() -> None:
    found = ConfigurationTree(tree({"a": {"b": [1, {"c": 2}]}, "d": {}}, 5.0).kept())
    assert found.plain() == {"a": {"b": [1, {"c": 2}]}, "d": {}}
    found.write({"a": {"b": []}}, DEFAULTS_S)
    assert found.plain()["a"] == {"b": [1, {"c": 2}]}
