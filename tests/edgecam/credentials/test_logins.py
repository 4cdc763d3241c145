"""Logins: where they come from, when they are looked at again, and that they never show."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from edgecam.config.camera import Camera
from edgecam.credentials.login import Login, parse_secret, read_password
from edgecam.credentials.logins import Logins
from edgecam.credentials.secrets import SecretSource
from edgecam.errors import CredentialsError
from edgecam.redaction import SECRETS

ARN = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:cameras/lobby-AbCdEf"


class ManualClock:
    """Time that passes when the test says so."""

    def __init__(self) -> None:
        self.now_s = 1000.0
        self.waits: list[float] = []
        self.rounds = threading.Semaphore(0)

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.now_s, UTC)

    def monotonic_s(self) -> float:
        return self.now_s

    def wait(self, event: threading.Event, timeout_s: float) -> bool:
        self.waits.append(timeout_s)
        while not self.rounds.acquire(timeout=0.01):
            if event.is_set():
                return True
        return event.is_set()


class SecretsOfTheTest(SecretSource):
    """A source over a dictionary; the real ones are tested in test_secret.py."""

    def __init__(self, values: dict[str, str]) -> None:
        super().__init__({})
        self.values = values
        self.fetched: list[tuple[str, bool]] = []

    def fetch(self, arn: str, *, latest: bool = False) -> str:
        self.fetched.append((arn, latest))
        if arn not in self.values:
            raise CredentialsError(f"secret {arn}: expected its value, found none. Tried everything")
        return self.values[arn]


def camera(camera_id: str = "lobby", **credentials: Any) -> Camera:
    return Camera.model_validate(
        {"id": camera_id, "uri": "rtsp://camera.example/1", "credentials": credentials or None}
    )


def secret_text(password: str) -> str:
    return f'{{"username": "guard", "password": "{password}"}}'


def logins_with(*cameras: Camera, password: str) -> tuple[Logins, SecretsOfTheTest, ManualClock]:
    secrets, clock = SecretsOfTheTest({ARN: secret_text(password)}), ManualClock()
    return Logins(cameras, clock=clock, secrets=secrets, environment={}), secrets, clock


def test_camera_without_credentials_has_no_login() -> None:
    assert Logins([camera()], environment={}).login(camera()) is None


def test_password_never_shows_in_the_text_of_a_login() -> None:
    assert "opensesame-1" not in repr(Login("guard", "opensesame-1"))


def test_password_file_gives_its_first_line_without_the_line_end(tmp_path: Path) -> None:
    path = tmp_path / "password"
    path.write_bytes("first line ünï \r\nsecond\n".encode())
    path.chmod(0o600)
    asking = camera(username="guard", password_file=str(path))
    assert Logins([asking], environment={}).login(asking) == Login("guard", "first line ünï ")
    assert SECRETS.hide("it is 'first line ünï '") == "it is '***'"


def test_password_file_that_others_can_read_is_warned_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "password"
    path.write_text("readable-by-all\n")
    path.chmod(0o640)
    read_password(path)
    assert not caplog.records
    path.chmod(0o644)
    read_password(path)
    assert "chmod o-r" in caplog.text
    assert "readable-by-all" not in caplog.text


@pytest.mark.parametrize(
    ("content", "found"), [(None, "No such file"), (b"\nsecond\n", "nothing"), (b"\xff\xfe", "not UTF-8")]
)
def test_password_file_without_a_password_is_said_with_its_path(
    tmp_path: Path, content: bytes | None, found: str
) -> None:
    path = tmp_path / "password"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(CredentialsError, match=found) as caught:
        read_password(path)
    assert str(path) in str(caught.value)


def test_password_comes_from_the_environment_variable_that_is_named() -> None:
    asking = camera(username="guard", password_env="CAMERA_PW")
    environment = {"CAMERA_PW": "from-the-environment"}
    assert Logins([asking], environment=environment).login(asking) == Login("guard", "from-the-environment")
    with pytest.raises(CredentialsError, match="CAMERA_PW, found it unset"):
        Logins([asking], environment={}).login(asking)


def test_secret_is_fetched_once_for_all_cameras_that_share_it() -> None:
    cameras = [camera("a", secret=ARN), camera("b", secret=ARN)]
    logins, secrets, _ = logins_with(*cameras, password="shared-secret-1")
    assert {logins.login(each) for each in cameras} == {Login("guard", "shared-secret-1")}
    assert secrets.fetched == [(ARN, False)]
    assert SECRETS.hide("shared-secret-1") == "***"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("hush-hush", "not JSON"),
        ('["hush-hush"]', "a JSON list"),
        ('{"user": "guard", "pass": "hush-hush"}', "the keys pass, user"),
        ('{"username": "guard", "password": 7}', "the keys password, username"),
        ('{"username": "", "password": "hush-hush"}', "the keys password, username"),
        ("{}", "the keys none"),
    ],
)
def test_secret_of_another_shape_is_refused_with_its_keys_and_no_value(text: str, found: str) -> None:
    with pytest.raises(CredentialsError) as caught:
        parse_secret(text, ARN)
    assert found in str(caught.value)
    assert ARN in str(caught.value)
    assert "hush-hush" not in str(caught.value)
    assert "guard" not in str(caught.value)


def test_refused_login_is_fetched_again_and_the_other_cameras_are_notified() -> None:
    cameras = [camera("a", secret=ARN), camera("b", secret=ARN), camera("c")]
    logins, secrets, clock = logins_with(*cameras, password="before-rotation")
    notified: list[str] = []
    logins.start(notified.append)
    for each in cameras:
        logins.login(each)
    secrets.values[ARN] = secret_text("after-rotation")
    clock.now_s += 3600
    assert logins.login(cameras[0], refresh=True) == Login("guard", "after-rotation")
    assert notified == ["b"]
    assert secrets.fetched == [(ARN, False), (ARN, True)]
    logins.stop()


def test_wrong_password_is_fetched_ever_more_rarely() -> None:
    asking = camera(secret=ARN)
    logins, secrets, clock = logins_with(asking, password="wrong-for-ever")
    logins.login(asking)
    for _ in range(24 * 60):  # a camera that refuses once a minute, for a day
        clock.now_s += 60
        logins.login(asking, refresh=True)
    assert 50 < len(secrets.fetched) < 110  # a quarter of an hour apart: 96 a day


def test_password_file_is_read_at_every_refusal(tmp_path: Path) -> None:
    path = tmp_path / "password"
    path.write_text("old-password")
    path.chmod(0o600)
    asking = camera(username="guard", password_file=str(path))
    logins = Logins([asking], environment={}, clock=ManualClock())
    logins.login(asking)
    path.write_text("new-password")
    assert logins.login(asking) == Login("guard", "old-password")
    assert logins.login(asking, refresh=True) == Login("guard", "new-password")


def test_known_login_is_kept_when_it_cannot_be_fetched_again(caplog: pytest.LogCaptureFixture) -> None:
    asking = camera(secret=ARN)
    logins, secrets, clock = logins_with(asking, password="kept-in-memory")
    logins.login(asking)
    secrets.values.clear()
    clock.now_s += 3600
    assert logins.login(asking, refresh=True) == Login("guard", "kept-in-memory")
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert "kept the credentials" in caplog.text


def test_secret_that_was_never_had_is_an_error_and_asked_for_again() -> None:
    asking = camera(secret=ARN)
    logins, secrets, _ = logins_with(asking, password="late-arrival")
    value = secrets.values.pop(ARN)
    with pytest.raises(CredentialsError):
        logins.login(asking)
    secrets.values[ARN] = value
    assert logins.login(asking) == Login("guard", "late-arrival")


def test_rotation_is_found_in_the_background_and_the_camera_is_notified() -> None:
    asking = camera(secret=ARN)
    logins, secrets, clock = logins_with(asking, password="before-the-hour")
    notified: list[str] = []
    changed = threading.Event()

    def note(camera_id: str) -> None:
        notified.append(camera_id)
        changed.set()

    logins.login(asking)
    logins.start(note)
    secrets.values[ARN] = secret_text("after-the-hour")
    clock.rounds.release()
    assert changed.wait(10)
    assert notified == [asking.id]
    assert logins.login(asking) == Login("guard", "after-the-hour")
    logins.stop()
    assert all(0.8 * 3600 <= wait_s <= 1.2 * 3600 for wait_s in clock.waits)


def test_unchanged_login_tells_nobody_and_an_unused_one_is_not_fetched() -> None:
    used, unused = camera("a", secret=ARN), camera("b", secret=ARN.replace("lobby", "gate"))
    logins, secrets, _ = logins_with(used, unused, password="unchanged-value")
    notified: list[str] = []
    logins.start(notified.append)
    logins.login(used)
    logins.renew()
    assert notified == []
    assert {arn for arn, _ in secrets.fetched} == {ARN}
    logins.stop()


def test_slow_secret_holds_up_no_other_camera() -> None:
    slow, quick = camera("slow", secret=ARN), camera("quick", username="guard", password_env="PW")
    reached, release = threading.Event(), threading.Event()

    class Slow(SecretsOfTheTest):
        def fetch(self, arn: str, *, latest: bool = False) -> str:
            reached.set()
            assert release.wait(10)
            return super().fetch(arn, latest=latest)

    secrets = Slow({ARN: secret_text("slow-to-come")})
    logins = Logins([slow, quick], secrets=secrets, environment={"PW": "quick-to-come"})
    thread = run_in_thread(lambda: logins.login(slow))
    assert reached.wait(10)
    assert logins.login(quick) == Login("guard", "quick-to-come")
    release.set()
    thread.join(10)
    assert logins.login(slow) == Login("guard", "slow-to-come")


def run_in_thread(work: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=work)
    thread.start()
    return thread
