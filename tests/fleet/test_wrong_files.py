# ruff: noqa: E501 - messages stand as a user reads them
"""Files as people write them that are wrong: each mistake is one sentence with path, expected, found and remedy."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgecam.launch.command_override import EXPECTED_PROGRAM
from fleet.command.__main__ import main

CAMERA = 'cameras: [{id: a, uri: "rtsp://192.0.2.1/1"}]'
SITE = f"sites: {{lobby: {{thing: core, {CAMERA}%s}}}}\n"
SHOP = 'templates: {shop: {thing: "{site}-core", cameras: [%s]}}\nsites: {berlin: {template: shop, values: {%s}}}\n'
ONE_CAMERA = '{id: a, uri: "rtsp://10.{net}.0.1/s"}'
SEEN = "expected characters that can be seen, found"


def camera(uri: str, more: str = "") -> str:
    return f"sites: {{lobby: {{thing: core, cameras: [{{id: a, uri: {uri}{more}}}]}}}}\n"


NUMBER = "expected a number in plain decimals, or, where a text belongs, in quotes:"
HOST = "sites.lobby.cameras[0].uri: expected"
KEYS_OF_A_CAMERA = "expected one of the keys connect_timeout_s, credentials, device, frames, id, latency_ms, receiver, recording, tls, transport, uri"
ARN = "expected the ARN of an AWS Secrets Manager secret (arn:aws:secretsmanager:REGION:ACCOUNT:secret:NAME), or its name with a slash, such as cameras/lobby, found a value that is not shown (***)"
PASSWORD = "expected arguments without a password, which everybody who reads the configuration would see: a camera's belongs into its credentials, found one (***)"

WRONG: dict[str, tuple[str, list[str]]] = {
    "octal number": (
        SHOP % (ONE_CAMERA, "net: 010"),
        [
            f'sites.berlin.values.net: {NUMBER} "010", found 010 at line 2, column 48, which YAML 1.1 reads as the number 8'
        ],
    ),
    "octal and other numbers of cameras": (
        SHOP % ('{id: "door-{n}", uri: "rtsp://10.0.0.{n}/s", for: {n: [08, 011, 12]}}', ""),
        [
            f'templates.shop.cameras[0].for.n[0]: {NUMBER} "08", found 08 at line 1, column 107, which YAML 1.2 reads as a number',
            f'templates.shop.cameras[0].for.n[1]: {NUMBER} "011", found 011 at line 1, column 111, which YAML 1.1 reads as the number 9',
        ],
    ),
    "octal port": (
        SITE % ", http: {port: 010000}",
        [
            f'sites.lobby.http.port: {NUMBER} "010000", found 010000 at line 1, column 90, which YAML 1.1 reads as the number 4096'
        ],
    ),
    "time": (
        SHOP % (ONE_CAMERA, "net: 12:30"),
        [
            f'sites.berlin.values.net: {NUMBER} "12:30", found 12:30 at line 2, column 48, which YAML 1.1 reads as the number 750'
        ],
    ),
    "underscores": (
        SITE % ", http: {port: 8_642}",
        [
            f'sites.lobby.http.port: {NUMBER} "8_642", found 8_642 at line 1, column 90, which YAML 1.1 reads as the number 8642'
        ],
    ),
    "hexadecimal": (
        SITE % ", http: {port: 0x21C2}",
        [
            f'sites.lobby.http.port: {NUMBER} "0x21C2", found 0x21C2 at line 1, column 90, which YAML 1.1 reads as the number 8642'
        ],
    ),
    "infinity": (
        SITE % ", docker: {cpus: .inf}",
        [
            f'sites.lobby.docker.cpus: {NUMBER} ".inf", found .inf at line 1, column 92, which YAML 1.1 reads as the number inf'
        ],
    ),
    "date": (
        SHOP % (ONE_CAMERA, "net: 2026-11-30"),
        [
            f'sites.berlin.values.net: {NUMBER} "2026-11-30", found 2026-11-30 at line 2, column 48, which YAML 1.1 reads as a date'
        ],
    ),
    "Norway as a value": (
        SHOP % (ONE_CAMERA, "net: no"),
        [
            'sites.berlin.values.net: expected true or false, or, where a text belongs, in quotes: "no", found no at line 2, column 48, which YAML 1.1 reads as false'
        ],
    ),
    "Norway as a site": (
        f"sites:\n  no: {{thing: core, {CAMERA}}}\n",
        [
            'sites.no: expected a name in quotes: "no", found no: at line 2, column 3, which YAML 1.1 reads as false'
        ],
    ),
    "number as a site": (
        f"sites:\n  17: {{thing: core, {CAMERA}}}\n",
        [
            'sites.17: expected a name in quotes: "17", found 17: at line 2, column 3, which YAML 1.1 reads as the number 17'
        ],
    ),
    "password that is a number": (
        camera('"rtsp://192.0.2.1/1"', ", credentials: {username: u, password: 0815}"),
        [
            "sites.lobby.cameras[0].credentials.password: expected a number in plain decimals, or, where a text belongs, in quotes, found a value that is not shown (***) at line 1, column 112"
        ],
    ),
    "name that is a number": (
        SITE.replace("core", "4711") % "",
        ['sites.lobby.thing: expected a text in quotes: "4711", found the number 4711'],
    ),
    "account that is a number": (
        SITE % "" + "aws: {account: 123456789012, region: eu-central-1}",
        [
            'aws.account: expected a text in quotes: "123456789012", found the number 123456789012',
        ],
    ),
    "account with a leading zero": (
        SITE % "" + "aws: {account: 012345678901, region: eu-central-1}",
        [
            f'aws.account: {NUMBER} "012345678901", found 012345678901 at line 2, column 16, which YAML 1.2 reads as a number'
        ],
    ),
    "character of no width": (
        camera('"rtsp://192.0.2.1\u200b/1"'),
        [f"sites.lobby.cameras[0].uri: {SEEN} U+200B (zero width space) as character 17"],
    ),
    "blank of another kind": (
        camera('"rtsp://192.0.2.1/a\u00a0b"'),
        [f"sites.lobby.cameras[0].uri: {SEEN} U+00A0 (no-break space) as character 19"],
    ),
    "path with a character of no width": (
        camera('"rtsp://192.0.2.1/1"', ', frames: {path: "/srv/a\ufeff/frame.jpg"}'),
        [f"sites.lobby.cameras[0].frames.path: {SEEN} U+FEFF (zero width no-break space) as character 7"],
    ),
    "blank at the end of a URI": (
        camera('"rtsp://192.0.2.1/1 "'),
        [f'{HOST} no blank at the beginning or end, found "rtsp://192.0.2.1/1 "'],
    ),
    "backslashes": (
        camera(r"'rtsp:\\192.0.2.1\1'"),
        [
            rf'{HOST} slashes in place of backslashes (a backslash of a name is %5C), found "rtsp:\\\\192.0.2.1\\1"'
        ],
    ),
    "IPv6 without brackets": (
        camera('"rtsp://fd00::21:554/s"'),
        [
            f'{HOST} an IPv6 address in brackets, such as [fd00::21], and a port behind them, found "rtsp://fd00::21:554/s"'
        ],
    ),
    "link-local IPv6 without its network": (
        camera('"rtsps://[fe80::21]/s"'),
        [
            f'{HOST} a zone behind a link-local IPv6 address, such as [fe80::21%25eth0]: the address alone does not say which of the core\'s networks is meant, found "rtsps://[fe80::21]/s"'
        ],
    ),
    "port beyond all": (
        camera('"rtsp://192.0.2.1:70000/1"'),
        [f'{HOST} a port from 1 to 65535 behind the host\'s colon, found "rtsp://192.0.2.1:70000/1"'],
    ),
    "port in letters": (
        camera('"rtsps://192.0.2.1:abc/1"'),
        [f'{HOST} a port from 1 to 65535 behind the host\'s colon, found "rtsps://192.0.2.1:abc/1"'],
    ),
    "IPv4 with a leading zero": (
        camera('"rtsp://192.0.2.010/1"'),
        [
            f'{HOST} an IPv4 address of four numbers from 0 to 255 without leading zeros, such as 10.0.0.21, found "rtsp://192.0.2.010/1"'
        ],
    ),
    "bridge with a port": (
        SITE
        % ", cloud_iot: {project: our-project, region: europe-west1, registry: cameras, host: 'mqtt.example:8883'}",
        [
            'sites.lobby.cloud_iot.host: expected a host without a port, found "mqtt.example:8883"',
        ],
    ),
    "bridge that is no address": (
        SITE
        % ", cloud_iot: {project: our-project, region: europe-west1, registry: cameras, host: 10.0.0.256}",
        [
            'sites.lobby.cloud_iot.host: expected an IPv4 address of four numbers from 0 to 255 without leading zeros, such as 10.0.0.21, found "10.0.0.256"',
        ],
    ),
    "embedded store with a port beyond all": (
        SITE % "" + "gcp: {endpoint: 'http://localhost:70000', bucket: {name: recordings, create: false}}",
        [
            'gcp.endpoint: expected a port from 1 to 65535 behind the host\'s colon, found "http://localhost:70000"'
        ],
    ),
    "secret without a slash": (
        camera('"rtsp://192.0.2.1/1"', ", credentials: {secret: hunter2}"),
        [f"sites.lobby.cameras[0].credentials.secret: {ARN}"],
    ),
    "setting of the pictures at the camera": (
        camera('"rtsp://192.0.2.1/1"', ", max_fps: 2"),
        [
            f"sites.lobby.cameras[0].max_fps: {KEYS_OF_A_CAMERA} (did you mean frames.max_fps?), found an unknown key"
        ],
    ),
    "misspelt setting of the pictures at the camera": (
        camera('"rtsp://192.0.2.1/1"', ", max_fp: 2, fps: 2, password: x"),
        [
            f"sites.lobby.cameras[0].max_fp: {KEYS_OF_A_CAMERA} (did you mean frames.max_fps?), found an unknown key",
            f"sites.lobby.cameras[0].fps: {KEYS_OF_A_CAMERA} (did you mean frames.max_fps?), found an unknown key",
            f"sites.lobby.cameras[0].password: {KEYS_OF_A_CAMERA} (did you mean credentials.password_file?), found an unknown key",
        ],
    ),
    "setting of a site at the top": (
        SITE % "" + "nucleus: lite\nregion: eu-central-1\n",
        [
            "nucleus: expected one of the keys aws, cores, defaults, gcp, image, include, name, sites, templates, watch, waves (did you mean sites.NAME.nucleus?), found an unknown key",
            "region: expected one of the keys aws, cores, defaults, gcp, image, include, name, sites, templates, watch, waves (did you mean aws.region?), found an unknown key",
        ],
    ),
    "setting of a site at the camera, and one of the recording at the pictures": (
        camera('"rtsp://192.0.2.1/1"', ", nucleus: lite, frames: {chunk_s: 5}"),
        [
            "sites.lobby.cameras[0].frames.chunk_s: expected one of the keys decode, enabled, group, levels, max_fps, max_pixels, mode, on_stale, only_clean, path, quality, stale_after_s, width (did you mean sites.NAME.cameras[].recording.chunk_s?), found an unknown key",
            f"sites.lobby.cameras[0].nucleus: {KEYS_OF_A_CAMERA} (did you mean sites.NAME.nucleus?), found an unknown key",
        ],
    ),
    "both targets beside other mistakes": (
        SITE % ", thing_group: cores, nucleus: tiny, device_ids: {a: lobby-a}",
        [
            "sites.lobby: expected thing or thing_group, one of them, found thing and thing_group",
            "sites.lobby: expected device_ids only with devices: true, found no such setting",
            "sites.lobby.nucleus: expected 'classic' or 'lite', found \"tiny\"",
        ],
    ),
    "no target beside another mistake": (
        f"sites: {{lobby: {{{CAMERA}, nucleus: tiny}}}}",
        [
            "sites.lobby: expected thing or thing_group, one of them, found none",
            "sites.lobby.nucleus: expected 'classic' or 'lite', found \"tiny\"",
        ],
    ),
    "recording at a frame grabber": (
        camera('"rtsp://192.0.2.1/1"', ", recording: {enabled: true}"),
        [
            "sites.lobby.cameras[0].recording: expected it only with variant: gcs-uploader and a bucket, which records and uploads, found variant: frame-grabber"
        ],
    ),
    "element that the image lacks": (
        camera('"pipeline:videotestsrc ! x264enc bitrate=500 ! h264prase"'),
        [
            "sites.lobby.cameras[0].uri: expected elements that the image holds, as container/image/elements.txt lists them, found x264enc",
            "sites.lobby.cameras[0].uri: expected elements that the image holds, as container/image/elements.txt lists them (did you mean h264parse?), found h264prase",
        ],
    ),
    "misspelt query of numbered pictures": (
        camera('"images:///srv/s_%06d.jpg?fsp=5"'),
        [
            f'{HOST} only the settings fps behind the ? (did you mean fps?), found "images:///srv/s_%06d.jpg?fsp=5"'
        ],
    ),
    "numbered pictures without a number": (
        camera('"images:///srv/s.jpg"'),
        [f'{HOST} a path such as /folder/seq_%06d.jpg or .png, found "images:///srv/s.jpg"'],
    ),
    "misspelt query of a test picture": (
        camera('"test://?patern=ball"'),
        [
            f'{HOST} only the settings pattern, width, height, fps behind the ? (did you mean pattern?), found "test://?patern=ball"'
        ],
    ),
    "values of a test picture": (
        camera('"test://?width=8"'),
        [f'{HOST} width in pixels from 16 to 7680, found "test://?width=8"'],
    ),
    "test picture without its question mark": (
        camera('"test://ball"'),
        [f'{HOST} test:// and settings behind a ?, or nothing, found "test://ball"'],
    ),
    "film with a query": (
        camera('"file:///srv/film.mp4?loop=1"'),
        [
            f'{HOST} no ?, since file:// has no settings (one in a name is %3F), found "file:///srv/film.mp4?loop=1"'
        ],
    ),
    "password as a property in the command": (
        SITE
        % ", entrypoint: gst-launch-1.0, command: [rtspsrc, location=rtsp://192.0.2.1/1, user-pw=hunter2]",
        [f"sites.lobby.command: {PASSWORD}"],
    ),
    "password in a URI of the command": (
        SITE % ", command: [probe, 'rtsp://viewer:hunter2@192.0.2.1/1']",
        [f"sites.lobby.command: {PASSWORD}"],
    ),
    "password behind an option of the command": (
        SITE % ", command: [probe, --password, hunter2]",
        [f"sites.lobby.command: {PASSWORD}"],
    ),
    "password in an entrypoint that is a list": (
        SITE % """, entrypoint: '["edgecam", "probe", "--password", "hunter2"]'""",
        [f"sites.lobby.entrypoint: {PASSWORD}"],
    ),
    "password behind an option that the entrypoint ends in": (
        SITE % """, entrypoint: '["edgecam", "--password"]', command: [hunter2]""",
        [f"sites.lobby.command: {PASSWORD}"],
    ),
    "password in a command for a shell": (
        SITE
        % ", docker: {mounts: ['/opt/sh:/usr/bin/sh:ro']}, entrypoint: sh, command: [-c, 'edgecam probe --password hunter2']",
        [f"sites.lobby.command: {PASSWORD}"],
    ),
    "password in a command that is one text": (
        SITE % ", entrypoint: edgecam, command: 'probe rtsp://192.0.2.1/1 --password hunter2'",
        [f"sites.lobby.command: {PASSWORD}"],
    ),
    "command whose quotes do not end": (
        SITE % """, entrypoint: edgecam, command: "probe 'rtsp://192.0.2.1/1" """,
        ["sites.lobby.command: expected an end to each quote, as for a shell, found one without"],
    ),
    "programs that the image lacks": (
        SITE % ", entrypoint: /bin/bash",
        [f'sites.lobby.entrypoint: expected {EXPECTED_PROGRAM}, found "/bin/bash"'],
    ),
    "echo, which belongs to a shell": (
        SITE % ", entrypoint: echo, command: hello",
        [f'sites.lobby.entrypoint: expected {EXPECTED_PROGRAM}, found "echo"'],
    ),
    "entrypoint that is no list of texts": (
        SITE % ", entrypoint: '[edgecam'",
        [
            'sites.lobby.entrypoint: expected a JSON list of texts, such as ["gst-inspect-1.0", "rtspsrc"], found text that is not JSON'
        ],
    ),
    "truths that are texts and numbers": (
        SITE.replace("thing:", "thing_group:")
        % ", devices: 'true', create_thing_group: 'yes', docker: {root: 1}, http: {enabled: 'on'}"
        + "gcp: {project: our-project, registry: {name: cameras, region: us-central1, provider: clearblade, secret: cameras/provider}}\n",
        [
            'sites.lobby.http.enabled: expected true or false, found "on"',
            'sites.lobby.create_thing_group: expected true or false, found "yes"',
            "sites.lobby.docker.root: expected true or false, found 1",
            'sites.lobby.devices: expected true or false, found "true"',
        ],
    ),
    "thing group that is made beside a thing": (
        SITE % ", create_thing_group: 'yes'",
        ['sites.lobby.create_thing_group: expected true or false, found "yes"'],
    ),
    "devices by a number, with names": (
        SITE % ", devices: 1, device_ids: {a: lobby-a}",
        ["sites.lobby.devices: expected true or false, found 1"],
    ),
    "port that is a truth, and one with a leading zero in quotes": (
        SITE % ", http: {port: true}, docker: {cpus: '01'}",
        [
            "sites.lobby.http.port: expected a number, found true",
            'sites.lobby.docker.cpus: expected a number in plain decimals, found "01"',
        ],
    ),
    "line end within the path of a pipe": (
        camera('"pipe:///srv/q%0Aarg=--privileged/x"'),
        [f"{HOST[:-9]} {SEEN} U+000A (a control character) as character 7"],
    ),
    "character without a shape in a file's path": (
        camera('"file:///a/%00b.mp4"'),
        [f"{HOST[:-9]} {SEEN} U+0000 (a control character) as character 4"],
    ),
    "pipe in a folder above": (
        camera('"pipe:///srv/x/../../etc/y"'),
        [f'{HOST} an absolute path without .., found "pipe:///srv/x/../../etc/y"'],
    ),
    "file in a folder above, encoded": (
        camera('"file:///a/%2E%2E/b"'),
        [f'{HOST} an absolute path without .., found "file:///a/%2E%2E/b"'],
    ),
    "numbered pictures in a folder above": (
        camera('"images:///srv/../s_%06d.jpg"'),
        [f'{HOST} an absolute path without .., found "images:///srv/../s_%06d.jpg"'],
    ),
    "tab": ("sites:\n\tlobby: {}", ["expected blanks for indentation, found a tab at line 2, column 1"]),
    "two documents": ("a: 1\n---\nb: 2", ["expected one document, found another one at line 2, column 1"]),
    "list for a name": (
        "[a]: 1",
        ["expected a text for a name, found a list or a mapping at line 1, column 1"],
    ),
    "merge of a number": (
        "<<: 3",
        ["expected a mapping or a list of mappings behind <<, found something else at line 1, column 5"],
    ),
    "merge as a value": (
        "name: <<",
        ['expected << as a name, or a text in quotes: "<<", found << at line 1, column 7'],
    ),
    "tag": ("name: !foo x", ["expected no tags, found !foo at line 1, column 7"]),
    "tag of YAML's own": ("name: !!binary aGk=", ["expected no tags, found !!binary at line 1, column 7"]),
    "number of 90 digits": (
        "name: " + "9" * 90,
        ["expected a number below 1e+77, found a larger one at line 1, column 7"],
    ),
    "number beyond all": (
        "name: 1e400",
        ["expected a number below 2e+308, found a larger one at line 1, column 7"],
    ),
    "list without an end": (
        "name: [1",
        ["expected ',' or ']', found the end of the file at line 1, column 9"],
    ),
    "colon in a text": (
        "name: a: b",
        ["expected one name on a line, or a text in quotes, found another colon at line 1, column 8"],
    ),
    "text that begins as nothing does": (
        "name: @a",
        ["expected a text that begins with '@' in quotes, found no quotes at line 1, column 7"],
    ),
    "alias of nothing": (
        "name: *a",
        ["expected an anchor &a further up, found none for *a at line 1, column 7"],
    ),
    "lines that begin differently": (
        "- a\nname: b",
        ["expected lines of one mapping or list to begin alike, found another beginning at line 2, column 1"],
    ),
    "control character": (
        "name: \x01",
        ["expected YAML or JSON without control characters, found unreadable text"],
    ),
    "extra component with settings of its own": (
        SITE % ", components: {A: {version: 1}}",
        ['sites.lobby.components.A.version: expected a text in quotes: "1", found the number 1'],
    ),
}


def check(text: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, list[str]]:
    path = folder / "fleet.yaml"
    path.write_text(text, encoding="utf-8")
    code = main(["check", "--fleet", str(path)])
    return code, capsys.readouterr().err.splitlines()


@pytest.mark.parametrize("name", WRONG)
def test_wrong_file_is_refused_in_one_go_and_in_words(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text, expected = WRONG[name]
    code, lines = check(text, tmp_path, capsys)
    assert (code, lines) == (1, [f"fleet.yaml: {line}" for line in expected])
    assert not any("hunter2" in line for line in lines)


RIGHT = {
    "numbers as they are typed": SHOP
    % (
        '{id: "door-{n}", uri: "rtsp://10.{net}.0.1/s{n}", for: {n: [8, "09", "011"]}, latency_ms: 100, frames: {max_fps: .5}}',
        'net: 10, country: "no", shift: "12:30"',
    ),
    "names in quotes": f'sites: {{"no": {{thing: "4711", {CAMERA}}}}}\n',
    "merge keys within each other": """
templates:
  base:
    cameras:
      - &cam
        id: door
        uri: rtsp://10.0.0.1/s
        frames: &slow {max_fps: 1, quality: 70}
      - <<: *cam
        id: gate
        frames: &coarse {<<: *slow, quality: 60}
sites:
  a: {thing: core-a, camera: {frames: {<<: *coarse, max_fps: 2}}, cameras: [{id: x, uri: "rtsp://192.0.2.1/s"}]}
""",
    "IPv6 in brackets": camera('"rtsp://[fd00::21]:554/s"'),
    "zone of IPv6": camera('"rtsp://[fe80::21%25eth0]/s"'),
    "odd characters of a path": camera('"rtsp://büro.example/s&x=1;$(y) {z}\'?a=b#c"'),
    "secret by its name": camera('"rtsp://192.0.2.1/1"', ", credentials: {secret: cameras/lobby}"),
    "pipeline of the image's elements": camera(
        '"pipeline:videotestsrc pattern = ball ! video/x-raw, width=640 ! jpegenc quality=80 ! tee name=t t. ! queue"'
    ),
    "file of a password in the command": SITE % ", command: [probe, --password-file, /etc/password]",
    "a pass of ffmpeg is no password": SITE
    % ", docker: {mounts: ['/opt/bin:/usr/bin:ro']}, entrypoint: ffmpeg, command: [-i, a.mp4, -pass, '1', b.mp4]",
    "numbers from values that are texts": """
templates: {shop: {thing: core, http: {port: "{port}"}, cameras: [{id: a, uri: "rtsp://192.0.2.1/1", frames: {max_fps: "{fps}"}}]}}
sites: {berlin: {template: shop, values: {port: "8642", fps: "0.5"}}}
""",
}


@pytest.mark.parametrize("name", RIGHT)
def test_right_file_of_the_same_kind_is_taken(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert check(RIGHT[name], tmp_path, capsys) == (0, [])
