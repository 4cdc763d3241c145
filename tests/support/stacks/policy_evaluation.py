"""Whether a policy of a template allows something: what AWS IoT and AWS IAM make of a document.

An explicit Deny wins, an Allow is needed, `*` and `?` are the only wildcards, and a variable that a request
does not have matches nothing (IAM user guide, "Policy evaluation logic" and "Variables and tags"). Whatever
else is in a document is refused here, so that a test cannot overlook it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

ACCOUNT = "123456789012"
REGION = "eu-central-1"
PSEUDO = {"AWS::Partition": "aws", "AWS::Region": REGION, "AWS::AccountId": ACCOUNT}

Statement = Mapping[str, Any]
_VARIABLE = re.compile(r"\$\{([^}]+)\}")


def text_of(value: Any, known: Mapping[str, str]) -> str:
    """A value of a template as one text.

    Args:
        value: Text, or one of the functions that join texts.
        known: What references stand for, by logical id or `LOGICALID.ATTRIBUTE`.
    """
    if isinstance(value, str):
        return value
    ((function, argument),) = value.items()
    if function == "Fn::Join":
        return str(argument[0]).join(text_of(part, known) for part in argument[1])
    name = argument if isinstance(argument, str) else ".".join(argument)
    assert function in ("Ref", "Fn::GetAtt"), value
    return PSEUDO.get(name) or known.get(name) or f"<{name}>"


def resolved(document: Any, known: Mapping[str, str]) -> Any:
    """A document of a template with every function in it worked out."""
    if isinstance(document, list):
        return [resolved(value, known) for value in document]
    if not isinstance(document, dict):
        return document
    if len(document) == 1 and next(iter(document)) in ("Ref", "Fn::Join", "Fn::GetAtt"):
        return text_of(document, known)
    return {key: resolved(value, known) for key, value in document.items()}


def allows(
    statements: Iterable[Statement], action: str, resource: str, keys: Mapping[str, str] | None = None
) -> bool:
    """Whether statements allow an action on a resource to a request with these condition keys."""
    effects = {
        statement["Effect"]
        for statement in statements
        if _applies(
            statement, action, resource, {name.lower(): value for name, value in (keys or {}).items()}
        )
    }
    return effects == {"Allow"}


def several(value: Any) -> list[Any]:
    """One or a list, as a list."""
    return value if isinstance(value, list) else [value]


def matches(pattern: str, text: str) -> bool:
    """Whether a text is what a pattern with `*` and `?` says."""
    parts = re.split(r"([*?])", pattern)
    return bool(
        re.fullmatch("".join({"*": ".*", "?": "."}.get(part, re.escape(part)) for part in parts), text)
    )


def _applies(statement: Statement, action: str, resource: str, keys: Mapping[str, str]) -> bool:
    assert statement.keys() <= {"Sid", "Effect", "Action", "Resource", "Condition"}, statement
    return (
        any(matches(pattern.lower(), action.lower()) for pattern in several(statement["Action"]))
        and any(_matches_filled(pattern, resource, keys) for pattern in several(statement["Resource"]))
        and all(
            _holds(operator, key, several(wanted), keys)
            for operator, tests in statement.get("Condition", {}).items()
            for key, wanted in tests.items()
        )
    )


def _holds(operator: str, key: str, wanted: list[str], keys: Mapping[str, str]) -> bool:
    found = keys.get(key.lower())
    if operator == "StringLike":
        return found is not None and any(_matches_filled(pattern, found, keys) for pattern in wanted)
    equal = found is not None and any(_filled(value, keys) == found for value in wanted)
    assert operator in ("StringEquals", "StringNotEquals"), operator
    return equal is (operator == "StringEquals")


def _matches_filled(pattern: str, text: str, keys: Mapping[str, str]) -> bool:
    filled = _filled(pattern, keys)
    return filled is not None and matches(filled, text)


def _filled(pattern: str, keys: Mapping[str, str]) -> str | None:
    """With the values of variables in it; None where the request has no such key."""
    names = _VARIABLE.findall(pattern)
    if any(name.lower() not in keys for name in names):
        return None
    return _VARIABLE.sub(lambda found: keys[found[1].lower()], pattern)


def statements_of(document: Any, known: Mapping[str, str] | None = None) -> list[Statement]:
    """The statements of a policy document as a template has it, or as JSON text."""
    whole = json.loads(document) if isinstance(document, str) else resolved(document, known or {})
    assert whole["Version"] == "2012-10-17", whole
    return list(whole["Statement"])
