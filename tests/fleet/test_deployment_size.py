# ruff: noqa: E501 - fleets stand on one line
"""What fits into a deployment: what does not is refused with the number, the site and what to do."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from edgecam.errors import ConfigurationError
from fleet.component_settings import configuration
from fleet.deployment_size import LITE_DOCUMENT_BYTES, LITE_VALUE_BYTES, json_bytes, values_of
from fleet.load import load_fleet
from fleet.physical_names import names_of
from fleet.site_components import (
    LONGEST_BUCKET,
    LONGEST_VERSION,
    components_of,
    largest_document,
    site_settings,
)

Write = Callable[[str], Path]

SECRET = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:cameras/{}-AbCdEf"


def secrets_of(count: int) -> str:
    """Cameras whose addresses and secrets have nothing in common that could be written shorter."""
    chance = random.Random(7)
    return "".join(
        f'\n      - {{id: camera-{number}, uri: "rtsp://10.{chance.randrange(256)}.{chance.randrange(256)}.7/'
        f'{chance.randbytes(6).hex()}", credentials: {{secret: "{SECRET.format(chance.randbytes(8).hex())}"}}}}'
        for number in range(count)
    )


def fleet_of(target: str, count: int, more: str = "") -> str:
    return f"sites:\n  a:\n    {target}\n    cameras:{secrets_of(count)}\n{more}"


def mistakes(path: Path) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        load_fleet(path)
    return [str(mistake) for mistake in caught.value.mistakes]


@pytest.mark.parametrize("count", [1, 3, 7, 20, 100, 400])
@pytest.mark.parametrize("target", ["thing: c, nucleus: lite", "thing_group: c, nucleus: lite"])
def test_node_of_any_size_fits_into_what_nucleus_lite_takes(
    write_fleet: Write, target: str, count: int
) -> None:
    kind, nucleus = target.split(", ")
    fleet = load_fleet(write_fleet(fleet_of(f"{kind}\n    {nucleus}\n    aws_iot: {{enabled: true}}", count)))
    settings = site_settings(fleet, "a")
    own = settings.configuration("frame-grabber", LONGEST_BUCKET)
    assert largest_document(fleet, "a", own) <= LITE_DOCUMENT_BYTES
    components = components_of(fleet.sites["a"], own, names_of(fleet), LONGEST_VERSION)
    for entry in components.values():
        assert all(json_bytes(value) <= LITE_VALUE_BYTES for _, value in values_of(entry["merge"]))


def test_small_site_needs_no_object_and_a_large_one_has_one(write_fleet: Write) -> None:
    lite = "thing: c\n    nucleus: lite"
    assert site_settings(load_fleet(write_fleet(fleet_of(lite, 20))), "a").pieces is not None
    large = site_settings(load_fleet(write_fleet(fleet_of(lite, 100))), "a")
    assert large.pieces is None
    assert large.configuration("frame-grabber", "bucket")["settings"] == {
        "0": f"s3://bucket/frame-grabber/settings/{large.packed.hash}",
        "1": "",
        "2": "",
        "3": "",
    }


def test_classic_nucleus_takes_more_in_a_deployment(write_fleet: Write) -> None:
    fleet = load_fleet(write_fleet(fleet_of("thing_group: c", 90)))
    settings = site_settings(fleet, "a")
    assert settings.pieces is not None
    assert largest_document(fleet, "a", configuration(settings.pieces)) > LITE_DOCUMENT_BYTES


def test_no_secret_stands_in_what_nucleus_lite_is_configured_with(write_fleet: Write) -> None:
    fleet = load_fleet(write_fleet(fleet_of("thing: c\n    nucleus: lite", 3)))
    components = components_of(fleet.sites["a"], configuration(()), names_of(fleet), LONGEST_VERSION)
    assert components == {
        "com.edgecam.frame-grabber": {
            "version": LONGEST_VERSION,
            "merge": configuration(()),
            "reset": [""],
        }
    }


def component(merge: str) -> str:
    return f'{{thing: c, nucleus: lite, cameras: [{{id: a, uri: "test://"}}], components: {{org.example.Detector: {{version: 1.0.3, merge: {merge}}}}}}}'


def test_value_that_nucleus_lite_does_not_keep_is_refused_at_its_place(write_fleet: Write) -> None:
    labels = ", ".join(f"label-{number:03}" for number in range(100))
    fleet = write_fleet(f"sites: {{a: {component(f'{{model: {{labels: [{labels}]}}}}')}}}")
    assert mistakes(fleet) == [
        "sites.a.components.org.example.Detector.merge.model.labels: expected at most 1,024 bytes of JSON in a "
        "value that is no mapping, all that Nucleus Lite keeps (divide it among the keys of a mapping), found "
        "1,201 bytes"
    ]
    classic = fleet.read_text().replace("nucleus: lite", "nucleus: classic")
    load_fleet(write_fleet(classic))


def test_deployment_that_never_reaches_nucleus_lite_is_refused_with_what_takes_most(
    write_fleet: Write,
) -> None:
    values = ", ".join(f"key-{number}: {'x' * 900}" for number in range(4))
    (found,) = mistakes(write_fleet(f"sites: {{a: {component(f'{{{values}}}')}}}"))
    assert found.startswith(
        "sites.a.components: expected a deployment of at most 4,027 bytes, all that reaches Nucleus Lite "
        "(shorten what is merged, most of it at org.example.Detector), found 4,"
    )


def test_configuration_longer_than_nucleus_lites_messages_is_refused(write_fleet: Write) -> None:
    values = ", ".join(f"key-{number}: {'x' * 900}" for number in range(11))
    found = mistakes(write_fleet(f"sites: {{a: {component(f'{{{values}}}')}}}"))
    assert found[0].startswith(
        "sites.a.components.org.example.Detector.merge: expected a configuration of at most 10,000 bytes"
    )


def test_settings_that_no_node_reads_are_refused(write_fleet: Write) -> None:
    cameras = "".join(
        f'\n      - {{id: camera-{number}, uri: "rtsp://h/{"a" * 22_000}"}}' for number in range(50)
    )
    (found,) = mistakes(write_fleet(f"sites:\n  a:\n    thing: c\n    cameras:{cameras}\n"))
    assert found.startswith(
        "sites.a.cameras: expected settings of at most 1,000,000 bytes, all that a node reads (divide its "
        "cameras among several cores), found 1,1"
    )
