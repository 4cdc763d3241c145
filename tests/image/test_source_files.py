"""Other people's checkouts: what their tools leave behind and change decides no version."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from container.image.context import write_context
from container.image.inputs import GCS_UPLOADER, PROJECT, VARIANTS, image_hash, input_files
from stacks.functions import code
from stacks.functions.code import HANDLERS, FunctionCode
from stacks.functions.packing import FUNCTIONS, content_hash

LEFT_BEHIND = (
    ".DS_Store",
    "._main.py",
    ".#main.py",
    "#main.py#",
    "main.py~",
    "main~.py",
    "main.orig.py",
    "main (copy).py",
    "main copy.py",
    "main.sync-conflict-20261130-081500-ABCDEFG.py",
    "main.py.rej",
    "Thumbs.db",
    "__pycache__/main.py",
)


def copy_with_other_line_ends(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(source.read_bytes().replace(b"\n", b"\r\n"))


def leave_behind(folder: Path) -> None:
    """What file managers, editors, merges and synchronizers leave in each folder below `folder`."""
    for each in [folder, *(path for path in folder.rglob("*") if path.is_dir())]:
        for name in LEFT_BEHIND:
            (each / name).parent.mkdir(exist_ok=True)
            (each / name).write_text("left behind\n")


@pytest.fixture
def others_checkout(tmp_path: Path) -> Path:
    """All that images and functions are made of, as a Windows checkout has it, with what tools left there."""
    checkout = tmp_path / "checkout"
    for _, path in input_files(GCS_UPLOADER):
        copy_with_other_line_ends(path, checkout / path.relative_to(PROJECT))
    for path in HANDLERS.rglob("*.py"):
        copy_with_other_line_ends(path, checkout / path.relative_to(PROJECT))
    copy_with_other_line_ends(PROJECT / "uv.lock", checkout / "uv.lock")
    leave_behind(checkout / "container" / "edgecam")
    leave_behind(checkout / "stacks" / "handlers")
    return checkout


@pytest.mark.parametrize("variant", VARIANTS)
def test_image_is_the_same_from_a_checkout_with_other_line_ends_and_leftovers(
    others_checkout: Path, tmp_path: Path, variant: str
) -> None:
    assert image_hash(variant, "amd64", project=others_checkout) == image_hash(variant, "amd64")
    contexts = [tmp_path / "ours", tmp_path / "theirs"]
    for context, project in zip(contexts, (PROJECT, others_checkout), strict=True):
        context.mkdir()
        write_context(context, variant, project)
    ours, theirs = (
        {path.relative_to(context): path.read_bytes() for path in context.rglob("*") if path.is_file()}
        for context in contexts
    )
    assert ours == theirs


def test_functions_are_the_same_from_a_checkout_with_other_line_ends_and_leftovers(
    others_checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rooms = sorted(path.parent.name for path in HANDLERS.glob("*/__init__.py"))
    hashes = {name: content_hash(function) for name, function in FUNCTIONS.items()}
    for room in rooms:
        FunctionCode(module=f"{room}.any").write(tmp_path / "ours" / room)
    monkeypatch.setattr(code, "HANDLERS", others_checkout / "stacks" / "handlers")
    assert {name: content_hash(function) for name, function in FUNCTIONS.items()} == hashes
    for room in rooms:
        FunctionCode(module=f"{room}.any").write(tmp_path / "theirs" / room)
    ours, theirs = (
        {path.relative_to(tree): path.read_bytes() for path in tree.rglob("*") if path.is_file()}
        for tree in (tmp_path / "ours", tmp_path / "theirs")
    )
    assert ours == theirs


def test_checkout_has_our_line_ends_whatever_git_is_set_to(tmp_path: Path) -> None:
    checkout = tmp_path / "checkout"
    subprocess.run(
        ["git", "clone", "--quiet", "--config", "core.autocrlf=true", PROJECT.as_uri(), checkout],
        check=True,
        capture_output=True,
    )
    listed = subprocess.run(
        ["git", "-C", checkout, "ls-files", "--eol"], check=True, capture_output=True, text=True
    ).stdout
    assert [line for line in listed.splitlines() if "w/crlf" in line or "w/mixed" in line] == []
