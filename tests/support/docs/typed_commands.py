"""The commands that README and `docs/` tell people to type, as they stand there.

A test that runs one takes it from the page, by `typed("docs/page.md", "how it begins", …)`, so that page and
test cannot differ; `tests/test_docs.py` reads these calls, and fails where a command is run by none.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]

NO_COMMAND = re.compile(
    r"edgecam: The image |\d{4}-\d\d-\d\dT|\d+ Mbit/s|chunks of |latest/|status/|fleet\.yaml: "
)
"""How the other lines of indented blocks begin: logs, arithmetic, messages."""


def typed(page: str, beginning: str, *within: str) -> str:
    """The one command of `page` that begins so and has all of `within` in it, without its comment."""
    found = [
        line for line in commands(page) if line.startswith(beginning) and all(word in line for word in within)
    ]
    assert len(found) == 1, f"{page}: expected one command {beginning!r} … {within}, found {found}"
    return found[0]


@cache
def commands(page: str) -> tuple[str, ...]:
    """All commands in the indented blocks of `page`, each in one line."""
    text = re.sub(
        r"^ *```.*?^ *```", "", (ROOT / page).read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL
    )
    lines = re.sub(r" *\\\n +", " ", text).splitlines()
    blocks = (re.sub(r"\s+# .*$", "", line.strip()) for line in lines if re.match(r" {4,}\S", line))
    return tuple(line for line in blocks if not NO_COMMAND.match(line))


def run_by_tests() -> Iterator[tuple[str, ...]]:
    """The arguments of each call of `typed` by tests and fixtures: a page, a beginning, what is within."""
    tests = ROOT / "tests"
    for path in sorted([*tests.rglob("test_*.py"), *tests.rglob("conftest.py")]):
        source = path.read_text(encoding="utf-8")
        if "typed(" not in source:
            continue
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "typed":
                words = tuple(ast.literal_eval(argument) for argument in node.args)
                assert all(isinstance(word, str) for word in words)
                yield words
