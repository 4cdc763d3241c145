"""Make the key pair of a camera that is a device of Cloud IoT Core's protocol, for those without CDK.

    tools/keys door                         keys/door.private.pem and keys/door.public.pem, RSA
    tools/keys door --algorithm ES256       the same with P-256
    tools/keys door --expires 2027-06-30    the registry takes it until then (UTC)

Not needed with CDK: there the deploy makes the keys. It calls openssl, as the forerunner's guide did,
and needs nothing else but Python's standard library. No command of edgecam: its image is without openssl.
"""

from __future__ import annotations

import argparse
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

ALGORITHMS = {
    "RS256": ("-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"),
    "ES256": ("-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"),
}
"""openssl's words for the two that Cloud IoT Core takes; the first is the default, as in every guide."""
FORMATS = {"RS256": "RSA_PEM", "ES256": "ES256_PEM"}
"""What the registry calls the public key."""

_CAMERA = re.compile(r"(?!goog)[a-z][a-z0-9-]{2,62}")  # the id of a camera that may name a device
_FOLDER_MODE, _PRIVATE_MODE, _PUBLIC_MODE = 0o700, 0o600, 0o644
_NODE_USER = 65532  # who the image's program runs as

_NEXT_STEPS = """\
{private}  stays with the camera's node, and nowhere else
{public}   is for the registry

Register it in the console of ClearBlade IoT Core (your registry, Devices, Create: {id}, {algorithm}, the
text of {public}{expiry_console}), or with its Python library (pip install clearblade-cloud-iot):

CLEARBLADE_CONFIGURATION=service-account.json python3 - <<'END'
from pathlib import Path
from clearblade.cloud import iot_v1
key = {{"format": "{format}", "key": Path({public_text}).read_text()}}
credential = {{"publicKey": key{expiry_json}}}
iot_v1.DeviceManagerClient().create_device(request=iot_v1.CreateDeviceRequest(
    parent="projects/{project}/locations/{region}/registries/{registry}",
    device=iot_v1.Device(id="{id}", credentials=[credential])))
END

Where gcloud still has a Cloud IoT Core to talk to:

    gcloud iot devices create {id} --project={project} --region={region} --registry={registry} \\
        --public-key=path={public_word},type={gcloud_type}{expiry_gcloud}
{expiry_note}
Hand the private key over as a file, which the node's user ({user}) has to be able to read:

    sudo chown {user} {private_word}
    docker run … --volume={private_path}:/key.pem:ro --env=PRIVATE_KEY_FILE=/key.pem …

Not as --env=PRIVATE_KEY: `docker inspect` and /proc show a container's variables.
"""


_EXPIRY_NOTE = """\
From {moment} on the registry takes the key no more, and the state stays away: register the next one
before, and hand it over; a device may have three at a time.
"""


class KeysError(Exception):
    """Why there is no new pair: what was expected, and what was found."""


@dataclass(frozen=True)
class Pair:
    """The two files."""

    private: Path
    public: Path


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the exit code."""
    options = _parser().parse_args(arguments)
    try:
        pair = make_pair(options.camera, options.algorithm, options.folder)
    except KeysError as error:
        sys.stderr.write(f"keys: {error}\n")
        return 1
    sys.stdout.write(report(options.camera, options.algorithm, pair, os.environ, options.expires))
    return 0


def make_pair(camera: str, algorithm: str, folder: Path) -> Pair:
    """Write `CAMERA.private.pem` (PKCS8, for its owner alone) and `CAMERA.public.pem` into `folder`.

    Raises:
        KeysError: the name cannot be a device's, a file is there already, or openssl is not.
    """
    if not _CAMERA.fullmatch(camera):
        expected = (
            "the id of a camera: 3 to 63 lower case letters, digits and hyphens, a letter first, not goog…"
        )
        raise KeysError(f"camera: expected {expected}, found {camera!r}")
    pair = Pair(folder / f"{camera}.private.pem", folder / f"{camera}.public.pem")
    for path in (pair.private, pair.public):
        if os.path.lexists(path):
            raise KeysError(
                f"{path}: expected no such file, found one: a key that is overwritten is lost, move it first"
            )
    private = _openssl("genpkey", *ALGORITHMS[algorithm])
    public = _openssl("pkey", "-pubout", given=private)
    try:
        folder.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
        _write(pair.private, private, _PRIVATE_MODE)
        _write(pair.public, public, _PUBLIC_MODE)
    except OSError as error:
        raise KeysError(
            f"{error.filename}: expected a file that can be made, found: {error.strerror}"
        ) from error
    return pair


def report(
    camera: str, algorithm: str, pair: Pair, environment: Mapping[str, str], expires: date | None = None
) -> str:
    """What a person does next. Names of the registry come from the variables that the node reads as well; the
    registry refuses the key from the beginning of the day `expires` on (UTC)."""
    # RFC 3339, as DeviceCredential has it: cloud.google.com/iot/docs/reference/cloudiot/rest
    moment = f"{expires.isoformat()}T00:00:00Z" if expires else ""
    return _NEXT_STEPS.format(
        id=camera,
        algorithm=algorithm,
        format=FORMATS[algorithm],
        gcloud_type=FORMATS[algorithm].lower().replace("_", "-"),
        private=pair.private,
        private_word=shlex.quote(str(pair.private)),
        private_path=shlex.quote(str(pair.private.absolute())),
        public=pair.public,
        public_text=repr(str(pair.public)),
        public_word=shlex.quote(str(pair.public)),
        project=environment.get("PROJECT_ID") or "PROJECT_ID",
        region=environment.get("CLOUD_REGION") or "CLOUD_REGION",
        registry=environment.get("IOT_REGISTRY") or "IOT_REGISTRY",
        user=_NODE_USER,
        expiry_console=f", expiry {moment}" if moment else "",
        expiry_json=f', "expirationTime": "{moment}"' if moment else "",
        expiry_gcloud=f",expiration-time={moment}" if moment else "",
        expiry_note=f"\n{_EXPIRY_NOTE.format(moment=moment)}" if moment else "",
    )


def _day(text: str) -> date:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected a day such as 2027-06-30, found {text!r}") from None
    if day <= datetime.now(UTC).date():
        raise argparse.ArgumentTypeError(f"expected a day after today, found {text!r}")
    return day


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="keys", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("camera", metavar="CAMERA", help="id of the camera")
    parser.add_argument("--algorithm", choices=ALGORITHMS, default="RS256", help="default: %(default)s")
    parser.add_argument(
        "--expires", type=_day, metavar="DAY", help="the registry is to refuse it from this day on (UTC)"
    )
    parser.add_argument("--folder", type=Path, default=Path("keys"), help="default: %(default)s")
    return parser


def _openssl(*arguments: str, given: bytes = b"") -> bytes:
    """What openssl writes; keys go through pipes, so that no file is ever readable for a moment."""
    try:
        return subprocess.run(["openssl", *arguments], input=given, capture_output=True, check=True).stdout
    except FileNotFoundError:
        raise KeysError("expected openssl on this machine, found none: apt-get install openssl") from None
    except subprocess.CalledProcessError as error:
        output = error.stderr.decode(errors="replace").strip().splitlines() or ["nothing"]
        raise KeysError(f"openssl {arguments[0]}: expected a key, found: {output[-1]}") from None


def _write(path: Path, content: bytes, mode: int) -> None:
    """A new file; one that has come meanwhile is not overwritten."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(content)
