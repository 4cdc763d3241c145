"""What the papers say of the code is there."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import pytest

from tools.source_tree import PROJECT, files, modules

OF_OTHERS = {"gcstreamer.py"}
"""Programs of others."""

PAPERS = [path for path in files() if path.suffix == ".md" and path.name != "CHANGELOG.md"]

GLOSSARY = re.findall(
    r"^\| ([^|]+) \| [^|]+ \|([^|]*)\|$", (PROJECT / "design/glossary.md").read_text(), re.MULTILINE
)[2:]


def defined() -> Iterator[str]:
    """Names of modules, and of what they define at their top level and in classes."""
    for module in modules().values():
        yield module.name.rpartition(".")[2]
        for node in ast.walk(module.tree):
            if isinstance(node, ast.ClassDef | ast.FunctionDef):
                yield node.name
            elif isinstance(node, ast.Assign | ast.AnnAssign):
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                yield from (target.id for target in targets if isinstance(target, ast.Name))


def test_what_the_glossary_names_is_in_the_code() -> None:
    names = set(defined())
    found = [name for _, code in GLOSSARY for name in re.findall(r"`(\w+)`", code)]
    assert len(found) > 30
    assert [name for name in found if name not in names] == []


def test_the_glossary_is_in_order_and_has_each_word_once() -> None:
    words = [word.lower() for word, _ in GLOSSARY]
    assert words == sorted(set(words), key=lambda word: word.replace(",", " "))


@pytest.mark.parametrize("paper", PAPERS, ids=str)
def test_modules_that_a_paper_names_exist(paper: object) -> None:
    text = (PROJECT / str(paper)).read_text(encoding="utf-8")
    known = [f"/{path}" for path in files()]
    named = set(re.findall(r"(?<![\w<>*/.-])[\w/-]+\.py\b", text))
    assert (
        sorted(name for name in named - OF_OTHERS if not any(path.endswith(f"/{name}") for path in known))
        == []
    )
