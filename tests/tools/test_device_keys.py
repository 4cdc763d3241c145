"""`make keys`: a pair that signs, in a folder that git ignores, and nothing overwritten."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest

from container.image.inputs import PROJECT
from edgecam.cloud_iot.private_key import parse_signing_key
from edgecam.config.brokers import is_device_id
from edgecam.config.validation import Model
from edgecam.config.values import CameraId
from tools.device_keys import (
    ALGORITHMS,
    KeysError,
    make_pair,
    report,
)


class _Named(Model):
    id: CameraId


def _keys(*arguments: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, str(PROJECT / "tools/keys"), *arguments]
    variables = {name: os.environ[name] for name in ("HOME", "PATH") if name in os.environ}
    return subprocess.run(
        line, cwd=folder, env=variables | environment, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_the_pair_signs_and_verifies(tmp_path: Path, algorithm: str) -> None:
    pair = make_pair("door", algorithm, tmp_path / "keys")
    key = parse_signing_key(pair.private.read_text(), "file")
    assert key.algorithm == algorithm
    signature = tmp_path / "signature"
    signature.write_bytes(_as_openssl_has_it(algorithm, key.sign(b"words")))
    line = ["openssl", "dgst", "-sha256", "-verify", str(pair.public), "-signature", str(signature)]
    asked = subprocess.run(line, input=b"words", capture_output=True, check=False)
    assert asked.stdout == b"Verified OK\n", asked.stderr


def test_only_its_owner_can_read_the_private_key(tmp_path: Path) -> None:
    done = _keys("door", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    private, public = tmp_path / "keys/door.private.pem", tmp_path / "keys/door.public.pem"
    assert stat.S_IMODE(private.stat().st_mode) == 0o600
    assert stat.S_IMODE(private.parent.stat().st_mode) == 0o700
    assert private.read_text().startswith("-----BEGIN PRIVATE KEY-----\n")
    assert public.read_text().startswith("-----BEGIN PUBLIC KEY-----\n")
    assert private.read_text().splitlines()[1] not in done.stdout + done.stderr


@pytest.mark.parametrize("there", ["door.private.pem", "door.public.pem"])
def test_nothing_is_overwritten(tmp_path: Path, there: str) -> None:
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys" / there).write_text("a key")
    done = _keys("door", folder=tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith(f"keys: keys/{there}: expected no such file, found one: ")
    assert [path.name for path in (tmp_path / "keys").iterdir()] == [there]
    assert (tmp_path / "keys" / there).read_text() == "a key"


@pytest.mark.parametrize("name", ["", "Door", "ab", "1st", "a/b", "../door", "google-1", "d" * 64, "door\n"])
def test_name_that_no_device_can_have_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(KeysError, match="camera: expected the id of a camera: 3 to 63"):
        make_pair(name, "ES256", tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["door", "a-1", "d" * 63, "shop-entrance"])
def test_name_that_is_taken_here_is_taken_by_the_node_and_the_registry(tmp_path: Path, name: str) -> None:
    assert make_pair(name, "ES256", tmp_path).private.exists()
    assert _Named(id=name).id == name
    assert is_device_id(name)


def test_a_machine_without_openssl_is_reported(tmp_path: Path) -> None:
    done = _keys("door", folder=tmp_path, PATH=str(tmp_path))
    assert done.returncode == 1
    assert done.stderr == "keys: expected openssl on this machine, found none: apt-get install openssl\n"


def test_make_keys_is_the_same_and_git_ignores_what_it_makes(tmp_path: Path) -> None:
    for name in ("Makefile", ".gitignore"):
        shutil.copy(PROJECT / name, tmp_path)
    shutil.copytree(PROJECT / "tools", tmp_path / "tools")
    make = ["make", "-s", "keys"]
    refused = subprocess.run(make, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert refused.returncode != 0
    assert "make keys CAMERA=door" in refused.stderr
    line = [*make, "CAMERA=door", "ALGORITHM=ES256", "EXPIRES=2999-12-31"]
    done = subprocess.run(line, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    key = parse_signing_key((tmp_path / "keys/door.private.pem").read_text(), "file")
    assert key.algorithm == "ES256"
    assert "expiration-time=2999-12-31T00:00:00Z" in done.stdout
    assert "/keys/" in (tmp_path / ".gitignore").read_text().splitlines()


def test_the_report_names_the_registry_where_it_is_known(tmp_path: Path) -> None:
    pair = make_pair("door", "ES256", tmp_path / "my keys")
    said = report("door", "ES256", pair, {"PROJECT_ID": "my-project", "CLOUD_REGION": "europe-west1"})
    assert 'parent="projects/my-project/locations/europe-west1/registries/IOT_REGISTRY"' in said
    assert f"--public-key=path='{pair.public}',type=es256-pem" in said
    assert f"--volume='{pair.private}':/key.pem:ro" in said
    assert pair.private.read_text().splitlines()[1] not in said


def test_expiry_is_in_every_command_that_registers_the_key(tmp_path: Path) -> None:
    pair = make_pair("door", "ES256", tmp_path)
    moment = "2999-12-31T00:00:00Z"
    said = report("door", "ES256", pair, {}, date(2999, 12, 31))
    assert f'credential = {{"publicKey": key, "expirationTime": "{moment}"}}' in said
    assert f"type=es256-pem,expiration-time={moment}\n" in said
    without = report("door", "ES256", pair, {})
    assert [word for word in ("expirationTime", "expiration-time", ", expiry ") if word in without] == []


@pytest.mark.parametrize("day", ["soon", "2020-01-01"])
def test_day_that_cannot_be_an_expiry_is_refused_before_a_key_is_made(tmp_path: Path, day: str) -> None:
    done = _keys("door", "--expires", day, folder=tmp_path)
    assert done.returncode == 2
    assert "--expires: expected a day" in done.stderr
    assert list(tmp_path.iterdir()) == []


def _as_openssl_has_it(algorithm: str, signature: bytes) -> bytes:
    """Tokens have r and s of an ES256 signature side by side; openssl wants them as DER."""
    if algorithm == "RS256":
        return signature
    from awscrt.crypto import EC, ECRawSignature

    half = len(signature) // 2
    return bytes(EC.encode_raw_signature(ECRawSignature(r=signature[:half], s=signature[half:])))
