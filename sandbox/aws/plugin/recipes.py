"""What the Greengrass service checks of a recipe before a component version exists.

Sources: the recipe reference of AWS IoT Greengrass v2 and the service's quotas. The service reads keys
without regard to case; devices may not (Nucleus Lite does not), so casing is the recipe tests' business.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

import yaml

from sandbox.aws.ministack import s3
from sandbox.aws.plugin.failures import InvalidError

MAX_RECIPE_BYTES = 16_000
MAX_VERSION_LENGTH = 64
FORMAT_VERSION = "2020-01-25"
NAME = re.compile(r"[a-zA-Z0-9\-_.]{1,128}")
_NUMBER = r"(0|[1-9][0-9]{0,5})"
VERSION = re.compile(
    rf"{_NUMBER}\.{_NUMBER}\.{_NUMBER}(-[0-9A-Za-z-]+(\.[0-9A-Za-z-]+)*)?(\+[0-9A-Za-z-]+(\.[0-9A-Za-z-]+)*)?"
)
DEPENDENCY_TYPES = ("HARD", "SOFT")


def parse(text: str) -> dict[str, Any]:
    """The recipe as an object, valid as far as the service looks; InvalidError otherwise."""
    size_bytes = len(text.encode())
    if size_bytes > MAX_RECIPE_BYTES:
        raise InvalidError(f"The recipe is {size_bytes} bytes, at most {MAX_RECIPE_BYTES} are allowed")
    recipe = _load(text)
    _check_identity(recipe)
    for name, dependency in _mapping(recipe, "ComponentDependencies").items():
        kind = value(dependency, "DependencyType", "HARD") if isinstance(dependency, dict) else None
        if kind not in DEPENDENCY_TYPES:
            raise InvalidError(f"Dependency {name}: DependencyType must be HARD or SOFT, found {kind!r}")
    _mapping(_mapping(recipe, "ComponentConfiguration"), "DefaultConfiguration")
    manifests = value(recipe, "Manifests", [])
    if not isinstance(manifests, list) or not all(isinstance(entry, dict) for entry in manifests):
        raise InvalidError("Manifests must be a list of objects")
    for artifact in artifacts(recipe):
        if not urlsplit(str(value(artifact, "Uri", ""))).scheme:
            raise InvalidError(f"An artifact needs a Uri with a scheme, found {artifact!r}")
    return recipe


def value(mapping: dict[str, Any], key: str, default: Any = None) -> Any:
    """The value of `key`, whatever its case."""
    for found, content in mapping.items():
        if found.lower() == key.lower():
            return content
    return default


def text_of(request: Mapping[str, Any]) -> str:
    """The recipe in a request to register it; InvalidError."""
    if "inlineRecipe" not in request:
        raise InvalidError("inlineRecipe is missing; components from Lambda functions are not offered here")
    try:
        return base64.b64decode(request["inlineRecipe"], validate=True).decode()
    except (binascii.Error, UnicodeDecodeError) as error:
        raise InvalidError(f"inlineRecipe must be base64 of UTF-8 text: {error}") from error


def artifacts(recipe: dict[str, Any]) -> list[dict[str, Any]]:
    """The artifacts of all manifests, as they stand in the recipe (changing them changes the recipe)."""
    found: list[dict[str, Any]] = []
    for manifest in value(recipe, "Manifests", []):
        entries = value(manifest, "Artifacts", [])
        if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
            raise InvalidError("Artifacts must be a list of objects")
        found.extend(entries)
    return found


def seal_artifacts(recipe: dict[str, Any], may_read: Callable[[str, str], bool]) -> dict[str, str]:
    """Write the digest of every S3 artifact into the recipe, as the service does with its caller's rights.

    Args:
        recipe: Changed in place.
        may_read: Whether the caller may read the object of this bucket and key.

    Returns what is wrong, by URI: the component version is then FAILED, not refused.
    """
    problems: dict[str, str] = {}
    for artifact in artifacts(recipe):
        uri = str(value(artifact, "Uri"))
        address = urlsplit(uri)
        if address.scheme != "s3":
            continue
        bucket, key = address.netloc, address.path.lstrip("/")
        content = s3.object_bytes(bucket, key) if may_read(bucket, key) else None
        if content is None:
            problems[uri] = "Specified artifact resource cannot be accessed"
            continue
        artifact["Digest"] = base64.b64encode(hashlib.sha256(content).digest()).decode()
        artifact["Algorithm"] = "SHA-256"
    return problems


def _load(text: str) -> dict[str, Any]:
    try:
        recipe = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise InvalidError(f"The recipe is neither JSON nor YAML: {error}") from error
    if not isinstance(recipe, dict) or not all(isinstance(key, str) for key in recipe):
        raise InvalidError("The recipe must be one object")
    result: dict[str, Any] = json.loads(json.dumps(recipe, default=str))
    return result


def _check_identity(recipe: dict[str, Any]) -> None:
    found_format = value(recipe, "RecipeFormatVersion")
    if str(found_format) != FORMAT_VERSION:
        raise InvalidError(f"RecipeFormatVersion must be {FORMAT_VERSION}, found {found_format!r}")
    name = value(recipe, "ComponentName")
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise InvalidError(f"ComponentName must match {NAME.pattern}, found {name!r}")
    version = value(recipe, "ComponentVersion")
    if not isinstance(version, str) or len(version) > MAX_VERSION_LENGTH or not VERSION.fullmatch(version):
        raise InvalidError(
            f"ComponentVersion must be semantic, each number at most 999999, found {version!r}"
        )


def _mapping(parent: dict[str, Any], key: str) -> dict[str, Any]:
    found = value(parent, key)
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise InvalidError(f"{key} must be an object, found {type(found).__name__}")
    return found
