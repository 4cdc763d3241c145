"""Where a device's key comes from, when it is looked at again, and what a refusal leads to."""

from __future__ import annotations

import json
import logging
import threading
from pathlib import Path

import pytest

from edgecam.cloud_iot.key_source import MIN_REFRESH_S, KeySource
from edgecam.cloud_iot.private_key import PrivateKey
from edgecam.config.brokers import DeviceKey
from edgecam.errors import CredentialsError
from sandbox.clocks import ManualClock
from sandbox.iot.device_harness import HeldSecrets, KeyPair, made_pair

DEVICE = "projects/p/locations/europe-west1/registries/g/devices/lobby"
ARN = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:edgecam/devices/thing/lobby/key-AbCdEf"
FIRST, SECOND = made_pair(), made_pair()


class Harness:
    """A key in a secret, on a clock that is moved by hand."""

    def __init__(self) -> None:
        self.secrets, self.clock = HeldSecrets(), ManualClock()
        self.keep(FIRST, "1")
        self.place = KeySource(
            DeviceKey(secret=ARN),
            DEVICE,
            camera_id="lobby",
            secrets=self.secrets,
            clock=self.clock,
            environment={},
        )

    def keep(self, pair: KeyPair, version: str) -> None:
        self.secrets.values[ARN] = json.dumps({"key_version": version, "private_key": pair.private})

    @property
    def asked(self) -> int:
        return len(self.secrets.fetched)


@pytest.fixture
def harness() -> Harness:
    return Harness()


def place_of(environment: dict[str, str] | None = None, **place: str) -> KeySource:
    return KeySource(
        DeviceKey.model_validate(place),
        DEVICE,
        camera_id="lobby",
        secrets=HeldSecrets(),
        clock=ManualClock(),
        environment=environment or {},
    )


def accepted(place: KeySource) -> PrivateKey:
    key = place.key()
    place.accepted(key)
    return key


def test_secret_is_asked_for_once_in_five_minutes_at_most(harness: Harness) -> None:
    for _ in range(10):
        accepted(harness.place)
        harness.clock.advance(MIN_REFRESH_S / 10 - 0.001)
    assert harness.asked == 1
    harness.clock.advance(1)
    accepted(harness.place)
    assert harness.asked == 2


def test_rotated_key_is_taken_up_and_said(harness: Harness, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    assert accepted(harness.place).version == "1"
    harness.keep(SECOND, "2")
    harness.clock.advance(MIN_REFRESH_S)
    assert accepted(harness.place).version == "2"
    assert caplog.messages == ["uses its ES256 key, version 2 from now on"]


def test_refused_key_is_looked_into_at_once(harness: Harness) -> None:
    before = accepted(harness.place)
    harness.keep(SECOND, "2")
    assert not harness.place.refused(before)
    assert harness.place.key().version == "2"
    assert harness.asked == 2


def test_wrong_key_is_asked_for_ever_more_rarely(harness: Harness) -> None:
    for _ in range(24 * 60):  # a bridge that refuses once a minute, for a day
        harness.place.refused(harness.place.key())
        harness.clock.advance(60)
    assert 24 * 60 * 60 / MIN_REFRESH_S - 5 < harness.asked < 24 * 60 * 60 / MIN_REFRESH_S + 10


def test_new_key_that_is_not_taken_yet_leaves_the_one_before_in_use(harness: Harness) -> None:
    before = accepted(harness.place)
    harness.keep(SECOND, "2")
    harness.clock.advance(MIN_REFRESH_S)
    assert harness.place.refused(harness.place.key())
    assert accepted(harness.place) == before
    assert harness.place.key() == before
    assert harness.asked == 2
    harness.clock.advance(MIN_REFRESH_S)
    assert accepted(harness.place).version == "2"


def test_key_that_was_known_is_kept_when_the_secret_cannot_be_had(
    harness: Harness, caplog: pytest.LogCaptureFixture
) -> None:
    before = accepted(harness.place)
    harness.secrets.values.clear()
    harness.clock.advance(MIN_REFRESH_S)
    assert harness.place.key() == before
    assert "kept the key that was known before" in caplog.text


def test_key_that_was_never_had_is_an_error_and_asked_for_at_every_attempt(harness: Harness) -> None:
    harness.secrets.values.clear()
    for _ in range(2):
        with pytest.raises(CredentialsError, match=f"secret {ARN}"):
            harness.place.key()
    harness.keep(FIRST, "1")
    assert harness.place.key().version == "1"


def test_file_is_read_again_each_time(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    path.touch(0o600)
    path.write_text(FIRST.private)
    place = place_of(file=str(path))
    before = accepted(place)
    path.write_text(SECOND.private)
    assert place.key() != before
    assert place.key().version is None


def test_file_that_others_can_read_is_warned_of_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "key.pem"
    path.write_text(FIRST.private)
    path.chmod(0o644)
    place = place_of(file=str(path))
    place.key()
    place.key()
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert "chmod o-r" in caplog.text


@pytest.mark.parametrize(("content", "found"), [(None, "No such file"), (b"\xff\xfe", "not UTF-8")])
def test_file_without_a_key_is_said_with_its_path(tmp_path: Path, content: bytes | None, found: str) -> None:
    path = tmp_path / "key.pem"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(CredentialsError, match=found) as caught:
        place_of(file=str(path)).key()
    assert str(path) in str(caught.value)


def test_variable_gives_the_key_with_its_line_ends_written_out() -> None:
    place = place_of({"DEVICE_KEY": FIRST.private.replace("\n", "\\n")}, env="DEVICE_KEY")
    assert place.key().signing.algorithm == "ES256"
    with pytest.raises(CredentialsError, match=r"DEVICE_KEY: expected the key .* found it unset"):
        place_of(env="DEVICE_KEY").key()


def test_slow_secret_is_asked_for_once_by_two_who_want_the_key(harness: Harness) -> None:
    reached, release = threading.Event(), threading.Event()
    fetch = harness.secrets.fetch

    def slowly(arn: str, *, latest: bool = False) -> str:
        reached.set()
        assert release.wait(10)
        return fetch(arn, latest=latest)

    harness.secrets.fetch = slowly  # type: ignore[method-assign]
    threads = [threading.Thread(target=harness.place.key) for _ in range(2)]
    for thread in threads:
        thread.start()
    assert reached.wait(10)
    release.set()
    for thread in threads:
        thread.join(10)
    assert harness.asked == 1
