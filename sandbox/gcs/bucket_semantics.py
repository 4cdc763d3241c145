"""Buckets, with the semantics of GCS that the emulator lacks.

- A new bucket has the settings of the request that makes it, its location among them.
- `ifMetagenerationMatch` holds: 412 when somebody else has changed the bucket meanwhile.
- An answer's keys have an order of the service's own, not that of the request.
- What the organisation forbids is refused.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from gcp_storage_emulator.handlers import buckets

from sandbox.gcs.organisation import Organisation
from sandbox.gcs.restrictions import Restrictions
from sandbox.gcs.semantics import Answer, GcsSemantics, Request

_BUCKETS = "/storage/v1/b"
_ONE = re.compile(rf"{_BUCKETS}/(?P<name>[-.\w]+)(?P<policy>/iam)?")


class GcsService(GcsSemantics):
    """The emulated service, buckets included."""

    def __init__(
        self,
        folder: Path,
        bucket_names: tuple[str, ...],
        restrictions: Restrictions,
        organisation: Organisation,
    ) -> None:
        """Objects and index lie below `folder`; what is forbidden may change at any time."""
        super().__init__(folder, bucket_names, restrictions)
        self._organisation = organisation

    def answer(self, request: Request) -> Answer:
        """Do what is asked for."""
        if refused := self._organisation.refused_request():
            return refused
        if request.path == _BUCKETS and request.method == "POST":
            with self._lock:
                return self._make(request)
        if (found := _ONE.fullmatch(request.path)) and not self._restrictions.of_reading():
            with self._lock:
                return self._one(request, found["name"], is_policy=found["policy"] is not None)
        return super().answer(request)

    def _make(self, request: Request) -> Answer:
        asked = json.loads(request.body)
        if refused := self._organisation.refused_bucket(asked):
            return refused
        answer = self._emulate(request)
        if answer.status != 200:
            return answer
        made = self._files.get_bucket(asked["name"])
        buckets._patch_bucket(made, asked)
        made["location"] = made["location"].upper()
        made["metageneration"] = "1"
        self._files.create_bucket(asked["name"], made)
        return Answer.of(200, _ordered(made))

    def _one(self, request: Request, name: str, *, is_policy: bool) -> Answer:
        changed = json.loads(request.body) if request.body else {}
        if is_policy:
            refused = self._organisation.refused_policy(changed) if request.method == "PUT" else None
            return refused or self._emulate(request)
        there = self._files.get_bucket(name)
        if there is not None and request.method == "PATCH":
            expected = request.query.get("ifMetagenerationMatch", there["metageneration"])
            if expected != there["metageneration"]:
                words = "At least one of the pre-conditions you specified did not hold."
                return Answer.failed(412, "conditionNotMet", words)
            if refused := self._organisation.refused_bucket({**there, **changed}):
                return refused
        answer = self._emulate(request)
        if answer.status != 200 or not answer.body:
            return answer
        return Answer.of(200, _ordered(json.loads(answer.body)))


def _ordered(document: dict[str, Any]) -> dict[str, Any]:
    """The same with its keys, however deep, in the order of the alphabet."""
    ordered: dict[str, Any] = json.loads(json.dumps(document, sort_keys=True))
    return ordered
