"""One row a scheme: what the rows declare holds."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import edgecam
from edgecam.config.schemes import SCHEMES, Scheme, find_scheme, prefixes_where, scheme_of


@pytest.mark.parametrize("scheme", SCHEMES, ids=lambda scheme: scheme.name)
def test_the_example_of_a_scheme_is_a_uri_of_it(scheme: Scheme) -> None:
    assert scheme_of(scheme.example) is scheme


def test_each_scheme_has_a_name_of_its_own() -> None:
    assert len({scheme.name for scheme in SCHEMES}) == len(SCHEMES)


@pytest.mark.parametrize("uri", ["", "rtsp", "RTSP://h/x", "http://h/x"])
def test_a_uri_of_no_scheme_has_none(uri: str) -> None:
    assert find_scheme(uri) is None


def test_prefixes_are_listed_as_in_a_sentence() -> None:
    assert prefixes_where(lambda scheme: scheme.takes_tls) == "rtsps://"
    assert prefixes_where(lambda scheme: scheme.takes_credentials) == "rtsp:// and rtsps://"
    assert prefixes_where(lambda scheme: scheme.mounts.name.startswith("READ")) == "file:// and images://"


def test_a_percent_of_numbered_pictures_is_no_encoding() -> None:
    images, file = find_scheme("images:///a"), find_scheme("file:///a")
    assert images is not None
    assert images.path_in("images:///a%20b/seq_%06d.jpg?fps=5") == "/a%20b/seq_%06d.jpg"
    assert file is not None
    assert file.path_in("file:///a%20b/film.mp4?x") == "/a b/film.mp4"


def test_no_other_module_compares_a_scheme_by_its_name() -> None:
    names = {scheme.name for scheme in SCHEMES} - {"file"}  # of buckets as well
    for path in (Path(edgecam.__file__).parent).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Compare):
                compared = {it.value for it in ast.walk(node) if isinstance(it, ast.Constant)}
                assert not compared & names, f"{path}:{node.lineno}: ask the row in config/schemes.py"
