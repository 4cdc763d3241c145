"""What a site is deployed to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import pytest

from fleet.settings import target
from fleet.settings.target import GroupOfOne, Target, Thing, ThingGroup, target_of, thing_of


@dataclass(frozen=True)
class Cluster:
    """A kind of target that may join."""

    setting: ClassVar[str] = "kubernetes"

    name: str


def test_each_kind_is_named_by_its_setting() -> None:
    assert target_of({"thing": "core", "thing_group": None}) == Thing("core")
    assert target_of({"thing": None, "thing_group": "cores"}) == ThingGroup("cores")


def test_thing_and_group_of_the_same_name_are_two_targets() -> None:
    assert (str(Thing("x")), str(ThingGroup("x"))) == ("thing/x", "thinggroup/x")


def test_thing_with_nucleus_lite_is_reached_through_a_group_of_its_own() -> None:
    assert str(GroupOfOne("x")) == "thinggroup/edgecam-core-x"


@pytest.mark.parametrize("target", [Thing("x"), GroupOfOne("x")])
def test_target_of_one_core_names_it(target: Target) -> None:
    assert thing_of(str(target)) == "x"


def test_group_of_any_size_names_no_core() -> None:
    assert thing_of(str(ThingGroup("x"))) is None


@pytest.mark.parametrize("names", [("x", "y"), (None, None)])
def test_several_targets_or_none_are_refused(names: tuple[str | None, str | None]) -> None:
    with pytest.raises(
        ValueError, match=r"^expected thing or thing_group, one of them, found (none|thing and \w+)$"
    ):
        target_of(dict(zip(("thing", "thing_group"), names, strict=True)))


def test_another_kind_joins_the_rule(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(target, "KINDS", (*target.KINDS, Cluster))
    named = {"thing": None, "thing_group": None, "kubernetes": "shops"}
    assert target_of(named) == Cluster("shops")
    with pytest.raises(
        ValueError,
        match=r"^expected thing, thing_group or kubernetes, one of them, found (none|thing and \w+)$",
    ):
        target_of({**named, "thing": "core"})
