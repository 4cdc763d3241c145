"""How defaults, what a core has, and an update become one configuration."""

from __future__ import annotations

from typing import Any

import pytest

from sandbox.core.configuration import merged, resolve
from sandbox.errors import CoreError

DEFAULTS: dict[str, Any] = {"node": {"cameras": [], "http": {"port": 8090}}, "data_dir": "/dev/shm"}


def test_defaults_alone_are_the_configuration_of_a_new_component() -> None:
    assert resolve(DEFAULTS) == DEFAULTS


def test_what_the_core_has_wins_over_new_defaults_and_new_members_appear() -> None:
    assert resolve({"a": 2, "b": 2}, existing={"a": 1}) == {"a": 1, "b": 2}


def test_merge_goes_member_by_member_and_replaces_lists_whole() -> None:
    before = resolve(DEFAULTS, merge={"node": {"cameras": [{"id": "a"}, {"id": "b"}]}})
    after = resolve(DEFAULTS, existing=before, merge={"node": {"cameras": [{"id": "c"}]}})
    assert after == {"node": {"cameras": [{"id": "c"}], "http": {"port": 8090}}, "data_dir": "/dev/shm"}


def test_reset_comes_before_merge() -> None:
    existing = {"node": {"http": {"port": 1, "host": "x"}}, "data_dir": "/mnt"}
    resolved = resolve(DEFAULTS, existing=existing, reset=["/node"], merge={"node": {"http": {"port": 2}}})
    assert resolved == {"node": {"cameras": [], "http": {"port": 2}}, "data_dir": "/mnt"}


@pytest.mark.parametrize(
    ("pointer", "expected"),
    [
        ("", {"node": {"cameras": []}, "a/b": 1}),
        ("/node/extra", {"node": {"cameras": [1]}, "a/b": 2}),
        ("/a~1b", {"node": {"cameras": [1], "extra": 1}, "a/b": 1}),
        ("/nothing/there", {"node": {"cameras": [1], "extra": 1}, "a/b": 2}),
    ],
)
def test_reset_goes_back_to_the_default_or_removes(pointer: str, expected: dict[str, Any]) -> None:
    defaults = {"node": {"cameras": []}, "a/b": 1}
    existing = {"node": {"cameras": [1], "extra": 1}, "a/b": 2}
    assert resolve(defaults, existing=existing, reset=[pointer]) == expected


def test_reset_brings_back_a_default_whose_parent_is_gone() -> None:
    assert resolve({"a": {"b": 1}}, existing={"a": 5}, reset=["/a/b"]) == {"a": {"b": 1}}


def test_pointer_without_slash_is_refused() -> None:
    with pytest.raises(CoreError, match="slash"):
        resolve({}, reset=["node"])


def test_merging_leaves_both_sides_as_they_were() -> None:
    base, over = {"a": {"b": [1]}}, {"a": {"c": [2]}}
    result = merged(base, over)
    result["a"]["b"].append(9)
    result["a"]["c"].append(9)
    assert (base, over) == ({"a": {"b": [1]}}, {"a": {"c": [2]}})
