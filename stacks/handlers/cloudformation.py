"""How a custom resource responds to CloudFormation: always, and with a reason that can be read.

The protocol is CloudFormation's for custom resources: a PUT of JSON to the event's ResponseURL. Without a
response the stack waits until its timeout.
"""

from __future__ import annotations

import itertools
import json
import logging
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

logger = logging.getLogger()
logger.setLevel(logging.INFO)

_PUT_TIMEOUT_S = 10
_PUT_ATTEMPTS = 3
_MOST_BYTES = 4096
"""CloudFormation refuses a larger response and waits on (user guide, "Custom resource response objects")."""
_CUT = "…"

Event = Mapping[str, Any]


class RequestFailed(Exception):  # noqa: N818 - CloudFormation shows it to the user as it stands
    """The request cannot be fulfilled; the message says why, in a sentence."""


class ResponseDeferred(Exception):  # noqa: N818 - no error either
    """Another call of the function responds to the request."""


@dataclass(frozen=True, kw_only=True)
class CloudFormationResponse:
    """What CloudFormation keeps: the resource's id, and attributes for `Fn::GetAtt`."""

    physical_id: str
    attributes: Mapping[str, str] = field(default_factory=dict)


def respond(
    event: Event, context: Any, apply: Callable[[Event], CloudFormationResponse], *, fallback_id: str
) -> None:
    """Run `apply` and report its outcome to CloudFormation.

    Args:
        event: The request, as Lambda hands it over.
        context: Lambda's context; names the log.
        apply: What is to be done.
        fallback_id: The resource's id in case `apply` fails: the one it would have returned, so that
            CloudFormation does not take the failure for a replacement.
    """
    body: dict[str, Any] = {key: event[key] for key in ("StackId", "RequestId", "LogicalResourceId")}
    try:
        done = apply(event)
        data = dict(done.attributes)
        body |= {"Status": "SUCCESS", "PhysicalResourceId": done.physical_id, "Data": data}
        _cut_longest(data, body)
    except ResponseDeferred:
        logger.info("%s of %s goes on in another call", event["RequestType"], event["LogicalResourceId"])
        return
    except Exception as error:  # CloudFormation must have a response in any case
        logger.exception("%s of %s failed", event["RequestType"], event["LogicalResourceId"])
        reason = str(error) if isinstance(error, RequestFailed) else f"{type(error).__name__}: {error}"
        log = f" (log: {getattr(context, 'log_stream_name', 'none')})"
        body |= {
            "Status": "FAILED",
            "PhysicalResourceId": event.get("PhysicalResourceId", fallback_id),
            "Reason": log,
        }
        body["Reason"] = _cut(reason, _MOST_BYTES - len(_written(body))) + log
    _put(event["ResponseURL"], _written(body))


def _written(value: Any) -> bytes:
    """As it is sent: letters as they are, since \\uXXXX for each takes two or three times their bytes."""
    return json.dumps(value, ensure_ascii=False).encode(errors="replace")


def _cut_longest(texts: dict[str, str], body: Mapping[str, Any]) -> None:
    """Cut the longest of `texts`, which are in `body`, so that the whole is small enough."""
    if len(_written(body)) > _MOST_BYTES:
        name = max(texts, key=lambda key: _size_bytes(texts[key]))
        text, texts[name] = texts[name], ""
        texts[name] = _cut(text, _MOST_BYTES - len(_written(body)))


def _cut(text: str, most_bytes: int) -> str:
    """What of `text` takes at most so many bytes of the response."""
    if _size_bytes(text[: most_bytes + 1]) <= most_bytes:
        return text
    room = most_bytes - _size_bytes(_CUT)
    ends = itertools.accumulate(map(_size_bytes, text))
    return text[: sum(1 for _ in itertools.takewhile(lambda end: end <= room, ends))] + _CUT


def _size_bytes(text: str) -> int:
    return len(_written(text)) - len('""')


def _put(url: str, body: bytes) -> None:
    # An empty content type: the URL is signed for exactly that.
    request = urllib.request.Request(url, data=body, method="PUT", headers={"Content-Type": ""})  # noqa: S310
    for attempt in range(1, _PUT_ATTEMPTS + 1):
        try:
            with urllib.request.urlopen(request, timeout=_PUT_TIMEOUT_S):  # noqa: S310 - CloudFormation's
                return
        except urllib.error.URLError:
            if attempt == _PUT_ATTEMPTS:
                raise
            time.sleep(attempt)
