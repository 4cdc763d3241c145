"""Who may upload: bindings in the bucket's IAM policy. Those of others are left.

A core makes objects, and asks for the checksum of one that is there already. It replaces nothing but the
newest pictures and the status, and it can neither list nor delete recordings:

- `roles/storage.objectCreator`, `roles/storage.objectViewer`, both for objects only: storage.objects.create
  and storage.objects.get. The condition takes listing, a right on the bucket, out of the viewer's.
- `roles/storage.objectUser` below latest/ and status/: replacing takes storage.objects.delete.

Writers of a part have the same below its prefix only, where listing is not either: the bucket's name is not
below it.

Ours are known by their conditions' titles.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from google.cloud.storage import Bucket

from .bucket_settings import Desired

TITLE = "edgecam: "
"""How the titles of our conditions begin."""

_POLICY_VERSION = 3
"""The first one with conditions."""

Binding = dict[str, Any]


def reconcile_writers(bucket: Bucket, desired: Desired) -> bool:
    """Set our bindings as desired, and return whether that changed anything."""
    policy = bucket.get_iam_policy(requested_policy_version=_POLICY_VERSION)
    before = [{**binding, "members": set(binding["members"])} for binding in policy.bindings]
    after = [binding for binding in before if not _is_ours(binding)] + bindings_of(desired)
    if sorted(map(_key, before)) == sorted(map(_key, after)):
        return False
    policy.version = _POLICY_VERSION
    policy.bindings = after
    bucket.set_iam_policy(policy)
    return True


def bindings_of(desired: Desired) -> list[Binding]:
    """Who may do what with which objects."""
    bindings = [
        binding for prefix, writers in desired.parts.items() for binding in _of_part(desired, prefix, writers)
    ]
    if not desired.writers:
        return bindings
    objects = ("objects", 'resource.type == "storage.googleapis.com/Object"')
    bindings += [
        _binding(desired.writers, "roles/storage.objectCreator", *objects),
        _binding(desired.writers, "roles/storage.objectViewer", *objects),
    ]
    return bindings + [_newest(desired, prefix, desired.writers) for prefix in desired.prefixes]


def _of_part(desired: Desired, prefix: str, writers: Iterable[str]) -> list[Binding]:
    below = (f"objects {prefix}", f'resource.name.startsWith("{_beginning(desired, prefix)}")')
    return [
        _binding(writers, "roles/storage.objectCreator", *below),
        _binding(writers, "roles/storage.objectViewer", *below),
        _newest(desired, prefix, writers),
    ]


def _newest(desired: Desired, prefix: str, writers: Iterable[str]) -> Binding:
    expression = " || ".join(
        f'resource.name.startsWith("{_beginning(desired, prefix)}{folder}/")'
        for folder in ("latest", "status")
    )
    return _binding(writers, "roles/storage.objectUser", f"latest and status {prefix}", expression)


def _beginning(desired: Desired, prefix: str) -> str:
    return f"projects/_/buckets/{desired.name}/objects/{prefix}{'/' if prefix else ''}"


def _binding(writers: Iterable[str], role: str, title: str, expression: str) -> Binding:
    # Google takes a hundred characters.
    condition = {"title": f"{TITLE}{title}".strip()[:100], "expression": expression}
    return {"role": role, "members": set(writers), "condition": condition}


def _is_ours(binding: Binding) -> bool:
    return str(binding.get("condition", {}).get("title", "")).startswith(TITLE)


def _key(binding: Binding) -> str:
    condition = binding.get("condition") or {}
    return repr(
        (binding["role"], sorted(binding["members"]), condition.get("title"), condition.get("expression"))
    )
