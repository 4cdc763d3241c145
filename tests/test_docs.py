"""The README holds what the code says, and what it tells people to do works."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from edgecam.cli.main import main
from fleet.bucket_parts import sites_without_writers
from fleet.load import load_fleet
from tools.settings_table import with_tables

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


def test_every_setting_and_source_stands_in_the_readme() -> None:
    assert with_tables(README) == README, "run `make docs`"


def test_the_fleets_of_the_readme_are_valid(tmp_path: Path) -> None:
    path = tmp_path / "fleet.yaml"
    found = []
    for example in blocks("yaml"):
        path.write_text(example)
        found.append(set(load_fleet(path).sites))
    assert found == [
        {"headquarters", "shops"},
        {"archive"},
        {"warehouse"},
        {"berlin-1", "berlin-2", "hamburg-1"},
    ]


def test_every_core_of_the_readme_may_store_what_it_records(tmp_path: Path) -> None:
    path = tmp_path / "fleet.yaml"
    for example in blocks("yaml"):
        path.write_text(example)
        assert sites_without_writers(load_fleet(path)) == []


def test_the_mistake_of_the_readme_reads_as_it_says(tmp_path: Path) -> None:
    quoted = re.search(
        r"^    fleet.yaml: (.*?): expected (.*?), decode, |^    (fleet\.yaml: .*)$", README, re.MULTILINE
    )
    assert quoted is not None
    beginning, _, end = quoted.group(3).partition("…")
    example = blocks("yaml")[0]
    path = tmp_path / "fleet.yaml"
    path.write_text(
        example.replace("frames: {decode: keyframes,", "max_fps: 1\n        frames: {decode: keyframes,")
    )
    with pytest.raises(Exception, match=r"frames\.max_fps\?") as caught:
        load_fleet(path)
    assert str(caught.value).startswith(beginning)
    assert str(caught.value).endswith(end.strip())


def test_relative_links_lead_somewhere() -> None:
    for paper in (
        ROOT / "README.md",
        ROOT / "CONTRIBUTING.md",
        *ROOT.glob("design/*.md"),
        ROOT / "bench/README.md",
    ):
        for target in re.findall(r"\]\(([^)#:]+)\)", paper.read_text(encoding="utf-8")):
            assert (paper.parent / target).exists(), f"{paper.name} links to {target}"


def test_named_make_targets_exist() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    papers = README + (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    targets = set(re.findall(r"(?:`|^    )make ([a-z]+)", papers, re.MULTILINE))
    assert {"run", "test"} <= targets
    for target in targets:
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), f"make {target} is no target"


def test_named_programs_and_options_exist(capsys: pytest.CaptureFixture[str]) -> None:
    commands = set(re.findall(r"edgecam (probe|frame|check|run)\b", README))
    assert "probe" in commands
    for command in commands:
        with pytest.raises(SystemExit) as caught:
            main([command, "--help"])
        assert caught.value.code == 0
    with pytest.raises(SystemExit):
        main(["probe", "--help"])
    said = capsys.readouterr().out
    for option in re.findall(r"edgecam probe .*", README)[0].split():
        assert not option.startswith("--") or option in said


@pytest.fixture
def frame_folder(tmp_path: Path) -> Path:
    """A folder as a node leaves it, with the picture of a node that runs."""
    node = tmp_path / "node.yaml"
    node.write_text(json.dumps({"cameras": [{"id": "lobby", "uri": "test://"}], "http": {"enabled": False}}))
    process = subprocess.Popen(
        [sys.executable, "-m", "edgecam", "run", "--config", str(node), "--data-dir", str(tmp_path)],
        stderr=subprocess.DEVNULL,
    )
    folder = tmp_path / "lobby"
    try:
        for _ in range(200):
            if (folder / "frame.jpg").exists() and (folder / "frame.json").exists():
                break
            try:
                process.wait(0.1)
            except subprocess.TimeoutExpired:
                continue
            raise AssertionError("the node ended before its first picture")
    finally:
        process.terminate()
        process.wait(10)
    return folder


def test_the_python_reader_of_the_readme_works(frame_folder: Path) -> None:
    (snippet,) = blocks("python")
    names: dict[str, object] = {}
    exec(snippet.replace("/dev/shm/edgecam/lobby", str(frame_folder)), names)
    picture = names["picture"]
    assert isinstance(picture, bytes)
    assert picture.startswith(b"\xff\xd8")
    assert picture.endswith(b"\xff\xd9")


def test_the_shell_reader_of_the_readme_works(frame_folder: Path, tmp_path: Path) -> None:
    (snippet,) = blocks("sh")
    copy = tmp_path / "picture.jpg"
    script = snippet.replace("/dev/shm/edgecam/lobby", str(frame_folder)).replace(
        "/tmp/picture.jpg", str(copy)
    )
    subprocess.run(["sh", "-euc", script], check=True)
    assert copy.read_bytes() == (frame_folder / "frame.jpg").read_bytes()
