"""What `s3://` makes of refusals. Its promises are in the contract tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from small_s3 import SmallS3
from store_doubles import MemorySession, UnlimitedRate

from edgecam.bucket import crc32c as checksum
from edgecam.bucket.interface import Bucket, ChunkUpload
from edgecam.bucket.s3 import open_s3
from edgecam.clock import SystemClock
from edgecam.config.storage import Upload
from edgecam.errors import ObjectRefused, StoreRefused

ROLE = f"arn:aws:sts::123456789012:assumed-role/EdgecamCores-of-a-long-name/{'core-of-the-gate-' * 4}"
OBJECT = f"arn:aws:s3:::recordings/{'a-prefix-of-some-length/' * 3}status/lobby.json"
WRITE = f'User: {ROLE} is not authorized to perform: s3:PutObject on resource: "{OBJECT}"'
KEY = "arn:aws:kms:eu-west-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"


@pytest.fixture
def service() -> Iterator[SmallS3]:
    running = SmallS3()
    yield running
    running.stop()


@pytest.fixture
def bucket(service: SmallS3, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bucket]:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", service.url)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret-of-the-test")
    opened = open_s3("s3://recordings/site", "recordings/site", Upload(), SystemClock())
    yield opened
    opened.close()


@pytest.mark.parametrize(
    ("status", "code", "message", "advice", "kind"),
    [
        (403, "AccessDenied", "Access Denied", "grant s3:PutObject", StoreRefused),
        (
            403,
            "AccessDenied",
            "Access Denied because object protected by object lock.",
            "release the legal hold",
            ObjectRefused,
        ),
        (400, "KMS.DisabledException", f"{KEY} is disabled.", "put the KMS key", StoreRefused),
        (
            403,
            "AccessDenied",
            f"User: {ROLE} is not authorized to perform: kms:GenerateDataKey on resource: {KEY} because no "
            "identity-based policy allows the kms:GenerateDataKey action",
            "kms:GenerateDataKey and kms:Decrypt granted",
            StoreRefused,
        ),
        (
            403,
            "AccessDenied",
            f"{WRITE} with an explicit deny in a service control policy",
            "a service control policy denies it",
            StoreRefused,
        ),
        (
            403,
            "AccessDenied",
            f"{WRITE} with an explicit deny in a resource-based policy",
            "the bucket's policy denies it",
            StoreRefused,
        ),
    ],
)
def test_refusal_has_the_services_words_and_the_advice_for_its_reason(
    service: SmallS3,
    bucket: Bucket,
    status: int,
    code: str,
    message: str,
    advice: str,
    kind: type[StoreRefused],
) -> None:
    service.refuse(status, code, message)
    with pytest.raises(StoreRefused) as caught:
        bucket.put_bytes("status/lobby.json", b"{}", content_type="x/y", rate_limit=UnlimitedRate())
    assert type(caught.value) is kind
    assert f"{code}: {message}"[:200] in str(caught.value)
    assert advice in str(caught.value)
    assert ("s3:PutObject and" in str(caught.value)) == ("s3:PutObject" in advice)
    assert len(str(caught.value)) < 800


def test_chunk_is_refused_with_the_same_words(service: SmallS3, bucket: Bucket, tmp_path: Path) -> None:
    service.refuse(400, "KMS.DisabledException", f"{KEY} is disabled.")
    path = tmp_path / "chunk"
    path.write_bytes(b"a chunk")
    upload = ChunkUpload(
        name="lobby/a.mp4", path=path, content_type="video/mp4", metadata={}, crc32c=checksum.of_file(path)
    )
    with pytest.raises(StoreRefused, match=r"KMS\.DisabledException.*put the KMS key"):
        bucket.put_file(upload, rate_limit=UnlimitedRate(), session=MemorySession())
