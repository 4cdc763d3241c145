"""Runs the handler of registry and devices where its libraries are: requests in, answers out, as JSON lines.

A request is {"event": …, "die_after": METHOD or null, "fail_at": METHOD or null}: the process ends by itself
as soon as the first method of AWS Secrets Manager's client, or of the provider's API, has done its work; AWS
refuses the second.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import sys
from pathlib import Path
from typing import Any

import boto3
from botocore.exceptions import ClientError

STACKS = Path(__file__).resolve().parents[3] / "stacks"


class Mortal:
    """Stands in front of something, and ends the process after one of its methods, or refuses one."""

    def __init__(self, real: Any, die_after: str | None, fail_at: str | None = None) -> None:
        self._real = real
        self._die_after = die_after
        self._fail_at = fail_at

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._real, name)
        if name == self._fail_at:
            raise ClientError({"Error": {"Code": "AccessDeniedException", "Message": "not you"}}, name)
        if name != self._die_after:
            return found

        def done_for(*arguments: Any, **named: Any) -> None:
            found(*arguments, **named)
            os._exit(9)

        return done_for


def main() -> None:
    """Answer until standard input ends."""
    sys.path.insert(0, str(STACKS))
    logging.basicConfig(stream=sys.stderr)
    from handlers.cloud_iot import resources as iot_resources
    from handlers.cloudformation import RequestFailed

    manager = boto3.client("secretsmanager")
    for line in sys.stdin:
        request = json.loads(line)
        die_after = request["die_after"]
        secrets = Mortal(manager, die_after, request["fail_at"])

        @contextlib.contextmanager
        def connect(properties: Any, die_after: str | None = die_after) -> Any:
            with iot_resources.connect(properties) as manager:
                yield Mortal(manager, die_after)

        try:
            done = iot_resources.apply(request["event"], connect, secrets)
            answer = {"id": done.physical_id, "attributes": dict(done.attributes)}
        except RequestFailed as error:
            answer = {"refused": str(error)}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
