"""Settings travel byte for byte: through a shell without quotes, whatever they hold, and nothing is run."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from edgecam.launch.command_override import command_from_environment
from edgecam.launch.settings import PIECE_CHARACTERS, PIECES, expanded
from fleet.component_settings import configuration, pack

SHELLS = ("dash", "bash")
EVIL = (
    "$(touch run)",
    "`touch run`",
    ";touch run;",
    "&& touch run",
    "| touch run",
    "file:///x;>run",
    "<in",
    "{a,b}",
    "${HOME}",
    "$HOME",
    "rtsp://h/s?a=1&b=2",
    'caps="video/x-raw, a=$B"',
    "😀\u200b",
    *"'\"\\ \n\t\r\x7f*?~#!%=&[]éü",
)
TEXT = st.lists(st.one_of(st.sampled_from(EVIL), st.text()), max_size=6).map("".join)
ENCODABLE = TEXT.map(lambda text: text.encode("utf-8", "replace").decode())
DOCUMENTS = st.fixed_dictionaries(
    {
        "node": st.dictionaries(
            ENCODABLE, st.one_of(ENCODABLE, st.integers(), st.lists(ENCODABLE)), max_size=5
        )
    },
    optional={"data_dir": ENCODABLE, "command": st.lists(ENCODABLE.filter(lambda it: "\0" not in it))},
)


def in_unquoted_variable(shell: str, word: str, folder: Path) -> str:
    """What a component sees of a word that Nucleus Lite 2.6.0 writes into its script."""
    script = folder / "script"
    script.write_text(f'export EDGECAM_SETTINGS={word}\nprintf %s "$EDGECAM_SETTINGS"\n')
    program = shutil.which(shell)
    assert program is not None, f"{shell} is not installed"
    done = subprocess.run([program, str(script)], cwd=folder, capture_output=True, check=False)
    return done.stdout.decode()


@pytest.mark.parametrize("shell", SHELLS)
def test_settings_arrive_as_they_were_sent_and_nothing_of_them_is_run(shell: str, tmp_path: Path) -> None:
    @hypothesis_settings(max_examples=100, deadline=None)
    @given(document=DOCUMENTS)
    def arrives(document: dict[str, Any]) -> None:
        pieces = pack(document).pieces()
        assert pieces is not None
        word = "".join(configuration(pieces)["settings"].values())
        found = in_unquoted_variable(shell, word, tmp_path)
        environment = expanded({"EDGECAM_SETTINGS": found})
        assert json.loads(environment["EDGECAM_NODE"]) == document["node"]
        assert environment.get("EDGECAM_DATA_DIR") == document.get("data_dir")
        assert command_from_environment(environment) == document.get("command", [])
        assert [path.name for path in tmp_path.iterdir()] == ["script"]

    arrives()


@pytest.mark.parametrize("shell", SHELLS)
def test_json_itself_would_not_arrive(shell: str, tmp_path: Path) -> None:
    """What the test above guards against: the former way, in the same variable."""
    text = json.dumps({"uri": "file:///x;>run", "b": [1, 2]}, separators=(",", ":"))
    word = text.replace('"', '\\"')
    assert in_unquoted_variable(shell, word, tmp_path) != word
    assert any(path.name.startswith("run") for path in tmp_path.iterdir())


def test_same_settings_are_the_same_bytes_on_every_machine() -> None:
    """Other bytes would deploy every site again from another machine."""
    node = {"cameras": [{"id": "lobby", "uri": "rtsp://192.0.2.10/1", "frames": {"max_fps": 2.0}}]}
    one = pack({"node": node, "data_dir": "/dev/shm/edgecam"})
    assert one == pack({"data_dir": "/dev/shm/edgecam", "node": node})
    assert one.hash == "6349d0f3224cb1dcc2b76327a6db81f1cdaf1737e6197a2cf87ac05ce0815320"


@pytest.mark.parametrize("shell", SHELLS)
def test_name_of_an_object_arrives_too(shell: str, tmp_path: Path) -> None:
    name = f"s3://our.artifacts-1/{pack({'node': {}}).object_key('gcs-uploader')}"
    assert in_unquoted_variable(shell, name, tmp_path) == name


def test_pieces_are_short_and_what_needs_more_has_none() -> None:
    fitting = pack({"node": {"a": "".join(map(chr, range(0x100, 0x600)))}})
    pieces = fitting.pieces()
    assert pieces is not None
    assert "".join(pieces) == fitting.word
    assert all(len(piece) <= PIECE_CHARACTERS for piece in pieces)
    assert list(configuration(pieces)["settings"]) == ["0", "1", "2", "3"]
    assert pack({"node": {"a": "".join(map(chr, range(0x100, 0x1400)))}}).pieces() is None
    assert configuration(())["settings"] == dict.fromkeys("0123", "")
    assert PIECES == 4
