"""Where a browser shows recordings."""

from __future__ import annotations

import pytest

from edgecam.bucket.console import console_url

GOOGLE = "https://console.cloud.google.com/storage/browser"


@pytest.mark.parametrize(
    ("uri", "environment", "url"),
    [
        ("gs://b", {}, f"{GOOGLE}/b/lobby"),
        ("gs://b/some/prefix", {}, f"{GOOGLE}/b/some/prefix/lobby"),
        ("gs://b", {"STORAGE_EMULATOR_HOST": "http://localhost:9023"}, None),
        ("s3://b", {}, "https://console.aws.amazon.com/s3/buckets/b?prefix=lobby/"),
        (
            "s3://b/p",
            {"AWS_REGION": "eu-west-1"},
            "https://console.aws.amazon.com/s3/buckets/b?prefix=p/lobby/",
        ),
        ("s3://b", {"AWS_REGION": "cn-north-1"}, "https://console.amazonaws.cn/s3/buckets/b?prefix=lobby/"),
        (
            "s3://b",
            {"AWS_DEFAULT_REGION": "us-gov-west-1"},
            "https://console.amazonaws-us-gov.com/s3/buckets/b?prefix=lobby/",
        ),
        ("s3://b", {"AWS_ENDPOINT_URL": "http://minio:9000"}, None),
        ("s3://b", {"AWS_ENDPOINT_URL_S3": "http://minio:9000"}, None),
        ("file:///srv/recordings", {}, None),
    ],
)
def test_recordings_are_where_the_provider_shows_them(
    uri: str, environment: dict[str, str], url: str | None
) -> None:
    assert console_url(uri, environment, "lobby") == url


def test_prefix_cannot_leave_the_address() -> None:
    url = console_url("s3://b/a=b?c&d#e", {}, "lobby")
    assert url == "https://console.aws.amazon.com/s3/buckets/b?prefix=a%3Db%3Fc%26d%23e/lobby/"
