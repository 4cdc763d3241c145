"""Checks of what fits into a deployment, and into what a nucleus keeps of it."""

from __future__ import annotations

from collections.abc import Iterator

from edgecam.errors import Mistake
from edgecam.json_text import MOST_BYTES
from edgecam.launch.settings import MOST_PACKED_BYTES
from fleet.component_settings import PackedSettings, configuration
from fleet.deployment_size import (
    LITE_CONFIGURATION_BYTES,
    LITE_DOCUMENT_BYTES,
    LITE_VALUE_BYTES,
    json_bytes,
    values_of,
)
from fleet.settings.fleet import Fleet
from fleet.settings.site import Site
from fleet.site_components import LONGEST_BUCKET, largest_document, site_settings

_DIVIDE = "divide its cameras among several cores"


def mistakes_of_sizes(fleet: Fleet) -> Iterator[Mistake]:
    """Every site that would be refused by its own node, or by Nucleus Lite without a word."""
    for name, site in fleet.sites.items():
        packed = site_settings(fleet, name).packed
        yield from _of_settings(name, packed)
        if site.nucleus == "lite":
            yield from _of_values(name, site)
            yield from _of_document(fleet, name, site, packed)


def _of_settings(name: str, packed: PackedSettings) -> Iterator[Mistake]:
    path = f"sites.{name}.cameras"
    if packed.json_bytes > MOST_BYTES:
        expected = f"settings of at most {MOST_BYTES:,} bytes, all that a node reads ({_DIVIDE})"
        yield Mistake(path, expected, f"{packed.json_bytes:,} bytes")
    elif len(packed.content) > MOST_PACKED_BYTES:
        expected = f"at most {MOST_PACKED_BYTES:,} bytes of compressed settings ({_DIVIDE})"
        yield Mistake(path, expected, f"{len(packed.content):,} bytes")


def _of_values(name: str, site: Site) -> Iterator[Mistake]:
    """Our own component's are pieces of a word, which fit; others' are as somebody wrote them."""
    for component, entry in site.components.items():
        path = f"sites.{name}.components.{component}.merge"
        for below, value in values_of(entry.merge):
            if (size := json_bytes(value)) > LITE_VALUE_BYTES:
                expected = (
                    f"at most {LITE_VALUE_BYTES:,} bytes of JSON in a value that is no mapping, all that "
                    "Nucleus Lite keeps (divide it among the keys of a mapping)"
                )
                yield Mistake(f"{path}.{below}", expected, f"{size:,} bytes")
        if (size := json_bytes(entry.merge)) > LITE_CONFIGURATION_BYTES:
            expected = f"a configuration of at most {LITE_CONFIGURATION_BYTES:,} bytes on Nucleus Lite"
            yield Mistake(path, expected, f"{size:,} bytes")


def _of_document(fleet: Fleet, name: str, site: Site, packed: PackedSettings) -> Iterator[Mistake]:
    """With the settings in an object, which leaves as much as can be left for other components."""
    own = configuration((f"s3://{LONGEST_BUCKET}/{packed.object_key(site.variant)}",))
    size = largest_document(fleet, name, own)
    if size > LITE_DOCUMENT_BYTES:
        largest = max(site.components, key=lambda each: json_bytes(site.components[each].merge), default="")
        expected = (
            f"a deployment of at most {LITE_DOCUMENT_BYTES:,} bytes, all that reaches Nucleus Lite "
            f"(shorten what is merged, most of it at {largest or 'no component'})"
        )
        yield Mistake(f"sites.{name}.components", expected, f"{size:,} bytes")
