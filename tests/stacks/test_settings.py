# ruff: noqa: E501 - messages stand as a user reads them
"""fleet.yaml: what is right becomes settings, what is wrong is said in full."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from edgecam.errors import ConfigurationError, EdgecamError
from stacks.settings import fleet_path, load_fleet

PROJECT = Path(__file__).resolve().parents[2]
SITE = 'sites: {lobby: {thing: core, cameras: [{id: a, uri: "rtsp://192.0.2.1/1"}]%s}}\n'

Write = Callable[[str], Path]


def mistakes(write_fleet: Write, text: str) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        load_fleet(write_fleet(text))
    return str(caught.value).splitlines()


def test_shipped_fleet_is_valid_and_has_a_group_and_a_thing() -> None:
    fleet = load_fleet(PROJECT / "fleet.yaml")
    assert sorted(site.target.split("/")[0] for site in fleet.sites.values()) == ["thing", "thinggroup"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            'sites: {lobby: {thing: c, cameras: [{id: a, uri: "rtsp://h/1", frames: {max_fps: 50}}]}}',
            "fleet.yaml: sites.lobby.cameras[0].frames.max_fps: expected a number less than or equal to 30, "
            "found 50",
        ),
        (
            'sites: {lobby: {thing: c, cameras: [{id: a, uri: "rtsp://h/1", frames: {max_fp: 1}}]}}',
            "fleet.yaml: sites.lobby.cameras[0].frames.max_fp: expected one of the keys decode, enabled, "
            "max_fps, on_stale, path, quality, stale_after_s, width (did you mean max_fps?), found an unknown key",
        ),
        ("sites: {}", "fleet.yaml: sites: expected at least one site, found none"),
        ("{}", "fleet.yaml: sites: expected a value, found nothing"),
        (
            SITE % ", thing_group: g",
            "fleet.yaml: sites.lobby: expected thing or thing_group, one of them, found a mapping with the keys "
            "thing, cameras, thing_group",
        ),
        (
            SITE % ", create_thing_group: true",
            "fleet.yaml: sites.lobby: expected create_thing_group only with thing_group, found a mapping with "
            "the keys thing, cameras, create_thing_group",
        ),
        (
            SITE % ", components: {aws.greengrass.Cli: 2.1}",
            "fleet.yaml: sites.lobby.components.aws.greengrass.Cli.version: expected a version of three numbers, "
            'such as "2.3.7", found "2.1"',
        ),
        (
            SITE % ", components: {com.edgecam.frame-grabber: 1.0.0}",
            "fleet.yaml: sites.lobby.components: expected components that are not edgecam's own (com.edgecam.…), "
            "found com.edgecam.frame-grabber",
        ),
        (
            SITE % ", rollout: {exponential: {base_per_minute: 5, factor: 2}}",
            "fleet.yaml: sites.lobby.rollout.exponential: expected one of after_notified and after_succeeded, "
            "found a mapping with the keys base_per_minute, factor",
        ),
        (SITE % "" + "image: {delivery: ecr}", "fleet.yaml: image.delivery: expected 's3', found \"ecr\""),
        (
            SITE % "" + "image: {architectures: [amd64, amd64]}",
            "fleet.yaml: image.architectures: expected one or more of amd64, arm64, each once, found a list of 2",
        ),
        (
            SITE % "" + 'aws: {account: "123456789012"}',
            "fleet.yaml: aws: expected account and region together, or neither, found a mapping with the keys "
            "account",
        ),
        (
            SITE % ", data_dir: /dev/shm",
            "fleet.yaml: sites.lobby.data_dir: expected a folder of edgecam's own, such as /dev/shm/edgecam, "
            'found "/dev/shm"',
        ),
    ],
)
def test_mistake_names_setting_expected_and_found(write_fleet: Write, text: str, expected: str) -> None:
    assert mistakes(write_fleet, text) == [expected]


def test_two_sites_with_the_same_target_are_refused(write_fleet: Write) -> None:
    site = '{thing_group: g, cameras: [{id: a, uri: "rtsp://h/1"}]}'
    assert mistakes(write_fleet, f"sites: {{north: {site}, south: {site}}}") == [
        "fleet.yaml: sites.south.thing_group: expected a target that no other site has, "
        'found "g", which is also the target of sites.north'
    ]


def test_a_thing_and_a_group_of_the_same_name_are_two_targets(write_fleet: Write) -> None:
    cameras = 'cameras: [{id: a, uri: "rtsp://h/1"}]'
    fleet = load_fleet(
        write_fleet(f"sites: {{north: {{thing: x, {cameras}}}, south: {{thing_group: x, {cameras}}}}}")
    )
    assert [site.target for site in fleet.sites.values()] == ["thing/x", "thinggroup/x"]


def test_sites_whose_names_differ_by_hyphens_only_are_refused(write_fleet: Write) -> None:
    cameras = 'cameras: [{id: a, uri: "rtsp://h/1"}]'
    assert mistakes(
        write_fleet, f"sites: {{floor-1: {{thing: x, {cameras}}}, floor1: {{thing: y, {cameras}}}}}"
    ) == [
        "fleet.yaml: sites.floor1: expected a name that differs by more than hyphens, found sites.floor-1 beside it"
    ]


def test_password_in_a_uri_is_refused_and_not_repeated(write_fleet: Write) -> None:
    (line,) = mistakes(
        write_fleet, 'sites: {lobby: {thing: c, cameras: [{id: a, uri: "rtsp://root:hunter2@h/1"}]}}'
    )
    assert line.startswith("fleet.yaml: sites.lobby.cameras[0].uri: expected a URI without a password")
    assert "hunter2" not in line


def test_every_mistake_is_told_at_once(write_fleet: Write) -> None:
    found = mistakes(
        write_fleet,
        'sites: {a: {thing: c, cameras: [{id: A, uri: "http://h"}], docker: {memory: 5}}}\nimage: {base: ""}',
    )
    assert [line.split(": ")[1] for line in found] == [
        "sites.a.cameras[0].id",
        "sites.a.cameras[0].uri",
        "sites.a.docker.memory",
        "image.base",
    ]


def test_missing_file_is_told_with_the_way_to_name_another(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"expected a readable file \(-c fleet=PATH names another\)"):
        load_fleet(tmp_path / "none.yaml")


def test_text_that_is_not_yaml_is_told_with_its_line(write_fleet: Write) -> None:
    (line,) = mistakes(write_fleet, "sites:\n  a: [")
    assert line.startswith("fleet.yaml: expected YAML or JSON")
    assert "at line 2" in line


def test_node_configuration_holds_only_what_differs_from_the_defaults(write_fleet: Write) -> None:
    fleet = load_fleet(
        write_fleet(
            'sites: {a: {thing: c, cameras: [{id: a, uri: "rtsp://h/1", transport: tcp}], http: {}, '
            "log: {level: debug}}}"
        )
    )
    assert fleet.sites["a"].node == {"cameras": [{"id": "a", "uri": "rtsp://h/1"}], "log": {"level": "debug"}}


def test_secret_manager_is_for_classic_sites_with_secrets(write_fleet: Write) -> None:
    secret = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:x-AbCdEf"
    camera = f'{{id: a, uri: "rtsp://h/1", credentials: {{secret: "{secret}"}}}}'
    text = "\n".join(
        [
            "sites:",
            f"  classic: {{thing: a, cameras: [{camera}]}}",
            f"  lite: {{thing: b, nucleus: lite, cameras: [{camera}]}}",
            '  open: {thing: c, cameras: [{id: a, uri: "rtsp://h/1"}]}',
        ]
    )
    fleet = load_fleet(write_fleet(text))
    assert {name: site.uses_secret_manager for name, site in fleet.sites.items()} == {
        "classic": True,
        "lite": False,
        "open": False,
    }
    assert fleet.secret_arns() == (secret,)


def test_fleet_is_named_by_context_or_lies_beside_the_app(tmp_path: Path) -> None:
    assert fleet_path(None, beside=tmp_path) == tmp_path / "fleet.yaml"
    assert fleet_path("other.yaml", beside=tmp_path) == Path("other.yaml")
    with pytest.raises(EdgecamError, match="context fleet: expected the path of a file, found 5"):
        fleet_path(5, beside=tmp_path)
