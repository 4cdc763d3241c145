"""What the image promises to those who run it, tried with the image itself."""

from __future__ import annotations

import gzip
import io
import json
import os
import subprocess
import tarfile
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from container.image.elements import elements, listed
from container.image.inputs import PROJECT

Run = Callable[..., subprocess.CompletedProcess[str]]

SIZE_TARGET_BYTES = 80_000_000
TARBALL_TARGET_BYTES = 60_000_000
LOCKED_DOWN = ("--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges", "--network=none")
DECLARED = tomllib.loads((PROJECT / "container/image/stage/frame-grabber.toml").read_text(encoding="utf-8"))
ELEMENTS = [name for elements in DECLARED["plugins"].values() for name in elements]
PICTURES = 30


@pytest.fixture(scope="module")
def members(image: str) -> dict[str, tuple[tarfile.TarInfo, bytes]]:
    """Every file of the image by path, with the content of those below /etc, /usr/bin and /var."""
    container = _docker("create", image).strip()
    try:
        exported = subprocess.run(["docker", "export", container], capture_output=True, check=True).stdout
    finally:
        _docker("rm", container)
    return dict(_members(exported))


@pytest.fixture
def shared(tmp_path: Path) -> Path:
    """A folder that anybody may write into, to be mounted."""
    tmp_path.chmod(0o777)
    for parent in (tmp_path.parent, tmp_path.parent.parent):
        parent.chmod(parent.stat().st_mode | 0o011)  # pytest makes these for its own user alone
    return tmp_path


def test_the_image_runs_unprivileged_by_default(run: Run) -> None:
    program = "import os; print(os.getuid(), os.getgid(), 0 not in os.getgroups())"
    asked = run("python3", "-c", program, options=())
    assert asked.stdout == "65532 65532 True\n"


@pytest.mark.parametrize("user", ["65532:65532", "1000:1000", "12345:54321", "0:0"])
def test_any_user_may_run_it_locked_down(run: Run, user: str) -> None:
    program = (
        "import os, gi; gi.require_version('Gst', '1.0'); from gi.repository import Gst; Gst.init(None);"
        "import awsiot.greengrasscoreipc, botocore, paho.mqtt.client, prometheus_client, pydantic, yaml;"
        "import edgecam.config;"
        "print(f'{os.getuid()}:{os.getgid()}', Gst.ElementFactory.make('rtspsrc') is not None)"
    )
    asked = run("python3", "-W", "error", "-c", program, options=(*LOCKED_DOWN, f"--user={user}"))
    assert asked.stdout.split() == [user, "True"], asked.stderr


def test_every_element_the_program_needs_can_be_inspected(run: Run) -> None:
    asked = run("python3", "-c", _INSPECT_EACH, *ELEMENTS)
    assert asked.returncode == 0, asked.stderr
    assert asked.stdout.split() == []


def test_elements_that_a_pipeline_may_name_are_those_of_the_image(run: Run) -> None:
    """`docker run --rm IMAGE gst-inspect-1.0 | python -m container.image.elements` writes the list again."""
    assert elements() == tuple(listed(run("gst-inspect-1.0").stdout))


def test_inspecting_an_element_that_is_not_there_says_so(run: Run) -> None:
    asked = run("python3", "-c", _INSPECT_EACH, "queue", "x264enc")
    assert asked.stdout.split() == ["x264enc"]


def test_gst_inspect_is_an_entrypoint(image: str) -> None:
    line = ["docker", "run", "--rm", *LOCKED_DOWN, "--entrypoint", "gst-inspect-1.0", image, "avdec_h264"]
    asked = subprocess.run(line, capture_output=True, text=True, check=False)
    assert asked.returncode == 0, asked.stderr
    assert "libav H.264" in asked.stdout


def test_gst_launch_as_entrypoint_writes_pictures_into_a_mounted_folder(image: str, shared: Path) -> None:
    pipeline = (
        f"videotestsrc num-buffers={PICTURES} ! video/x-raw,width=320,height=240,framerate=30/1 ! "
        "videoconvert ! jpegenc ! multifilesink location=/frames/%03d.jpg"
    )
    done = _launch(image, shared, pipeline, user="12345:54321")
    assert done.returncode == 0, done.stderr
    pictures = sorted(shared.glob("*.jpg"))
    assert len(pictures) == PICTURES
    assert all(_is_whole_jpeg(picture) for picture in pictures)
    assert {picture.stat().st_uid for picture in pictures} == {12345}


@pytest.mark.parametrize(
    ("encoder", "file", "decode"),
    [
        ("libx264", "camera.mp4", "qtdemux ! h264parse ! avdec_h264"),
        ("libx264", "camera.mkv", "matroskademux ! h264parse ! avdec_h264"),
        ("libx264", "camera.ts", "tsdemux ! h264parse ! avdec_h264"),
        ("libx264", "camera.flv", "flvdemux ! h264parse ! avdec_h264"),
        ("libx264", "camera.mp4", "decodebin"),
        ("libx265", "camera.mp4", "qtdemux ! h265parse ! avdec_h265"),
        ("mjpeg", "camera.avi.mkv", "matroskademux ! jpegparse ! avdec_mjpeg"),
        ("mjpeg", "camera.mkv", "matroskademux ! jpegparse ! jpegdec"),
    ],
)
def test_what_cameras_and_files_send_is_decoded(
    image: str, shared: Path, encoder: str, file: str, decode: str
) -> None:
    _record(shared / file, encoder)
    pipeline = (
        f"filesrc location=/frames/{file} ! {decode} ! videoconvert ! jpegenc ! "
        "multifilesink location=/frames/%03d.jpg"
    )
    done = _launch(image, shared, pipeline)
    assert done.returncode == 0, done.stderr
    pictures = sorted(shared.glob("*.jpg"))
    assert len(pictures) == PICTURES
    assert all(_is_whole_jpeg(picture) for picture in pictures)


def test_decoded_pictures_show_what_was_filmed(image: str, shared: Path) -> None:
    _record(shared / "camera.mp4", "libx264", picture="color=red:size=64x64:rate=30")
    pipeline = (
        "filesrc location=/frames/camera.mp4 ! qtdemux ! h264parse ! avdec_h264 ! videoconvert ! "
        "video/x-raw,format=RGB ! multifilesink location=/frames/%03d.rgb"
    )
    assert _launch(image, shared, pipeline).returncode == 0
    red, green, blue = (shared / "000.rgb").read_bytes()[:3]
    assert red > 200
    assert max(green, blue) < 50


def test_tls_is_there_for_rtsps_cameras(run: Run) -> None:
    program = (
        "import gi; gi.require_version('Gio', '2.0'); from gi.repository import Gio;"
        "backend = Gio.TlsBackend.get_default();"
        "print(backend.supports_tls(), type(backend.get_default_database()).__name__)"
    )
    asked = run("python3", "-c", program)
    assert asked.stdout.split() == ["True", "GTlsDatabaseGnutls"], asked.stderr


def test_aws_is_trusted_through_the_same_authorities_as_cameras(run: Run) -> None:
    program = (
        "import botocore, pathlib; print(pathlib.Path(botocore.__file__).with_name('cacert.pem').resolve())"
    )
    assert run("python3", "-c", program).stdout.strip() == "/etc/ssl/certs/ca-certificates.crt"


def test_buckets_and_brokers_are_trusted_through_them_too(run: Run) -> None:
    program = "import ssl; print(len(ssl.create_default_context().get_ca_certs()))"
    assert int(run("python3", "-c", program).stdout) > 100


def test_the_secrets_client_can_be_made(run: Run) -> None:
    program = (
        "from botocore.session import Session;"
        "client = Session().create_client('secretsmanager', region_name='eu-central-1');"
        "print(client.meta.endpoint_url)"
    )
    asked = run("python3", "-c", program)
    assert asked.stdout.strip() == "https://secretsmanager.eu-central-1.amazonaws.com", asked.stderr


@pytest.mark.parametrize(
    ("algorithm", "made"),
    [
        ("RS256", "genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048"),
        ("RS256", "genrsa -traditional 2048"),
        ("ES256", "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256"),
        ("ES256", "ecparam -name prime256v1 -genkey"),
    ],
)
def test_tokens_of_devices_can_be_signed(image: str, algorithm: str, made: str) -> None:
    key = subprocess.run(["openssl", *made.split()], capture_output=True, text=True, check=True).stdout
    program = (
        "import sys; from edgecam.cloud_iot.private_key import parse_signing_key as parse;"
        "key = parse(sys.stdin.read(), 'standard input'); print(key.algorithm, len(key.sign(b'words')))"
    )
    line = [
        "docker",
        "run",
        "--rm",
        "--interactive",
        *LOCKED_DOWN,
        image,
        "python3",
        "-W",
        "error",
        "-c",
        program,
    ]
    asked = subprocess.run(line, input=key, capture_output=True, text=True, check=False)
    assert asked.stdout.split() == [algorithm, {"RS256": "256", "ES256": "64"}[algorithm]], asked.stderr


@pytest.mark.parametrize(("zone", "names"), [("Asia/Tokyo", ["JST", "JST"]), ("UTC", ["UTC", "UTC"])])
def test_the_time_zone_is_the_one_asked_for(run: Run, zone: str, names: list[str]) -> None:
    asked = run(
        "python3", "-c", "import time; print(*time.tzname)", options=(*LOCKED_DOWN, f"--env=TZ={zone}")
    )
    assert asked.stdout.split() == names


def test_nothing_is_written_into_the_image_at_start(image: str) -> None:
    program = "import edgecam.gstreamer.gst as door; assert door.make('rtspsrc'); import edgecam.config"
    container = _docker("create", "--user=0:0", image, "python3", "-c", program).strip()
    try:
        _docker("start", "--attach", container)
        assert _docker("diff", container) == ""
    finally:
        _docker("rm", "--force", container)


def test_the_image_is_small(image: str, tarball: Path) -> None:
    assert int(_docker("image", "inspect", "--format", "{{.Size}}", image)) <= SIZE_TARGET_BYTES
    assert tarball.stat().st_size <= TARBALL_TARGET_BYTES


def test_the_image_tells_its_variant_and_content(image: str) -> None:
    labels = json.loads(_docker("image", "inspect", "--format", "{{json .Config.Labels}}", image))
    assert labels["edgecam.variant"] == "frame-grabber"
    assert image.endswith(":" + labels["edgecam.content"][:12])


def test_an_init_stands_before_the_program(image: str) -> None:
    config = json.loads(_docker("image", "inspect", "--format", "{{json .Config}}", image))
    assert config["Entrypoint"] == ["tini", "--", "edgecam-entrypoint"]
    assert config["Cmd"] == ["edgecam", "run"]


def test_no_file_gives_its_user_more_rights(members: dict[str, tuple[tarfile.TarInfo, bytes]]) -> None:
    assert [name for name, (member, _) in members.items() if member.mode & 0o6000] == []


def test_only_the_temporary_folder_is_open_to_all(
    members: dict[str, tuple[tarfile.TarInfo, bytes]],
) -> None:
    # Docker itself adds the mount points dev, proc, sys and a few empty files in etc.
    own = {
        name: member for name, (member, _) in members.items() if not name.startswith(("dev", "proc", "sys"))
    }
    assert [name for name, member in own.items() if not member.issym() and member.mode & 0o002] == ["tmp"]


def test_there_is_no_shell(members: dict[str, tuple[tarfile.TarInfo, bytes]]) -> None:
    programs = {name.removeprefix("usr/bin/") for name in members if name.startswith("usr/bin/")}
    ours = {"edgecam", "edgecam-entrypoint"}
    assert programs == ours | {"gst-inspect-1.0", "gst-launch-1.0", "python3", "python3.13", "tini"}


def test_nothing_is_repeated_of_arguments_that_are_no_program(run: Run) -> None:
    """As the forerunner's container was started, which had the private key as its first argument."""
    key = "-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMGByqGSM49AgEG\n-----END PRIVATE KEY-----\n"
    refused = run(key, "rtsp://guard:hush@10.0.0.21/1", "door", "DISPENSER", options=())
    assert refused.returncode == 2
    assert "expected a program of this image" in refused.stderr
    for secret in ("PRIVATE KEY-----", "MIGHAgEA", "hush"):
        assert secret not in refused.stderr + refused.stdout


def test_every_package_brings_its_licence(members: dict[str, tuple[tarfile.TarInfo, bytes]]) -> None:
    database = "var/lib/dpkg/status.d/"
    packages = {name.removeprefix(database) for name in members if name.startswith(database)}
    assert {"libc6", "libavcodec61", "gstreamer1.0-libav", "python3.13-minimal"} <= packages
    for package in packages:
        assert gzip.decompress(members[f"usr/share/doc/{package}/copyright.gz"][1])


def test_no_network_setting_of_the_building_machine_stays(
    members: dict[str, tuple[tarfile.TarInfo, bytes]],
) -> None:
    assert [name for name in members if name.endswith(("pip.conf", "ca.pem", "requirements.txt"))] == []


_INSPECT_EACH = (
    "import subprocess, sys\n"
    "for name in sys.argv[1:]:\n"
    "    if subprocess.run(['gst-inspect-1.0', '--exists', name]).returncode: print(name)\n"
)


def _launch(image: str, folder: Path, pipeline: str, user: str = "") -> subprocess.CompletedProcess[str]:
    user = user or f"{os.getuid()}:{os.getgid()}"
    options = [*LOCKED_DOWN, f"--user={user}", f"--volume={folder}:/frames", "--entrypoint=gst-launch-1.0"]
    line = ["docker", "run", "--rm", *options, image, "-q", *pipeline.split()]
    return subprocess.run(line, capture_output=True, text=True, check=False)


def _record(path: Path, encoder: str, picture: str = "testsrc=size=320x240:rate=30") -> None:
    line = ["ffmpeg", "-loglevel", "error", "-f", "lavfi", "-i", picture, "-frames:v", str(PICTURES)]
    subprocess.run(
        [*line, "-c:v", encoder, "-pix_fmt", "yuvj420p", str(path)], check=True, capture_output=True
    )


def _is_whole_jpeg(path: Path) -> bool:
    content = path.read_bytes()
    return content[:2] == b"\xff\xd8" and content[-2:] == b"\xff\xd9"


def _members(exported: bytes) -> Iterator[tuple[str, tuple[tarfile.TarInfo, bytes]]]:
    with tarfile.open(fileobj=io.BytesIO(exported)) as archive:
        for member in archive:
            file = archive.extractfile(member) if member.isfile() and member.size < 1 << 20 else None
            yield member.name.rstrip("/"), (member, file.read() if file else b"")


def _docker(*arguments: str) -> str:
    return subprocess.run(["docker", *arguments], capture_output=True, text=True, check=True).stdout
