"""The image as a file that `docker load` reads, put together from the layers that a build left as tar files.

Nothing in it depends on when or where it was made: the same layers make the same file, and the image has
the same id wherever it is loaded. The form is that of `docker save` (moby/moby, image/spec/v1.2).
"""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from container.image.docker import BuildError

CREATED = "1980-01-01T00:00:00Z"
"""When every image says that it was made: SOURCE_DATE_EPOCH of the Dockerfile."""

REBUILD_LABEL = "edgecam.rebuild"
"""Of what a rebuild makes on its way, which nobody would find in the cache again; not of the image."""

_RUNTIME = ("User", "Env", "Entrypoint", "Cmd", "Labels")
"""What the Dockerfile says of how the image runs."""

_CHUNK_BYTES = 1 << 20


def put_together(saved: Path, archive: Path, name: str) -> None:
    """Write the image `name` to `archive`.

    Args:
        saved: What `docker save` gave of the build: an image whose files are the layers, ordered by name.
        archive: The file to write, in a folder that has room for the layers as well.
        name: Under which Docker will have the image.

    Raises:
        BuildError: the build left no layers.
    """
    with tarfile.open(saved) as build:
        (manifest,) = _json(build, "manifest.json")
        found = _json(build, manifest["Config"])
        layers = sorted(_layers(build, manifest["Layers"], archive.parent))
    if not layers:
        raise BuildError(f"{name}: expected the build to leave layers as tar files, found none")
    config = _config(found, layers)
    with tarfile.open(archive, "w", format=tarfile.GNU_FORMAT) as image:
        identity = hashlib.sha256(config).hexdigest()
        _add(image, f"{identity}.json", config)
        for layer in layers:
            with layer.open("rb") as content:
                image.addfile(_entry(layer.name, layer.stat().st_size), content)
        tagged = {
            "Config": f"{identity}.json",
            "RepoTags": [name],
            "Layers": [layer.name for layer in layers],
        }
        _add(image, "manifest.json", json.dumps([tagged]).encode())


def _layers(build: tarfile.TarFile, names: Sequence[str], folder: Path) -> Iterator[Path]:
    """Yield the layers, each taken out into `folder`."""
    for name in names:
        with tarfile.open(fileobj=build.extractfile(name), mode="r:*") as files:
            for member in files:
                if member.isfile() and (content := files.extractfile(member)):
                    path = folder / Path(member.name).name
                    with path.open("wb") as layer:
                        shutil.copyfileobj(content, layer, _CHUNK_BYTES)
                    yield path


def _config(found: Mapping[str, Any], layers: Sequence[Path]) -> bytes:
    runtime = {key: found["config"][key] for key in _RUNTIME if found["config"].get(key)}
    runtime.get("Labels", {}).pop(REBUILD_LABEL, None)
    config = {
        # Its variant, as v8 of arm64, is left out: not every builder says it.
        "architecture": found["architecture"],
        "os": found["os"],
        "created": CREATED,
        "config": runtime,
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{_sha256(layer)}" for layer in layers]},
        "history": [{"created": CREATED, "created_by": f"edgecam {layer.stem}"} for layer in layers],
    }
    return json.dumps(config, sort_keys=True, separators=(",", ":")).encode()


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _json(tar: tarfile.TarFile, name: str) -> Any:
    member = tar.extractfile(name)
    if member is None:
        raise BuildError(f"expected what docker save writes, found no file {name} in it")
    return json.load(member)


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    tar.addfile(_entry(name, len(content)), io.BytesIO(content))


def _entry(name: str, size_bytes: int) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.size = size_bytes
    return entry
