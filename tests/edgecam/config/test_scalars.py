"""Plain values of YAML are what was typed, or refused; with libyaml and without."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from edgecam.config.document import parse_document, yaml_text
from edgecam.errors import ConfigurationError, Mistake


def mistakes(text: str) -> tuple[Mistake, ...]:
    with pytest.raises(ConfigurationError) as raised:
        parse_document(text, name="node.yaml")
    return raised.value.mistakes


def value(text: str) -> object:
    document = parse_document(f"a: {text}\nb: [{text}]", name="node.yaml")
    assert isinstance(document, dict)
    assert document["b"] == [document["a"]]
    return document["a"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("5", 5),
        ("0", 0),
        ("-17", -17),
        ("10000", 10_000),
        ("1.5", 1.5),
        ("0.25", 0.25),
        (".5", 0.5),
        ("5.", 5.0),
        ("1e3", 1000.0),
        ("1.0E+2", 100.0),
        ("-2.5e-1", -0.25),
        ("true", True),
        ("False", False),
        ("null", None),
        ("~", None),
        ("'010'", "010"),
        ('"no"', "no"),
        ("!!str 12:30", "12:30"),
        ("y", "y"),
        ("N", "N"),
        ("=", "="),
        ("1.2.3", "1.2.3"),
        ("10.0.0.1", "10.0.0.1"),
        ("00:11:22:33:44:55", "00:11:22:33:44:55"),
        ("08:30", "08:30"),
        ("22:80", "22:80"),
        ("1-3", "1-3"),
        ("01-12", "01-12"),
        ("0x", "0x"),
        ("nowhere", "nowhere"),
        ("2024-1-1", "2024-1-1"),
        ("inf", "inf"),
    ],
)
def test_what_every_reader_of_yaml_reads_alike_is_taken(text: str, expected: object) -> None:
    found = value(text)
    assert (found, type(found)) == (expected, type(expected))


ODD = (
    *("010", "00", "08", "0101", "-07", "+5", "1_000", "1_0.5", "08.5", "+1e3"),
    *("0x1F", "-0x1F", "0o17", "0b101", "12:30", "190:20:30", "1:30.5", "10:22:33:44:55:06"),
    *(
        ".inf",
        "-.INF",
        ".NaN",
        "yes",
        "No",
        "ON",
        "off",
        "2026-11-30",
        "2026-11-30 10:00:00Z",
        "2024-1-1 1:00:00",
    ),
)


@pytest.mark.parametrize("text", ODD)
def test_what_is_read_otherwise_than_it_is_typed_is_refused_with_its_place(text: str) -> None:
    (mistake,) = mistakes(f"sites:\n  lobby: [1, {text}]")
    assert mistake.path == "sites.lobby[1]"
    assert mistake.expected.endswith(f'or, where a text belongs, in quotes: "{text}"')
    assert mistake.found.startswith(f"{text} at line 2, column 14, which YAML")
    assert value(f"'{text}'") == text


@pytest.mark.parametrize("text", ["1.5", "17", "true", "~", "no", "010", "2026-11-30"])
def test_name_is_a_text(text: str) -> None:
    (mistake,) = mistakes(f"a:\n  {text}: 1")
    assert (mistake.path, mistake.expected) == (f"a.{text}", f'a name in quotes: "{text}"')
    assert parse_document(f"a:\n  '{text}': 1\n  <<x: 2", name="x") == {"a": {text: 1, "<<x": 2}}


def test_all_of_them_are_found_in_one_go_and_those_of_an_anchor_once() -> None:
    found = mistakes("a: &x {port: 010, no: 1}\nb: *x\nc: {<<: *x, on: yes}\nd: [~, 0x1]")
    assert [mistake.path for mistake in found] == ["a.port", "a.no", "c.on", "c.on", "d[1]"]


def test_value_of_a_secret_is_not_repeated() -> None:
    (mistake,) = mistakes("a: {password: 0815}")
    assert "0815" not in str(mistake)
    assert mistake.expected == "a number in plain decimals, or, where a text belongs, in quotes"


@pytest.mark.parametrize("text", ["!!int 010", "!!int '0x1F'", "!!float .inf", "!!float 1e999", "!!bool yes"])
def test_tag_does_not_bring_back_another_reading(text: str) -> None:
    (mistake,) = mistakes(f"a: {text}")
    assert mistake.found.startswith(("a value that is no", "a larger one"))


@pytest.mark.parametrize("text", ["!!binary aGk=", "!!set {a}", "!!timestamp 2026-11-30", "!!omap [a: 1]"])
def test_kinds_of_values_that_no_setting_has_are_refused(text: str) -> None:
    (mistake,) = mistakes(f"a: {text}")
    assert (mistake.expected, mistake.found.split()[0]) == ("no tags", text.split()[0])


@pytest.mark.parametrize("text", [*ODD, "true", "~", "17", "", "a b", "1.5", "1e3", "0x", "büro", "a: b"])
def test_what_is_written_is_read_as_it_was(text: str) -> None:
    document = {"id": text, text: [text, 17, 1.5, True, None]}
    assert parse_document(yaml_text(document), name="x") == document
    assert yaml.safe_load(yaml_text(document)) == document


def test_tag_of_our_own_is_no_users() -> None:
    (mistake,) = mistakes("a: !<tag:edgecam,2026:otherwise> [b]")
    assert (mistake.expected, mistake.found) == ("YAML or JSON", "a tag that is none of YAML's")


NESTED = """
- &outer {id: door, frames: &slow {fps: 1, quality: 70}}
- &inner {<<: *outer, id: gate, frames: &coarse {<<: *slow, quality: 60}}
- {<<: *coarse, fps: 2}
- {<<: [*inner, *outer], id: hall}
- {<<: *inner}
"""


def test_merge_keys_within_each_other_are_no_keys_twice() -> None:
    coarse = {"fps": 1, "quality": 60}
    assert parse_document(NESTED, name="x") == [
        {"id": "door", "frames": {"fps": 1, "quality": 70}},
        {"id": "gate", "frames": coarse},
        {"fps": 2, "quality": 60},
        {"id": "hall", "frames": coarse},
        {"id": "gate", "frames": coarse},
    ]


@pytest.mark.parametrize(
    "text",
    [
        "a: {b: 1, b: 2}",
        "- &x {a: 1}\n- {<<: *x, c: 1, c: 2}",
        'a: {b: 1, "b": 2}',
        "- &x {a: 1, a: 2}\n- {<<: *x}",
    ],
)
def test_key_twice_is_refused_in_a_mapping_that_merges_as_well(text: str) -> None:
    (mistake,) = mistakes(text)
    assert mistake.expected == "each key once"


def test_python_without_libyaml_reads_the_same(tmp_path: Path) -> None:
    """As in the image."""
    lines = "\n".join(f"- {text}" for text in ODD)
    (tmp_path / "odd.yaml").write_text(lines)
    (tmp_path / "nested.yaml").write_text(NESTED)
    script = (
        "import sys, yaml; del yaml.CSafeLoader\n"
        "from edgecam.config.document import parse_document\n"
        "from edgecam.errors import ConfigurationError\n"
        "from pathlib import Path\n"
        "print(parse_document(Path(sys.argv[2]).read_text(), name='x'))\n"
        "try: parse_document(Path(sys.argv[1]).read_text(), name='x')\n"
        "except ConfigurationError as error: print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "odd.yaml"), str(tmp_path / "nested.yaml")],
        capture_output=True,
        text=True,
        check=True,
    )
    assert hasattr(yaml, "CSafeLoader")
    with pytest.raises(ConfigurationError) as raised:
        parse_document(lines, name="x")
    assert done.stdout == f"{parse_document(NESTED, name='x')}\n{raised.value}\n"
