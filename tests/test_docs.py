"""README and `docs/` hold what the code says, and what they tell people to do works."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from typed_commands import commands, run_by_tests

from edgecam import __version__
from edgecam.cli.main import main
from edgecam.config.camera import Camera
from edgecam.config.load import load_environment
from edgecam.config.validation import validate
from fleet.bucket_parts import sites_without_writers
from fleet.load import load_fleet
from fleet.settings.fleet import Fleet
from sandbox.ports import free_port
from tools.settings_table import made

ROOT = Path(__file__).parent.parent
PAGES = {
    path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8")
    for path in (ROOT / "README.md", *sorted(ROOT.glob("docs/*.md")))
}
"""What a user reads, by path."""
PAPERS = [
    ROOT / "CONTRIBUTING.md",
    ROOT / "bench/README.md",
    *ROOT.glob("design/*.md"),
    *map(ROOT.joinpath, PAGES),
]
ALL = "\n".join(PAGES.values())

FLEETS = {
    "README.md": [{"headquarters"}],
    "docs/cameras.md": [{"headquarters", "shops"}, {"depot"}],
    "docs/consumer.md": [{"headquarters"}],
    "docs/fleets.md": [{"berlin-1", "berlin-2", "hamburg-1"}],
    "docs/moving-from-kvs-edge-agent.md": [{"warehouse"}],
    "docs/moving-from-panorama.md": [{"entrance"}],
    "docs/moving-from-the-greengrass-frame-grabber.md": [{"my-core"}, {"bench"}],
    "docs/recording.md": [{"archive"}],
    "docs/status.md": [{"warehouse"}],
    "docs/watching.md": [{"shop"}],
}
"""The sites of each fleet that a page shows."""


NEEDS_MORE = re.compile(
    r"(aws|gcloud|npx|edgecam-fleet diff)\b|THING="  # an account
    r"|make (run|test)$|tools/install|source"  # what CI does with a new machine
    r"|sudo chown|make keys|export"  # of what another command is run with
)
"""What no test types: it needs an account, the whole machine, or belongs to another command."""


def blocks(page: str, language: str) -> list[str]:
    """The code of `language` in `page`; a block within a list is indented."""
    found = re.finditer(rf"^( *)```{language}\n(.*?)^\1```", PAGES[page], re.MULTILINE | re.DOTALL)
    return [re.sub(rf"^{match[1]}", "", match[2], flags=re.MULTILINE) for match in found]


def targets(text: str) -> list[str]:
    """Where the links and pictures of a page lead."""
    without_code = re.sub(r"^```.*?^```|`[^`\n]*`", "", text, flags=re.MULTILINE | re.DOTALL)
    return re.findall(r"\]\(([^()\s]+)\)", without_code) + re.findall(r' src(?:set)?="([^"]+)"', without_code)


def test_the_readme_has_a_picture_of_the_system_and_one_of_the_page() -> None:
    pictures = {target for target in targets(PAGES["README.md"]) if target.startswith("docs/images/")}
    assert pictures >= {"docs/images/system.svg", "docs/images/page-light.png", "docs/images/page-dark.png"}


def anchors(text: str) -> set[str]:
    """The places of a page that a link may name, as a forge makes them of its headings."""
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_tables_are_those_of_the_models() -> None:
    for path, text in made().items():
        assert path.read_text(encoding="utf-8") == text, f"{path.name}: run `make docs`"


def settings_of(schema: dict[str, object]) -> Iterator[str]:
    """The keys of each model within the schema of another."""
    models = [schema, *dict(schema["$defs"]).values()]  # type: ignore[call-overload]
    for model in models:
        yield from model.get("properties", {})


def test_every_setting_is_documented() -> None:
    rows = re.findall(
        r"^\| `([^`]+)` \|", PAGES["docs/settings.md"] + PAGES["docs/settings-account.md"], re.MULTILINE
    )
    headings = re.findall(
        r"^## .*`([^`]+)`$", PAGES["docs/settings.md"] + PAGES["docs/settings-account.md"], re.MULTILINE
    )
    known = {part for name in [*rows, *headings] for part in re.findall(r"\w+", name)}
    asked = set(settings_of(Fleet.model_json_schema()))
    assert len(asked) > 100
    assert sorted(asked - known) == []


def test_pages_are_short_enough_to_be_read() -> None:
    sizes = {path: len(text.encode()) for path, text in PAGES.items()}
    limits = {path: 10_000 if path == "README.md" else 16_000 for path in PAGES}
    assert {path: size for path, size in sizes.items() if size > limits[path]} == {}


def test_the_readme_leads_to_every_page() -> None:
    assert {path for path in PAGES if path != "README.md"} <= set(targets(PAGES["README.md"]))


@pytest.mark.parametrize("paper", PAPERS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(paper: Path) -> None:
    for target in targets(paper.read_text(encoding="utf-8")):
        if re.match(r"https?://", target):
            continue
        name, _, anchor = target.partition("#")
        path = (paper.parent / name).resolve() if name else paper
        assert path.exists(), f"{paper.name} links to {target}"
        if anchor:
            assert anchor in anchors(path.read_text(encoding="utf-8")), f"{paper.name} links to {target}"


def test_pages_name_the_images_of_this_trees_release_as_a_fleet_takes_them(tmp_path: Path) -> None:
    named = re.findall(r"REGISTRY/NAME/frame-grabber:(\d+\.\d+\.\d+)", ALL)
    assert {"README.md", "docs/container.md", "docs/fleets.md"} <= {
        page for page, text in PAGES.items() if "REGISTRY/NAME/frame-grabber:" in text
    }
    assert set(named) == {__version__}
    (image,) = re.findall(r"`(image: \{released: .*?)`", PAGES["docs/fleets.md"])
    path = tmp_path / "fleet.yaml"
    text = image.replace("…", "a1" * 32).replace("REGISTRY/NAME", "registry.example/acme")
    path.write_text(f'sites: {{a: {{thing: c, cameras: [{{id: a, uri: "test://"}}]}}}}\n{text}\n')
    assert load_fleet(path).image.release_of("frame-grabber") is not None


def test_every_fleet_that_is_shown_is_valid_and_may_store_what_it_records(tmp_path: Path) -> None:
    path = tmp_path / "fleet.yaml"
    found = {}
    for page in PAGES:
        fleets = []
        for example in blocks(page, "yaml"):
            path.write_text(example)
            fleets.append(load_fleet(path))
        if fleets:
            found[page] = [set(fleet.sites) for fleet in fleets]
        assert [sites_without_writers(fleet) for fleet in fleets] == [[]] * len(fleets), page
    assert found == FLEETS


def test_every_node_configuration_that_is_shown_is_valid() -> None:
    shown = re.findall(r"EDGECAM_NODE='([^']+)'", ALL)
    assert shown
    for node in shown:
        assert load_environment(node, None).cameras


def test_every_source_that_is_shown_is_one() -> None:
    page = (
        PAGES["docs/moving-from-the-greengrass-frame-grabber.md"]
        + PAGES["docs/moving-from-kvs-edge-agent.md"]
    )
    makers = re.findall(r"`(rtsps?://HOST[^`]*)`", PAGES["docs/cameras.md"])
    shown = re.findall(r"`uri: ([a-z]+:[^`\"]+)`", page)
    assert len(makers) > 10
    assert len(shown) > 2
    for uri in [*shown, *makers]:
        camera: dict[str, object] = {"id": "shown", "uri": uri.replace("HOST", "10.0.0.21")}
        if "{password}" in uri:
            camera["credentials"] = {"secret": "cameras/shown"}
        assert validate(Camera, camera).uri


def test_the_mistake_that_is_shown_reads_as_it_says(tmp_path: Path) -> None:
    quoted = re.search(r"^    (fleet\.yaml: .*)$", PAGES["docs/cameras.md"], re.MULTILINE)
    assert quoted is not None
    beginning, _, end = quoted[1].partition("…")
    example = blocks("docs/cameras.md", "yaml")[0]
    path = tmp_path / "fleet.yaml"
    path.write_text(
        example.replace("frames: {decode: keyframes,", "max_fps: 1\n        frames: {decode: keyframes,")
    )
    with pytest.raises(Exception, match=r"frames\.max_fps\?") as caught:
        load_fleet(path)
    assert str(caught.value).startswith(beginning)
    assert str(caught.value).endswith(end.strip())


def test_named_make_targets_exist() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    papers = ALL + (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    named = set(re.findall(r"(?:`|^    )make ([a-z]+)", papers, re.MULTILINE))
    assert {"run", "test"} <= named
    for target in named:
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), f"make {target} is no target"


def test_each_command_is_run_by_a_test_or_needs_more_than_one_machine() -> None:
    run = list(run_by_tests())
    found = {(page, line) for page in PAGES for line in commands(page)}
    assert len(found) > 40
    left_out = {
        (page, line)
        for page, line in found
        if not any(
            page == of and line.startswith(beginning) and all(word in line for word in within)
            for of, beginning, *within in run
        )
    }
    assert sorted(each for each in left_out if not NEEDS_MORE.match(each[1])) == []
    for of, beginning, *_ in run:
        assert any(page == of and line.startswith(beginning) for page, line in found), f"{of}: {beginning}"


def test_deployed_stacks_are_those_of_the_app() -> None:
    app = (ROOT / "app.py").read_text(encoding="utf-8")
    kinds = set(re.findall(r'names\.stack\("(\w+)"\)', app))
    named = set(re.findall(r"cdk deploy '?Edgecam(\w+)", ALL))
    assert {"FrameGrabber", "GcsUploader", "Watch"} <= named <= kinds


def test_what_is_installed_without_apt_is_what_the_installer_installs() -> None:
    by_hand = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    installer = (ROOT / "tools/install").read_text(encoding="utf-8")
    for words in (
        "--require-hashes -r tools/uv.txt",
        "export --quiet --frozen --no-emit-project --all-groups --all-extras",
        "--no-deps --no-build-isolation -e .",
        "npm ci --no-audit --no-fund",
        "python -P -m fleet.command",
        "-m venv --system-site-packages",
    ):
        assert words in by_hand, words
        assert words.replace("python -P", 'python" -P') in installer or words in installer, words


def options_of(command: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """What `edgecam COMMAND --help` says."""
    with pytest.raises(SystemExit) as caught:
        main([*command, "--help"])
    assert caught.value.code == 0
    return capsys.readouterr().out


def test_named_programs_and_options_exist(capsys: pytest.CaptureFixture[str]) -> None:
    named = re.findall(r"\bedgecam (probe|frame|check|run|ingest)\b([^`\n]*)", ALL)
    assert {"probe", "run", "ingest"} <= {command for command, _ in named}
    for command, rest in named:
        known = options_of([command], capsys)
        for option in re.findall(r"(?<!\S)--[a-z_-]+", rest):
            assert option in known, f"edgecam {command} has no {option}"


def test_what_the_installer_and_the_build_are_asked_for_exists() -> None:
    installer = (ROOT / "tools/install").read_text(encoding="utf-8")
    for purpose in set(re.findall(r"tools/install ([a-z]+)", ALL)):
        assert f"tools/install {purpose} " in installer, f"tools/install knows no {purpose}"
    builder = subprocess.run(
        [sys.executable, ROOT / "container/build", "--help"], capture_output=True, text=True, check=True
    ).stdout
    for options in re.findall(r"container/build((?: --?[a-z-]+(?: [a-z0-9-]+)?)+)", ALL):
        for option in re.findall(r"--[a-z-]+", options):
            assert option in builder, f"container/build has no {option}"


def shape(line: str) -> str:
    """A line of the log without what differs from run to run."""
    line = re.sub(r"^\S+Z ", "", line)
    return re.sub(r"\d+x\d+|localhost:\d+|edgecam \S+,|pictures in \S+", "…", line)


def test_a_good_start_is_logged_as_the_page_shows(tmp_path: Path) -> None:
    page = PAGES["docs/troubleshooting.md"].partition("## A good start")[2].partition("\n## ")[0]
    shown = [line.strip() for line in page.split("With recording")[0].splitlines() if "Z INFO " in line]
    cameras = sorted(set(re.findall(r"camera ([a-z]+): delivering", "\n".join(shown))))
    assert len(cameras) == 2
    node = {
        "cameras": [{"id": name, "uri": "test://"} for name in cameras],
        "http": {"port": free_port()},
        "data_dir": str(tmp_path),
    }
    command = [sys.executable, "-m", "edgecam", "run"]
    logged: set[str] = set()
    with subprocess.Popen(
        command, env=os.environ | {"EDGECAM_NODE": json.dumps(node)}, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stderr is not None
            while len(logged) < len(shown) and (line := process.stderr.readline()):
                logged.add(shape(line.strip()))
        finally:
            process.terminate()
    assert logged == set(map(shape, shown))


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


def test_the_python_reader_works(frame_folder: Path) -> None:
    (snippet,) = blocks("docs/frames.md", "python")
    names: dict[str, object] = {}
    exec(snippet.replace("/dev/shm/edgecam/lobby", str(frame_folder)), names)
    picture = names["picture"]
    assert isinstance(picture, bytes)
    assert picture.startswith(b"\xff\xd8")
    assert picture.endswith(b"\xff\xd9")


def test_the_shell_reader_works(frame_folder: Path, tmp_path: Path) -> None:
    (snippet,) = blocks("docs/frames.md", "sh")
    copy = tmp_path / "picture.jpg"
    script = snippet.replace("/dev/shm/edgecam/lobby", str(frame_folder)).replace(
        "/tmp/picture.jpg", str(copy)
    )
    subprocess.run(["sh", "-euc", script], check=True)
    assert copy.read_bytes() == (frame_folder / "frame.jpg").read_bytes()
