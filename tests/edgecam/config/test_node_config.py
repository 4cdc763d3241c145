"""The node configuration: lenient in how numbers are written, strict in everything else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from edgecam.config.camera import (
    Camera,
    Decode,
    Frames,
    OnStale,
)
from edgecam.config.document import parse_document
from edgecam.config.load import load_environment, load_file
from edgecam.config.node import DEFAULT_DATA_DIR, LogFormat, NodeConfig
from edgecam.config.validation import validate
from edgecam.errors import ConfigurationError

ARN = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:cameras/lobby-AbCdEf"
RTSP = "rtsp://camera.example/1"


def node(*cameras: dict[str, Any], **settings: Any) -> dict[str, Any]:
    return {"cameras": list(cameras) or [{"id": "lobby", "uri": RTSP}], **settings}


def mistakes_in(document: object) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        validate(NodeConfig, document)
    return [str(mistake) for mistake in caught.value.mistakes]


def one_mistake_in_camera(**settings: Any) -> str:
    found = mistakes_in(node({"id": "lobby", "uri": RTSP} | settings))
    assert len(found) == 1, found
    return found[0]


def test_smallest_configuration_has_the_documented_defaults() -> None:
    config = validate(NodeConfig, node())
    camera = config.cameras[0]
    assert (config.data_dir, config.http.enabled, config.http.port) == (DEFAULT_DATA_DIR, True, 8642)
    assert (config.log.format, config.log.level) == (LogFormat.TEXT, "info")
    assert (camera.transport, camera.latency_ms, camera.connect_timeout_s) == ("tcp", 200, 10.0)
    assert (camera.frames.max_fps, camera.frames.quality, camera.frames.width) == (1.0, 85, None)
    assert (camera.frames.decode, camera.frames.on_stale) == (Decode.AUTO, OnStale.KEEP)
    assert camera.frame_path(config.data_dir) == Path("/dev/shm/edgecam/lobby/frame.jpg")


def test_numbers_may_be_texts_of_plain_decimals_and_whole_ones_have_a_dot() -> None:
    camera = {
        "id": "lobby",
        "uri": RTSP,
        "latency_ms": 100.0,
        "connect_timeout_s": "5",
        "frames": {"max_fps": "0.5", "quality": 90.0, "width": "640", "stale_after_s": 10},
    }
    config = validate(NodeConfig, node(camera, http={"port": "8080", "enabled": False}))
    frames = config.cameras[0].frames
    assert (frames.max_fps, frames.quality, frames.width, frames.stale_after_s) == (0.5, 90, 640, 10.0)
    assert (config.cameras[0].latency_ms, config.http.port, config.http.enabled) == (100, 8080, False)


@pytest.mark.parametrize(
    "port", [8080.5, True, "80a", "08080", " 8080", "8_080", "", None, [], 0, 65536, "1e9", float("nan")]
)
def test_number_that_is_none_is_refused(port: object) -> None:
    (mistake,) = mistakes_in(node(http={"port": port}))
    assert mistake.startswith("http.port: expected ")


@pytest.mark.parametrize("enabled", ["false", "no", 0, 0.0])
def test_truth_is_true_or_false(enabled: object) -> None:
    (mistake,) = mistakes_in(node(http={"enabled": enabled}))
    assert mistake.startswith("http.enabled: expected true or false, found ")


@pytest.mark.parametrize(
    ("document", "mistake"),
    [
        ({}, "cameras: expected a value, found nothing"),
        ({"cameras": []}, "cameras: expected at least one camera, found none"),
        ({"cameras": 5}, "cameras: expected a list, found 5"),
        ({"cameras": [{"uri": RTSP}]}, "cameras[0].id: expected a value, found nothing"),
        ({"cameras": [{"id": "a"}]}, "cameras[0].uri: expected a value, found nothing"),
        (node(http={"prot": 1}), "http.prot: expected one of the keys enabled, port (did you mean port?)"),
        (node(http={"port": 0}), "http.port: expected a number greater than or equal to 1, found 0"),
        (
            node(log={"level": "loud"}),
            "log.level: expected 'debug', 'info', 'warning' or 'error', found \"loud\"",
        ),
        (node(log={"format": "xml"}), "log.format: expected 'text' or 'json', found \"xml\""),
        (node(data_dir="tmp"), 'data_dir: expected an absolute path without .., found "tmp"'),
        (node(data_dir="/a/../b"), 'data_dir: expected an absolute path without .., found "/a/../b"'),
        (
            node(data_dir="/a\nb"),
            "data_dir: expected characters that can be seen, found U+000A (a control character) as "
            "character 3",
        ),
        (
            node(htpp={}),
            "htpp: expected one of the keys aws_iot, bucket, cameras, cloud_iot, data_dir, google, http, "
            "latest, log, site, spool, status, upload (did you mean http?)",
        ),
        (
            node({"id": "a", "uri": RTSP}, {"id": "a", "uri": RTSP}),
            "expected a different id for every camera, found a in cameras[0] and",
        ),
        (
            node(
                {"id": "a", "uri": RTSP, "frames": {"path": "/x/f.jpg"}},
                {"id": "b", "uri": RTSP, "frames": {"path": "/x/f.jpg"}},
            ),
            "expected a different frames.path for every camera, found /x/f.jpg in cameras[0] and cameras[1]",
        ),
        (
            node(
                {"id": "a", "uri": RTSP},
                {"id": "b", "uri": RTSP, "frames": {"path": "/d/a/frame.jpg"}},
                data_dir="/d",
            ),
            "expected a different frames.path for every camera, found /d/a/frame.jpg in",
        ),
        (
            node({"id": "a", "uri": RTSP, "recording": {"enabled": True}}),
            "expected bucket, since cameras[0] (a) is recorded, found none",
        ),
        (
            node({"id": "latest", "uri": RTSP}, bucket="gs://abc"),
            "expected cameras[0].id to be another name than latest, which is a folder of the bucket's own",
        ),
        (node(bucket="gs://B"), "bucket: expected gs://BUCKET, s3://BUCKET or file:///FOLDER, with or"),
        (node(bucket="gs://b1c/../x"), "bucket: expected gs://BUCKET"),
        (node(bucket="file:///"), "bucket: expected gs://BUCKET"),
        (node(google={"login": "federation"}), "google: expected audience with login: federation"),
        (node(google={"service_account": "a@b"}), "google: expected service_account only with audience"),
        (node(upload={"part_bytes": 300_000}), "upload.part_bytes: expected a multiple of 262144"),
    ],
)
def test_mistake_of_the_node_names_path_expected_and_found(document: object, mistake: str) -> None:
    (found,) = mistakes_in(document)
    assert found.startswith(mistake)


@pytest.mark.parametrize(
    ("settings", "mistake"),
    [
        ({"id": "Lobby"}, "id: expected 1 to 63 lower case letters, digits and hyphens, a hyphen not"),
        ({"id": "-a"}, "id: expected 1 to 63 lower case"),
        ({"id": "a" * 64}, "id: expected 1 to 63 lower case"),
        ({"id": "../a"}, "id: expected 1 to 63 lower case"),
        ({"id": ""}, "id: expected 1 to 63 lower case"),
        ({"id": 5}, 'id: expected a text in quotes: "5", found the number 5'),
        (
            {"uri": "http://x"},
            "uri: expected a URI that begins with one of rtsp:, rtsps:, pipe:, file:, images:,",
        ),
        (
            {"uri": "test://", "recording": {"enabled": True}},
            ": expected recording only with a source of coded video, found test:",
        ),
        ({"frames": {"enabled": False}}, ": expected frames or recording enabled, found neither"),
        (
            {"recording": {"chunk_s": 1}},
            "recording.chunk_s: expected a number greater than or equal to 2, found 1",
        ),
        ({"recording": {"format": "avi"}}, "recording.format: expected 'mp4' or 'mpegts', found \"avi\""),
        ({"uri": "pipe://relative"}, "uri: expected pipe:/// and an absolute path"),
        ({"uri": "camera"}, "uri: expected a URI that begins with one of"),
        ({"uri": "rtsp:camera"}, "uri: expected rtsp:// and what follows"),
        ({"uri": "rtsp:///path"}, "uri: expected rtsp://HOST/PATH"),
        ({"uri": "file://film.mp4"}, "uri: expected file:/// and an absolute path"),
        ({"uri": "images://seq_%06d.jpg"}, "uri: expected images:/// and an absolute path"),
        ({"uri": "pipeline: "}, "uri: expected a gst-launch description after pipeline:"),
        (
            {"uri": "rtsp://h/\nx"},
            "uri: expected characters that can be seen, found U+000A (a control character) as character 10",
        ),
        ({"transport": "http"}, "transport: expected 'tcp' or 'udp', found \"http\""),
        ({"latency_ms": -1}, "latency_ms: expected a number greater than or equal to 0, found -1"),
        (
            {"connect_timeout_s": 0.5},
            "connect_timeout_s: expected a number greater than or equal to 1, found 0.5",
        ),
        ({"frames": {"max_fps": 31}}, "frames.max_fps: expected a number less than or equal to 30, found 31"),
        ({"frames": {"max_fps": 0.05}}, "frames.max_fps: expected a number greater than or equal to 0.1"),
        (
            {"frames": {"quality": 101}},
            "frames.quality: expected a number less than or equal to 100, found 101",
        ),
        ({"frames": {"width": 641}}, "frames.width: expected an even number, found 641"),
        ({"frames": {"path": "/x/f.png"}}, "frames.path: expected a file name that ends in .jpg or .jpeg"),
        ({"frames": {"path": "f.jpg"}}, "frames.path: expected an absolute path without .."),
        (
            {"frames": {"decode": "some"}},
            "frames.decode: expected 'auto', 'all' or 'keyframes', found \"some\"",
        ),
        ({"frames": {"on_stale": "burn"}}, "frames.on_stale: expected 'keep' or 'remove', found \"burn\""),
        (
            {"frames": {"max_fps": 0.1, "stale_after_s": 5}},
            "frames: expected stale_after_s of at least 1 / max_fps (10), found 5: every picture",
        ),
        ({"credentials": {}}, "credentials: expected secret, or username with one of password_file"),
        ({"credentials": {"username": "u"}}, "credentials: expected secret, or username with"),
        (
            {"credentials": {"username": "u", "password_file": "/a", "password_env": "B"}},
            "credentials: expected secret, or username with",
        ),
        (
            {"credentials": {"secret": ARN, "username": "u"}},
            "credentials: expected secret alone, or username with",
        ),
        ({"credentials": {"username": "u", "password_env": "1A"}}, "credentials.password_env: expected"),
        (
            {"credentials": {"username": "u", "password_file": "pw"}},
            "credentials.password_file: expected an absolute path",
        ),
        (
            {"uri": "test://", "credentials": {"secret": ARN}},
            ": expected credentials only with rtsp:// and rtsps://, or with {username} and {password} in a "
            "pipeline, found test:",
        ),
        ({"tls": {"verify": False}}, ": expected tls only with rtsps://, found rtsp:"),
        (
            {"uri": "rtsps://h/x", "tls": {"verify": False, "ca_file": "/ca.pem"}},
            "tls: expected ca_file or verify: false, not both",
        ),
    ],
)
def test_mistake_of_a_camera_names_path_expected_and_found(settings: dict[str, Any], mistake: str) -> None:
    separator = "" if mistake.startswith(":") else "."
    assert one_mistake_in_camera(**settings).startswith(f"cameras[0]{separator}{mistake}")


@pytest.mark.parametrize(
    "uri",
    [
        "rtsp://admin:geheim-1@h/x",
        "rtsp://admin:geheim-1/2@h/x",
        "rtsp://admin:geheim-1 2@h/x",
        "rtsp://h/user=admin&password=geheim-1&channel=1",
        "rtsp://h/x?token=geheim-1",
        "pipeline:rtspsrc location=rtsp://h user-pw=geheim-1 ! rtph264depay",
        "pipeline:rtspsrc location=rtsp://a:geheim-1@h ! rtph264depay",
    ],
)
def test_uri_with_a_password_is_refused_with_the_way_to_do_it_right(
    uri: str,
) -> None:
    mistake = one_mistake_in_camera(uri=uri)
    assert (
        "expected a URI without a password: give it as credentials: {secret: <name or ARN in Secrets "
        "Manager>}" in mistake
    )
    assert "geheim" not in mistake


@pytest.mark.parametrize(
    "settings",
    [
        {"credentials": {"secret": "geheim-1"}},
        {"credentials": {"username": "u", "password": "geheim-1"}},
        {"credentials": "geheim-1-as-text"},
        {"password": "geheim-1"},
    ],
)
def test_secret_at_the_wrong_place_is_not_repeated_in_the_mistake(settings: dict[str, Any]) -> None:
    found = mistakes_in(node({"id": "lobby", "uri": RTSP} | settings))
    assert not any("geheim" in mistake for mistake in found), found


@pytest.mark.parametrize(
    "uri",
    [
        "rtsp://camera.example:8554/stream1?channel=2",
        "rtsp://[fd00::1]:554/x",
        "rtsps://h/x",
        "file:///films/a%20b.mp4",
        "images:///path/seq_%06d.jpg?fps=5",
        "test://",
        "test://?pattern=ball",
        "pipeline:videotestsrc ! x264enc",
    ],
)
def test_every_kind_of_source_is_taken(uri: str) -> None:
    assert Camera(id="a", uri=uri).scheme.name == uri.partition(":")[0]


@pytest.mark.parametrize(
    ("frames", "limit_s"),
    [
        (Frames(), 5.0),
        (Frames(max_fps=0.1), 30.0),
        (Frames(max_fps=30), 5.0),
        (Frames(max_fps=0.5, stale_after_s=2), 2.0),
    ],
)
def test_age_limit_follows_the_rate_unless_it_is_set(frames: Frames, limit_s: float) -> None:
    assert frames.age_limit_s == pytest.approx(limit_s)


CLOUD_IOT = {"project": "our-project", "region": "europe-west1", "registry": "cameras"}


@pytest.mark.parametrize(
    ("settings", "mistake"),
    [
        (
            {"host": "mqtt.googleapis.com"},
            "cloud_iot.host: expected a bridge that is in service, such as europe-west1-mqtt.clearblade.com: "
            "Google ended Cloud IoT Core on 2023-08-16, ClearBlade goes on with its devices and protocol, "
            'found "mqtt.googleapis.com"',
        ),
        (
            {"host": "https://bridge"},
            'cloud_iot.host: expected a host alone, without scheme and path, found "https://bridge"',
        ),
        (
            {"host": "bridge", "port": 0},
            "cloud_iot.port: expected a number greater than or equal to 1, found 0",
        ),
    ],
)
def test_mistake_about_the_bridge_names_path_expected_and_found(
    settings: dict[str, Any], mistake: str
) -> None:
    camera = {"id": "lobby", "uri": RTSP, "device": {"key": {"file": "/k.pem"}}}
    assert mistakes_in(node(camera, cloud_iot={**CLOUD_IOT, **settings})) == [mistake]


def test_configuration_cannot_be_changed_afterwards() -> None:
    config = validate(NodeConfig, node())
    with pytest.raises(ValidationError):
        config.data_dir = "/elsewhere"


def test_secrets_of_all_cameras_are_named_once_and_sorted() -> None:
    other = ARN.replace("lobby", "gate")
    cameras = [
        {"id": f"c{index}", "uri": RTSP, "credentials": {"secret": arn}}
        for index, arn in enumerate([ARN, other, ARN])
    ]
    assert validate(NodeConfig, node(*cameras, {"id": "free", "uri": RTSP})).secret_ids() == (other, ARN)


def test_yaml_and_json_files_say_the_same(tmp_path: Path) -> None:
    (tmp_path / "node.json").write_text(json.dumps(node()))
    (tmp_path / "node.yaml").write_text(f"cameras:\n  - {{id: lobby, uri: '{RTSP}'}}\n")
    assert load_file(tmp_path / "node.json") == load_file(tmp_path / "node.yaml")


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"cameras: [", "line 1, column 11"),
        (b"a: b: c", "line 1, column 5"),
        (b"\xff\xfe\xff", "text that is not UTF-8"),
        (b"a: \x07", "unreadable text"),
    ],
)
def test_file_that_is_neither_yaml_nor_json_is_said_with_the_place(
    tmp_path: Path, content: bytes, found: str
) -> None:
    path = tmp_path / "node.yaml"
    path.write_bytes(content)
    with pytest.raises(ConfigurationError, match=found) as caught:
        load_file(path)
    assert str(path) in str(caught.value)


def test_yaml_that_would_run_code_is_not_read() -> None:
    with pytest.raises(ConfigurationError):
        parse_document("!!python/object/apply:os.system ['true']", name="x")


def test_missing_file_is_a_mistake_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="expected a readable file, found No such file"):
        load_file(tmp_path / "none.yaml")


def test_environment_gives_the_configuration_and_the_data_folder_beside_it_wins() -> None:
    text = json.dumps(node(data_dir="/a"))
    assert load_environment(text).data_dir == "/a"
    assert load_environment(text, "/b").data_dir == "/b"
    assert load_environment(text, "").data_dir == "/a"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (None, "found nothing"),
        ("  ", "found nothing"),
        ('{"cameras": rtsp://u:geheim@h}', "at character 12"),
        ("[]", "expected a mapping"),
    ],
)
def test_environment_without_a_configuration_is_said_and_not_repeated(text: str | None, found: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load_environment(text)
    assert "EDGECAM_NODE: " in str(caught.value)
    assert found in str(caught.value)
    assert "geheim" not in str(caught.value)
