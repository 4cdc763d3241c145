"""Read the node configuration from a file or the environment."""

from __future__ import annotations

from pathlib import Path

from edgecam.config.document import parse_document, read_text
from edgecam.config.node import NodeConfig
from edgecam.config.validation import validate
from edgecam.errors import ConfigurationError, Mistake
from edgecam.json_text import JsonError, parse_json

NODE_VARIABLE = "EDGECAM_NODE"
"""The environment variable that carries the node configuration as JSON."""


def load_file(path: Path) -> NodeConfig:
    """The node configuration in the YAML or JSON file `path`.

    Raises:
        ConfigurationError: with every mistake, or when the file cannot be read.
    """
    try:
        text = read_text(path)
    except (OSError, UnicodeDecodeError) as error:
        problem = getattr(error, "strerror", None) or "text that is not UTF-8"
        raise ConfigurationError([Mistake("", "a readable file", problem)], document=str(path)) from None
    return validate(NodeConfig, parse_document(text, name=str(path)), name=str(path))


def load_environment(text: str | None, data_dir: str | None = None) -> NodeConfig:
    """The node configuration as a nucleus delivers it.

    Args:
        text: The value of `EDGECAM_NODE`.
        data_dir: The value of `EDGECAM_DATA_DIR`, which wins over the one inside the JSON.

    Raises:
        ConfigurationError: with every mistake.
    """
    if not text or not text.strip():
        raise ConfigurationError(
            [Mistake("", "the node configuration as JSON (or --config FILE)", "nothing")],
            document=NODE_VARIABLE,
        )
    try:
        document = parse_json(text)
    except JsonError as error:
        expected, _, found = str(error).removeprefix("expected ").partition(", found ")
        raise ConfigurationError([Mistake("", expected, found)], document=NODE_VARIABLE) from None
    if data_dir and isinstance(document, dict):
        document = {**document, "data_dir": data_dir}
    return validate(NodeConfig, document, name=NODE_VARIABLE)
