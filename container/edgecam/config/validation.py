"""Turns what pydantic finds into `Mistake`s: the path of the setting, what was expected, what was found."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError, ValidationInfo, field_validator

from edgecam.config.plain_numbers import expect_as_typed
from edgecam.config.setting_names import hint_for, keys_at, without_union_tags
from edgecam.errors import ConfigurationError, Mistake
from edgecam.redaction import HIDDEN, SECRETS, one_line, redact

_FOUND_LENGTH = 80
_MOST_KEYS = 20
_SECRET_NAME = re.compile(r"cred|pass|pwd|secret|token|key", re.IGNORECASE)
_OF_A_NAME = "[key]"
"""Where pydantic puts what is wrong with a name of a mapping, behind that name; no setting is called so."""


class Model(BaseModel):
    """The base of every setting: frozen, unknown keys are refused, numbers and truths are taken as typed."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, protected_namespaces=())

    @field_validator("*", mode="before")
    @classmethod
    def _as_typed(cls, value: Any, info: ValidationInfo) -> Any:
        # pydantic would take "yes" and 1 for true, and "010" for 10.
        expect_as_typed(value, cls, str(info.field_name))
        return value


ModelT = TypeVar("ModelT", bound=BaseModel)


def validate(
    model: type[ModelT], document: object, *, name: str = "", at: Sequence[str | int] = ()
) -> ModelT:
    """`document` as a `model`.

    Args:
        model: What it has to be.
        document: What was read from YAML or JSON.
        name: The name of the file or variable it came from, for the message.
        at: Where `document` stands inside that file.

    Raises:
        ConfigurationError: with every mistake, not just the first.
    """
    try:
        return model.model_validate(document)
    except ValidationError as error:
        found = [_mistake(model, details, at) for details in error.errors(include_url=False)]
        raise ConfigurationError(found, document=name) from None


def path_text(path: Sequence[str | int]) -> str:
    """`("cameras", 1, "frames")` as `cameras[1].frames`."""
    text = ""
    for part in path:
        name = str(part)[:_FOUND_LENGTH]
        text += f"[{name}]" if isinstance(part, int) else f".{name}" if text else name
    return text


def found_text(path: Sequence[str | int], value: object) -> str:
    """`value` as it may be shown: short, redacted, and hidden whole where its name is that of a secret."""
    if value is None:
        return "nothing"
    if any(isinstance(part, str) and _SECRET_NAME.search(part) for part in path[-1:]):
        return f"a value that is not shown ({HIDDEN})"
    if isinstance(value, Mapping):
        keys = ", ".join(str(key)[:_FOUND_LENGTH] for key in islice(value, _MOST_KEYS))
        more = f" and {len(value) - _MOST_KEYS} more" if len(value) > _MOST_KEYS else ""
        return f"a mapping with the keys {keys or '(none)'}{more}"
    if isinstance(value, (list, tuple)):
        return f"a list of {len(value)}"
    if isinstance(value, str):
        # Before it is put in quotes: a URI alone is recognised better.
        value = SECRETS.shown(value)
    text = redact(json.dumps(value, ensure_ascii=False, default=str))
    # Control characters would turn a line of the terminal around, or colour it.
    return one_line(text if len(text) <= _FOUND_LENGTH else text[:_FOUND_LENGTH] + "…")


def _mistake(model: type[BaseModel], details: Any, at: Sequence[str | int]) -> Mistake:
    location = (*at, *without_union_tags(model, details["loc"]))
    if location and location[-1] == _OF_A_NAME:
        location = location[:-1]
    kind, value = details["type"], details["input"]
    path = path_text(location)
    if kind == "missing":
        return Mistake(path, "a value", "nothing")
    if kind == "extra_forbidden":
        return Mistake(path, _known_keys(model, details["loc"]), "an unknown key")
    if kind == "string_type" and isinstance(value, (int, float)):
        return _not_in_quotes(location, value)
    message: str = details["msg"].removeprefix("Value error, ")
    if message.startswith("expected "):
        # Our own validators write the expectation, and what was found where the input does not show it.
        expected, _, found = message.removeprefix("expected ").partition(", found ")
        return Mistake(path, expected, found or found_text(location, value))
    expected = re.sub(r"^Input should be |^Input should have |, unable to .*$", "", message)
    expected = re.sub(r"a valid dictionary( or instance of \w+)?", "a mapping", expected)
    expected = expected.replace("a valid tuple", "a list")
    expected = re.sub(r"^(greater|less) than", r"a number \1 than", expected)
    expected = re.sub(r"^([A-Z])", lambda match: match.group(1).lower(), expected)
    return Mistake(path, redact(expected), found_text(location, value))


def _not_in_quotes(location: Sequence[str | int], value: float) -> Mistake:
    """YAML takes a number, or `true`, for something else than a text."""
    kind = "" if isinstance(value, bool) else "the number "
    shown = found_text(location, value)
    if HIDDEN in shown:
        return Mistake(path_text(location), "a text in quotes", shown)
    # Of a number with a dot it is not known how it was typed: 2.10 is 2.1.
    example = f': "{shown}"' if isinstance(value, int) else ""
    return Mistake(path_text(location), f"a text in quotes{example}", f"{kind}{shown}")


def _known_keys(model: type[BaseModel], location: Sequence[str | int]) -> str:
    keys = keys_at(model, location[:-1])
    hint = hint_for(model, location)
    return f"one of the keys {', '.join(keys)}{hint}" if keys else f"no such key{hint}"
