"""Mistakes: the path of the setting, what was expected, what was found."""

from __future__ import annotations

import pytest

from edgecam.config.validation import (
    Model,
    found_text,
    path_text,
    validate,
)
from edgecam.errors import ConfigurationError


class Inner(Model):
    size: int = 1
    ways: tuple[str, ...] = ()


class Outer(Model):
    name: str
    inner: Inner = Inner()
    rows: tuple[Inner, ...] = ()
    either: Inner | int = 0
    named: dict[str, Inner] | None = None


def mistakes(document: object, **options: object) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        validate(Outer, document, **options)  # type: ignore[arg-type]
    return [str(mistake) for mistake in caught.value.mistakes]


def test_every_mistake_is_reported_not_just_the_first() -> None:
    assert mistakes({"inner": {"size": "x"}, "rows": [{"sise": 3}, 5]}) == [
        "name: expected a value, found nothing",
        'inner.size: expected a number in plain decimals, found "x"',
        "rows[0].sise: expected one of the keys size, ways (did you mean size?), found an unknown key",
        "rows[1]: expected a mapping, found 5",
    ]


def test_unknown_key_inside_a_named_mapping_gets_the_keys_of_its_place() -> None:
    assert mistakes({"name": "n", "named": {"one": {"sizes": 1}}}) == [
        "named.one.sizes: expected one of the keys size, ways (did you mean size?), found an unknown key"
    ]


def test_member_of_a_union_does_not_show_in_the_path() -> None:
    found = mistakes({"name": "n", "either": {"size": "x"}})
    assert 'either.size: expected a number in plain decimals, found "x"' in found


def test_name_of_a_mapping_shows_even_where_it_is_that_of_a_class() -> None:
    assert mistakes({"name": "n", "named": {"Inner": {"size": "x"}, "B": {"size": "x"}}}) == [
        'named.Inner.size: expected a number in plain decimals, found "x"',
        'named.B.size: expected a number in plain decimals, found "x"',
    ]


def test_place_inside_the_file_is_put_in_front() -> None:
    assert mistakes({"name": 3}, at=("sites", "north", 2))[0].startswith("sites.north[2].name: ")


def test_name_of_the_file_stands_before_every_line() -> None:
    with pytest.raises(ConfigurationError) as caught:
        validate(Outer, {"inner": 5, "rows": 5}, name="fleet.yaml")
    lines = str(caught.value).splitlines()
    assert len(lines) == 3
    assert all(line.startswith("fleet.yaml: ") for line in lines)


def test_whole_document_of_the_wrong_kind_is_one_mistake() -> None:
    assert len(mistakes(["a", "list"])) == 1


@pytest.mark.parametrize(
    ("path", "value", "text"),
    [
        (("uri",), "rtsp://u:geheim@h/x", '"rtsp://***@h/x"'),
        (("uri",), "rtsp://u:ge heim@h/x", '"rtsp://***@h/x"'),
        (("credentials", "password"), "geheim", "a value that is not shown (***)"),
        (("api_key",), "geheim", "a value that is not shown (***)"),
        (("a",), None, "nothing"),
        (("a",), {"password": "geheim"}, "a mapping with the keys password"),
        (("a",), {}, "a mapping with the keys (none)"),
        (("a",), ["geheim"], "a list of 1"),
        (("a",), True, "true"),
        (("a",), "x" * 200, '"' + "x" * 79 + "…"),
    ],
)
def test_what_was_found_is_short_and_holds_no_secret(path: tuple[str, ...], value: object, text: str) -> None:
    assert found_text(path, value) == text


def test_path_is_written_as_people_write_it() -> None:
    assert path_text(("cameras", 1, "frames", "max_fps")) == "cameras[1].frames.max_fps"
    assert path_text(()) == ""
