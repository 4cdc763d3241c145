"""Modules of tests, run by the image's own Python, GStreamer and decoders: those that users run.

The image holds no test tools, no encoders and no RTSP server, and shall not. pytest, which is Python alone,
is laid beside the program; what feeds a test and judges its outcome (test cameras, ffprobe, gst-launch with
an encoder) runs as this machine's own program on this machine's own files, out of the same container.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import uuid
from collections.abc import Iterator
from importlib.metadata import distribution
from pathlib import Path

from container.image.inputs import PROJECT

PYTHON_TOOLS = ("iniconfig", "packaging", "pluggy", "psutil", "pygments", "pytest", "pytest-rerunfailures")
STANDARD_TOOLS = ("bdb.py", "cmd.py", "code.py", "codeop.py", "pdb.py", "tomllib", "unittest")
"""What pytest needs of Python's standard library and the image does without; of this machine's Python, since
no test is about them."""
PROGRAMS = ("ffmpeg", "ffprobe", "gst-launch-1.0", "openssl", "rm", "setpriv")
MACHINE = "/machine"
"""Where this machine's root is in the container: its programs, and what tests read and write."""
FOLDERS = ("/bin", "/etc", "/lib", "/lib64", "/sbin", "/usr")
ON_MACHINE = f"""#!/usr/bin/python3
import os, sys

folder, environment = os.getcwd(), dict(os.environ)
for name in [name for name in environment if name.startswith(("GST_", "PYTHON"))]:
    del environment[name]  # the image's, or pytest's
os.chroot("{MACHINE}")
os.chdir(folder)
environment["PATH"] = "/usr/bin:/bin"
os.execve("PROGRAM", ["PROGRAM", *sys.argv[1:]], environment)
"""
"""A program of this machine, as the very process that a test started: it can be frozen and killed."""
INSIDE = """
import os, sys
from pathlib import Path
import pytest

code = pytest.main(sys.argv[2:])
for path in Path(sys.argv[1]).rglob("*"):
    os.chown(path, int(os.environ["OWNER"]), -1, follow_symlinks=False)
sys.exit(code)
"""


def run_tests(image: str, folder: Path, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run pytest with `arguments` in a container of `image`; `folder` is for what tests write, `settings` are
    further variables."""
    tools, programs, work, machine = (folder / name for name in ("tools", "programs", "work", "machine"))
    work.mkdir()
    machine.mkdir()
    _lay_out_tools(tools)
    _lay_out_programs(programs)
    variables = settings | {
        "OWNER": str(os.getuid()),
        "PATH": f"{programs}:/usr/bin",
        # Behind the image's own: what the image has, it is tested with.
        "PYTHONPATH": f"{PROJECT}:{tools}",
        "EDGECAM_TEST_PYTHON": str(programs / "python"),
        "TMPDIR": str(work),
    }
    places = [f"{PROJECT}:{PROJECT}:ro", f"{folder}:{folder}", *_places_of_machine(machine)]
    # Films are coded into the project's folder.
    places += [f"{place}:{MACHINE}{place}" for place in ("/dev", PROJECT, folder)]
    name = f"edgecam-test-{uuid.uuid4().hex[:12]}"
    options = ["--rm", "--network=host", "--ipc=host", "--user=0:0", f"--name={name}", f"--workdir={PROJECT}"]
    options += [f"--volume={place}" for place in places]
    options += [f"--env={key}={value}" for key, value in variables.items()]
    tests = ["-p", "no:cacheprovider", f"--basetemp={work / 'pytest'}", *arguments]
    inside = ["--", "python3", "-c", INSIDE, str(work), *tests]
    line = ["docker", "run", *options, "--entrypoint=tini", image, *inside]
    try:
        return subprocess.run(line, capture_output=True, text=True, check=False)
    finally:
        subprocess.run(["docker", "rm", "--force", name], capture_output=True, check=False)


def _places_of_machine(root: Path) -> Iterator[str]:
    """Volumes; what is a link on this machine is one in `root`."""
    yield f"{root}:{MACHINE}"
    for folder in map(Path, FOLDERS):
        if folder.is_symlink():
            (root / folder.name).symlink_to(folder.readlink())
        elif folder.is_dir():
            yield f"{folder}:{MACHINE}{folder}:ro"


def _lay_out_tools(folder: Path) -> None:
    for name in PYTHON_TOOLS:
        found = distribution(name)
        for file in found.files or ():
            if ".." not in file.parts and file.suffix != ".pyc":
                _copy(Path(str(found.locate_file(file))), folder / file)
    standard = Path(sysconfig.get_paths()["stdlib"])
    for name in STANDARD_TOOLS:
        _copy(standard / name, folder / name)


def _lay_out_programs(folder: Path) -> None:
    folder.mkdir()
    for name, program in {**{name: name for name in PROGRAMS}, "python": sys.executable}.items():
        path = folder / name
        path.write_text(ON_MACHINE.replace("PROGRAM", shutil.which(program) or program))
        path.chmod(0o755)


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__", "test", "tests"))
    else:
        shutil.copy2(source, target)
