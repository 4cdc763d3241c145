"""Pack a folder of a build stage as a layer of the image: the same files make the same bits.

    SOURCE_DATE_EPOCH=315532800 python3 pack.py /image /layers/1-root.tar

Builders pack layers themselves, each in a way of its own, with the times at which files and folders happened
to be written. Here every entry has one time, no name of an owner, and its place by its path.
"""

from __future__ import annotations

import os
import sys
import tarfile
from pathlib import Path


def pack(folder: Path, layer: Path, time_s: int) -> None:
    """Write all that is in `folder` to the tar file `layer`, each entry as of `time_s` (Unix time)."""
    layer.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(layer, "w", format=tarfile.GNU_FORMAT) as tar:
        for path in sorted(folder.rglob("*")):
            tar.inodes.clear()  # which of two hard links is the file would depend on the order of taking
            entry = tar.gettarinfo(path, path.relative_to(folder).as_posix())
            entry.mtime = time_s
            entry.uname = entry.gname = ""
            if entry.isfile():
                with path.open("rb") as content:
                    tar.addfile(entry, content)
            else:
                tar.addfile(entry)


if __name__ == "__main__":
    pack(Path(sys.argv[1]), Path(sys.argv[2]), int(os.environ["SOURCE_DATE_EPOCH"]))
