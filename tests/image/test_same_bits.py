"""The same inputs make the same bits, on any machine at any time."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tarfile
import time
from pathlib import Path
from typing import Any

from engine import Ledger
from tiny_image import docker

from container.image.archive import put_together
from container.image.inputs import FRAME_GRABBER, GCS_UPLOADER, PROJECT
from container.image.stage.pack import pack

TIME_S = 315532800


def test_both_variants_built_again_side_by_side_have_the_layers_of_the_first(
    tarball: Path, uploader_image: str, docker_ledger: Ledger, tmp_path: Path
) -> None:
    """What is compiled and installed is the cache's, since it takes minutes: `--rebuild all` is for that."""
    assert uploader_image
    builds, outputs = [], {}
    for variant in (FRAME_GRABBER, GCS_UPLOADER):
        outputs[variant] = tmp_path / f"{variant}.tar.gz"
        line = [sys.executable, "container/build", "--rebuild", "picked", "--variant", variant]
        # A cache of each one's own: neither waits for the other.
        environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path / variant)}
        builds.append(
            subprocess.Popen(
                [*line, "--output", str(outputs[variant])],
                cwd=PROJECT,
                env=environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        )
    for build in builds:
        said = build.communicate()[1]
        assert build.returncode == 0, said
        assert "waiting for another build" not in said
    grabber, uploader = (layers(outputs[variant]) for variant in (FRAME_GRABBER, GCS_UPLOADER))
    assert uploader[: len(grabber)] == grabber
    assert grabber == layers(tarball)
    assert digest(outputs[FRAME_GRABBER]) == digest(tarball)
    # Others may build meanwhile.
    numbers = docker_ledger.rebuilds()
    assert len(numbers) == len(builds)
    left = docker("image", "ls", "--format", "{{.Tag}}", "edgecam/layers").splitlines()
    assert numbers & {*left, *rebuilt_stages()} == set()


def rebuilt_stages() -> set[str]:
    """The numbers of rebuilds of which Docker has a stage."""
    listed = docker("image", "ls", "--all", "--quiet", "--no-trunc", "--filter", "label=edgecam.rebuild")
    number = '{{index .Config.Labels "edgecam.rebuild"}}'
    asked = docker("image", "inspect", "--format", number, *listed.split()) if listed else ""
    return set(filter(None, asked.splitlines()))


def test_folder_is_packed_alike_whatever_its_times_and_the_order_in_which_it_was_written(
    tmp_path: Path,
) -> None:
    names = ["b/two", "a/one", "a/.hidden", "c"]
    for folder, ordered in (("first", names), ("second", names[::-1])):
        for name in ordered:
            path = tmp_path / folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(name)
            os.utime(path, (time.time(), 1_000_000 * len(folder)))
        (tmp_path / folder / "a/link").symlink_to("one")
        pack(tmp_path / folder, tmp_path / f"{folder}.tar", TIME_S)
    os.link(tmp_path / "first/c", tmp_path / "first/d")
    (tmp_path / "second/d").write_text("c")
    for folder in ("first", "second"):
        pack(tmp_path / folder, tmp_path / f"{folder}-linked.tar", TIME_S)
    assert (tmp_path / "first.tar").read_bytes() == (tmp_path / "second.tar").read_bytes()
    assert (tmp_path / "first-linked.tar").read_bytes() == (tmp_path / "second-linked.tar").read_bytes()
    with tarfile.open(tmp_path / "first.tar") as layer:
        entries = layer.getmembers()
    assert [entry.name for entry in entries] == ["a", "a/.hidden", "a/link", "a/one", "b", "b/two", "c"]
    assert {(entry.mtime, entry.uname, entry.gname) for entry in entries} == {(TIME_S, "", "")}


def test_packing_keeps_owners_and_modes(tmp_path: Path) -> None:
    spool = tmp_path / "root/spool"
    spool.mkdir(parents=True, mode=0o750)
    if os.geteuid() == 0:
        os.chown(spool, 65532, 65532)
    pack(tmp_path / "root", tmp_path / "layer.tar", TIME_S)
    with tarfile.open(tmp_path / "layer.tar") as layer:
        (entry,) = layer.getmembers()
    owner = (65532, 65532) if os.geteuid() == 0 else (os.geteuid(), os.getegid())
    assert (entry.uid, entry.gid, entry.mode) == (*owner, 0o750)


def test_image_is_the_layers_in_their_order_and_says_nothing_of_its_build(tmp_path: Path) -> None:
    made = [archive_of(tmp_path / folder, created) for folder, created in (("a", "2020"), ("b", "2021"))]
    assert made[0].read_bytes() == made[1].read_bytes()
    manifest, config = described(made[0])
    assert manifest["Layers"] == ["1-root.tar", "2-program.tar"]
    assert manifest["RepoTags"] == ["edgecam/test:1"]
    assert config["config"] == {"Cmd": ["run"], "Env": ["A=1"], "Labels": {"edgecam.content": "c"}}
    assert config["rootfs"]["diff_ids"] == [
        f"sha256:{hashlib.sha256(name.encode()).hexdigest()}" for name in manifest["Layers"]
    ]


def archive_of(folder: Path, created: str) -> Path:
    """An image of two layers, from a build that says when it was made."""
    folder.mkdir()
    for name in ("2-program.tar", "1-root.tar"):
        (folder / name).write_text(name)
    labels = {"edgecam.content": "c", "edgecam.rebuild": created}
    config = {
        "architecture": "amd64",
        "os": "linux",
        "created": created,
        "container": created,
        "config": {"Hostname": created, "Cmd": ["run"], "Env": ["A=1"], "Labels": labels},
    }
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "manifest.json").write_text(json.dumps([{"Config": "config.json", "Layers": ["layer.tar"]}]))
    with tarfile.open(folder / "layer.tar", "w") as layer:
        for name in ("2-program.tar", "1-root.tar"):
            layer.add(folder / name, name)
    with tarfile.open(folder / "saved.tar", "w") as saved:
        for name in ("layer.tar", "config.json", "manifest.json"):
            saved.add(folder / name, name)
    put_together(folder / "saved.tar", folder / "image.tar", "edgecam/test:1")
    return folder / "image.tar"


def layers(tarball: Path) -> list[str]:
    """The digests of an image's layers, from its tarball."""
    diff_ids: list[str] = described(tarball)[1]["rootfs"]["diff_ids"]
    return diff_ids


def described(tarball: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """The manifest and the configuration of the image in a tarball."""
    with tarfile.open(tarball) as image:
        (manifest,) = json.loads(content(image, "manifest.json"))
        return manifest, json.loads(content(image, manifest["Config"]))


def content(tar: tarfile.TarFile, name: str) -> bytes:
    file = tar.extractfile(name)
    assert file is not None
    return file.read()


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
