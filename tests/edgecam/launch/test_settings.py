"""Settings as they reach a core: what is damaged, missing or meant to exhaust it is refused in a sentence."""

from __future__ import annotations

import base64
import hashlib
import json
import random
import tracemalloc
import zlib
from pathlib import Path
from typing import Any

import pytest
from own_process import measured_alone

from edgecam.config.load import load_environment
from edgecam.errors import ConfigurationError
from edgecam.json_text import MOST_BYTES
from edgecam.launch.command_override import command_from_environment
from edgecam.launch.docker_plan import plan_from_environment
from edgecam.launch.settings import MOST_PACKED_BYTES, expanded, unpacked

NODE = {"cameras": [{"id": "lobby", "uri": "rtsp://h/ü?a=1&b={x,y};$(id)"}]}
SETTINGS = {"node": NODE, "data_dir": "/srv/frames", "docker": {"memory": "512m"}}


def packed(document: Any) -> bytes:
    return zlib.compress(json.dumps(document).encode())


def word(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


def mistake(environment: dict[str, str], folder: Path = Path("/nowhere")) -> str:
    with pytest.raises(ConfigurationError) as caught:
        expanded(environment, folder)
    (found,) = str(caught.value).splitlines()
    return found


@pytest.fixture
def stored(tmp_path: Path) -> str:
    """The name of an object, whose content is in `tmp_path`."""
    content = packed(SETTINGS)
    digest = hashlib.sha256(content).hexdigest()
    (tmp_path / f"settings-{digest}").write_bytes(content)
    return f"s3://our-artifacts/frame-grabber/settings/{digest}"


def test_settings_stand_for_each_variable_that_a_person_would_set() -> None:
    environment = expanded(
        {"EDGECAM_SETTINGS": word(packed(SETTINGS)), "TZ": "UTC", "EDGECAM_COMMAND": '["x"]'}
    )
    assert environment["TZ"] == "UTC"
    config = load_environment(environment["EDGECAM_NODE"], environment["EDGECAM_DATA_DIR"])
    assert (config.cameras[0].uri, config.data_dir) == (NODE["cameras"][0]["uri"], "/srv/frames")
    assert json.loads(environment["EDGECAM_DOCKER"]) == {"memory": "512m"}
    assert command_from_environment(environment) == []


def test_entrypoint_and_command_arrive_as_typed() -> None:
    document = SETTINGS | {"entrypoint": " [odd name] ", "command": ["", "a b", '"', "$HOME", "\n", "é"]}
    environment = expanded({"EDGECAM_SETTINGS": word(packed(document))})
    assert command_from_environment(environment) == [" [odd name] ", *document["command"]]


def test_plan_says_which_program_runs_since_a_shell_cannot_see_it() -> None:
    plain = plan_from_environment({"EDGECAM_SETTINGS": word(packed(SETTINGS))})
    assert "dir=/srv/frames" in plain
    assert not any(line.startswith("program=") for line in plain)
    other = SETTINGS | {"entrypoint": "gst-inspect-1.0"}
    assert plan_from_environment({"EDGECAM_SETTINGS": word(packed(other))})[-1] == "program=exec"


def test_container_started_by_hand_needs_no_settings() -> None:
    by_hand = {"EDGECAM_NODE": "{}"}
    assert expanded(by_hand) is by_hand
    assert expanded(by_hand | {"EDGECAM_SETTINGS": " "}) == by_hand | {"EDGECAM_SETTINGS": " "}


def test_component_without_a_configuration_says_where_it_comes_from() -> None:
    assert mistake({"EDGECAM_SETTINGS": ""}) == (
        "EDGECAM_SETTINGS: expected the settings of a site, which its deployment by edgecam's stacks has, "
        "found nothing"
    )


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (
            "{}",
            "expected letters, digits, - and _ alone, found other characters, which are not repeated here",
        ),
        ("a", "expected base64url, found a word that ends early"),
        (word(b"no zlib"), "expected compressed settings, found other bytes, or damaged ones"),
        (word(packed(SETTINGS)[:-1]), "expected whole settings, found ones that end early"),
        (word(packed(SETTINGS) + b"x"), "expected whole settings, found more behind their end"),
        (word(zlib.compress(b"{")), "expected JSON, found something else at character 1"),
        (word(packed([1])), "expected an object with node, and others of node, data_dir, docker, entrypoint"),
        (word(packed({"node": {}, "pipe": 1})), "expected an object with node"),
        (word(packed({"docker": {}})), "expected an object with node"),
        ("A" * 4001, "expected at most 4000 characters, found 4001"),
        ("s3://bucket/x", "expected s3://BUCKET/VARIANT/settings/SHA256, or settings in one word"),
        ("s3://../frame-grabber/settings/" + "0" * 64, "expected s3://BUCKET/VARIANT/settings/SHA256"),
        ("file:///etc/passwd", "expected s3://BUCKET/VARIANT/settings/SHA256"),
    ],
)
def test_damaged_settings_are_refused_in_one_sentence(given: str, said: str) -> None:
    assert mistake({"EDGECAM_SETTINGS": given}).startswith(f"EDGECAM_SETTINGS: {said}")


def test_lost_piece_is_noticed() -> None:
    noise = random.Random(1).randbytes(1500).hex()
    whole = word(packed({"node": {"cameras": [{"id": "a", "uri": f"test://?{noise}"}]}}))
    assert len(whole) > 2000
    assert "expected" in mistake({"EDGECAM_SETTINGS": whole[1000:]})
    assert "end early" in mistake({"EDGECAM_SETTINGS": whole[:1000]})


def test_bomb_of_a_gigabyte_takes_no_memory() -> None:
    deflater = zlib.compressobj(9)
    bomb = b"".join(deflater.compress(b" " * 1_000_000) for _ in range(200)) + deflater.flush()
    assert len(bomb) < MOST_PACKED_BYTES
    said, peak_bytes = measured_alone(_refusal_of, bomb)
    assert f"expected settings of at most {MOST_BYTES} bytes, found more" in said
    assert peak_bytes < 3 * MOST_BYTES


def _refusal_of(bomb: bytes) -> tuple[str, int]:
    """What is said of it, and the most bytes that were taken meanwhile."""
    tracemalloc.start()
    with pytest.raises(ConfigurationError) as refusal:
        unpacked(bomb)
    return str(refusal.value), tracemalloc.get_traced_memory()[1]


def test_object_that_was_fetched_is_read(stored: str, tmp_path: Path) -> None:
    environment = expanded({"EDGECAM_SETTINGS": stored}, tmp_path)
    assert json.loads(environment["EDGECAM_NODE"]) == NODE


def test_object_that_is_missing_names_the_command_that_fetches_it(stored: str, tmp_path: Path) -> None:
    found = mistake({"EDGECAM_SETTINGS": stored}, tmp_path / "elsewhere")
    assert "`edgecam fetch-settings`" in found
    assert found.endswith("found No such file or directory")


def test_object_with_other_content_is_refused(stored: str, tmp_path: Path) -> None:
    (path,) = tmp_path.iterdir()
    path.write_bytes(path.read_bytes()[:-4])
    assert "torn, or replaced" in mistake({"EDGECAM_SETTINGS": stored}, tmp_path)


def test_link_in_place_of_the_object_is_not_followed(stored: str, tmp_path: Path) -> None:
    (path,) = tmp_path.iterdir()
    path.rename(tmp_path / "other")
    path.symlink_to("other")
    assert "`edgecam fetch-settings`" in mistake({"EDGECAM_SETTINGS": stored}, tmp_path)
