"""What names a secret: an ARN, whole or without its random characters, or a name with a slash."""

from __future__ import annotations

import pytest

from edgecam.config.secret_ids import is_arn, is_secret_id, is_whole_arn, secret_name, secret_region

ARN = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:cameras/lobby"


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (f"{ARN}-AbCdEf", (True, True, True)),
        (ARN, (True, True, False)),
        ("cameras/lobby", (True, False, False)),
        ("cameras/lobby-AbCdEf", (True, False, False)),
        ("shops/berlin/door_1", (True, False, False)),
        ("lobby", (False, False, False)),
        ("hunter2!/x", (False, False, False)),
        ("/lobby", (False, False, False)),
        ("lobby/", (False, False, False)),
        ("a/" + "b" * 512, (False, False, False)),
        ("arn:aws:s3:::cameras/lobby", (False, False, False)),
        ("", (False, False, False)),
    ],
)
def test_arn_and_name_are_distinguished(text: str, kind: tuple[bool, bool, bool]) -> None:
    assert (is_secret_id(text), is_arn(text), is_whole_arn(text)) == kind


def test_name_and_region_are_those_of_the_arn() -> None:
    assert (secret_name(f"{ARN}-AbCdEf"), secret_region(ARN)) == ("cameras/lobby-AbCdEf", "eu-central-1")
    assert (secret_name("cameras/lobby"), secret_region("cameras/lobby")) == ("cameras/lobby", None)
