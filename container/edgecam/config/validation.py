"""Turns what pydantic finds into `Mistake`s: the path of the setting, what was expected, what was found."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from edgecam.errors import ConfigurationError, Mistake
from edgecam.redaction import HIDDEN, SECRETS, one_line, redact

_FOUND_LENGTH = 80
_MOST_KEYS = 20
_SECRET_NAME = re.compile(r"cred|pass|pwd|secret|token|key", re.IGNORECASE)


class Model(BaseModel):
    """The base of every setting: frozen, and unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, protected_namespaces=())


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
    location = (*at, *(part for part in details["loc"] if not _is_union_tag(part)))
    kind, value = details["type"], details["input"]
    path = path_text(location)
    if kind == "missing":
        return Mistake(path, "a value", "nothing")
    if kind == "extra_forbidden":
        return Mistake(path, _known_keys(model, details["loc"]), "an unknown key")
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


def _is_union_tag(part: str | int) -> bool:
    """pydantic puts the class of a union's member into the path; a user's document has no such key."""
    return isinstance(part, str) and part[:1].isupper()


def _known_keys(model: type[BaseModel], location: Sequence[str | int]) -> str:
    keys = _keys_at(model, location[:-1])
    close = difflib.get_close_matches(str(location[-1]), keys, n=1)
    hint = f" (did you mean {close[0]}?)" if close else ""
    return f"one of the keys {', '.join(keys)}{hint}" if keys else "no such key"


def _keys_at(model: type[BaseModel], location: Sequence[str | int]) -> list[str]:
    current: list[type[BaseModel]] = [model]
    for part in location:
        if isinstance(part, int):
            continue
        if _is_union_tag(part):
            current = [inner for inner in current if inner.__name__ == part] or current
            continue
        fields = [inner.model_fields[part] for inner in current if part in inner.model_fields]
        # A key of a mapping (a site's name, say) is no field: its values are what the annotation named.
        current = [found for field in fields for found in _models_in(field.annotation)] or current
    return sorted({field.alias or name for inner in current for name, field in inner.model_fields.items()})


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [found for part in getattr(annotation, "__args__", ()) for found in _models_in(part)]
