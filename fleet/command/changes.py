"""What a deploy changes: site by site, setting by setting."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from edgecam.config.secret_ids import is_arn, is_secret_id, is_whole_arn, secret_name
from edgecam.redaction import HIDDEN, redact
from fleet.command.site_states import SiteState, States

_VALUE_LENGTH = 60
_RANDOM_LENGTH = 7  # a hyphen and six characters, which Secrets Manager adds to a name
_SECRET_KEY = re.compile(r"pass|pwd|secret|token|key|credential", re.IGNORECASE)
_NAMES_ONLY = re.compile(r"^cameras\.[^.]+\.(credentials|device\.key)\.(username|\w*_?(file|env))$")
"""Settings of a camera that name a secret, and do not hold it."""


@dataclass(frozen=True)
class Change:
    """One setting of one site; None where it is absent."""

    path: str
    old: str | None
    new: str | None

    def __str__(self) -> str:
        if self.old is None:
            return f"{self.path}: {self.new} (new)"
        if self.new is None:
            return f"{self.path}: {self.old} (taken out)"
        return f"{self.path}: {self.old} → {self.new}"


@dataclass(frozen=True)
class SiteChange:
    """What happens to one site.

    Attributes:
        site: Its name.
        kind: `new`, `removed` or `changed`.
        target: Of the deployment; of a removed site the former one.
        variant: Likewise.
        changes: The settings that differ, and how many devices are made and removed; of a new site its
            version and number of cameras beside, of a removed one nothing else.
        cores_keep: Of a removed site: whether its cores keep what they have.
    """

    site: str
    kind: str
    target: str
    variant: str
    changes: tuple[Change, ...]
    cores_keep: bool = True


def changes_between(before: States, after: States) -> list[SiteChange]:
    """What differs, by name of the site; sites that stay as they are are not listed."""
    found = []
    for name in sorted({*before, *after}):
        old, new = before.get(name), after.get(name)
        if new is None:
            assert old is not None  # noqa: S101 - one of them has it
            gone = tuple(_devices(old.devices, {}))
            found.append(SiteChange(name, "removed", old.target, old.variant, gone, not old.leaves_cores))
        elif old is None:
            facts = (
                Change(new.variant, None, new.version),
                Change("cameras", None, str(len(new.camera_ids))),
                *_devices({}, new.devices),
            )
            found.append(SiteChange(name, "new", new.target, new.variant, facts))
        elif changes := tuple(_changes(old, new)):
            found.append(SiteChange(name, "changed", new.target, new.variant, changes))
    return found


def _changes(old: SiteState, new: SiteState) -> Iterator[Change]:
    for path in ("target", "variant", "stack"):
        if (before := getattr(old, path)) != (after := getattr(new, path)):
            yield Change(path, before, after)
    if old.stack != new.stack and old.leaves_cores:
        # The stack that forgets the site is deployed first, or at the same time.
        yield Change("remove_on_destroy", "its cores lose their components", "and get them again")
    if old.target == new.target and old.group_stack and old.group_stack != new.group_stack:
        # What CloudFormation deletes is empty afterwards, even when it is made again.
        path = "thing group, whose cores have to join again"
        yield Change(
            path, f"made in {old.group_stack}", f"made in {new.group_stack}" if new.group_stack else None
        )
    if old.version != new.version:
        yield Change(new.variant, old.version, new.version)
    yield from _devices(old.devices, new.devices)
    lone = old.camera_ids ^ new.camera_ids
    for camera in sorted(lone):
        yield _change(
            f"cameras.{camera}", *(state.settings.get(f"cameras.{camera}.uri") for state in (old, new))
        )
    for path in sorted({*old.settings, *new.settings}):
        if path.startswith("cameras.") and path.split(".")[1] in lone:
            continue
        values = old.settings.get(path), new.settings.get(path)
        if values[0] != values[1]:
            yield _change(path, *values)


def _devices(old: Mapping[str, str], new: Mapping[str, str]) -> Iterator[Change]:
    """Devices made and removed, with their keys, and those that move to another stack."""
    if gone := len(old.keys() - new.keys()):
        yield Change("devices", str(gone), None)
    if made := len(new.keys() - old.keys()):
        yield Change("devices", None, str(made))
    for before, after in sorted({(old[name], new[name]) for name in old.keys() & new.keys()}):
        if before != after:
            yield Change("devices", f"made in {before}", f"made in {after}")


def _change(path: str, old: Any, new: Any) -> Change:
    """A setting that differs. There are no nulls in a deployment: None is what is not there."""
    shown = [None if value is None else shown_value(path, value) for value in (old, new)]
    # What is not shown may be all that differs.
    return Change(path, shown[0], shown[1] if shown[0] != shown[1] else f"{shown[1]}, another one")


def shown_value(path: str, value: Any) -> str:
    """`value` as it may be printed: secrets by their names, nothing that looks like one."""
    if _SECRET_KEY.search(path) and not _NAMES_ONLY.search(path) and not _is_secret_id(value):
        return HIDDEN
    text = redact(json.dumps(_by_name(value), ensure_ascii=False)) if not isinstance(value, str) else ""
    text = text or redact(str(_by_name(value)))
    return text if len(text) <= _VALUE_LENGTH else f"{text[:_VALUE_LENGTH]}…"


def _is_secret_id(value: Any) -> bool:
    if isinstance(value, list):
        return all(map(_is_secret_id, value))
    if isinstance(value, dict):
        return all(map(_is_secret_id, value.values()))
    return isinstance(value, str) and is_secret_id(value)


def _by_name(value: Any) -> Any:
    if isinstance(value, list):
        return [_by_name(each) for each in value]
    if isinstance(value, dict):
        # As the secret manager's list has them.
        named = {key: _by_name(each) for key, each in value.items()}
        return named["arn"] if named.keys() == {"arn"} else named
    if isinstance(value, float):
        return int(value) if value.is_integer() else value
    if not isinstance(value, str) or not is_arn(value):
        return value
    name = secret_name(value)
    return f"secret {name[:-_RANDOM_LENGTH] if is_whole_arn(value) else name}"
