# ruff: noqa: E501 - messages stand as a user reads them
"""Fleets of several files: what is included, and where a mistake is reported."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgecam.errors import ConfigurationError
from fleet.load import load_fleet
from fleet.reading.files import read_fleet

CAMERA = 'cameras: [{id: a, uri: "rtsp://192.0.2.1/1"}]'


def fleet(folder: Path, main: str, **included: str) -> Path:
    """Write `fleet.yaml`, and the included files below `sites/`."""
    (folder / "sites").mkdir(exist_ok=True)
    for name, text in included.items():
        (folder / "sites" / f"{name}.yaml").write_text(text)
    path = folder / "fleet.yaml"
    path.write_text(main)
    return path


def mistakes(path: Path) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        load_fleet(path)
    return str(caught.value).splitlines()


def test_sites_of_included_files_join_those_of_the_fleet_in_the_order_of_names(tmp_path: Path) -> None:
    path = fleet(
        tmp_path,
        f"include: [sites/*.yaml]\nsites: {{hq: {{thing: hq, {CAMERA}}}}}",
        south=f"sites: {{rome: {{thing: rome, {CAMERA}}}}}",
        north=f"sites: {{oslo: {{thing: oslo, {CAMERA}}}, turku: {{thing: turku, {CAMERA}}}}}",
    )
    assert list(load_fleet(path).sites) == ["hq", "oslo", "turku", "rome"]
    assert [read_fleet(path).file_of(name) for name in ("hq", "rome")] == ["fleet.yaml", "sites/south.yaml"]


@pytest.mark.parametrize("sites", ["", "sites:\n"])
def test_all_sites_may_stand_in_included_files(tmp_path: Path, sites: str) -> None:
    path = fleet(
        tmp_path, f"include: [sites/*.yaml]\n{sites}", a=f"sites: {{oslo: {{thing: oslo, {CAMERA}}}}}"
    )
    assert list(load_fleet(path).sites) == ["oslo"]


def test_file_that_two_patterns_match_is_read_once(tmp_path: Path) -> None:
    path = fleet(
        tmp_path, "include: [sites/a.yaml, sites/*.yaml]", a=f"sites: {{oslo: {{thing: oslo, {CAMERA}}}}}"
    )
    assert list(load_fleet(path).sites) == ["oslo"]


def test_site_in_two_files_is_refused_with_both_names(tmp_path: Path) -> None:
    site = f"sites: {{oslo: {{thing: oslo, {CAMERA}}}}}"
    assert mistakes(fleet(tmp_path, "include: [sites/*.yaml]", a=site, b=site)) == [
        "sites/b.yaml: sites.oslo: expected a name that no other site has, found sites.oslo in sites/a.yaml as well"
    ]
    assert mistakes(fleet(tmp_path, f"include: [sites/a.yaml]\n{site}", a=site)) == [
        "sites/a.yaml: sites.oslo: expected a name that no other site has, found sites.oslo in fleet.yaml as well"
    ]


def test_mistake_in_an_included_file_is_reported_with_its_name_and_path_there(tmp_path: Path) -> None:
    path = fleet(
        tmp_path,
        f"include: [sites/*.yaml]\nsites: {{hq: {{thing: hq, nucleus: tiny, {CAMERA}}}}}",
        a='sites: {oslo: {thing: oslo, cameras: [{id: a, uri: "test://", frames: {max_fps: 50}}]}}',
    )
    assert mistakes(path) == [
        "fleet.yaml: sites.hq.nucleus: expected 'classic' or 'lite', found \"tiny\"",
        "sites/a.yaml: sites.oslo.cameras[0].frames.max_fps: expected a number less than or equal to 30, found 50",
    ]


def test_mistake_between_sites_of_two_files_is_reported_where_the_second_stands(tmp_path: Path) -> None:
    path = fleet(
        tmp_path,
        "include: [sites/*.yaml]",
        a=f"sites: {{oslo: {{thing: core, {CAMERA}}}}}",
        b=f"sites: {{rome: {{thing: core, {CAMERA}}}}}",
    )
    assert mistakes(path) == [
        'sites/b.yaml: sites.rome.thing: expected a target that no other site has, found "core", which is also the '
        "target of sites.oslo"
    ]


@pytest.mark.parametrize(
    ("included", "expected"),
    [
        (
            "aws: {}\nsites: {}",
            "sites/a.yaml: aws: expected sites: alone in an included file; the rest is in the file that includes "
            "it, found aws:",
        ),
        ("", "sites/a.yaml: expected sites: and what they are, found nothing"),
        ("- oslo", "sites/a.yaml: expected sites: and what they are, found a list of 1"),
        ("sites:", "sites/a.yaml: sites: expected a mapping of names to sites, found nothing"),
        ("sites: [oslo]", "sites/a.yaml: sites: expected a mapping of names to sites, found a list of 1"),
        ("sites: {", "sites/a.yaml: expected a value of YAML or JSON, found"),
        (
            "sites: {a: {}, a: {}}",
            'sites/a.yaml: expected each key once, found "a" again at line 1, column 16',
        ),
    ],
)
def test_included_file_that_is_none_is_refused_by_name(tmp_path: Path, included: str, expected: str) -> None:
    (line,) = mistakes(fleet(tmp_path, "include: [sites/*.yaml]", a=included))
    assert line.startswith(expected)


@pytest.mark.parametrize(
    ("include", "expected"),
    [
        ("sites/*.yaml", 'include: expected a list of files, such as [sites/*.yaml], found "sites/*.yaml"'),
        (
            "[site/*.yaml]",
            'include[0]: expected a file, or a pattern that at least one file matches, found "site/*.yaml"',
        ),
        (
            "['*.yaml']",
            'include[0]: expected other files than this one, found "*.yaml", which is also fleet.yaml itself',
        ),
        (
            "[5]",
            "include[0]: expected a file or a pattern, relative to this file, such as sites/*.yaml, found 5",
        ),
        (
            "[/etc/*.yaml]",
            'include[0]: expected a file or a pattern, relative to this file, such as sites/*.yaml, found "/etc/*.yaml"',
        ),
    ],
)
def test_include_that_names_nothing_useful_is_refused(tmp_path: Path, include: str, expected: str) -> None:
    path = fleet(tmp_path, f"include: {include}\nsites: {{hq: {{thing: hq, {CAMERA}}}}}")
    assert mistakes(path) == [f"fleet.yaml: {expected}"]


def test_hidden_files_and_folders_are_no_fleet_files(tmp_path: Path) -> None:
    (tmp_path / "sites" / "c.yaml").mkdir(parents=True)
    (tmp_path / "sites" / ".#a.yaml").write_text("{")
    path = fleet(tmp_path, "include: [sites/*.yaml]", a=f"sites: {{oslo: {{thing: oslo, {CAMERA}}}}}")
    assert [file.name for file in read_fleet(path).files] == ["fleet.yaml", "a.yaml"]


def test_anchor_within_itself_is_reported(tmp_path: Path) -> None:
    path = fleet(tmp_path, "sites: &all {a: *all}")
    (mistake,) = mistakes(path)
    assert mistake == (
        "fleet.yaml: expected anchors that do not hold themselves, found one that does at line 1, column 17"
    )
