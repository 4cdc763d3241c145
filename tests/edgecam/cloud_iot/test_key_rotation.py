"""With which key the next token is signed, and when: keys and parts of a life by hand, no bridge."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import pytest

from edgecam.cloud_iot.key_rotation import RENEW_BY, KeyRotation, TokenRenewal
from edgecam.cloud_iot.private_key import ES256, PrivateKey, SigningKey
from edgecam.errors import CredentialsError


def key(version: str) -> PrivateKey:
    return PrivateKey(SigningKey(ES256, None), version, f"fingerprint-{version}")


OLD, NEW = key("1"), key("2")


class Place:
    """Where keys come from, as a test sets it."""

    def __init__(self, *found: PrivateKey) -> None:
        self.found = list(found)
        self.taken: list[PrivateKey] = []
        self.has_another = False

    def key(self) -> PrivateKey:
        if not self.found:
            raise CredentialsError("secret arn:x: expected its value, found none")
        return self.found.pop(0)

    def accepted(self, taken: PrivateKey) -> None:
        self.taken.append(taken)

    def refused(self, _: PrivateKey) -> bool:
        return self.has_another


class Fetch:
    """A fetch that a test ends."""

    def __init__(self) -> None:
        self.begun = 0
        self.future: Future[PrivateKey] = Future()

    def __call__(self) -> Future[PrivateKey]:
        self.begun += 1
        return self.future


def test_key_is_fetched_once_and_the_token_renewed_when_it_is_there() -> None:
    fetch = Fetch()
    renewal = TokenRenewal(0.8, fetch)
    assert not renewal.is_due(0.79)
    assert fetch.begun == 0
    assert not renewal.is_due(0.80)
    assert not renewal.is_due(0.81)
    assert fetch.begun == 1
    fetch.future.set_result(NEW)
    assert renewal.is_due(0.81)
    assert renewal.key() == NEW


def test_token_is_renewed_in_time_without_the_key() -> None:
    fetch = Fetch()
    renewal = TokenRenewal(0.8, fetch)
    assert not renewal.is_due(0.8)
    assert renewal.is_due(RENEW_BY)
    assert renewal.key() is None
    fetch.future.set_exception(CredentialsError("there is none"))
    assert renewal.key() is None


def test_next_token_has_the_fetched_key_else_the_present_one(
    eventually: Callable[..., Any],
) -> None:
    place = Place(OLD, NEW)
    rotation = KeyRotation(place, "key-lobby")
    assert rotation.version is None
    assert rotation.next() == OLD
    assert not rotation.accepted(OLD)
    renewal = rotation.renewal(0.8)
    eventually(lambda: renewal.is_due(0.8))
    rotation.renew(renewal)
    assert rotation.next() == NEW
    assert rotation.version == "1"  # until the bridge takes the other
    assert rotation.accepted(NEW)
    assert rotation.version == "2"
    assert place.taken == [OLD, NEW]
    rotation.renew(rotation.renewal(0.8))  # nothing was fetched
    assert rotation.next() == NEW


def test_device_without_a_key_says_so() -> None:
    with pytest.raises(CredentialsError):
        KeyRotation(Place(), "key-lobby").next()


def test_refused_key_has_another_where_the_place_says_so() -> None:
    place = Place(OLD)
    rotation = KeyRotation(place, "key-lobby")
    assert not rotation.refused(OLD)
    place.has_another = True
    assert rotation.refused(NEW)
