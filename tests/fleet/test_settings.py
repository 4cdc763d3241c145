# ruff: noqa: E501 - messages stand as a user reads them
"""fleet.yaml: what is right becomes settings, what is wrong is said in full."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from edgecam.errors import ConfigurationError, EdgecamError
from fleet.load import fleet_path, load_fleet

PROJECT = Path(__file__).resolve().parents[2]
SITE = 'sites: {lobby: {thing: core, cameras: [{id: a, uri: "rtsp://192.0.2.1/1"}]%s}}\n'

Write = Callable[[str], Path]


def mistakes(write_fleet: Write, text: str) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        load_fleet(write_fleet(text))
    return str(caught.value).splitlines()


def test_shipped_fleet_is_valid_and_has_a_group_and_a_thing() -> None:
    fleet = load_fleet(PROJECT / "fleet.yaml")
    assert sorted(str(site.target).split("/")[0] for site in fleet.sites.values()) == ["thing", "thinggroup"]


def test_commented_example_of_the_shipped_fleet_is_valid_too(write_fleet: Write) -> None:
    text = (PROJECT / "fleet.yaml").read_text()
    begin, end = text.index("  # dock:"), text.index("image:")
    example = re.sub(r"^( *)# ?", r"\1", text[begin:end], flags=re.MULTILINE)
    fleet = load_fleet(write_fleet(text[:begin] + example + text[end:]))
    assert sorted(fleet.sites_of("gcs-uploader")) == ["dock"]
    assert fleet.gcp is not None
    assert fleet.gcp.bucket is not None
    assert fleet.gcp.bucket.create
    assert fleet.gcp.registry is not None
    assert fleet.has_devices


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
            "group, levels, max_fps, max_pixels, mode, on_stale, only_clean, path, quality, stale_after_s, width "
            "(did you mean max_fps?), found an unknown key",
        ),
        ("sites: {}", "fleet.yaml: sites: expected at least one site, found none"),
        ("{}", "fleet.yaml: sites: expected a value, found nothing"),
        (
            SITE % ", thing_group: g",
            "fleet.yaml: sites.lobby: expected thing or thing_group, one of them, found thing and "
            "thing_group",
        ),
        (
            SITE % ", create_thing_group: true",
            "fleet.yaml: sites.lobby: expected create_thing_group only with thing_group, found none",
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
        (
            'sites: {"A b": {thing: core, cameras: [{id: a, uri: "rtsp://192.0.2.1/1"}]}}',
            "fleet.yaml: sites.A b: expected 1 to 63 lower case letters and digits, single hyphens between, found "
            '"A b"',
        ),
        (
            SITE % "" + "image: {delivery: scp}",
            "fleet.yaml: image.delivery: expected 's3', 'ecr' or 'registry', found \"scp\"",
        ),
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


UPLOADER = (
    "sites: {dock: {variant: gcs-uploader, thing: core, bucket: gs://recordings/dock, "
    'cameras: [{id: a, uri: "rtsp://192.0.2.1/1", recording: {enabled: true}}]}}\n'
)
LOGIN = "login: {secret: 'arn:aws:secretsmanager:eu-central-1:123456789012:secret:x-AbCdEf'}"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            SITE % ", variant: [frame-grabber, gcs-uploader]",
            "fleet.yaml: sites.lobby.variant: expected frame-grabber or gcs-uploader, not several: gcs-uploader "
            "contains the frame-grabber, found frame-grabber, gcs-uploader",
        ),
        (
            SITE % ", variant: dashboard",
            "fleet.yaml: sites.lobby.variant: expected 'frame-grabber' or 'gcs-uploader', found \"dashboard\"",
        ),
        (
            SITE % ", bucket: gs://recordings",
            "fleet.yaml: sites.lobby.bucket: expected it only with variant: gcs-uploader, which records and "
            "uploads, found variant: frame-grabber",
        ),
        (
            SITE % ", spool: {path: /data/spool}",
            "fleet.yaml: sites.lobby.spool: expected it only with variant: gcs-uploader, which records and "
            "uploads, found variant: frame-grabber",
        ),
        (
            UPLOADER.replace("recording: {enabled: true}", "frames: {max_fps: 2}"),
            "fleet.yaml: sites.dock.cameras: expected at least one with recording: {enabled: true} (or variant: "
            "frame-grabber), found variant: gcs-uploader and nothing to upload",
        ),
        (
            UPLOADER + f"gcp: {{project: our-project, {LOGIN}, bucket: {{name: recording, location: EU}}}}",
            'fleet.yaml: gcp.bucket.name: expected the bucket of a site, as in bucket: gs://NAME, found "recording", '
            "while sites name gs://recordings/dock",
        ),
        (
            UPLOADER + f"gcp: {{project: our-project, {LOGIN}, bucket: {{name: recordings}}}}",
            "fleet.yaml: gcp.bucket: expected location, such as EU or europe-west3 (or create: false), "
            "found a mapping with the keys name",
        ),
        (
            UPLOADER + f"gcp: {{{LOGIN}, bucket: {{name: recordings, location: EU}}}}",
            "fleet.yaml: gcp: expected project, where the bucket is made (or bucket: {create: false}), "
            "found a mapping with the keys login, bucket",
        ),
        (
            UPLOADER + "gcp: {project: our-project, bucket: {name: recordings, location: EU}}",
            "fleet.yaml: gcp: expected login, since a bucket is made (or bucket: {create: false}), "
            "found a mapping with the keys project, bucket",
        ),
        (
            UPLOADER + "gcp: {project: our-project, login: {}, bucket: {name: recordings, location: EU}}",
            "fleet.yaml: gcp.login: expected audience or secret, one of them, "
            "found a mapping with the keys (none)",
        ),
        (
            UPLOADER
            + f"gcp: {{project: our-project, {LOGIN}, bucket: {{name: recordings, location: EU, writers: [joe]}}}}",
            "fleet.yaml: gcp.bucket.writers[0]: expected serviceAccount:NAME@…, "
            'principal://iam.googleapis.com/… or principalSet://…, found "joe"',
        ),
        (
            UPLOADER + "gcp: {endpoint: 'https://example.com', bucket: {name: recordings, create: false}}",
            "fleet.yaml: gcp.endpoint: expected http://localhost:PORT: it is for an embedded store, which asks for "
            'no login, found "https://example.com"',
        ),
    ],
)
def test_mistake_between_site_variant_and_bucket_says_what_to_do(
    write_fleet: Write, text: str, expected: str
) -> None:
    assert mistakes(write_fleet, text) == [expected]


def test_recorded_camera_of_a_frame_grabber_is_refused_with_its_path(write_fleet: Write) -> None:
    text = UPLOADER.replace("gcs-uploader", "frame-grabber")
    assert [line.split(": ")[1] for line in mistakes(write_fleet, text)] == [
        "sites.dock.bucket",
        "sites.dock.cameras[0].recording",
    ]


def test_saying_a_default_again_does_no_harm(write_fleet: Write) -> None:
    text = (
        'sites: {a: {thing: c, spool: {}, cameras: [{id: a, uri: "test://", recording: {enabled: false}}]}}'
    )
    assert load_fleet(write_fleet(text)).sites["a"].variant == "frame-grabber"


def test_site_in_both_variants_by_its_target_is_refused(write_fleet: Write) -> None:
    text = UPLOADER.replace("{dock:", "{lobby: {thing: core, cameras: [{id: a, uri: 'test://'}]}, dock:")
    assert mistakes(write_fleet, text) == [
        "fleet.yaml: sites.dock.thing: expected a target that no other site has (gcs-uploader contains the "
        'frame-grabber: one site with all cameras does both), found "core", which is also the target of '
        "sites.lobby, a frame-grabber"
    ]


def test_site_that_stands_there_twice_is_refused(write_fleet: Write) -> None:
    cameras = 'cameras: [{id: a, uri: "test://"}]'
    text = f"sites:\n  lobby: {{thing: x, {cameras}}}\n  lobby: {{thing: y, {cameras}}}\n"
    assert mistakes(write_fleet, text) == [
        'fleet.yaml: expected each key once, found "lobby" again at line 3, column 3'
    ]


def test_settings_may_be_shared_by_yaml_anchors(write_fleet: Write) -> None:
    text = (
        'base: &base {cameras: [{id: a, uri: "test://"}], nucleus: lite}\n'
        "sites:\n  north: {<<: *base, thing: x}\n  south: {<<: *base, thing: y, nucleus: classic}\n"
    )
    lines = mistakes(write_fleet, text)
    assert [line.split(": ")[1] for line in lines] == ["base"]  # unknown at the top, but read


def test_rule_that_changes_nothing_is_not_made(write_fleet: Write) -> None:
    def days(bucket: str) -> int | None:
        gcp = f"gcp: {{project: our-project, {LOGIN}, bucket: {{name: recordings, location: EU, {bucket}}}}}"
        found = load_fleet(write_fleet(UPLOADER + gcp)).gcp
        assert found is not None
        assert found.bucket is not None
        return found.bucket.to_nearline_after_days

    assert days("delete_after_days: 90") == 30
    assert days("delete_after_days: 30") is None
    assert days("nearline_after_days: null") is None
    assert days("storage_class: COLDLINE") is None


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
    assert [str(site.target) for site in fleet.sites.values()] == ["thing/x", "thinggroup/x"]


def test_thing_with_nucleus_lite_is_deployed_to_as_a_group_of_one(write_fleet: Write) -> None:
    site = 'thing: x, cameras: [{id: a, uri: "test://"}]'
    fleet = load_fleet(write_fleet(f"sites: {{north: {{{site}, nucleus: lite}}}}"))
    assert str(fleet.sites["north"].target) == "thinggroup/edgecam-core-x"


@pytest.mark.parametrize(
    ("other", "found"),
    [
        ("thing: x", 'sites.south.thing: expected a target that no other site has, found "x"'),
        (
            "thing_group: edgecam-core-x",
            'sites.south.thing_group: expected a target that no other site has, found "edgecam-core-x"',
        ),
    ],
)
def test_core_is_of_one_site_whichever_nucleus_the_sites_say(
    write_fleet: Write, other: str, found: str
) -> None:
    cameras = 'cameras: [{id: a, uri: "test://"}]'
    text = f"sites: {{north: {{thing: x, nucleus: lite, {cameras}}}, south: {{{other}, {cameras}}}}}"
    assert mistakes(write_fleet, text) == [f"fleet.yaml: {found}, which is also the target of sites.north"]


def test_thing_with_nucleus_lite_leaves_room_for_the_name_of_its_group(write_fleet: Write) -> None:
    text = 'sites: {{n: {{thing: {}, nucleus: lite, cameras: [{{id: a, uri: "test://"}}]}}}}'
    load_fleet(write_fleet(text.format("x" * 115)))
    assert mistakes(write_fleet, text.format("x" * 116)) == [
        "fleet.yaml: sites.n.thing: expected at most 115 characters with nucleus: lite, whose thing group is "
        "named edgecam-core-… (or thing_group, with a group of your own), found 116 characters"
    ]


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


def test_every_mistake_is_reported_at_once(write_fleet: Write) -> None:
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


def test_missing_file_is_reported_with_the_way_to_name_another(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"expected a readable file \(-c fleet=PATH names another\)"):
        load_fleet(tmp_path / "none.yaml")


def test_text_that_is_not_yaml_is_reported_with_its_line(write_fleet: Write) -> None:
    (line,) = mistakes(write_fleet, "sites:\n  a: [")
    assert line.startswith("fleet.yaml: expected a value of YAML or JSON")
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
    assert fleet.secret_ids() == (secret,)


def test_fleet_is_named_by_context_or_lies_beside_the_app(tmp_path: Path) -> None:
    assert fleet_path(None, beside=tmp_path) == tmp_path / "fleet.yaml"
    assert fleet_path("other.yaml", beside=tmp_path) == Path("other.yaml")
    with pytest.raises(EdgecamError, match="context fleet: expected the path of a file, found 5"):
        fleet_path(5, beside=tmp_path)
