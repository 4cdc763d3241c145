"""Which folders and files of a core a node's container needs, and which cannot work there."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import PurePosixPath

from edgecam.config.camera import Camera
from edgecam.config.node import DEFAULT_DATA_DIR, NodeConfig
from edgecam.config.schemes import Mounts
from edgecam.config.storage import DEFAULT_SPOOL
from edgecam.errors import Mistake
from edgecam.launch.docker_options import Mount

# Mounting one of these would hide the image's own files.
_IMAGE_FOLDERS = frozenset(
    {"/", "/bin", "/boot", "/dev", "/etc", "/lib", "/lib64", "/proc", "/run", "/sbin", "/sys"}
    | {"/tmp", "/usr", "/usr/bin", "/usr/lib", "/usr/local", "/var"}  # noqa: S108 - names, nothing is written
)
# What is in one of these is in memory, and gone after a restart of the core.
_FORGETFUL_FOLDERS = ("/dev", "/proc", "/run", "/sys", "/var/lock", "/var/run")
# These belong to everybody on the core; a folder that edgecam writes to is given to its user.
_SHARED_FOLDERS = _IMAGE_FOLDERS | frozenset(
    ("/dev/shm", "/home", "/media", "/mnt", "/opt", "/root", "/srv", "/var/lib", "/var/tmp")  # noqa: S108
)

_EXAMPLES = {"data_dir": DEFAULT_DATA_DIR, "spool.path": DEFAULT_SPOOL}
"""Of folders of edgecam's own, by setting; others belong on a disk."""


def mistakes_on_core(config: NodeConfig) -> Iterable[Mistake]:
    """What is right for a node on its own, but cannot work in a core's container."""
    for path, folder in writable_folders(config):
        if str(PurePosixPath(folder)) in _SHARED_FOLDERS:
            example = _EXAMPLES.get(path, "/srv/edgecam")
            yield Mistake(path, f"a folder of edgecam's own, such as {example}", f'"{folder}"')
    if config.bucket is not None:
        yield from _mistakes_of_spool(config)
    for path, folder in (*writable_folders(config), *_named_files(config)):
        if ":" in folder:
            yield Mistake(path, "a path without a colon: docker separates with it", f'"{folder}"')
    for index, camera in enumerate(config.cameras):
        if camera.credentials is not None and camera.credentials.password_env is not None:
            yield Mistake(
                f"cameras[{index}].credentials",
                "secret, or username with password_file: a core hands no variables of its own to a component",
                "password_env",
            )
        if camera.device is not None and camera.device.key.env is not None:
            yield Mistake(
                f"cameras[{index}].device.key",
                "secret or file: a core hands no variables of its own to a component, and a key in one would "
                "be shown by docker inspect",
                "env",
            )
        if camera.scheme.mounts is Mounts.READ_FOLDER and _source_folder(camera) in _IMAGE_FOLDERS:
            yield Mistake(f"cameras[{index}].uri", "pictures in a folder of their own", f'"{camera.uri}"')


def _mistakes_of_spool(config: NodeConfig) -> Iterable[Mistake]:
    """What waits there for the cloud may be the only copy."""
    spool = PurePosixPath(config.spool.path)
    if any(spool.is_relative_to(folder) for folder in _FORGETFUL_FOLDERS):
        found = f'"{spool}", which is empty after a restart'
        yield Mistake("spool.path", f"a folder on a disk, such as {DEFAULT_SPOOL}", found)
    for path, folder in writable_folders(config):
        if path != "spool.path" and PurePosixPath(folder).is_relative_to(spool):
            yield Mistake(path, "a folder outside of the spool", f'"{folder}" within spool.path, "{spool}"')


def writable_folders(config: NodeConfig) -> list[tuple[str, str]]:
    """Where each written folder is set, and its path."""
    folders = [("data_dir", config.data_dir)]
    for index, camera in enumerate(config.cameras):
        if camera.frames.path is not None:
            folders.append((f"cameras[{index}].frames.path", str(PurePosixPath(camera.frames.path).parent)))
        if camera.scheme.mounts is Mounts.WRITE_FOLDER:
            # The folder, not the pipe, which the node makes where it is missing and its producer may replace.
            folders.append((f"cameras[{index}].uri", _source_folder(camera)))
    if config.bucket is not None:
        folders.append(("spool.path", config.spool.path))
        if config.bucket.startswith("file:"):
            folders.append(("bucket", config.bucket.removeprefix("file:").removeprefix("//") or "/"))
    return folders


def made_for_mounts(mounts: Iterable[Mount]) -> list[str]:
    """The folders among what a site mounts that are made for the node's user where they are missing: Docker
    would make them for root, and nothing could be written there."""
    return [
        mount.source for mount in mounts if not mount.read_only and _may_be_made(PurePosixPath(mount.source))
    ]


def _may_be_made(path: PurePosixPath) -> bool:
    """No device, no socket, nothing that is there on every core, and no file by its name."""
    is_devices = path.is_relative_to("/dev") and not path.is_relative_to("/dev/shm")  # noqa: S108 - a name
    is_systems = any(path.is_relative_to(folder) for folder in ("/proc", "/sys"))
    return not (is_devices or is_systems or path.suffix or str(path) in _SHARED_FOLDERS)


def _named_files(config: NodeConfig) -> list[tuple[str, str]]:
    """Where each file is named that the node reads, and its path."""
    named: list[tuple[str, str]] = []
    for index, camera in enumerate(config.cameras):
        if camera.credentials is not None and camera.credentials.password_file is not None:
            named.append((f"cameras[{index}].credentials.password_file", camera.credentials.password_file))
        if camera.tls.ca_file is not None:
            named.append((f"cameras[{index}].tls.ca_file", camera.tls.ca_file))
        if camera.tls.certificate_file is not None:
            named.append((f"cameras[{index}].tls.certificate_file", camera.tls.certificate_file))
        if camera.device is not None and camera.device.key.file is not None:
            named.append((f"cameras[{index}].device.key.file", camera.device.key.file))
        if camera.scheme.mounts in (Mounts.READ_FILE, Mounts.READ_FOLDER):
            named.append((f"cameras[{index}].uri", camera.source_path))
    if config.cloud_iot is not None and config.cloud_iot.ca_file is not None:
        named.append(("cloud_iot.ca_file", config.cloud_iot.ca_file))
    if config.bucket is not None and config.google.credentials_file is not None:
        named.append(("google.credentials_file", config.google.credentials_file))
    return named


def read_only_mounts(config: NodeConfig) -> list[str]:
    """What is mounted read-only: the folders of the files, so that a file replaced by rename is seen."""
    paths = set()
    for _, path in _named_files(config):
        folder = str(PurePosixPath(path).parent)
        # The folder would hide the image's own: the file alone, then.
        paths.add(path if folder in _IMAGE_FOLDERS else folder)
    return sorted(paths)


def _source_folder(camera: Camera) -> str:
    return str(PurePosixPath(camera.source_path).parent)
