"""Nothing secret gets out, in whatever form it stands."""

from __future__ import annotations

import html
import json
import random
import string
from urllib.parse import quote, quote_plus

import pytest
from processor_time import within_processor_time

from edgecam.redaction import Secrets, holds_password, passwords_in, redact

AWKWARD = string.ascii_letters + string.digits + "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~ äß漢\t"


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        ("rtsp://u:geheim@h/x", "rtsp://***@h/x"),
        ("rtsp://u:ge@heim@h:554/x", "rtsp://***@h:554/x"),
        ("rtsp://u:ge/heim@h/x", "rtsp://***@h/x"),
        ("rtsp://u:ge heim@h/x", "rtsp://***@h/x"),
        ("rtsp://u:ge'hei\"m@h/x", "rtsp://***@h/x"),
        ("rtsp://u:geheim?@h/x", "rtsp://***@h/x"),
        ("rtsps://u@h/x", "rtsps://***@h/x"),
        (
            "cannot open rtsp://u:geheim@h/x or http://v:geheim@h",
            "cannot open rtsp://***@h/x or http://***@h",
        ),
        ("rtsp://h/user=a&password=geheim&channel=1", "rtsp://h/user=a&password=***&channel=1"),
        (
            "rtsp://h/user=a_password=geheim_channel=1_stream=0.sdp",
            "rtsp://h/user=a_password=***_channel=1_stream=0.sdp",
        ),
        ("rtsp://h/x?loginuse=a&loginpas=geheim&y=1", "rtsp://h/x?loginuse=a&loginpas=***&y=1"),
        ("rtsp://h/x?usr=a&psw=geheim", "rtsp://h/x?usr=a&psw=***"),
        ("rtsp://h/x?token=geheim&y=1", "rtsp://h/x?token=***&y=1"),
        ("rtspsrc location=rtsp://h/x user-pw=geheim ! x", "rtspsrc location=rtsp://h/x user-pw=*** ! x"),
        ('rtspsrc user-pw="ge heim" latency=5', "rtspsrc user-pw=*** latency=5"),
        ("PASSWORD = geheim", "PASSWORD = ***"),
        ("token eyJhbGciOi.eyJhdWQiOi.c2lnbmF0-_ refused", "token *** refused"),
        ("-----BEGIN PRIVATE KEY-----\nMIGH\n-----END PRIVATE KEY-----\nafter", "***\nafter"),
        ("key: -----BEGIN EC PRIVATE KEY-----\\nMHcCAQ", "key: ***"),
        # What only looks like it stays readable.
        ("rtsp://h/x?user={username}&password={password}", "rtsp://h/x?user={username}&password={password}"),
        ("rtsp://h/x?auth={username}:{password}", "rtsp://h/x?auth={username}:{password}"),
        ("-----BEGIN PUBLIC KEY-----\nMFkw", "-----BEGIN PUBLIC KEY-----\nMFkw"),
        ("rtsp://h:554/a@b", "rtsp://h:554/a@b"),
        ("rtsp://[fe80::1]:554/a@b", "rtsp://[fe80::1]:554/a@b"),
        ("rtsp://h/stream?channel=1&subtype=0", "rtsp://h/stream?channel=1&subtype=0"),
        ("the password of lobby", "the password of lobby"),
    ],
)
def test_password_is_hidden_by_its_shape_and_nothing_else_is(text: str, redacted: str) -> None:
    assert redact(text) == redacted
    assert redact(redacted) == redacted


@pytest.mark.parametrize(
    ("uri", "holds"),
    [
        ("rtsp://u:p@h/x", True),
        ("rtsp://u:p/q@h/x", True),
        ("rtsp://h/x?pwd=p", True),
        ("pipeline:rtspsrc location=rtsp://h user-pw=p ! rtph264depay", True),
        ("rtsp://h/x?password={password}1", True),
        ("rtsp://h/x?password={password}&token=p", True),
        ("rtsp://h/user={username}_password=p_channel=1_stream=0.sdp", True),
        ("rtsp://h/user={username}_password={password}_channel=1_stream=0.sdp", False),
        ("rtsp://h/x?username={username}&password={password}", False),
        ('pipeline:rtspsrc user-pw="{password}" ! x', False),
        ("rtsp://u@h/x", False),
        ("rtsp://h:8554/a@b", False),
        ("rtsp://[::1]:8554/x", False),
        ("test://?pattern=ball", False),
        ("images:///pass/seq_%06d.jpg?fps=5", False),
    ],
)
def test_uri_with_a_password_is_recognised(uri: str, holds: bool) -> None:
    assert holds_password(uri) is holds


def test_password_parameters_of_a_uri_can_be_remembered() -> None:
    assert passwords_in('rtsp://h/user=a&password=p1 user-pw="p 2"') == ("p1", "p 2")
    assert passwords_in("rtsp://h/user=a_password=p_3_channel=1_stream=0.sdp") == ("p_3",)


def random_password(chance: random.Random) -> str:
    password = "".join(chance.choices(AWKWARD, k=chance.randint(6, 24)))
    return password.strip() or "only-spaces"


def test_remembered_password_is_hidden_in_every_form_it_takes() -> None:
    chance = random.Random(20261121)
    for _ in range(2000):
        secrets, password = Secrets(), random_password(chance)
        secrets.remember(password)
        quoted = password.replace("\\", "\\\\").replace('"', '\\"')
        for form in (
            password,
            f"wrong password {password}!",
            quote(password),
            quote(password, safe=""),
            quote_plus(password),
            json.dumps({"text": password}),
            json.dumps({"text": password}, ensure_ascii=False),
            repr(password),
            repr(ValueError(f"bad: {password}")),
            html.escape(password),
            f'user-pw="{quoted}"',
        ):
            hidden = secrets.hide(form)
            for shape in (password, quote(password, safe=""), json.dumps(password)[1:-1]):
                assert shape not in hidden, (form, hidden)
            assert "***" in hidden


def test_password_in_a_uri_is_hidden_though_nobody_remembered_it() -> None:
    chance = random.Random(7)
    letters = string.ascii_letters + string.digits
    for _ in range(2000):
        # Letters in front: five digits and a slash could not be distinguished from a port and a path.
        core = "".join(chance.choices(letters, k=8))
        password = core + "".join(chance.choices("!$%&()*+,-./:;=?@^_~ " + letters, k=8)) + core
        for text in (
            f"rtsp://admin:{password}@10.0.0.1/x",
            f"rtsp://admin:{quote(password, safe='')}@h:554/x",
        ):
            assert core not in redact(text), text
            assert holds_password(text)


def test_value_that_contains_another_is_hidden_whole() -> None:
    secrets = Secrets()
    secrets.remember("sesame")
    secrets.remember("open-sesame-please")
    assert secrets.hide("say open-sesame-please") == "say ***"


def test_empty_password_hides_nothing() -> None:
    secrets = Secrets()
    secrets.remember("")
    assert secrets.hide("as it was") == "as it was"


MEGABYTE = 1_000_000
PIECES = (
    "A",
    "rtsp://",
    "://",
    "@",
    ":",
    " ",
    "rtsp://u:p",
    "rtsp://u:p/@ rtsp://u:p/",
    "rtsp://a/@",
    "://[",
    "password",
    "password=",
    'password="',
    "pw ",
    "-----BEGIN ",
    "-----BEGIN PRIVATE KEY-----",
    "-----BEGIN PRIVATE KEYPRIVATE KEY",
    "-----END PRIVATE KEY",
    "eyJ",
    "eyJ.",
    "eyJabcdef.",
    "eyJabcdef.ghijkl.",
)


@pytest.mark.parametrize(
    ("before", "after", "length"),
    [
        ("", "", MEGABYTE),
        ("found rtsp://u:p", "", 200_000),
        ("found rtsp://u:p", "@ x", 200_000),
        ("pw ", "='", 200_000),
    ],
)
def test_long_text_takes_time_in_proportion(before: str, after: str, length: int) -> None:
    code = f"""
from edgecam.redaction import holds_password, passwords_in, redact
for piece in {PIECES!r}:
    text = {before!r} + piece * ({length} // len(piece)) + {after!r}
    redact(text), holds_password(text), passwords_in(text)
"""
    done = within_processor_time(code)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("cut_at", range(80, 160, 7))
def test_text_that_is_cut_shows_no_part_of_a_secret(cut_at: int) -> None:
    secrets, known = Secrets(), "known-" + "k" * 40
    secrets.remember(known)
    for before in ("", f"{known} " * 100, "rtsp://u:p@h/x " * 100):
        for secret in (known, "rtsp://u:" + "s" * 45 + "@h/x", 'user-pw="' + "s" * 45 + '"'):
            for after in ("", " x", " x" * 5_000):
                text = before + "f" * 80 + " " + secret + after
                shown = secrets.shown(text, longest=len(before) + cut_at)
                assert "ss" not in shown
                assert "kk" not in shown


def test_text_that_is_cut_says_how_much_more_there_was() -> None:
    secrets = Secrets()
    assert secrets.shown("a" * 100, longest=100) == "a" * 100
    assert secrets.shown("a" * 101, longest=100) == "a" * 60 + "… (41 more characters)"
    assert secrets.shown("a" * MEGABYTE, longest=100) == "a" * 60 + "… (999940 more characters)"
    once = secrets.shown("rtsp://u:p@h/x " * 1000)
    assert secrets.shown(once) == once
