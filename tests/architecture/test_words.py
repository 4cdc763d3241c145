"""Words of our own that have given way to the field's, in names, comments, texts and papers.

`design/glossary.md` has the words that are used.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import PurePosixPath

import pytest

from tools.source_tree import PROJECT, files

INSTEAD = {
    r"told": "reported, notified, logged",
    r"wish|wishes|wished": "demand",
    r"patience": "timeout, retry policy",
    r"mend\w*": "repair, reconcile, put right",
    r"aside": "quarantine",
    r"shelf|shelves": "catalog",
    r"seats?": "core spec",
    r"trembl\w+": "jitter",
    r"whoever": "the caller, by its name",
    r"anew": "again",
    r"from afar": "remotely",
    r"in vain": "unused, without effect",
    r"a trifle": "slightly",
}
"""Each word that is gone, and what to say instead."""

OF_OTHERS: dict[str, tuple[str, ...]] = {}
"""Files with a word that is somebody else's, and the phrases in which it is. None today."""

HISTORY = {PurePosixPath("CHANGELOG.md"), PurePosixPath("tests/architecture/test_words.py")}
"""Where the old words are quoted."""

NO_PROSE = {".json", ".lock", ".ambr", ".txt", ".png"}
"""Made by tools; what they repeat of ours is read where it comes from."""

GONE = re.compile(rf"(?<![a-z])({'|'.join(INSTEAD)})(?![a-z])", re.IGNORECASE)
# As a plain word it has its place ("a standing order"), as a name it had none that one could look for.
STANDING = re.compile(r"\b_*([A-Z]\w*)?Standing\b|\b\w*_standing\b|\bstanding_\w+")


def words(text: str) -> str:
    """`text` with each name of several words taken apart, and one space for each white space."""
    apart = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|_+", " ", text)
    return re.sub(r"\s+(?:(?:#|//|\*) )?", " ", apart)


def found_in(path: PurePosixPath) -> Iterator[str]:
    text = (PROJECT / path).read_text(encoding="utf-8")
    for phrase in OF_OTHERS.get(str(path), ()):
        assert phrase in text, f"{path} does not say {phrase!r} any more"
        text = text.replace(phrase, "")
    plain = words(text)
    for match in GONE.finditer(plain):
        yield f"{path}: …{plain[max(0, match.start() - 30) : match.end() + 20]}…"
    yield from (f"{path}: {match[0]}" for match in STANDING.finditer(text))


def test_words_of_our_own_are_gone() -> None:
    left = [
        place
        for path in files()
        if path not in HISTORY and path.suffix not in NO_PROSE and not path.match("fuzz/found/*/*")
        for place in found_in(path)
    ]
    assert left == [], f"{len(left)} places; instead of {INSTEAD}"


def test_words_of_our_own_name_no_file() -> None:
    assert [str(path) for path in files() if GONE.search(words(str(path)))] == []


@pytest.mark.parametrize(
    "text",
    [
        "first_told = 1",
        "class DeviceTold:",
        "TREMBLE_NS",
        "# what was wished for",
        '"chunks_aside"',
        "seen from\n    # afar",
        "_mended",
        "said in\n    vain",
    ],
)
def test_a_word_is_found_in_names_and_across_lines(text: str) -> None:
    assert GONE.search(words(text))


@pytest.mark.parametrize(
    "text", ["recommended", "amend", "a planetary", "the besides", "to seated", "bookshelf"]
)
def test_a_word_within_another_is_none(text: str) -> None:
    assert not GONE.search(words(text))


@pytest.mark.parametrize(
    "text", ["class LinkStanding:", "class Standing:", "def link_standing(", "_CameraStanding"]
)
def test_a_standing_is_an_outage(text: str) -> None:
    assert STANDING.search(text)
    assert not STANDING.search("a standing order of outstanding chunks")
