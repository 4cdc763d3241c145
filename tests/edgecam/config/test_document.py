"""Documents and JSON that are deep, long or odd are refused in words, and end nothing."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from edgecam.cloud_iot.private_key import parse_private_key
from edgecam.config.document import (
    MOST_BYTES,
    MOST_DEEP,
    parse_document,
    read_text,
)
from edgecam.config.load import load_environment, load_file
from edgecam.credentials.login import parse_secret, read_password
from edgecam.errors import ConfigurationError, CredentialsError
from edgecam.json_text import JsonError, parse_json

ALIASES = "a0: &a0 [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 11)
)


def refusal(text: str) -> str:
    with pytest.raises(ConfigurationError) as raised:
        parse_document(text, name="node.yaml")
    return str(raised.value)


@pytest.mark.parametrize(
    "deep", ["[" * 30_000, "{a: " * 30_000, "- " * 30_000, "? " * 30_000, '{"a":' * 30_000]
)
def test_check_of_a_deep_document_ends_with_a_sentence(deep: str, tmp_path: Path) -> None:
    path = tmp_path / "node.yaml"
    path.write_text(deep)
    done = subprocess.run(  # the composer of libyaml ended the process
        [sys.executable, "-m", "edgecam", "check", str(path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2, done
    assert (
        f"{path}: expected at most {MOST_DEEP} lists or mappings within each other, found more" in done.stderr
    )
    assert "Traceback" not in done.stderr


def test_depth_is_counted_not_guessed() -> None:
    document = "[" * MOST_DEEP + "]" * MOST_DEEP
    assert parse_document(document, name="x") == json.loads(document)
    assert "found more at line 1, column 51" in refusal("[" + document + "]")
    many = "[" + ", ".join(["[[1]]"] * 10_000) + "]"
    assert len(list(parse_document(many, name="x"))) == 10_000  # type: ignore[call-overload]


def test_aliases_that_multiply_are_counted_with_what_they_repeat() -> None:
    assert "expected at most 2000000 values, with what aliases repeat, found more at line 7" in refusal(
        ALIASES
    )
    assert parse_document("a: &a [1, 2]\nb: [*a, *a]", name="x") == {"a": [1, 2], "b": [[1, 2], [1, 2]]}


def test_an_anchor_within_itself_is_refused() -> None:
    assert "expected anchors that do not hold themselves, found one that does at line 1, column 8" in refusal(
        "a: &a [*a]"
    )


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("9" * 5000, "expected a number below 1e+77, found a larger one"),
        ("0x" + "F" * 5000, "found 0xFFFFF"),
        ("1" + ":0" * 4000, "found 1:0:0:0"),
        ("2026-02-30", "found 2026-02-30"),
        ("!!timestamp x", "expected no tags, found !!timestamp"),
        ("!!bool x", "a value that is no bool"),
        ("!!int x", "a value that is no int"),
        ("!!float x", "a value that is no float"),
        ('"\\ud800"', "half a character"),
    ],
)
def test_a_value_that_cannot_be_one_is_named_with_its_place(value: str, found: str) -> None:
    message = refusal(f"a: {value}")
    assert found in message
    assert "at line 1, column 4" in message
    assert len(message) < 260


def test_a_file_without_end_is_not_read_to_it(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="expected a readable file, found File too large"):
        load_file(Path("/dev/zero"))
    path = tmp_path / "long.yaml"
    path.write_bytes(b"#" * MOST_BYTES)
    assert len(read_text(path)) == MOST_BYTES
    path.write_bytes(b"#" * (MOST_BYTES + 1))
    with pytest.raises(OSError, match="File too large"):
        read_text(path)
    with pytest.raises(CredentialsError, match="at most 4096 characters"):
        read_password(Path("/dev/zero"))


def test_long_keys_and_texts_are_named_in_short() -> None:
    text = json.dumps({"cameras": [{"id": "A" * 10**5, "uri": "rtsp://x/y", "K" * 10**5: 1}]})
    with pytest.raises(ConfigurationError) as raised:
        load_environment(text)
    assert len(str(raised.value)) < 2000


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("[" * 20_000, "lists or mappings more than 50 deep"),
        ('{"a":' * 20_000, "lists or mappings more than 50 deep"),
        ("[" * 60 + "]" * 60, "lists or mappings more than 50 deep"),
        ("9" * 5000, "a number of thousands of digits"),
        ("1e999", "a number beyond all measure"),
        ("NaN", "NaN, which is no number"),
        ("-Infinity", "-Infinity, which is no number"),
        ('{"a": 1, "a": 2}', "found one twice"),
        ("\ufeff{}", "something else at character 0"),
        ('{"a": "\0"}', "something else at character"),
        (b"\xff\xff", "text that is not UTF-8"),
        ("x" * 1_000_001, "at most 1000000 bytes of JSON, found 1000001"),
    ],
)
def test_odd_json_is_refused_in_words(text: str | bytes, found: str) -> None:
    with pytest.raises(JsonError) as raised:
        parse_json(text)
    assert found in str(raised.value)


def test_json_is_read() -> None:
    assert parse_json('{"a": [1, 2.5, "ä\\ud83d\\ude00", null, true]}') == {"a": [1, 2.5, "ä😀", None, True]}


@pytest.mark.parametrize(
    "odd", ["[" * 20_000, '{"a":' * 20_000, '{"a": ' + "9" * 5000 + "}", '{"a": 1, "a": 2}']
)
def test_configuration_secrets_and_keys_that_are_odd_are_refused_and_not_shown(odd: str) -> None:
    with pytest.raises(ConfigurationError, match="EDGECAM_NODE: expected JSON"):
        load_environment(odd)
    with pytest.raises(CredentialsError, match="secret arn"):
        parse_secret(odd, "arn")
    with pytest.raises(CredentialsError, match=r"expected .*PEM"):
        parse_private_key(odd, "secret arn", "d")
    with pytest.raises(CredentialsError, match="found no PEM text"):
        parse_private_key("-----BEGIN A-----" * 100_000, "secret arn", "d")
