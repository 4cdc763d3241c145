"""Logins, held against the examples of the RFCs where there are some."""

from __future__ import annotations

import hashlib
import re

import pytest
from processor_time import within_processor_time

from edgecam.credentials.login import Login
from edgecam.rtsp.authentication import Authentication, challenges_in
from edgecam.rtsp.bounds import CHALLENGES

ME = Login("Mufasa", "Circle of Life")
DIGEST = 'Digest realm="cam", nonce="n1"'


def fields_of(header: str | None) -> dict[str, str]:
    assert header is not None
    assert header.startswith("Digest ")
    return {name: value.strip('"') for name, value in re.findall(r'(\w+)=("[^"]*"|[^,]*)', header[7:])}


def asked(*challenges: str, login: Login | None = ME) -> Authentication:
    made = Authentication(login)
    made.challenged(list(challenges), was_sent=False, tries=0)
    return made


@pytest.mark.parametrize(
    ("algorithm", "response"),
    [
        ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
        ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
    ],
)
def test_digest_is_that_of_rfc_7616(algorithm: str, response: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its section 3.9.1."""
    challenge = (
        f'Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm={algorithm}, '
        'nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", '
        'opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"'
    )
    made = asked(challenge)
    monkeypatch.setattr(made, "_client_nonce", "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ")
    found = fields_of(made.header("GET", "/dir/index.html"))
    assert found["response"] == response
    assert (found["nc"], found["qop"], found["opaque"][:4]) == ("00000001", "auth", "FQhe")


def test_digest_without_quality_is_that_of_rfc_2069() -> None:
    found = fields_of(asked(DIGEST).header("DESCRIBE", "rtsp://cam/live"))
    first = hashlib.md5(b"Mufasa:cam:Circle of Life").hexdigest()
    second = hashlib.md5(b"DESCRIBE:rtsp://cam/live").hexdigest()
    assert found["response"] == hashlib.md5(f"{first}:n1:{second}".encode()).hexdigest()
    assert "qop" not in found
    assert "algorithm" not in found


def test_basic_is_that_of_rfc_7617() -> None:
    made = asked('Basic realm="WallyWorld"', login=Login("Aladdin", "open sesame"))
    assert made.header("DESCRIBE", "rtsp://cam/") == "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="


def test_basic_has_letters_beyond_ascii_as_utf_8() -> None:
    made = asked('Basic realm="foo", charset="UTF-8"', login=Login("test", "123£"))
    assert made.header("DESCRIBE", "rtsp://cam/") == "Basic dGVzdDoxMjPCow=="


@pytest.mark.parametrize(
    ("challenges", "best"),
    [
        (['Basic realm="x"', DIGEST], "Digest MD5"),
        ([f"{DIGEST}, algorithm=MD5", f"{DIGEST}, algorithm=SHA-256"], "Digest SHA-256"),
        (
            ['Basic realm="x", Digest realm="a, b", nonce="n", algorithm="SHA-256", Negotiate'],
            "Digest SHA-256",
        ),
        ([f"{DIGEST}, algorithm=SHA3", 'Basic realm="x"'], "Basic"),
        ([f'{DIGEST}, qop="auth-int"', 'Basic realm="x"'], "Basic"),
        (["basic"], "Basic"),
        ([f"{DIGEST}, algorithm=sha-512-256"], "Digest SHA-512-256"),
    ],
)
def test_the_best_of_several_challenges_is_chosen(challenges: list[str], best: str) -> None:
    assert str(Authentication.best(challenges)).startswith(best)


@pytest.mark.parametrize(
    "challenge", ["", "Negotiate", "Digest", 'Digest realm="x"', f"{DIGEST}, algorithm=SHA3"]
)
def test_a_challenge_that_is_not_understood_is_not_answered(challenge: str) -> None:
    made = Authentication(ME)
    assert not made.challenged([challenge], was_sent=False, tries=0)
    assert made.header("DESCRIBE", "rtsp://cam/") is None


def test_a_login_that_was_refused_is_not_sent_again() -> None:
    made = asked(DIGEST)
    assert not made.challenged([DIGEST], was_sent=True, tries=1)
    assert not asked(DIGEST).challenged([DIGEST.replace("n1", "n2")], was_sent=True, tries=1)
    assert not asked('Basic realm="x"').challenged([DIGEST], was_sent=True, tries=1)
    assert not asked(f"{DIGEST}, algorithm=SHA-256").challenged([DIGEST], was_sent=True, tries=1)


def test_an_old_nonce_is_replaced_and_not_for_ever() -> None:
    made = asked(DIGEST)
    assert made.challenged([f"{DIGEST.replace('n1', 'n2')}, stale=TRUE"], was_sent=True, tries=1)
    assert fields_of(made.header("SETUP", "rtsp://cam/"))["nonce"] == "n2"
    assert not made.challenged([f"{DIGEST.replace('n1', 'n2')}, stale=true"], was_sent=True, tries=2)
    assert not made.challenged([f"{DIGEST.replace('n1', 'n3')}, stale=true"], was_sent=True, tries=3)


def test_a_login_that_was_accepted_is_said_again_with_another_nonce_or_realm() -> None:
    made = asked(DIGEST)
    made.accepted()
    assert made.challenged(['Digest realm="other", nonce="n2"'], was_sent=True, tries=1)
    found = fields_of(made.header("PLAY", "rtsp://cam/"))
    assert (found["realm"], found["nonce"]) == ("other", "n2")
    assert not made.challenged(['Digest realm="other", nonce="n2"'], was_sent=True, tries=1)


def test_requests_with_one_nonce_are_counted() -> None:
    made = asked(f'{DIGEST}, qop="auth"')
    assert [fields_of(made.header("OPTIONS", "x"))["nc"] for _ in range(2)] == ["00000001", "00000002"]
    made.accepted()
    made.challenged([f'{DIGEST.replace("n1", "n2")}, qop="auth"'], was_sent=True, tries=1)
    assert fields_of(made.header("OPTIONS", "x"))["nc"] == "00000001"


def test_session_algorithms_hash_the_nonces_as_well() -> None:
    made = asked(f'{DIGEST}, algorithm=MD5-sess, qop="auth"')
    found = fields_of(made.header("PLAY", "u"))
    first = hashlib.md5(b"Mufasa:cam:Circle of Life").hexdigest()
    first = hashlib.md5(f"{first}:n1:{found['cnonce']}".encode()).hexdigest()
    second = hashlib.md5(b"PLAY:u").hexdigest()
    text = f"{first}:n1:00000001:{found['cnonce']}:auth:{second}"
    assert found["response"] == hashlib.md5(text.encode()).hexdigest()


def test_what_a_camera_writes_in_its_realm_comes_back_byte_by_byte() -> None:
    made = asked('Digest realm="caf\xe9 \\"x\\"", nonce="n"', login=Login('a"b', "p"))
    header = made.header("PLAY", "u") or ""
    assert 'realm="caf\xe9 \\"x\\""' in header
    assert 'username="a\\"b"' in header
    first = hashlib.md5(b'a"b:caf\xe9 "x":p').hexdigest()
    second = hashlib.md5(b"PLAY:u").hexdigest()
    assert hashlib.md5(f"{first}:n:{second}".encode()).hexdigest() in header


def test_nobody_has_nothing_to_say() -> None:
    made = Authentication(None)
    assert not made.challenged([DIGEST], was_sent=False, tries=0)
    assert made.header("PLAY", "u") is None


PIECES = ("a", "a ", "a=", 'a="', "a=,", ", ", "\\", 'a="\\', "Digest ", "Digest a", "-", " ", '"')


def test_long_challenges_take_time_in_proportion() -> None:
    code = f"""
from edgecam.rtsp.authentication import challenges_in
for piece in {PIECES!r}:
    challenges_in(["Digest a=1 " + piece * (400_000 // len(piece))])
"""
    done = within_processor_time(code)
    assert done.returncode == 0, done.stderr


def test_more_challenges_than_there_are_ways_are_not_looked_at() -> None:
    assert len(challenges_in([DIGEST] * 100)) == CHALLENGES
    assert len(challenges_in([", ".join([DIGEST] * 100)])) == CHALLENGES
