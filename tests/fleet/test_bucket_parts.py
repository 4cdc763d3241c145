"""Whose part of the bucket is whose: what sites say, what becomes of it, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fleets import GCP, POOL, RECORDED, Synthesize, of_type

from edgecam.errors import ConfigurationError
from fleet.bucket_parts import MOST_PARTS, sites_without_writers
from fleet.load import load_fleet

CORE = f"principal:{POOL}/subject/Role/0123"
BUCKET = GCP.partition(", writers:")[0] + "}\n"
"""Made, and nobody is let into all of it."""


def site(name: str, bucket: str, *writers: str) -> str:
    return f"""\
  {name}:
    variant: gcs-uploader
    thing: {name}-core
    bucket: gs://{bucket}
    writers: [{", ".join(writers)}]
    cameras: [{{id: a, uri: "rtsp://192.0.2.1/1", recording: {{enabled: true}}}}]
"""


def mistakes(path: Path) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        load_fleet(path)
    return str(caught.value).splitlines()


def properties(synthesize: Synthesize, text: str) -> dict[str, Any]:
    (found,) = of_type(synthesize(text)["EdgecamGcsUploader"], "Custom::EdgecamGcsBucket")
    return found


def test_writers_of_a_site_get_its_part_and_sites_with_the_same_part_share_it(synthesize: Synthesize) -> None:
    sites = site("a", "our-recordings/north", CORE) + site("b", "our-recordings/north", f"{CORE}4")
    sites += site("c", "our-recordings/north-2", f"{CORE}5")
    found = properties(synthesize, f"sites:\n{sites}{BUCKET}")
    assert found["Parts"] == [
        {"Prefix": "north", "Writers": [CORE, f"{CORE}4"]},
        {"Prefix": "north-2", "Writers": [f"{CORE}5"]},
    ]
    assert (found["Writers"], found["Prefixes"]) == ([], [])


def test_bucket_without_writers_of_sites_says_what_it_always_said(synthesize: Synthesize) -> None:
    assert "Parts" not in properties(synthesize, RECORDED)


@pytest.mark.parametrize(
    ("sites", "found"),
    [
        (site("a", "our-recordings", CORE), '"", which is all of it'),
        (site("a", "our-recordings/x", CORE) + site("b", "our-recordings/x/y"), '"x", with x/y below it'),
    ],
)
def test_part_that_is_not_a_sites_own_is_a_mistake(
    write_fleet: Callable[[str], Path], sites: str, found: str
) -> None:
    assert mistakes(write_fleet(f"sites:\n{sites}{BUCKET}")) == [
        "fleet.yaml: sites: expected writers of a site to have a part of the bucket for themselves, as in "
        f"bucket: gs://NAME/SITE, found {found}"
    ]


def test_writers_of_a_site_that_stores_elsewhere_are_a_mistake(write_fleet: Callable[[str], Path]) -> None:
    sites = site("a", "our-recordings/x") + site("b", "another/x", CORE)
    assert mistakes(write_fleet(f"sites:\n{sites}{BUCKET}")) == [
        "fleet.yaml: sites.b.writers: expected them only for a site that stores in gcp.bucket, found them"
    ]


def test_more_parts_than_google_takes_are_a_mistake(write_fleet: Callable[[str], Path]) -> None:
    def fleet(count: int) -> Path:
        sites = "".join(site(f"s{n}", f"our-recordings/s{n}", CORE) for n in range(count))
        return write_fleet(f"sites:\n{sites}{BUCKET}")

    load_fleet(fleet(MOST_PARTS))
    (line,) = mistakes(fleet(MOST_PARTS + 1))
    assert line.startswith(
        "fleet.yaml: sites: expected at most 33 sites with writers of their own in one bucket"
    )


@pytest.mark.parametrize(("count", "warns"), [(1, False), (2, True)])
def test_writers_of_everything_are_warned_about_where_there_are_several_sites(
    write_fleet: Callable[[str], Path], count: int, warns: bool
) -> None:
    import aws_cdk as cdk
    from aws_cdk.assertions import Annotations, Match

    from app import build

    sites = "".join(site(f"s{n}", f"our-recordings/s{n}") for n in range(count))
    app = cdk.App()
    build(app, load_fleet(write_fleet(f"sites:\n{sites}{GCP}")))
    stack = app.node.find_child("EdgecamGcsUploader")
    found = Annotations.from_stack(stack).find_warning("*", Match.string_like_regexp("gcp.bucket.writers"))
    assert bool(found) is warns


def test_synth_warns_where_nobody_may_store_what_a_site_records(
    warnings_of: Callable[[str], list[str]],
) -> None:
    sites = site("a", "our-recordings/a", CORE) + site("b", "our-recordings/b")
    (found,) = [said for said in warnings_of(f"sites:\n{sites}{BUCKET}") if "nobody" in said]
    assert found.startswith(
        "sites b: nobody may store what they record in gs://our-recordings. Say writers at"
    )


def test_everybody_who_is_let_in_or_stores_elsewhere_is_no_reason_to_warn(write_fleet: Any) -> None:
    for text in (
        RECORDED,
        RECORDED.replace("location: EU", "create: false").partition(", writers:")[0] + "}\n",
        f"sites:\n{site('a', 'our-recordings/a', CORE)}{site('b', 'theirs')}{BUCKET}",
    ):
        assert sites_without_writers(load_fleet(write_fleet(text))) == []
