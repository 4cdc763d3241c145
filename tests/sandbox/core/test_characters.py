"""Which nucleus and which shell a core has."""

from __future__ import annotations

import pytest

from sandbox.core.characters import SHELLS, Character, character
from sandbox.errors import StartError


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (("", ""), Character(nucleus="classic", shell="dash")),
        (("lite-2.6.0", ""), Character(nucleus="lite-2.6.0", shell="bash")),
        (("lite-newest", ""), Character(nucleus="lite-newest", shell="dash")),
        (("lite-2.6.0", "dash"), Character(nucleus="lite-2.6.0", shell="dash")),
    ],
)
def test_character_by_its_names(names: tuple[str, str], expected: Character) -> None:
    assert character(*names) == expected


def test_release_alone_hands_values_on_without_quotes() -> None:
    assert not character("lite-2.6.0").quotes_environment
    assert character("lite-newest").quotes_environment


@pytest.mark.parametrize("names", [("lite", ""), ("lite-2.6.0", "zsh")])
def test_unknown_name_is_refused_with_those_that_there_are(names: tuple[str, str]) -> None:
    with pytest.raises(StartError, match="must be one of"):
        character(*names)


def test_shell_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    monkeypatch.setitem(SHELLS, "bash", type(SHELLS["bash"])(f"{tmp_path}/bash"))
    with pytest.raises(StartError, match="which is not on this machine"):
        character("lite-2.6.0")
