"""What PyYAML finds wrong, in the words of a mistake: what was expected, what was found."""

from __future__ import annotations

import re

YAML = "YAML or JSON"

_LONGEST = 120  # of what a file says in a message

_FAULTS = (
    (r"found character '\\t' that.*", "blanks for indentation", "a tab"),
    (
        r"found character ('.*') that cannot start any token",
        r"a text that begins with \1 in quotes",
        "no quotes",
    ),
    (r"but found another document", "one document", "another one"),
    (r"found unhashable key", "a text for a name", "a list or a mapping"),
    (r"expected a mapping.* for merging.*", "a mapping or a list of mappings behind <<", "something else"),
    (r".* the tag '\S*:merge'", '<< as a name, or a text in quotes: "<<"', "<<"),
    (r".* the tag 'tag:yaml\.org,2002:(.*)'", "no tags", r"!!\1"),
    (r".* the tag '(.*)'", "no tags", r"\1"),
    (r"found undefined tag handle '(.*)'", "no tags", r"\1"),
    (r"found undefined alias '(.*)'", r"an anchor &\1 further up", r"none for *\1"),
    (r"second occurrence", "each anchor once", "one again"),
    (r"mapping values are not allowed here", "one name on a line, or a text in quotes", "another colon"),
    (r"sequence entries are not allowed here", "each entry of a list on a line of its own", "a hyphen"),
    (r"could not find expected ':'", "a colon behind a name", "none"),
    (r"found unexpected end of stream", "a quote at the end of a text", "the end of the file"),
    (r"expected the node content, but found '<stream end>'", f"a value of {YAML}", "the end of the file"),
    (r"expected the node content, but found (.*)", f"a value of {YAML}", r"\1"),
    (r"expected (.+), but (?:found|got) '<stream end>'", r"\1", "the end of the file"),
    (
        r"expected <block end>, but found .*",
        "lines of one mapping or list to begin alike",
        "another beginning",
    ),
    (r"expected (.+), but (?:found|got) (.+)", r"\1", r"\2"),
    (r"(?:but )?found (.*)", YAML, r"\1"),
)
"""PyYAML's words, whole; what was expected; what was found. The first that fits."""


def in_words(problem: str) -> tuple[str, str]:
    """What was expected and what was found where PyYAML found `problem`."""
    for pattern, expected, found in _FAULTS:
        if fitting := re.fullmatch(pattern, problem, re.DOTALL):
            return fitting.expand(expected)[:_LONGEST], fitting.expand(found)[:_LONGEST]
    return YAML, (problem or "something else")[:_LONGEST]
