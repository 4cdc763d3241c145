"""Requests to the API of the embedded Cloud IoT, as a program without Google's client makes them."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Any

from sandbox.iot.server import EmbeddedCloudIot


def ask(cloud: EmbeddedCloudIot, method: str, path: str, document: object) -> Any:
    """What the API answers, be it an error."""
    body = json.dumps(document).encode()
    try:
        with urllib.request.urlopen(
            urllib.request.Request(f"{cloud.url}/v1/{path}", body, method=method)
        ) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return json.load(error)
