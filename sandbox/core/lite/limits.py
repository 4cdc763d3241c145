"""The sizes that Nucleus Lite refuses beyond, each with the buffer that it comes from.

Seen on 2.6.0 and the newest source where `design/nucleus-lite.md` says so, and read in the source.
"""

from __future__ import annotations

import base64
from typing import Any

from sandbox.core.cloud import version_arn
from sandbox.core.lite.json_text import encoded
from sandbox.errors import CoreError

VALUE_BYTES = 1_024
"""Of a configuration value that is no map, as JSON (ggconfigd: `ggconfig_process_nonmap`)."""

MESSAGE_BYTES = 10_000
"""Between Lite's own parts: a whole configuration is written in one (`GGL_COREBUS_MAX_MSG_LEN`)."""

RECIPE_FILE_BYTES = 8_196
"""Of the stored recipe (`ggl_recipe_get_from_file`)."""

RECIPE_ANSWER_BYTES = 16_384
"""Of the service's answer, which has the recipe in base64 (`resolve_dependencies`)."""

DOCUMENT_BYTES = 4_027
"""Of a deployment document that has been seen to succeed; 4,537 bytes failed."""

DOCUMENT_READ_BYTES = 5_000
"""Of a document that is read at all; what is larger stays QUEUED without a line of error."""

SCRIPT_BYTES = 10_000
"""Of what one variable may become (recipe-runner: `config_value`)."""

VARIABLE_BYTES = 256
"""Of the name of a variable between its braces (recipe-runner: `escape_contents`)."""


class SizeError(CoreError):
    """Something is too large for Nucleus Lite."""


def check_value(path: str, value: Any) -> None:
    """SizeError where a value that is no map is larger than `VALUE_BYTES`."""
    if (size := len(encoded(value).encode())) > VALUE_BYTES:
        raise SizeError(f"Json encode failed for key {path}: {size} bytes, at most {VALUE_BYTES}")


def check_message(what: str, content: Any) -> None:
    """SizeError where a message between Lite's parts is larger than `MESSAGE_BYTES`."""
    if (size := len(encoded(content).encode())) > MESSAGE_BYTES:
        raise SizeError(f"{what}: a message of {size} bytes, at most {MESSAGE_BYTES}")


def check_recipe(name: str, version: str, text: bytes) -> None:
    """SizeError where a recipe does not fit into the answer to Lite's question, or not into its file."""
    resolved = {
        "arn": version_arn(name, version),
        "componentName": name,
        "componentVersion": version,
        "recipe": base64.b64encode(text).decode(),
    }
    answer = len(encoded({"resolvedComponentVersions": [resolved]}).encode())
    if answer > RECIPE_ANSWER_BYTES:
        raise SizeError(
            f"resolveComponentCandidates for {name}: an answer of {answer} bytes, "
            f"at most {RECIPE_ANSWER_BYTES}"
        )
    if len(text) > RECIPE_FILE_BYTES:
        raise SizeError(
            f"could not open recipe file for: {name}: {len(text)} bytes, at most {RECIPE_FILE_BYTES}"
        )
