"""accessControl, as both nuclei read it."""

from __future__ import annotations

import pytest

from sandbox.core.access_control import allows


@pytest.mark.parametrize(
    ("pattern", "resource", "matches"),
    [
        ("a/b/c", "a/b/c", True),
        ("a/b/c", "a/b/d", False),
        ("a/+/c", "a/b/c", True),
        ("a/+/c", "a/b/b/c", False),
        ("a/+", "a/b", True),
        ("a/+", "a/b/c", False),
        ("a/#", "a/b/c", True),
        ("a/#", "b/a/c", False),
        ("#", "a/b", True),
        ("*", "a/b", True),
        ("a/*/d", "a/b/c/d", True),
        ("a.c", "abc", False),
        ("a/{iot:thingName}", "a/gate-core", False),
        ("arn:aws:secretsmanager:r:1:secret:x", "arn:aws:secretsmanager:r:1:secret:x", True),
    ],
)
def test_resource_is_matched_as_a_topic_filter_or_with_asterisks(
    pattern: str, resource: str, matches: bool
) -> None:
    access = {"service": {"one:1": {"operations": ["do"], "resources": [pattern]}}}
    assert allows(access, "service", "do", resource) is matches


def test_operation_and_service_have_to_be_named() -> None:
    access = {"service": {"one:1": {"operations": ["do"], "resources": ["*"]}}}
    assert not allows(access, "service", "undo", "a")
    assert not allows(access, "another", "do", "a")
    assert not allows({}, "service", "do", "a")


def test_one_of_several_policies_is_enough() -> None:
    access = {
        "service": {
            "one:1": {"operations": ["do"], "resources": ["a"]},
            "two:1": {"operations": ["*"], "resources": ["b"]},
        }
    }
    assert allows(access, "service", "do", "b")
